#include "push/target.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct target *target_create(struct push_job_run *run, const struct push_target *from) {
    struct target *t = mem_alloc(sizeof(*t) + from->token.n + from->app.n);
    *t = (struct target){
        .run = run,
        .slot = (uint16_t)from->slot,
        .edition = (uint8_t)from->edition,
        .registered_ms = from->registered_ms,
        .token = {t->bytes, from->token.n},
        .app = {t->bytes + from->token.n, from->app.n},
    };
    list_init(&t->link);
    if (from->token.n) {
        memcpy(t->bytes, from->token.p, from->token.n);
    }
    if (from->app.n) {
        memcpy(t->bytes + from->token.n, from->app.p, from->app.n);
    }
    return t;
}

void target_heap_finish(struct target_heap *h) {
    free(h->items);
    *h = (struct target_heap){0};
}

static void swap(struct target_heap *h, size_t a, size_t b) {
    struct target *t = h->items[a];
    h->items[a] = h->items[b];
    h->items[b] = t;
}

void target_heap_push(struct target_heap *h, struct target *t) {
    if (h->count == h->size) {
        h->size = h->size ? 2 * h->size : 64;
        h->items = mem_resize(h->items, h->size, sizeof(struct target *));
    }
    size_t i = h->count++;
    h->items[i] = t;
    while (i > 0 && h->items[(i - 1) / 2]->retry_at_ms > t->retry_at_ms) {
        swap(h, i, (i - 1) / 2);
        i = (i - 1) / 2;
    }
}

struct target *target_heap_peek(const struct target_heap *h) {
    return h->count ? h->items[0] : NULL;
}

struct target *target_heap_pop(struct target_heap *h) {
    if (!h->count) {
        return NULL;
    }
    struct target *top = h->items[0];
    h->items[0] = h->items[--h->count];
    for (size_t i = 0;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++) {
            if (child < h->count && h->items[child]->retry_at_ms < h->items[least]->retry_at_ms) {
                least = child;
            }
        }
        if (least == i) {
            return top;
        }
        swap(h, i, least);
        i = least;
    }
}

#include "gateway/cohort.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"

enum { KEY_BYTES_MAX = 16384 }; /* FILTER_TAGS_MAX tags and some masks: far below */

void cohorts_init(struct cohorts *cs) {
    cs->by_key = map_create();
    cs->count = 0;
    list_init(&cs->all);
}

void cohorts_finish(struct cohorts *cs) {
    assert(cs->count == 0);
    map_destroy(cs->by_key);
}

static struct cohort *cohort_create(const struct filter *f, struct buf *take_key) {
    struct cohort *c = mem_zalloc(1, sizeof(*c));
    list_init(&c->queue);
    list_init(&c->idle);
    list_init(&c->due);
    filter_copy(f, &c->filter);
    c->key_size = take_key->n;
    c->key = buf_take(take_key);
    return c;
}

struct cohort *cohorts_join(struct cohorts *cs, const struct filter *f) {
    struct buf key;
    buf_init(&key, KEY_BYTES_MAX);
    filter_put_key(f, &key);
    struct cohort *c = map_get(cs->by_key, buf_str(&key));
    if (!c) {
        c = cohort_create(f, &key);
        (void)map_set(cs->by_key, (struct str){c->key, c->key_size}, c);
        list_push_back(&cs->all, &c->all);
        cs->count++;
    }
    buf_finish(&key);
    c->members++;
    return c;
}

void cohorts_leave(struct cohorts *cs, struct cohort *c) {
    assert(c->members > 0);
    if (--c->members > 0) {
        return;
    }
    assert(list_is_empty(&c->idle) && list_is_empty(&c->due));
    (void)map_remove(cs->by_key, (struct str){c->key, c->key_size});
    list_remove(&c->all);
    list_remove(&c->queue);
    cs->count--;
    filter_finish(&c->filter);
    free(c->key);
    free(c);
}

void cohort_make_due(struct cohort *c, uint64_t seq) {
    if (list_is_empty(&c->due)) {
        c->due_from = seq;
    }
    if (list_is_empty(&c->idle)) {
        return;
    }
    struct list *first = c->idle.next;
    struct list *last = c->idle.prev;
    first->prev = c->due.prev;
    c->due.prev->next = first;
    last->next = &c->due;
    c->due.prev = last;
    list_init(&c->idle);
}

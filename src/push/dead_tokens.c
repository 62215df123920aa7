#include "push/dead_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/device_store.h"

enum {
    BATCH = 256,
    WAITING_MAX = 65536, /* more are dropped and counted: the next alert finds them again */
};

struct dead_list {
    struct dead_token *items; /* tokens owned */
    size_t count;
    size_t size;
};

struct dead_tokens {
    struct store *store;
    const struct config *cfg;
    const struct taxonomy *taxonomy;
    struct dead_list waiting;
    size_t batch; /* items at the front being removed; 0 = none */
};

struct dead_tokens *dead_tokens_create(struct store *store, const struct config *cfg,
                                       const struct taxonomy *t) {
    struct dead_tokens *d = mem_zalloc(1, sizeof(*d));
    d->store = store;
    d->cfg = cfg;
    d->taxonomy = t;
    return d;
}

static void list_finish(struct dead_list *l) {
    for (size_t i = 0; i < l->count; i++) {
        free((void *)(uintptr_t)l->items[i].token.p);
    }
    free(l->items);
    *l = (struct dead_list){0};
}

void dead_tokens_destroy(struct dead_tokens *d) {
    if (!d) {
        return;
    }
    list_finish(&d->waiting);
    free(d);
}

static void list_push(struct dead_list *l, struct dead_token item) {
    if (l->count == l->size) {
        l->size = l->size ? 2 * l->size : 32;
        l->items = mem_resize(l->items, l->size, sizeof(*l->items));
    }
    l->items[l->count++] = item;
}

void dead_list_add(struct dead_list **list, uint32_t number, struct str token, int64_t before_ms) {
    if (!*list) {
        *list = mem_zalloc(1, sizeof(**list));
    }
    const struct dead_token item = {
        .number = number,
        .token = {mem_strndup(token.p, token.n), token.n},
        .before_ms = before_ms,
    };
    list_push(*list, item);
}

bool dead_tokens_is_storm(uint64_t dead, uint64_t answered, uint64_t least, uint64_t percent) {
    return dead >= least && dead * 100 > answered * percent;
}

static void on_removed(void *user, enum err err) {
    struct dead_tokens *d = user;
    struct dead_list *l = &d->waiting;
    size_t n = d->batch;
    d->batch = 0;
    if (err == ERR_CLOSED) {
        return; /* the store is going down */
    }
    if (err) {
        log_warn("dead_tokens_not_removed", LOG_I("count", n), LOG_ERR(err));
        return; /* the next tick tries again */
    }
    for (size_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)l->items[i].token.p);
    }
    memmove(l->items, l->items + n, (l->count - n) * sizeof(*l->items));
    l->count -= n;
    metrics_add(M_PUSH_TOKENS_REMOVED, n);
}

void dead_tokens_tick(struct dead_tokens *d) {
    if (d->batch || !d->waiting.count || !store_is_up(d->store)) {
        return;
    }
    d->batch = d->waiting.count < BATCH ? d->waiting.count : BATCH;
    device_store_remove_dead(d->store, d->taxonomy, d->waiting.items, d->batch, on_removed, d);
}

static void quarantine(struct campaign *c, size_t count) {
    metrics_add(M_PUSH_TOKENS_QUARANTINED, count);
    if (!c->is_quarantined) {
        log_error("dead_tokens_quarantined", LOG_S("alert_id", c->alert ? c->alert->id : ""),
                  LOG_I("dead", c->dead), LOG_I("answered", c->answered),
                  LOG_S("hint", "wrong environment, key or app? nothing was removed"));
    }
    c->is_quarantined = true;
}

void dead_tokens_settle(struct dead_tokens *d, struct campaign *c, struct dead_list *take_list) {
    if (!take_list) {
        return;
    }
    const struct config *cfg = d->cfg;
    if (c->is_quarantined ||
        dead_tokens_is_storm(c->dead, c->answered, (uint64_t)cfg->dispatcher_quarantine_min,
                             (uint64_t)cfg->dispatcher_quarantine_percent)) {
        quarantine(c, take_list->count);
    } else {
        for (size_t i = 0; i < take_list->count; i++) {
            if (d->waiting.count >= WAITING_MAX) {
                metrics_add(M_PUSH_TOKENS_DROPPED, 1);
                continue;
            }
            list_push(&d->waiting, take_list->items[i]);
            take_list->items[i].token.p = NULL;
        }
    }
    list_finish(take_list);
    free(take_list);
    dead_tokens_tick(d);
}

bool dead_tokens_is_idle(const struct dead_tokens *d) {
    return !d->waiting.count;
}

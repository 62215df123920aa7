#include "newsroom/scheduler.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "newsroom/draft_publish.h"
#include "store/draft_store.h"

enum {
    LOOK_MS = 1000, /* at the latest */
    LOOK_MIN_MS = 5,
    YIELD_MS = 100,  /* when another worker was faster with everything */
    AT_ONCE_MAX = 32 /* sent at a time; the rest is still due at the next look */
};

struct scheduler {
    struct room *room;
    uv_timer_t timer;
    bool is_stopped;
    size_t sending;  /* under way */
    bool is_behind;  /* there may be more that is due */
    bool has_moved;  /* some of it was done here */
    bool has_failed; /* Redis or the queues do not take them now */
    int64_t next_ms;
};

static void look(struct scheduler *s);

static void on_time(uv_timer_t *timer) {
    look(timer->data);
}

static void look_after(struct scheduler *s, int64_t ms) {
    if (!s->is_stopped) {
        ms = ms < LOOK_MIN_MS ? LOOK_MIN_MS : ms > LOOK_MS ? LOOK_MS : ms;
        (void)uv_timer_start(&s->timer, on_time, (uint64_t)ms, 0);
    }
}

static void all_sent(struct scheduler *s) {
    if (s->has_failed) {
        look_after(s, LOOK_MS);
    } else if (s->is_behind) {
        look_after(s, s->has_moved ? 0 : YIELD_MS);
    } else {
        look_after(s, s->next_ms);
    }
}

static void on_sent(void *user, enum draft_fate fate) {
    struct scheduler *s = user;
    s->has_failed = s->has_failed || fate == DRAFT_FATE_LATER;
    s->has_moved = s->has_moved || (fate != DRAFT_FATE_LATER && fate != DRAFT_FATE_NOT_NOW);
    if (--s->sending == 0) {
        all_sent(s);
    }
}

static void on_due(void *user, enum err err, const struct str *ids, size_t count, int64_t next_ms) {
    struct scheduler *s = user;
    s->has_failed = err != ERR_OK;
    s->is_behind = count > 0;
    s->has_moved = false;
    s->next_ms = next_ms < 0 ? LOOK_MS : next_ms;
    s->sending = 1; /* until all are begun */
    for (size_t i = 0; i < count; i++) {
        s->sending++;
        draft_publish(s->room, ids[i], on_sent, s);
    }
    if (--s->sending == 0) {
        all_sent(s);
    }
}

static void look(struct scheduler *s) {
    if (!store_is_up(s->room->store)) {
        look_after(s, LOOK_MS);
        return;
    }
    draft_store_due(s->room->store, AT_ONCE_MAX, on_due, s);
}

struct scheduler *scheduler_create(uv_loop_t *loop, struct room *room) {
    struct scheduler *s = mem_zalloc(1, sizeof(*s));
    s->room = room;
    (void)uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    look_after(s, 0);
    return s;
}

void scheduler_stop(struct scheduler *s) {
    s->is_stopped = true;
    (void)uv_timer_stop(&s->timer);
}

static void on_closed(uv_handle_t *handle) {
    free(handle->data);
}

void scheduler_destroy(struct scheduler *s) {
    if (s) {
        scheduler_stop(s);
        assert(s->sending == 0);
        uv_close((uv_handle_t *)&s->timer, on_closed);
    }
}

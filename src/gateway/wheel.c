#include "gateway/wheel.h"

#include <stdlib.h>

#include "base/mem.h"

/* A slot per tick modulo WHEEL_SLOTS. A timer further away than one turn of the wheel lies in its
 * slot and is looked at once per turn; with ticks of 100 ms one turn is 102 s, longer than every
 * delay the gateway uses by default. */
enum { WHEEL_SLOTS = 1024 };

struct wheel {
    uint32_t tick_ms;
    uint32_t tick; /* the last one that was fired */
    int64_t start_ms;
    wheel_fn *on_due;
    void *user;
    struct list slots[WHEEL_SLOTS];
};

struct wheel *wheel_create(uint32_t tick_ms, int64_t now_ms, wheel_fn *on_due, void *user) {
    struct wheel *w = mem_zalloc(1, sizeof(*w));
    w->tick_ms = tick_ms;
    w->start_ms = now_ms;
    w->on_due = on_due;
    w->user = user;
    for (int i = 0; i < WHEEL_SLOTS; i++) {
        list_init(&w->slots[i]);
    }
    return w;
}

void wheel_destroy(struct wheel *w) {
    if (!w) {
        return;
    }
    for (int i = 0; i < WHEEL_SLOTS; i++) {
        LIST_EACH_SAFE(it, &w->slots[i]) {
            list_remove(it);
        }
    }
    free(w);
}

void wheel_timer_init(struct wheel_timer *timer) {
    list_init(&timer->link);
    timer->due_tick = 0;
}

void wheel_set(struct wheel *w, struct wheel_timer *timer, int64_t delay_ms) {
    int64_t ticks = delay_ms <= 0 ? 0 : (delay_ms + w->tick_ms - 1) / w->tick_ms;
    /* One more, as the current tick may be almost over. */
    timer->due_tick = w->tick + (uint32_t)ticks + 1;
    list_remove(&timer->link);
    list_push_back(&w->slots[timer->due_tick % WHEEL_SLOTS], &timer->link);
}

void wheel_cancel(struct wheel_timer *timer) {
    list_remove(&timer->link);
}

bool wheel_is_set(const struct wheel_timer *timer) {
    return !list_is_empty(&timer->link);
}

static void fire_slot(struct wheel *w, struct list *slot) {
    /* On a list of their own, so that timers armed by a callback for this slot wait a turn. */
    struct list due;
    list_init(&due);
    LIST_EACH_SAFE(it, slot) {
        struct wheel_timer *timer = LIST_ENTRY(it, struct wheel_timer, link);
        if (timer->due_tick == w->tick) {
            list_remove(it);
            list_push_back(&due, it);
        }
    }
    while (!list_is_empty(&due)) {
        struct wheel_timer *timer = LIST_ENTRY(due.next, struct wheel_timer, link);
        list_remove(&timer->link);
        w->on_due(w->user, timer);
    }
}

void wheel_advance(struct wheel *w, int64_t now_ms) {
    uint32_t target = (uint32_t)((now_ms - w->start_ms) / w->tick_ms);
    while ((int32_t)(target - w->tick) > 0) {
        w->tick++;
        fire_slot(w, &w->slots[w->tick % WHEEL_SLOTS]);
    }
}

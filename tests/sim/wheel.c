#include "wheel.h"

#include "base/clock.h"

static struct list *slot_of(struct wheel *w, int64_t due_ms) {
    return &w->slots[(uint64_t)due_ms % WHEEL_SLOTS];
}

/* Fires what is due in one slot; items added meanwhile are due later than `now_ms`. */
static void turn_slot(struct wheel *w, struct list *slot, int64_t now_ms) {
    struct list due;
    list_init(&due);
    LIST_EACH_SAFE(it, slot) {
        struct wheel_item *item = LIST_ENTRY(it, struct wheel_item, link);
        if (item->due_ms <= now_ms) {
            list_remove(it);
            list_push_back(&due, it);
        }
    }
    while (!list_is_empty(&due)) { /* firing one may remove others */
        struct wheel_item *item = LIST_ENTRY(due.next, struct wheel_item, link);
        list_remove(&item->link);
        w->count--;
        item->fire(item);
    }
}

static void on_tick(uv_timer_t *timer) {
    struct wheel *w = timer->data;
    int64_t now_ms = clock_mono_ms();
    int64_t from_ms = w->done_ms + 1;
    if (now_ms - from_ms >= WHEEL_SLOTS) {
        from_ms = now_ms - WHEEL_SLOTS + 1;
    }
    for (int64_t ms = from_ms; ms <= now_ms; ms++) {
        turn_slot(w, slot_of(w, ms), now_ms);
    }
    w->done_ms = now_ms;
    if (!w->count) {
        uv_timer_stop(timer);
    }
}

void wheel_init(struct wheel *w, uv_loop_t *loop) {
    for (int i = 0; i < WHEEL_SLOTS; i++) {
        list_init(&w->slots[i]);
    }
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
    w->count = 0;
    w->done_ms = clock_mono_ms();
}

void wheel_finish(struct wheel *w) {
    uv_close((uv_handle_t *)&w->timer, NULL);
}

void wheel_add(struct wheel *w, struct wheel_item *item, int64_t delay_ms,
               void (*fire)(struct wheel_item *item)) {
    int64_t now_ms = clock_mono_ms();
    if (!w->count) {
        w->done_ms = now_ms;
        uv_timer_start(&w->timer, on_tick, 1, 1);
    }
    item->due_ms = now_ms + (delay_ms > 0 ? delay_ms : 1);
    if (item->due_ms <= w->done_ms) {
        item->due_ms = w->done_ms + 1;
    }
    item->fire = fire;
    list_push_back(slot_of(w, item->due_ms), &item->link);
    w->count++;
}

void wheel_remove(struct wheel *w, struct wheel_item *item) {
    if (wheel_item_waits(item)) {
        list_remove(&item->link);
        w->count--;
    }
}

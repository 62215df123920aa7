#pragma once
/* Many short delays on one timer: answers held back for latency and steps of connection faults.
 * One millisecond a slot; a delay longer than the wheel simply goes round again. */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/list.h"

enum { WHEEL_SLOTS = 4096 };

struct wheel_item {
    struct list link; /* in one slot of the wheel */
    int64_t due_ms;   /* monotonic */
    void (*fire)(struct wheel_item *item);
};

struct wheel {
    uv_timer_t timer;
    struct list slots[WHEEL_SLOTS];
    int64_t done_ms; /* every slot up to here was looked at */
    uint64_t count;
};

void wheel_init(struct wheel *w, uv_loop_t *loop);
/* Closes the timer handle; items still waiting are forgotten. */
void wheel_finish(struct wheel *w);
/* `item` must not be waiting already. Fires from the loop, never from inside this call. */
void wheel_add(struct wheel *w, struct wheel_item *item, int64_t delay_ms,
               void (*fire)(struct wheel_item *item));
/* Harmless when the item is not waiting. */
void wheel_remove(struct wheel *w, struct wheel_item *item);
/* An item that never waited yet must be prepared once. */
static inline void wheel_item_init(struct wheel_item *item) {
    list_init(&item->link);
}
static inline bool wheel_item_waits(const struct wheel_item *item) {
    return item->link.next != &item->link;
}

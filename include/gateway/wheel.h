#pragma once
/* Timer wheel: any number of coarse deadlines at constant cost each (a sorted list of timers costs
 * hundreds of microseconds per re-arm at 20,000 connections). Ticks of a fixed length; a timer
 * never fires early and at most two ticks late. */
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

/* Embedded in what it times; wheel_timer_init first. */
struct wheel_timer {
    struct list link; /* a slot of the wheel, or none */
    uint32_t due_tick;
};

struct wheel;

/* May re-arm, cancel or free any timer, also `timer`, which is off by then. */
typedef void wheel_fn(void *user, struct wheel_timer *timer);

/* `now_ms` is the time of tick 0, on the clock given to wheel_advance. */
struct wheel *wheel_create(uint32_t tick_ms, int64_t now_ms, wheel_fn *on_due, void *user);
/* Accepts NULL. Timers still set are forgotten. */
void wheel_destroy(struct wheel *w);
void wheel_timer_init(struct wheel_timer *timer);
/* Arms or re-arms for `delay_ms` after the last wheel_advance. */
void wheel_set(struct wheel *w, struct wheel_timer *timer, int64_t delay_ms);
/* Harmless when not set. */
void wheel_cancel(struct wheel_timer *timer);
bool wheel_is_set(const struct wheel_timer *timer);
/* Fires what is due at `now_ms`. */
void wheel_advance(struct wheel *w, int64_t now_ms);

#pragma once
/* When a child that ended may be started again: after delays that double from the least to the
 * longest; a child that ran for at least the longest delay starts again from the least. Times are
 * clock_mono_ms values given by the caller. */
#include <stdbool.h>
#include <stdint.h>

struct respawn {
    int64_t min_ms;
    int64_t max_ms;
    int64_t next_delay_ms;
    int64_t started_ms;
    int64_t due_ms; /* may be started from now_ms >= due_ms on */
};

/* Due at once. */
void respawn_init(struct respawn *r, int64_t min_ms, int64_t max_ms);
void respawn_started(struct respawn *r, int64_t now_ms);
/* Returns the delay until the next start, which is due then. */
int64_t respawn_ended(struct respawn *r, int64_t now_ms);
/* Milliseconds until due, 0 when it is. */
int64_t respawn_wait_ms(const struct respawn *r, int64_t now_ms);

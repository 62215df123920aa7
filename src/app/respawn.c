#include "app/respawn.h"

void respawn_init(struct respawn *r, int64_t min_ms, int64_t max_ms) {
    *r = (struct respawn){.min_ms = min_ms, .max_ms = max_ms, .next_delay_ms = min_ms};
}

void respawn_started(struct respawn *r, int64_t now_ms) {
    r->started_ms = now_ms;
}

int64_t respawn_ended(struct respawn *r, int64_t now_ms) {
    if (now_ms - r->started_ms >= r->max_ms) {
        r->next_delay_ms = r->min_ms;
    }
    int64_t delay_ms = r->next_delay_ms;
    r->due_ms = now_ms + delay_ms;
    r->next_delay_ms = delay_ms * 2 < r->max_ms ? delay_ms * 2 : r->max_ms;
    return delay_ms;
}

int64_t respawn_wait_ms(const struct respawn *r, int64_t now_ms) {
    return r->due_ms > now_ms ? r->due_ms - now_ms : 0;
}

#include "push/pace.h"

static int64_t burst_of(const struct pace *p) {
    int64_t burst = p->rate * PACE_BURST_MS;
    return burst > PACE_MESSAGE ? burst : PACE_MESSAGE;
}

void pace_init(struct pace *p, int64_t per_min, int64_t ramp_s, int64_t now_ms) {
    int64_t least = per_min * PACE_LEAST_PERCENT / 100;
    *p = (struct pace){
        .full = per_min,
        .least = least > 0 ? least : 1,
        .climb_ms = (ramp_s ? ramp_s : PACE_CLIMB_S) * 1000,
        .at_ms = now_ms,
        .sent_ms = now_ms,
    };
    p->rest = ramp_s ? p->least : p->full;
    p->rate = p->rest;
    p->units = burst_of(p);
}

static void fill(struct pace *p, int64_t now_ms) {
    int64_t passed_ms = now_ms - p->at_ms;
    if (passed_ms <= 0) {
        return;
    }
    p->at_ms = now_ms;
    if (now_ms - p->sent_ms >= PACE_IDLE_MS) {
        p->rate = p->rest;
    } else if (p->is_short) {
        int64_t climbed_ms = passed_ms < PACE_BURST_MS ? passed_ms : PACE_BURST_MS;
        p->rate += (p->full * climbed_ms + p->climb_ms - 1) / p->climb_ms;
        p->rate = p->rate < p->full ? p->rate : p->full;
    }
    int64_t most = burst_of(p);
    /* Compared by division: a long time times a high rate need not fit. */
    bool is_filled = passed_ms >= (most - p->units) / p->rate + 1;
    p->units = is_filled ? most : p->units + p->rate * passed_ms;
    p->units = p->units < most ? p->units : most;
}

size_t pace_room(struct pace *p, int64_t now_ms) {
    if (!p->full) {
        return SIZE_MAX;
    }
    fill(p, now_ms);
    if (now_ms < p->at_ms) {
        return 0;
    }
    p->is_short = p->units < PACE_MESSAGE;
    return (size_t)(p->units / PACE_MESSAGE);
}

void pace_take(struct pace *p, int64_t now_ms) {
    if (p->full) {
        p->units -= PACE_MESSAGE;
        p->is_short = p->units < PACE_MESSAGE;
        p->sent_ms = now_ms;
    }
}

void pace_refuse(struct pace *p, int64_t now_ms, int64_t until_ms) {
    if (!p->full) {
        return;
    }
    fill(p, now_ms);
    if (now_ms >= p->at_ms) {
        p->rate = p->rate / 2 > p->least ? p->rate / 2 : p->least;
    }
    p->units = 0;
    p->at_ms = until_ms > p->at_ms ? until_ms : p->at_ms;
    p->sent_ms = p->at_ms;
}

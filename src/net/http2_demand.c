#include "net/http2_demand.h"

enum {
    /* Answers this fast are always worth a connection: a thousand or two in flight fill the records
     * (measured: FCM with 1,600 in flight 455,000 pushes per CPU-second, with 800 435,000, with
     * 12,800, which leave the caches, 270,000). */
    FAST_US = 10000,
    SLOW_FACTOR = 3,   /* the first answers are the quick ones; latencies of 1 to 3 are common */
    RATE_DIVISOR = 2,  /* a provider that became slower answers fewer, a full one does not */
    JUDGE_MS = 100,    /* how long answers are counted */
    STALE_MS = 1000,   /* nobody asked for so long: the count holds idle time */
    BEST_WEIGHT = 256, /* follows in half a minute */
    SPARE_FACTOR = 2,
};

void http2_demand_on_post(struct http2_demand *d) {
    d->in_flight++;
    d->peak = d->peak > d->in_flight ? d->peak : d->in_flight;
}

void http2_demand_on_end(struct http2_demand *d, int64_t took_ms) {
    d->in_flight--;
    if (took_ms >= 0) {
        d->answers++;
        d->answer_ms += took_ms;
    }
}

static void judge(struct http2_demand *d, int64_t passed_ms) {
    int64_t mean_us = d->answer_ms * 1000 / d->answers;
    int64_t rate = d->answers * 1000 / passed_ms;
    mean_us = mean_us > 1000 ? mean_us : 1000; /* as exact as the clock */
    bool is_best_time = !d->best_us || mean_us < d->best_us;
    d->best_us = is_best_time ? mean_us : d->best_us + (mean_us - d->best_us) / BEST_WEIGHT;
    d->best_rate = rate > d->best_rate ? rate : d->best_rate - (d->best_rate - rate) / BEST_WEIGHT;
    d->is_queueing = mean_us > FAST_US && mean_us > SLOW_FACTOR * d->best_us &&
                     rate >= d->best_rate / RATE_DIVISOR;
}

bool http2_demand_grows(struct http2_demand *d, int64_t now_ms) {
    int64_t passed_ms = now_ms - d->judged_ms;
    if (passed_ms < JUDGE_MS) {
        return !d->is_queueing;
    }
    if (passed_ms > STALE_MS || d->answers == 0) {
        d->is_queueing = false;
    } else {
        judge(d, passed_ms);
    }
    d->judged_ms = now_ms;
    d->answers = d->answer_ms = 0;
    return !d->is_queueing;
}

bool http2_demand_shrinks(struct http2_demand *d, int64_t now_ms, int64_t length_ms,
                          size_t streams_left) {
    if (!d->window_ms || now_ms - d->window_ms >= length_ms) {
        d->has_window = d->window_ms != 0;
        d->window_ms = now_ms;
        d->peak_before = d->peak;
        d->peak = d->in_flight;
    }
    size_t most = d->peak > d->peak_before ? d->peak : d->peak_before;
    return d->has_window && streams_left >= SPARE_FACTOR * most;
}

#pragma once
/* How many connections a pool needs, from what its requests go through. Pure: time comes in. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http2_demand {
    /* Growing. */
    int64_t answers;   /* since judged_ms */
    int64_t answer_ms; /* sum over them, from post to answer */
    int64_t judged_ms;
    int64_t best_us;   /* lowest mean */
    int64_t best_rate; /* most answers a second; both move slowly towards what is usual now */
    bool is_queueing;
    /* Shrinking. */
    size_t in_flight;
    size_t peak;        /* most in flight in this window */
    size_t peak_before; /* and in the one before */
    int64_t window_ms;  /* start of this window; 0 = none yet */
    bool has_window;    /* one has passed */
};

void http2_demand_on_post(struct http2_demand *d);
/* `took_ms` below 0: it ended without an answer. */
void http2_demand_on_end(struct http2_demand *d, int64_t took_ms);
/* Would one more connection make a pool without credit faster? Not when answers take a multiple of
 * the best time and come no slower than ever: then they queue at the provider (or in this process),
 * and more requests would only wait longer. */
bool http2_demand_grows(struct http2_demand *d, int64_t now_ms);
/* May a connection go, when the others take `streams_left` requests at a time? Yes when that is
 * twice of what was ever in flight during the last one to two windows of `length_ms`. */
bool http2_demand_shrinks(struct http2_demand *d, int64_t now_ms, int64_t length_ms,
                          size_t streams_left);

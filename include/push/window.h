#pragma once
/* How many pushes a lane may have under way: the connections' credit, made smaller when the
 * provider is in trouble and larger again while it is not (additive increase, multiplicative
 * decrease, as TCP does it; RFC 5681). Pure: time comes in, nothing is read. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window {
    size_t least;
    size_t most;
    size_t size;
    size_t accepted; /* since the size last grew */
    int64_t cut_ms;  /* when it last shrank: answers to what was sent until then are old news */
    int64_t slow_ms; /* answers quicker than this are never too slow; 0 = do not look */
    double base_ms;  /* what an answer takes when all is well; 0 = not known yet */
    double mean_ms;  /* what it takes now */
    uint64_t cuts;
};

enum {
    WINDOW_ROUNDS = 100,      /* windows of accepted pushes from nothing to `most` */
    WINDOW_SLOW_FACTOR = 4,   /* answers take so many times the base: too slow */
    WINDOW_BASE_SHARE = 1024, /* the base follows slower answers by one part in so many */
    WINDOW_MEAN_SHARE = 32    /* and the mean by one in so many */
};

enum window_news {
    WINDOW_ACCEPTED,
    WINDOW_OTHER,  /* an answer that says nothing about the provider's health */
    WINDOW_TROUBLE /* overload, refusal or silence */
};

/* Begins at `most`: the pool opens connections one by one, so nothing bursts. */
void window_init(struct window *w, size_t least, size_t most, int64_t slow_ms);
/* Pushes that may be added to `in_flight`. */
size_t window_room(const struct window *w, size_t in_flight);
/* News of a push sent at `sent_ms`; `in_flight` counts it still. True when the window shrank. */
bool window_note(struct window *w, enum window_news news, int64_t sent_ms, int64_t now_ms,
                 size_t in_flight);

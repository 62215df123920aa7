#pragma once
/* When a push that was not accepted is tried again, or that it never is. Pure but for `random`. */
#include <stdint.h>

#include "push/verdict.h"

enum retry_end {
    RETRY_AT,      /* at out_at_ms */
    RETRY_EXPIRED, /* the alert's time is over before that */
    RETRY_GIVE_UP  /* attempts or total time used up */
};

struct retry_case {
    enum retry_class retry;
    int attempt;            /* refusals of this class so far, this one included: 1, 2, … */
    int64_t first_ms;       /* when the target was first sent */
    int64_t now_ms;         /* same clock */
    int64_t deadline_ms;    /* end of the alert's time, same clock */
    int64_t retry_after_ms; /* the provider's wish, 0 = none */
    uint64_t random;        /* any number, for the jitter */
};

/* Full jitter between a floor and a ceiling that grows with each attempt. A Retry-After is obeyed
 * and spread by up to a tenth. */
enum retry_end retry_decide(const struct retry_case *c, int64_t *out_at_ms);

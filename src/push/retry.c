#include "push/retry.h"

struct policy {
    int64_t floor_ms;   /* never sooner */
    int64_t ceiling_ms; /* of the first attempt */
    int factor;         /* the ceiling grows by */
    int64_t most_ms;    /* up to */
    int64_t total_ms;   /* give up after; 0 = only the alert's time ends it */
    int attempts;       /* give up after; 0 = any number */
};

enum { SECOND = 1000, MINUTE = 60 * SECOND };

/* APNs, 5xx: 1 s, 5 s, 30 s, then towards the 15 minutes Apple advises for outages. FCM, 5xx: not
 * before 10 s, doubling, an hour in total ("Best practices for sending at scale"). Per-device
 * limits clear within seconds to minutes. */
static const struct policy policies[RETRY_CLASS_COUNT] = {
    [RETRY_APNS_SERVER] = {250, 1 * SECOND, 5, 15 * MINUTE, 0, 0},
    [RETRY_APNS_TOKEN] = {2 * SECOND, 15 * SECOND, 2, 10 * MINUTE, 0, 6},
    [RETRY_FCM_SERVER] = {10 * SECOND, 20 * SECOND, 2, 10 * MINUTE, 60 * MINUTE, 0},
    [RETRY_FCM_QUOTA] = {60 * SECOND, 75 * SECOND, 2, 15 * MINUTE, 60 * MINUTE, 0},
    [RETRY_NOT_SENT] = {100, 1 * SECOND, 2, 60 * SECOND, 0, 0},
};

static int64_t ceiling_of(const struct policy *p, int attempt) {
    int64_t ceiling = p->ceiling_ms;
    for (int i = 1; i < attempt && ceiling < p->most_ms; i++) {
        ceiling *= p->factor;
    }
    return ceiling < p->most_ms ? ceiling : p->most_ms;
}

enum retry_end retry_decide(const struct retry_case *c, int64_t *out_at_ms) {
    const struct policy *p = &policies[c->retry];
    if (c->now_ms >= c->deadline_ms) {
        return RETRY_EXPIRED;
    }
    if ((p->attempts && c->attempt > p->attempts) ||
        (p->total_ms && c->now_ms - c->first_ms >= p->total_ms)) {
        return RETRY_GIVE_UP;
    }
    int64_t least = p->floor_ms;
    int64_t most = ceiling_of(p, c->attempt);
    if (c->retry_after_ms > 0) {
        least = c->retry_after_ms;
        most = c->retry_after_ms + c->retry_after_ms / 10;
    }
    int64_t delay = least + (int64_t)(c->random % (uint64_t)(most - least + 1));
    if (c->now_ms + delay >= c->deadline_ms) {
        return RETRY_EXPIRED;
    }
    *out_at_ms = c->now_ms + delay;
    return RETRY_AT;
}

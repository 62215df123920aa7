#pragma once
/* The answer to a reader that comes with a position: one pure table (design section 5). */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "model/position.h"
#include "store/bus.h"

/* What the reader brought. */
struct resume {
    bool given;               /* it named a position at all */
    bool valid;               /* and it is well formed */
    struct position position; /* when valid */
};

/* The log as this gateway knows it. */
struct recovery_log {
    const char *epoch;
    uint64_t head;                 /* newest seq; 0 = nothing was ever published */
    uint64_t ring_oldest;          /* oldest seq in the ring; head + 1 when it is empty */
    uint64_t log_oldest;           /* oldest seq in the log; head + 1 when it is empty */
    const struct epoch_past *past; /* newest first */
    int past_count;
};

enum recovery_action {
    RECOVERY_RING,     /* continue after `cursor` from the ring */
    RECOVERY_LOG,      /* continue after `cursor`, first from the log */
    RECOVERY_SNAPSHOT, /* continuity is lost: active alerts, then continue after `cursor` */
};

enum verdict {
    VERDICT_CONTINUED, /* nothing missed */
    VERDICT_FRESH,     /* no position given: starts at the head */
    VERDICT_FAILOVER,  /* nothing missed, but what was seen last may come again or be gone */
    VERDICT_EXPIRED,   /* older than the window */
    VERDICT_UNKNOWN,   /* unknown epoch or malformed */
    VERDICT_COUNT
};

struct recovery_answer {
    enum recovery_action action;
    enum verdict verdict;
    uint64_t cursor;
};

struct recovery_answer recovery_decide(const struct recovery_log *log, const struct resume *resume);
/* True when the answer may only be wrong because another node heard of the newest alert or epoch a
 * moment earlier: the position is well formed, but ahead of the log as known here, or of an epoch
 * not known here. Worth asking Redis before it is given. */
bool recovery_is_doubtful(const struct resume *resume, const struct recovery_answer *answer);
/* `recovered` of the welcome: false for VERDICT_EXPIRED and VERDICT_UNKNOWN. */
bool verdict_is_recovered(enum verdict verdict);
/* "fresh", "failover", "expired", "unknown"; NULL for VERDICT_CONTINUED. */
const char *verdict_reason(enum verdict verdict);
/* Reads "<epoch>:<seq>"; a view with p == NULL means none was given. */
struct resume resume_parse(struct str text);

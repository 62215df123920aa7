#pragma once
/* What a provider's answer means for one push. Each provider has one pure table from answer to
 * verdict (push/apns_answer.h, push/fcm_answer.h); the lane acts on it. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum verdict_kind {
    VERDICT_ACCEPTED,
    VERDICT_RETRY,            /* this target later; see `retry` and `pause` */
    VERDICT_TOKEN_DEAD,       /* see dead_before_ms and `needs_good_payload` */
    VERDICT_PAYLOAD_REJECTED, /* the message is at fault, not the token */
    VERDICT_FAILED,           /* never again, cause elsewhere (configuration, a bug of ours) */
    VERDICT_CREDENTIALS_BAD,  /* stop the lane until an operator or a new token helps */
    VERDICT_CREDENTIALS_OLD,  /* new token, then send again */
    VERDICT_UNKNOWN,          /* may have been processed */
    VERDICT_COUNT
};

/* Which back-off table a retry follows (push/retry.h). */
enum retry_class {
    RETRY_APNS_SERVER, /* 500, 503 */
    RETRY_APNS_TOKEN,  /* 429 TooManyRequests: this device only */
    RETRY_FCM_SERVER,  /* 500, 503, 502, 504 */
    RETRY_FCM_QUOTA,   /* 429 */
    RETRY_NOT_SENT,    /* refused unprocessed oftener than the immediate replays allow */
    RETRY_CLASS_COUNT
};

struct verdict {
    enum verdict_kind kind;
    enum retry_class retry;
    int64_t retry_after_ms;  /* what the provider asked for, 0 = nothing */
    int64_t pause_ms;        /* > 0: the whole lane waits so long */
    int64_t dead_before_ms;  /* token dead: only if registered before; INT64_MAX = whatever */
    bool needs_good_payload; /* token dead only if this payload was accepted elsewhere, else the
                                payload is to blame */
    bool is_payload_fatal;   /* every other target of this payload would get the same */
    bool is_alarm;           /* an operator should know */
    bool retire;             /* use this connection no more */
    bool retire_if_renewed;  /* the same, when our token changed a moment ago */
    bool hold_token;         /* sign no new provider token for a while */
    char reason[48];         /* the provider's word, for logs; printable ASCII */
};

/* Copies `reason` without anything that has no place in a log line. */
void verdict_set_reason(struct verdict *v, struct str reason);
/* "retry-after" as seconds or as an HTTP date (RFC 9110 section 10.2.3) in milliseconds from
 * `now_ms` (wall clock); 0 when absent, malformed or past. At most a day. */
int64_t verdict_retry_after_ms(struct str header, int64_t now_ms);

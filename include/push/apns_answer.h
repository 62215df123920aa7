#pragma once
/* APNs answers → verdicts. Pure. */
#include <stdint.h>

#include "base/str.h"
#include "push/verdict.h"

/* A complete HTTP answer. `now_ms` is the wall clock, for Retry-After dates. Unknown reasons
 * follow the class of the status: 4xx fails, 5xx is retried. */
struct verdict apns_answer_classify(int status, struct str body, struct str retry_after,
                                    int64_t now_ms);
/* The row of a status and reason, as FCM quotes them in ApnsError (`status` 0 = not given);
 * `timestamp_ms` 0 = none. */
struct verdict apns_answer_of_reason(int status, struct str reason, int64_t timestamp_ms);

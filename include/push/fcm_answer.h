#pragma once
/* FCM HTTP v1 answers → verdicts. Pure. */
#include <stdint.h>

#include "base/str.h"
#include "push/verdict.h"

/* A complete HTTP answer: by status first, then FcmError.errorCode, then error.status. Bodies
 * that are not JSON (front-end pages) are survived. `now_ms` is the wall clock. */
struct verdict fcm_answer_classify(int status, struct str body, struct str retry_after,
                                   int64_t now_ms);

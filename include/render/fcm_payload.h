#pragma once
/* The FCM message of a notice, but for its target. Pure. */
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "render/notice.h"

/* FCM limits keys and values of data and notification to 4096 bytes; counting the whole message
 * stays on the safe side. */
enum { FCM_PAYLOAD_MAX_BYTES = 4096 };

struct fcm_style {
    const char *channel_id;       /* Android notification channel, "" = the app's default */
    const char *quiet_channel_id; /* for notices without sound, "" = channel_id */
    const char *sound;            /* resource name or "default" */
    int64_t now_ms;               /* wall clock: FCM counts its ttl from the request */
};

/* The constant beginning of every message, up to the token's JSON string. */
#define FCM_PAYLOAD_PREFIX "{\"message\":{\"token\":"
/* What follows the token: ",notification":{…},"data":{…},"android":{…}}}. ERR_TOO_LARGE when it
 * cannot be made to fit. */
MUST_CHECK enum err fcm_payload_build(struct notice *n, const struct fcm_style *style,
                                      struct buf *b);

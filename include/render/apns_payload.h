#pragma once
/* The APNs payload of a notice. Pure. */
#include "base/buf.h"
#include "base/err.h"
#include "render/notice.h"

enum { APNS_PAYLOAD_MAX_BYTES = 4096 /* Apple, "Generating a remote notification" */ };

struct apns_style {
    const char *sound;       /* file name in the app or "default" */
    const char *sound_flash; /* the same for flashes */
};

/* {"aps":{"alert":{"title","body"},"sound","thread-id","interruption-level","mutable-content"},
 * "alert_id":…}: the alert's data are siblings of "aps". ERR_TOO_LARGE when it cannot be made to
 * fit. */
MUST_CHECK enum err apns_payload_build(struct notice *n, const struct apns_style *style,
                                       struct buf *b);
/* apns-priority: 10 shows at once, 5 at the device's convenience. */
const char *apns_payload_priority(const struct notice *n);

#pragma once
/* The one place where an alert becomes the message of a provider: what a preview shows is what a
 * dispatcher sends. Pure. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "model/alert.h"
#include "model/taxonomy.h"
#include "render/notice.h"

struct push_context {
    const struct config *cfg;
    const struct taxonomy *t;
    int64_t now_ms; /* wall clock: FCM counts its time to live from the request */
};

/* APNs: the whole body; FCM: what follows FCM_PAYLOAD_PREFIX and the token. The notice says what
 * the reader will see, cuts included; notice_finish it, unless there was an error: ERR_NOT_FOUND
 * (no text for the edition), ERR_TOO_LARGE (cannot be cut enough), ERR_INVALID (not a platform
 * that is pushed to). */
MUST_CHECK enum err push_payload_build(const struct push_context *x, enum platform platform,
                                       const struct alert *a, int edition,
                                       struct notice *out_notice, struct buf *b);
/* Most bytes the provider takes; 0 for a platform that is not pushed to. */
size_t push_payload_max_bytes(enum platform platform);

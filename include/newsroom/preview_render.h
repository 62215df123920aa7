#pragma once
/* What each platform will be sent, made by the functions that make it for the send
 * (render/push_payload.h, alert_put_reader_json). */
#include <stdint.h>

#include "base/buf.h"
#include "newsroom/advice.h"
#include "newsroom/call.h"

/* The alert as it will be sent at a moment: a new one with an id that only has the right length.
 * Owned by the caller. */
struct alert *preview_render_alert(const struct room *room, const struct alert *a, int64_t at_ms);
/* {"apns":{"en":{"bytes","limit","title","body","shortened","payload"},…},"fcm":…,"stream":{"en":
 * {"bytes","payload"}}}: `bytes` of FCM are without the token, of a stream without the position.
 * What does not fit is {"limit","error":"too_large"}. Notes in `advice` what was cut. */
void preview_render_put(const struct room *room, const struct alert *a, struct advice *advice,
                        struct buf *b);

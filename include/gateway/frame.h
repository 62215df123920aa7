#pragma once
/* The three wire forms of one JSON message: a WebSocket frame (RFC 6455 section 5.2, server frames
 * are unmasked), an SSE event (WHATWG HTML section 9.2), or the bare JSON of a long-poll answer. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum frame_kind { FRAME_WS, FRAME_SSE, FRAME_JSON, FRAME_KIND_COUNT };
enum ws_opcode { WS_TEXT = 1, WS_CLOSE = 8, WS_PING = 9 };

/* Close codes of tocsin.v1: 40xx terminal, 41xx reconnect with back-off, 42xx reconnect after
 * `after_ms` (design section 5). */
enum close_code {
    CLOSE_PROTOCOL = 4000,
    CLOSE_UNAUTHORISED = 4001,
    CLOSE_FILTER = 4002,
    CLOSE_HELLO_TIMEOUT = 4003,
    CLOSE_TOO_LARGE = 4004,
    CLOSE_RATE = 4005,
    CLOSE_LAGGED = 4101,
    CLOSE_IDLE = 4102,
    CLOSE_CAPACITY = 4103,
    CLOSE_DRAINING = 4201,
};

/* Appends one WebSocket frame with FIN set. */
void frame_put_ws(struct buf *b, enum ws_opcode opcode, struct str payload);
/* Appends a Close frame; `reason` at most 123 bytes (RFC 6455 section 5.5.1). */
void frame_put_close(struct buf *b, uint16_t code, struct str reason);
/* Appends `json` in the form of `kind`. `event` and `id` are for SSE (`id` may be NULL); JSON
 * elements are followed by a comma. */
void frame_put(struct buf *b, enum frame_kind kind, const char *event, const char *id,
               struct str json);

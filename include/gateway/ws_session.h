#pragma once
/* One WebSocket reader: puts messages together and turns them into calls. Knows no library; the
 * bytes go through struct transport of ws_edge. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/client_token.h"
#include "base/buf.h"
#include "base/str.h"
#include "gateway/params.h"
#include "gateway/reader.h"
#include "gateway/receipt_window.h"
#include "net/address.h"

struct lws;

struct ws_extra {
    struct token_grant grant; /* of its token */
    bool is_narrowed;         /* by it; else all is allowed but tests, or no token is needed */
    struct receipt_window told;
};

/* 136 bytes: with one more the allocator would take 16 more for each connection. */
struct ws_session {
    struct reader reader; /* first: a reader of the WebSocket transport is a session */
    struct lws *wsi;
    struct address_short address; /* of its peer */
    struct buf *partial;          /* the message so far, owned; NULL between messages */
    struct ws_extra *extra;       /* what few readers have, owned; NULL = nothing */
    int plain_fd;                 /* what may be written to past the library; -1 = nothing (TLS) */
    uint16_t frames_left;         /* token bucket of its frames ... */
    uint8_t frames_s;             /* ... and the hub time, cut to 8 bits, of the last refill */
    bool in_frame : 1;            /* the frame under way has more pieces */
    bool open : 1;
};

/* One piece of a message as it arrives. */
struct ws_piece {
    struct str bytes;
    size_t to_come; /* of the same WebSocket frame */
    bool first;     /* of its message */
    bool final;
    bool binary;
};

/* The handshake is done. `params` holds what the URL said; a known parameter implies the hello.
 * `over_capacity` turns it away politely. Where tokens are demanded one of the URL is checked now,
 * else the hello must bring it. */
void ws_session_open(struct ws_session *s, struct hub *hub, const struct transport *transport,
                     struct params *params, bool over_capacity);
/* `max_bytes` is the largest message. */
void ws_session_receive(struct ws_session *s, const struct ws_piece *piece, size_t max_bytes);
/* An answer to a PING of ours, or one unasked. */
void ws_session_pong(struct ws_session *s);
/* The connection is gone. Harmless when never opened or called before. */
void ws_session_close(struct ws_session *s);

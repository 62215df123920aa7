#pragma once
/* The insides of one HTTP/2 connection, shared by http2_conn.c (requests, bytes, policy) and
 * http2_conn_session.c (what nghttp2 calls back). */
#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "net/http2_conn.h"
#include "net/http2_headers.h"
#include "net/http2_request.h"

enum { GOAWAY_TEXT_BYTES = 128 };

struct http2_conn {
    struct list link; /* in the pool's list */
    struct http2_conn_shared *shared;
    int refs; /* the pool's, and one per request until delivered */
    enum http2_conn_state state;
    struct http2_socket *socket;
    nghttp2_session *session;
    struct list in_flight; /* of http2_request.link, oldest first */
    size_t in_flight_count;
    uint32_t settings_frames; /* received, without acknowledgements */
    bool is_proven;
    bool is_expired;                  /* retired because the peer calls our credentials expired */
    bool is_unused;                   /* closed by us because nobody needed it */
    struct http2_headers headers;     /* the peer's dynamic table, as our requests fill it */
    const struct http2_post *posting; /* its HEADERS have not been serialised yet */
    struct buf block;                 /* scratch for its headers */
    struct buf out;
    size_t out_at;        /* bytes of `out` already written */
    uint64_t out_total;   /* bytes ever serialised */
    uint64_t out_handed;  /* bytes ever handed to TLS, written or not */
    bool is_blocked;      /* waiting for the socket to take more */
    int64_t heard_ms;     /* last bytes from the peer */
    int64_t used_ms;      /* last request posted or finished */
    int64_t ping_sent_ms; /* 0 = none outstanding */
    char goaway[GOAWAY_TEXT_BYTES];
};

/* The request's one end; `result` counts unless a final status was received. Noted only: the
 * answer is handed over by http2_conn_deliver. Harmless when it has ended already. */
void http2_conn_finish(struct http2_request *rq, enum http2_result result);
/* Moves what nghttp2 has to say into `out`, the header blocks replaced by our own. */
MUST_CHECK enum err http2_conn_serialise(struct http2_conn *c);
/* Makes the nghttp2 session and queues our SETTINGS. */
MUST_CHECK enum err http2_conn_start_session(struct http2_conn *c);

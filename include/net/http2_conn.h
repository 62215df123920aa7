#pragma once
/* One HTTP/2 connection of a pool: an nghttp2 session over one http2_socket. It never has more
 * streams open than the peer's live SETTINGS allow, nor more body bytes than its connection window
 * takes, so nothing waits inside nghttp2. Answers are handed over through the pool's list of
 * finished requests, never from inside an nghttp2 callback. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "base/list.h"
#include "net/http2_client.h"
#include "net/http2_demand.h"
#include "net/http2_memory.h"
#include "net/http2_origin.h"
#include "net/http2_socket.h"

enum http2_conn_state {
    HTTP2_CONN_OPENING,  /* look-up, TCP, TLS */
    HTTP2_CONN_OPEN,     /* takes requests */
    HTTP2_CONN_DRAINING, /* GOAWAY or retired: finishes what it has */
    HTTP2_CONN_CLOSED    /* waits for its last reference */
};

struct http2_request;
struct http2_conn;

/* What a connection tells its pool. */
struct http2_conn_events {
    /* Opened, new SETTINGS, drained, window opened: credit may have changed. */
    void (*on_change)(void *pool);
    /* Its state is HTTP2_CONN_CLOSED now; `why` is for the log. */
    void (*on_closed)(void *pool, struct http2_conn *conn, const char *why);
};

struct http2_conn_shared {
    uv_loop_t *loop;
    struct http2_origin *origin;
    struct http2_options options; /* url and ca_file are not valid */
    struct list finished;         /* of http2_request.link, for http2_conn_deliver */
    struct list reset;            /* the same, ended by STREAM_CLOSED: delivered after the others,
                                     one of which may say that our credentials expired */
    struct list spare;            /* of http2_request.link, to be used again */
    size_t spare_count;
    struct http2_memory memory;
    struct http2_demand demand;
    int64_t now_ms; /* monotonic, as last read in this loop turn */
    struct http2_conn_events events;
    void *pool;
};

/* Starts opening. The caller holds the one reference. */
struct http2_conn *http2_conn_open(struct http2_conn_shared *shared, uint32_t turn);
/* Ends it: requests go to the finished list. Harmless when closed. */
void http2_conn_close(struct http2_conn *c, const char *why);
void http2_conn_unref(struct http2_conn *c);

enum http2_conn_state http2_conn_state(const struct http2_conn *c);
/* Requests of `body_bytes` it would take now. */
size_t http2_conn_credit(const struct http2_conn *c, size_t body_bytes);
size_t http2_conn_in_flight(const struct http2_conn *c);
/* Requests it would take at a time with nothing in flight; 0 when not open. */
size_t http2_conn_streams(const struct http2_conn *c);
/* Monotonic time since when nothing was in flight; INT64_MAX while something is. */
int64_t http2_conn_quiet_since(const struct http2_conn *c);
/* True once it answered a request with 2xx. */
bool http2_conn_is_proven(const struct http2_conn *c);
/* True for one that ended without any 2xx, and not because nobody needed it. */
bool http2_conn_has_failed(const struct http2_conn *c);
/* ERR_FULL without credit for this body. */
MUST_CHECK enum err http2_conn_post(struct http2_conn *c, const struct http2_post *post);
/* Opens no more streams. See http2_pool_retire. */
void http2_conn_retire(struct http2_conn *c, bool expired);
/* Nobody needs it any more: says so to the peer, finishes what it has and closes. */
void http2_conn_leave(struct http2_conn *c);
/* Writes what is serialised. */
void http2_conn_flush(struct http2_conn *c);
/* Deadlines and PING. */
void http2_conn_tick(struct http2_conn *c, int64_t now_ms);
/* Gives every finished request its answer. Callbacks may post, retire and destroy. */
void http2_conn_deliver(struct http2_conn_shared *shared);

/* The pool's list. */
struct list *http2_conn_link(struct http2_conn *c);
struct http2_conn *http2_conn_of_link(struct list *link);

#pragma once
/* HTTP/2 client for the push providers: nghttp2 over OpenSSL on the libuv loop, a pool of
 * connections per origin and credential. Never blocks: DNS, connect and TLS included. Streams are
 * counted by our own credit from the peer's live SETTINGS; nothing waits inside nghttp2. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "base/err.h"
#include "base/str.h"

struct http2_pool;

struct http2_options {
    const char *url;         /* "https://host:port", borrowed for the call; a path is ignored */
    const char *ca_file;     /* NULL or "" = the system's store */
    uint32_t first_streams;  /* streams allowed before the first SETTINGS (APNs: 1) */
    bool one_until_accepted; /* APNs token auth: one request until the first 2xx on a connection,
                                or until the peer sent SETTINGS again */
    int connections_min;     /* kept open even without demand */
    int connections_max;
    int64_t open_interval_ms;    /* at least this between two openings */
    int64_t connect_timeout_ms;  /* DNS, TCP and TLS together */
    int64_t response_timeout_ms; /* per request; then RST_STREAM CANCEL and HTTP2_UNKNOWN */
    int64_t idle_ping_ms;        /* PING when quiet so long; 0 = never */
    int64_t ping_timeout_ms;
    int64_t idle_close_ms; /* close what was unused, or more than needed, for so long, down to
                              connections_min; 0 = never */
};

enum http2_result {
    HTTP2_ANSWERED, /* status and body are there */
    HTTP2_NOT_SENT, /* certainly not processed: safe to send again */
    HTTP2_UNKNOWN,  /* may have been processed */
};

struct http2_answer {
    enum http2_result result;
    int status;
    struct str body;        /* at most 16 KiB, cut beyond; valid during the call */
    struct str retry_after; /* header, empty when absent */
    int64_t now_ms;         /* monotonic, of the loop turn it came in */
    void *connection;       /* identifies the connection, for http2_pool_retire */
};

typedef void http2_answer_fn(void *user, const struct http2_answer *answer);

struct http2_header {
    struct str name; /* lower case */
    struct str value;
    bool is_unique; /* a value that never comes again: kept out of the peer's dynamic table (its
                       name is indexed once) */
};

enum { HTTP2_BODY_PARTS = 3 };

struct http2_post {
    struct str path;
    bool is_path_unique; /* as of a header; such a path names a device */
    const struct http2_header *headers;
    size_t header_count;
    struct str body[HTTP2_BODY_PARTS]; /* one after the other */
    http2_answer_fn *done;
    void *user;
};

/* ERR_INVALID: the URL is not https, or the CA file cannot be read (logged). */
MUST_CHECK enum err http2_pool_create(uv_loop_t *loop, const struct http2_options *options,
                                      struct http2_pool **out_pool);
/* Requests in flight end with HTTP2_UNKNOWN (HTTP2_NOT_SENT if no byte of them was written) before
 * this returns. Frees on a later loop turn. Accepts NULL. */
void http2_pool_destroy(struct http2_pool *pool);
/* How many requests of the last body size would be taken right now. Asking for credit when there
 * is none makes the pool grow, up to connections_max. */
size_t http2_pool_credit(struct http2_pool *pool);
/* Called (once per change, from the loop) when credit became available again. */
void http2_pool_on_credit(struct http2_pool *pool, void (*on_credit)(void *user), void *user);
/* POST. Everything is copied or written before the call returns. ERR_FULL without credit,
 * ERR_UNAVAILABLE while no connection can be made (a state the callback of on_credit ends). The
 * callback never comes from inside this call. */
MUST_CHECK enum err http2_pool_post(struct http2_pool *pool, const struct http2_post *post);
/* Opens no more streams on that connection and replaces it. `expired`: the peer refused our
 * credentials as expired, so streams it closes from now on with STREAM_CLOSED were not processed.
 * `connection` is the one of the answer being handled, or NULL for all of the pool. */
void http2_pool_retire(struct http2_pool *pool, void *connection, bool expired);
/* Sends what was submitted in this loop turn now; otherwise it goes at the turn's end. */
void http2_pool_flush(struct http2_pool *pool);
/* Connections ready for requests, for status and tests. */
int http2_pool_connections(const struct http2_pool *pool);

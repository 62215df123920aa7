#pragma once
/* One request of an HTTP/2 connection, from submission to delivery. Internal to net. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "net/http2_client.h"

enum {
    HTTP2_ANSWER_MAX_BYTES = 16384,
    HTTP2_HEADER_MAX_BYTES = 64, /* retry-after; longer values are ignored */
    HTTP2_SPARE_MAX = 4096       /* requests kept for use again */
};

struct http2_conn;
struct http2_conn_shared;

struct http2_request {
    struct list link; /* oldest first in the connection's list, then in `finished`, `spare` */
    struct http2_conn *conn; /* one reference */
    int32_t stream_id;
    bool is_finished;
    bool is_stream_closed; /* ended by RST_STREAM STREAM_CLOSED */
    bool has_status;       /* the final HEADERS are complete */
    enum http2_result result;
    int status;
    int64_t deadline_ms;
    uint64_t out_start;                /* where its frames begin in the connection's output */
    struct str body[HTTP2_BODY_PARTS]; /* not sent yet: borrowed during the post, then of
                                          body_copy */
    size_t body_left;
    char *body_copy;
    struct buf answer; /* its memory is kept for the next use */
    char retry_after[HTTP2_HEADER_MAX_BYTES];
    http2_answer_fn *done;
    void *user;
};

/* A spare one or a new one. */
struct http2_request *http2_request_create(struct http2_conn_shared *shared,
                                           struct http2_conn *conn, const struct http2_post *post);
/* Among the spare ones, or freed. */
void http2_request_release(struct http2_conn_shared *shared, struct http2_request *rq);
/* Frees the spare ones. */
void http2_request_free_spare(struct http2_conn_shared *shared);
/* A response header: status and retry-after are kept. */
void http2_request_on_header(struct http2_request *rq, struct str name, struct str value);
/* Response body, kept up to HTTP2_ANSWER_MAX_BYTES. */
void http2_request_on_data(struct http2_request *rq, struct str bytes);
/* Moves the next `size` bytes of the body, at most body_left, to `out`. */
void http2_request_put_body(struct http2_request *rq, size_t size, struct buf *out);
/* Keeps the part of the request's body that is still to be sent. */
void http2_request_keep_body(struct http2_request *rq);

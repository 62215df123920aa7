#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "http_internal.h"

/* Bytes the library buffers for a client of HTTP/1.0, which gets no chunks. */
enum { READER_BLOCK_BYTES = 1024 };

/* The library asks for the next bytes; it asks again only when all given before are sent. */
static ssize_t on_read(void *cls, uint64_t position, char *out_bytes, size_t max) {
    struct http_request *rq = cls;
    (void)position;
    rq->server->moved = true;
    if (rq->phase == HTTP_STREAMING && !rq->queue.n && rq->undrained) {
        rq->undrained = false;
        if (rq->on_drained) {
            rq->in_handler = true;
            rq->on_drained(rq->gone_user);
            rq->in_handler = false;
        }
    }
    if (rq->phase == HTTP_DEAD) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (rq->queue.n) {
        size_t n = rq->queue.n < max ? rq->queue.n : max;
        memcpy(out_bytes, rq->queue.p, n);
        buf_consume(&rq->queue, n);
        if (!rq->queue.n) {
            buf_finish(&rq->queue); /* most streams are quiet most of the time */
        }
        return (ssize_t)n;
    }
    if (rq->phase == HTTP_ANSWERED) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    rq->suspended = true;
    MHD_suspend_connection(rq->conn->mhd);
    return 0;
}

void http_stream_begin(struct http_request *rq, const char *content_type,
                       void (*on_drained)(void *user), void (*on_gone)(void *user), void *user) {
    assert(rq->phase == HTTP_HANDLING && on_gone);
    if (!rq->conn) { /* left while the handler waited without asking to be told */
        http_request_free(rq);
        on_gone(user);
        return;
    }
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, READER_BLOCK_BYTES, on_read, rq, NULL);
    if (!response) {
        log_error("http_answer_failed", LOG_STR("path", http_path(rq)));
        abort(); /* out of memory: as everywhere, a fresh worker takes over */
    }
    rq->phase = HTTP_STREAMING;
    rq->on_drained = on_drained;
    rq->on_gone = on_gone;
    rq->gone_user = user;
    metrics_set(M_HTTP_STREAMS, ++rq->server->stream_count);
    if (MHD_add_response_header(response, "Content-Type", content_type) != MHD_YES) {
        log_error("http_header_refused", LOG_S("name", "Content-Type"));
    }
    http_conn_clear_deadline(rq->conn);
    http_conn_watch(rq->conn);
    http_request_send(rq, 200, response);
}

enum err http_stream_write(struct http_request *rq, struct str bytes, size_t max_queued) {
    assert(rq->phase == HTTP_STREAMING);
    if (rq->queue.n > max_queued || bytes.n > max_queued - rq->queue.n) {
        return ERR_FULL;
    }
    if (bytes.n) {
        buf_put(&rq->queue, bytes.p, bytes.n);
        rq->undrained = true;
        http_request_resume(rq);
    }
    return ERR_OK;
}

size_t http_stream_queued(const struct http_request *rq) {
    return rq->queue.n;
}

void http_stream_end(struct http_request *rq) {
    assert(rq->phase == HTTP_STREAMING);
    metrics_set(M_HTTP_STREAMS, --rq->server->stream_count);
    rq->phase = HTTP_ANSWERED;
    http_conn_unwatch(rq->conn);
    http_conn_set_deadline(rq->conn);
    http_request_resume(rq);
}

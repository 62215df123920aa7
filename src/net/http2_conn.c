/* How a request ends (reference for the rules: RFC 9113 sections 5.1.2, 6.8, 8.7):
 *
 *   final HEADERS complete, whatever came after            ANSWERED
 *   no byte of it was handed to TLS                         NOT_SENT
 *   RST_STREAM REFUSED_STREAM, or above GOAWAY's last id    NOT_SENT (nghttp2 reports both alike)
 *   RST_STREAM STREAM_CLOSED after expired credentials      NOT_SENT (seen at APNs)
 *   any other RST_STREAM, lost connection, deadline         UNKNOWN
 *
 * Frames are serialised into `out` inside each post, so nghttp2 holds nothing back; `out` goes to
 * TLS in full records once per loop turn. */
#include "net/http2_conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "http2_conn_internal.h"

enum {
    RECORD_BYTES = 16384,       /* largest TLS record (RFC 8446 section 5.1) */
    OUT_MAX_BYTES = 4 << 20,    /* serialised and not yet written: an error beyond */
    OUT_HIGH_BYTES = 512 << 10, /* no credit above this */
    OUT_FLUSH_BYTES = 64 << 10, /* written at once instead of at the turn's end */
    READ_BYTES = 65536,
    STREAMS_MAX = 2000, /* per connection whatever the peer offers */
};

/* --- ends of requests --- */

void http2_conn_finish(struct http2_request *rq, enum http2_result result) {
    struct http2_conn *c = rq->conn;
    if (rq->is_finished) {
        return;
    }
    rq->is_finished = true;
    rq->result = rq->has_status ? HTTP2_ANSWERED : result;
    list_remove(&rq->link);
    list_push_back(rq->is_stream_closed ? &c->shared->reset : &c->shared->finished, &rq->link);
    c->in_flight_count--;
    c->used_ms = c->shared->now_ms;
    int64_t posted_ms = rq->deadline_ms - c->shared->options.response_timeout_ms;
    http2_demand_on_end(&c->shared->demand, rq->has_status ? c->used_ms - posted_ms : -1);
    if (rq->has_status && rq->status / 100 == 2) {
        c->is_proven = true;
    }
}

static bool is_unwritten(const struct http2_request *rq) {
    return rq->out_start >= rq->conn->out_handed;
}

/* session_del calls nothing back, so our own table is swept first. */
static void sweep(struct http2_conn *c) {
    LIST_EACH_SAFE(it, &c->in_flight) {
        struct http2_request *rq = LIST_ENTRY(it, struct http2_request, link);
        http2_conn_finish(rq, is_unwritten(rq) ? HTTP2_NOT_SENT : HTTP2_UNKNOWN);
    }
}

void http2_conn_close(struct http2_conn *c, const char *why) {
    if (c->state == HTTP2_CONN_CLOSED) {
        return;
    }
    c->state = HTTP2_CONN_CLOSED;
    sweep(c);
    nghttp2_session_del(c->session);
    c->session = NULL;
    http2_socket_close(c->socket);
    c->socket = NULL;
    c->shared->events.on_closed(c->shared->pool, c, why);
}

void http2_conn_unref(struct http2_conn *c) {
    if (--c->refs > 0) {
        return;
    }
    assert(c->state == HTTP2_CONN_CLOSED && list_is_empty(&c->in_flight));
    list_remove(&c->link);
    buf_finish(&c->out);
    buf_finish(&c->block);
    http2_headers_finish(&c->headers);
    free(c);
}

/* Decided here and not when the stream ended: the answer that says "expired" may have been handled
 * only a moment before, in the same batch. */
static enum http2_result delivered_result(const struct http2_request *rq) {
    if (rq->result == HTTP2_UNKNOWN && rq->is_stream_closed && rq->conn->is_expired) {
        return HTTP2_NOT_SENT;
    }
    return rq->result;
}

void http2_conn_deliver(struct http2_conn_shared *shared) {
    while (!list_is_empty(&shared->finished) || !list_is_empty(&shared->reset)) {
        struct list *from = list_is_empty(&shared->finished) ? &shared->reset : &shared->finished;
        struct http2_request *rq = LIST_ENTRY(from->next, struct http2_request, link);
        list_remove(&rq->link);
        struct http2_answer answer = {
            .result = delivered_result(rq),
            .status = rq->status,
            .body = buf_str(&rq->answer),
            .retry_after = str_of(rq->retry_after),
            .now_ms = shared->now_ms,
            .connection = rq->conn,
        };
        rq->done(rq->user, &answer);
        http2_conn_unref(rq->conn);
        http2_request_release(shared, rq);
    }
}

/* --- bytes --- */

static void close_if_over(struct http2_conn *c) {
    if (c->state == HTTP2_CONN_DRAINING && c->in_flight_count == 0) {
        http2_conn_close(c, c->goaway[0] ? c->goaway : "drained");
    } else if (!nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session)) {
        http2_conn_close(c, "the session ended");
    }
}

void http2_conn_flush(struct http2_conn *c) {
    if (c->state != HTTP2_CONN_OPEN && c->state != HTTP2_CONN_DRAINING) {
        return;
    }
    if (http2_conn_serialise(c)) {
        http2_conn_close(c, "nothing more can be sent");
        return;
    }
    while (!c->is_blocked && c->out_at < c->out.n) {
        size_t n = c->out.n - c->out_at;
        n = n < RECORD_BYTES ? n : RECORD_BYTES;
        uint64_t written_total = c->out_total - (c->out.n - c->out_at);
        ssize_t written = http2_socket_write(c->socket, c->out.p + c->out_at, n);
        if (written < 0) {
            http2_conn_close(c, "writing failed");
            return;
        }
        c->out_at += (size_t)written;
        c->out_handed = written_total + (written ? (uint64_t)written : n);
        c->is_blocked = written == 0;
    }
    if (c->out_at == c->out.n) {
        buf_clear(&c->out);
        c->out_at = 0;
    }
    http2_socket_want_write(c->socket, c->is_blocked);
    close_if_over(c);
}

static void on_socket_writable(void *user) {
    struct http2_conn *c = user;
    c->is_blocked = false;
    http2_conn_flush(c);
    c->shared->events.on_change(c->shared->pool);
}

static void on_socket_readable(void *user) {
    struct http2_conn *c = user;
    uint8_t bytes[READ_BYTES];
    c->shared->now_ms = clock_mono_ms();
    bool is_more = true;
    while (is_more && c->state != HTTP2_CONN_CLOSED) {
        ssize_t n = http2_socket_read(c->socket, bytes, sizeof(bytes));
        if (n == 0) {
            break;
        }
        if (n < 0) {
            http2_conn_close(c, c->goaway[0] ? c->goaway : "the peer closed the connection");
            break;
        }
        c->heard_ms = c->shared->now_ms;
        c->ping_sent_ms = 0;
        if (nghttp2_session_mem_recv(c->session, bytes, (size_t)n) < 0) {
            http2_conn_close(c, "the peer broke the HTTP/2 protocol");
            break;
        }
        /* What the kernel still holds makes the loop call again, without a vain read now. */
        is_more = http2_socket_has_pending(c->socket);
    }
    struct http2_conn_shared *shared = c->shared;
    shared->events.on_change(shared->pool);
    http2_conn_deliver(shared);
}

static void on_socket_open(void *user) {
    struct http2_conn *c = user;
    if (http2_conn_start_session(c)) {
        http2_conn_close(c, "no HTTP/2 session could be made");
        return;
    }
    c->state = HTTP2_CONN_OPEN;
    c->heard_ms = c->used_ms = c->shared->now_ms = clock_mono_ms();
    metrics_add(M_HTTP2_OPENED, 1);
    log_debug("http2_open", LOG_S("origin", http2_origin_authority(c->shared->origin)),
              LOG_I("resumed", http2_socket_is_resumed(c->socket)));
    c->shared->events.on_change(c->shared->pool);
}

static void on_socket_failed(void *user, const char *why) {
    http2_conn_close(user, why);
}

struct http2_conn *http2_conn_open(struct http2_conn_shared *shared, uint32_t turn) {
    static const struct http2_socket_handlers handlers = {
        .on_open = on_socket_open,
        .on_readable = on_socket_readable,
        .on_writable = on_socket_writable,
        .on_failed = on_socket_failed,
    };
    struct http2_conn *c = mem_zalloc(1, sizeof(*c));
    c->shared = shared;
    c->refs = 1;
    list_init(&c->link);
    list_init(&c->in_flight);
    buf_init(&c->out, OUT_MAX_BYTES);
    c->socket = http2_socket_open(shared->loop, shared->origin, turn,
                                  shared->options.connect_timeout_ms, &handlers, c);
    return c;
}

/* --- requests --- */

static size_t streams_allowed(const struct http2_conn *c) {
    const struct http2_options *options = &c->shared->options;
    if (options->one_until_accepted && !c->is_proven && c->settings_frames < 2) {
        return 1;
    }
    uint32_t limit =
        nghttp2_session_get_remote_settings(c->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    return limit < STREAMS_MAX ? limit : STREAMS_MAX;
}

size_t http2_conn_credit(const struct http2_conn *c, size_t body_bytes) {
    if (c->state != HTTP2_CONN_OPEN || c->out.n - c->out_at > OUT_HIGH_BYTES) {
        return 0;
    }
    size_t allowed = streams_allowed(c);
    if (allowed <= c->in_flight_count) {
        return 0;
    }
    int32_t window = nghttp2_session_get_remote_window_size(c->session);
    size_t by_window = window <= 0 ? 0 : (size_t)window / (body_bytes ? body_bytes : 1);
    size_t by_streams = allowed - c->in_flight_count;
    return by_streams < by_window ? by_streams : by_window;
}

static ssize_t read_body(nghttp2_session *session, int32_t stream_id, uint8_t *bytes, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user) {
    (void)session;
    (void)stream_id;
    (void)bytes;
    (void)user;
    const struct http2_request *rq = source->ptr;
    size_t n = rq->body_left < size ? rq->body_left : size;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY | (n == rq->body_left ? NGHTTP2_DATA_FLAG_EOF : 0);
    return (ssize_t)n;
}

#define STATIC_NV(text, content)                                                                   \
    {                                                                                              \
        .name = (uint8_t *)(text), .value = (uint8_t *)(content), .namelen = sizeof(text) - 1,     \
        .valuelen = sizeof(content) - 1,                                                           \
        .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                      \
    }

/* What nghttp2 is told; the headers that go out are those of c->posting. */
static int32_t submit(struct http2_conn *c, struct http2_request *rq) {
    static const nghttp2_nv nva[] = {STATIC_NV(":method", "POST"), STATIC_NV(":scheme", "https"),
                                     STATIC_NV(":path", "/")};
    nghttp2_data_provider body = {.source.ptr = rq, .read_callback = read_body};
    return nghttp2_submit_request(c->session, NULL, nva, sizeof(nva) / sizeof(nva[0]),
                                  rq->body_left ? &body : NULL, rq);
}

static size_t body_bytes(const struct http2_post *post) {
    size_t size = 0;
    for (int i = 0; i < HTTP2_BODY_PARTS; i++) {
        size += post->body[i].n;
    }
    return size;
}

enum err http2_conn_post(struct http2_conn *c, const struct http2_post *post) {
    if (http2_conn_credit(c, body_bytes(post)) == 0) {
        return ERR_FULL;
    }
    if (!nghttp2_session_check_request_allowed(c->session)) {
        c->state = HTTP2_CONN_DRAINING; /* stream ids used up */
        return ERR_FULL;
    }
    struct http2_request *rq = http2_request_create(c->shared, c, post);
    rq->out_start = c->out_total;
    rq->stream_id = submit(c, rq);
    if (rq->stream_id < 0) {
        http2_request_release(c->shared, rq);
        return ERR_FULL;
    }
    c->refs++;
    c->in_flight_count++;
    http2_demand_on_post(&c->shared->demand);
    c->used_ms = c->shared->now_ms;
    rq->deadline_ms = c->used_ms + c->shared->options.response_timeout_ms;
    list_push_back(&c->in_flight, &rq->link);
    c->posting = post;
    bool is_broken = http2_conn_serialise(c) || c->posting;
    c->posting = NULL;
    http2_request_keep_body(rq);
    if (is_broken) {
        http2_conn_close(c, "nothing more can be sent");
    } else if (c->out.n - c->out_at >= OUT_FLUSH_BYTES && !c->is_blocked) {
        http2_conn_flush(c);
    }
    return ERR_OK;
}

/* --- policy --- */

void http2_conn_retire(struct http2_conn *c, bool expired) {
    c->is_expired = c->is_expired || expired;
    if (c->state == HTTP2_CONN_OPEN) {
        c->state = HTTP2_CONN_DRAINING;
        c->shared->events.on_change(c->shared->pool);
    }
}

/* The timeout is the same for all requests, so the list is in order of deadlines. */
static void end_overdue(struct http2_conn *c, int64_t now_ms) {
    while (!list_is_empty(&c->in_flight)) {
        struct http2_request *rq = LIST_ENTRY(c->in_flight.next, struct http2_request, link);
        if (rq->deadline_ms > now_ms) {
            return;
        }
        metrics_add(M_HTTP2_TIMEOUTS, 1);
        if (2 * (now_ms - c->heard_ms) > c->shared->options.response_timeout_ms) {
            /* Not one byte for half of that time: the line is dead and nobody says so. The repeats
             * must not go into the same hole. */
            http2_conn_retire(c, false);
        }
        (void)nghttp2_session_set_stream_user_data(c->session, rq->stream_id, NULL);
        (void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, rq->stream_id,
                                        NGHTTP2_CANCEL);
        http2_conn_finish(rq, is_unwritten(rq) ? HTTP2_NOT_SENT : HTTP2_UNKNOWN);
    }
}

static void ping_when_quiet(struct http2_conn *c, int64_t now_ms) {
    const struct http2_options *options = &c->shared->options;
    if (c->ping_sent_ms) {
        if (now_ms - c->ping_sent_ms >= options->ping_timeout_ms) {
            http2_conn_close(c, "no answer to PING");
        }
    } else if (options->idle_ping_ms && now_ms - c->heard_ms >= options->idle_ping_ms) {
        c->ping_sent_ms = now_ms;
        (void)nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
    }
}

void http2_conn_tick(struct http2_conn *c, int64_t now_ms) {
    if (c->state != HTTP2_CONN_OPEN && c->state != HTTP2_CONN_DRAINING) {
        return;
    }
    end_overdue(c, now_ms);
    ping_when_quiet(c, now_ms);
    http2_conn_flush(c);
}

void http2_conn_leave(struct http2_conn *c) {
    if (c->state == HTTP2_CONN_OPEN) {
        c->state = HTTP2_CONN_DRAINING;
        c->is_unused = true;
        (void)nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, 0, NGHTTP2_NO_ERROR, NULL, 0);
        http2_conn_flush(c);
    }
}

/* --- asking --- */

enum http2_conn_state http2_conn_state(const struct http2_conn *c) {
    return c->state;
}

size_t http2_conn_in_flight(const struct http2_conn *c) {
    return c->in_flight_count;
}

size_t http2_conn_streams(const struct http2_conn *c) {
    return c->state == HTTP2_CONN_OPEN ? streams_allowed(c) : 0;
}

int64_t http2_conn_quiet_since(const struct http2_conn *c) {
    return c->in_flight_count ? INT64_MAX : c->used_ms;
}

bool http2_conn_is_proven(const struct http2_conn *c) {
    return c->is_proven;
}

bool http2_conn_has_failed(const struct http2_conn *c) {
    return c->state == HTTP2_CONN_CLOSED && !c->is_proven && !c->is_unused;
}

struct list *http2_conn_link(struct http2_conn *c) {
    return &c->link;
}

struct http2_conn *http2_conn_of_link(struct list *link) {
    return LIST_ENTRY(link, struct http2_conn, link);
}

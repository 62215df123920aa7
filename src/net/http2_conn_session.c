#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "http2_conn_internal.h"

enum {
    WINDOW_BYTES = 1 << 20, /* what peers may send us before a WINDOW_UPDATE */
    FRAME_HEAD_BYTES = 9,
    FRAME_MAX_BYTES = 16384, /* what every peer takes (RFC 9113 section 4.2) */
    BLOCK_MAX_BYTES = 64 << 10,
};

/* --- nghttp2 callbacks: they only note what happened --- */

static struct http2_request *request_of(nghttp2_session *session, int32_t stream_id) {
    return nghttp2_session_get_stream_user_data(session, stream_id);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user) {
    (void)flags;
    (void)user;
    struct http2_request *rq = request_of(session, frame->hd.stream_id);
    if (rq) {
        http2_request_on_header(rq, (struct str){(const char *)name, name_size},
                                (struct str){(const char *)value, value_size});
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *bytes, size_t size, void *user) {
    (void)flags;
    (void)user;
    struct http2_request *rq = request_of(session, stream_id);
    if (rq) {
        http2_request_on_data(rq, (struct str){(const char *)bytes, size});
    }
    return 0;
}

/* The peer's debug text, reduced to what may stand in a log line. */
static void note_goaway(struct http2_conn *c, const nghttp2_goaway *goaway) {
    size_t n = goaway->opaque_data_len;
    n = n < sizeof(c->goaway) - 1 ? n : sizeof(c->goaway) - 1;
    for (size_t i = 0; i < n; i++) {
        c->goaway[i] = isprint(goaway->opaque_data[i]) ? (char)goaway->opaque_data[i] : '?';
    }
    c->goaway[n] = '\0';
    metrics_add(M_HTTP2_GOAWAYS, 1);
    log_info("http2_goaway", LOG_S("origin", http2_origin_authority(c->shared->origin)),
             LOG_I("last_stream_id", goaway->last_stream_id), LOG_I("code", goaway->error_code),
             LOG_S("debug", c->goaway), LOG_I("in_flight", c->in_flight_count));
}

static void heed_table_size(struct http2_conn *c, const nghttp2_settings *settings) {
    for (size_t i = 0; i < settings->niv; i++) {
        if (settings->iv[i].settings_id == NGHTTP2_SETTINGS_HEADER_TABLE_SIZE) {
            http2_headers_set_max(&c->headers, settings->iv[i].value);
        }
    }
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    struct http2_conn *c = user;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct http2_request *rq = request_of(session, frame->hd.stream_id);
        if (rq && rq->status >= 200) {
            rq->has_status = true;
        }
    } else if (frame->hd.type == NGHTTP2_SETTINGS) {
        c->settings_frames += frame->hd.flags & NGHTTP2_FLAG_ACK ? 0 : 1;
        heed_table_size(c, &frame->settings);
        c->shared->events.on_change(c->shared->pool);
    } else if (frame->hd.type == NGHTTP2_WINDOW_UPDATE) {
        c->shared->events.on_change(c->shared->pool);
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        note_goaway(c, &frame->goaway);
        c->state = HTTP2_CONN_DRAINING;
        c->shared->events.on_change(c->shared->pool);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user) {
    (void)user;
    struct http2_request *rq = request_of(session, stream_id);
    if (rq) {
        rq->is_stream_closed = code == NGHTTP2_STREAM_CLOSED;
        if (code == NGHTTP2_REFUSED_STREAM) {
            metrics_add(M_HTTP2_REFUSED, 1);
        }
        http2_conn_finish(rq, code == NGHTTP2_REFUSED_STREAM ? HTTP2_NOT_SENT : HTTP2_UNKNOWN);
    }
    return 0;
}

static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *user) {
    (void)error;
    (void)user;
    if (frame->hd.type == NGHTTP2_HEADERS) {
        struct http2_request *rq = request_of(session, frame->hd.stream_id);
        if (rq) {
            http2_conn_finish(rq, HTTP2_NOT_SENT);
        }
    }
    return 0;
}

/* A DATA frame, whose body goes from the request straight into the output. */
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                        size_t size, nghttp2_data_source *source, void *user) {
    (void)session;
    (void)frame;
    struct http2_conn *c = user;
    buf_put(&c->out, head, FRAME_HEAD_BYTES);
    http2_request_put_body(source->ptr, size, &c->out);
    return 0;
}

/* --- serialising ---
 *
 * nghttp2 runs the protocol, but its header compression never indexes `authorization` (see
 * net/http2_headers.h). So it is given a request of three static headers, and the frame it makes of
 * them is replaced by one with our own block: the peer never sees a block of nghttp2's. */

static void put_frame_head(struct buf *out, size_t size, unsigned type, unsigned flags,
                           const uint8_t stream_id[4]) {
    const uint8_t head[5] = {(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size,
                             (uint8_t)type, (uint8_t)flags};
    buf_put(out, head, sizeof(head));
    buf_put(out, stream_id, 4);
}

static void put_block(struct http2_conn *c) {
    const struct http2_post *post = c->posting;
    struct http2_headers *h = &c->headers;
    buf_clear(&c->block);
    http2_headers_begin(h, &c->block);
    http2_headers_put(h, STR(":method"), STR("POST"), false, &c->block);
    http2_headers_put(h, STR(":scheme"), STR("https"), false, &c->block);
    http2_headers_put(h, STR(":authority"), str_of(http2_origin_authority(c->shared->origin)),
                      false, &c->block);
    http2_headers_put(h, STR(":path"), post->path, post->is_path_unique, &c->block);
    for (size_t i = 0; i < post->header_count; i++) {
        const struct http2_header *header = &post->headers[i];
        http2_headers_put(h, header->name, header->value, header->is_unique, &c->block);
    }
}

/* In place of nghttp2's HEADERS frame `frame`. */
static enum err put_headers(struct http2_conn *c, const uint8_t *frame) {
    if (!c->posting) {
        return ERR_PROTOCOL; /* a request that nghttp2 held back: cannot be, see http2_conn_post */
    }
    put_block(c);
    c->posting = NULL;
    unsigned end_stream = frame[4] & NGHTTP2_FLAG_END_STREAM;
    size_t at = 0;
    do {
        size_t rest = c->block.n - at;
        size_t n = rest < FRAME_MAX_BYTES ? rest : FRAME_MAX_BYTES;
        unsigned flags = (at == 0 ? end_stream : 0) | (n == rest ? NGHTTP2_FLAG_END_HEADERS : 0);
        put_frame_head(&c->out, n, at == 0 ? NGHTTP2_HEADERS : NGHTTP2_CONTINUATION, flags,
                       frame + 5);
        buf_put(&c->out, c->block.p + at, n);
        at += n;
    } while (at < c->block.n);
    return buf_check(&c->block);
}

enum err http2_conn_serialise(struct http2_conn *c) {
    size_t before = c->out.n;
    enum err err = ERR_OK;
    while (!err) {
        const uint8_t *bytes = NULL;
        ssize_t n = nghttp2_session_mem_send(c->session, &bytes);
        if (n <= 0) {
            err = n == 0 ? ERR_OK : ERR_PROTOCOL;
            break;
        }
        /* One frame a call, or the connection's preface, whose fourth byte is a space. */
        if (n >= FRAME_HEAD_BYTES && bytes[3] == NGHTTP2_HEADERS) {
            err = put_headers(c, bytes);
        } else {
            buf_put(&c->out, bytes, (size_t)n);
        }
        err = err ? err : buf_check(&c->out);
    }
    c->out_total += c->out.n - before;
    return err ? err : buf_check(&c->out);
}

/* --- session --- */

enum err http2_conn_start_session(struct http2_conn *c) {
    http2_headers_init(&c->headers);
    buf_init(&c->block, BLOCK_MAX_BYTES);
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int rc = nghttp2_session_callbacks_new(&callbacks);
    if (rc == 0 && (rc = nghttp2_option_new(&option)) == 0) {
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
        nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
        /* nghttp2 assumes 100 until the first SETTINGS; APNs offers 1. */
        nghttp2_option_set_peer_max_concurrent_streams(option, c->shared->options.first_streams);
        rc = nghttp2_session_client_new3(&c->session, callbacks, c, option,
                                         &c->shared->memory.functions);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    if (rc != 0) {
        return ERR_FULL;
    }
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65535},
    };
    rc = nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings, 2);
    if (rc == 0) {
        rc = nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES);
    }
    return rc == 0 ? ERR_OK : ERR_FULL;
}

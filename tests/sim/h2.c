#include "h2.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "stream.h"

enum {
    NGHTTP2_STREAMS = 100000, /* what nghttp2 believes; the true limit is conn->stream_limit */
    WINDOW_BYTES = 65535,
    FRAME_BYTES = 16384,
    HEADER_LIST_BYTES = 8000, /* as APNs announces */
    HEADER_TABLE_BYTES = 4096,
    FRAME_HEAD_BYTES = 9,
    SETTING_BYTES = 6,
    PADDING_BYTES = 7,
    GRACE_MS = 100,  /* between the two GOAWAY frames of a planned stop */
    COLLECT_MS = 30, /* "goaway middle" waits so long for open streams */
    APNS_IDLE_MS = 3600 * 1000,
    FCM_IDLE_MS = 180 * 1000, /* FIN after about three minutes: pigeon issues 81, 92 */
    MIDDLE_IDS_MAX = 2048,
};

/* Callback tables are the same for every session; read-only after h2_setup. */
static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

static uint32_t first_streams(struct conn *c) {
    struct fault *f = &c->listener->faults[F_STREAMS];
    if (c->listener->provider == PROVIDER_APNS) {
        return APNS_FIRST_STREAMS;
    }
    return fault_fires(f, &c->listener->sim->rng) ? (uint32_t)f->value : FCM_STREAMS;
}

static void note_limit(struct conn *c, uint32_t limit) {
    c->stream_limit = limit;
    c->settings.limits[c->settings.submitted++ % SETTINGS_RING] = limit;
}

void h2_start(struct conn *c) {
    struct fault *faults = c->listener->faults;
    struct rng *rng = &c->listener->sim->rng;
    struct fault *window = &faults[F_SMALL_WINDOW];
    uint32_t window_bytes =
        fault_fires(window, rng) && window->value > 0 ? (uint32_t)window->value : WINDOW_BYTES;
    uint32_t table_bytes = fault_fires(&faults[F_HEADER_TABLE_ZERO], rng) ? 0 : HEADER_TABLE_BYTES;
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, NGHTTP2_STREAMS},
        {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, table_bytes},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, window_bytes},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, FRAME_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HEADER_LIST_BYTES},
    };
    int made = nghttp2_session_server_new2(&c->h2, callbacks, c, options);
    assert(made == 0);
    (void)made;
    note_limit(c, first_streams(c));
    (void)nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, entries,
                                  sizeof(entries) / sizeof(entries[0]));
    if (window_bytes < WINDOW_BYTES) {
        (void)nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0,
                                                    (int32_t)window_bytes);
    }
}

void h2_finish(struct conn *c) {
    struct wheel *w = &c->listener->sim->wheel;
    wheel_remove(w, &c->step);
    wheel_remove(w, &c->credit);
    while (!list_is_empty(&c->streams)) {
        stream_destroy(LIST_ENTRY(c->streams.next, struct stream, link));
    }
    nghttp2_session_del(c->h2);
    c->h2 = NULL;
}

void h2_set_streams(struct conn *c, uint32_t limit) {
    if (limit == c->stream_limit ||
        c->settings.submitted - c->settings.acknowledged >= SETTINGS_RING - 1) {
        return;
    }
    const nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, NGHTTP2_STREAMS};
    note_limit(c, limit);
    (void)nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, &entry, 1);
    conn_want_flush(c);
}

/* Puts the true limit of concurrent streams into a SETTINGS frame about to leave. */
static void write_limit(struct conn *c, char *frame, size_t size) {
    uint32_t limit = c->settings.limits[c->settings.written++ % SETTINGS_RING];
    for (size_t at = FRAME_HEAD_BYTES; at + SETTING_BYTES <= size; at += SETTING_BYTES) {
        if (frame[at] == 0 && frame[at + 1] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) {
            for (int i = 0; i < 4; i++) {
                frame[at + 2 + (size_t)i] = (char)(limit >> (24 - 8 * i));
            }
        }
    }
}

size_t h2_next_frame(struct conn *c, char *out) {
    const uint8_t *bytes;
    ssize_t size = nghttp2_session_mem_send(c->h2, &bytes);
    if (size <= 0) {
        return 0;
    }
    assert(size <= H2_FRAME_BYTES_MAX);
    memcpy(out, bytes, (size_t)size);
    if (bytes[3] == NGHTTP2_SETTINGS && !(bytes[4] & NGHTTP2_FLAG_ACK)) {
        write_limit(c, out, (size_t)size);
    }
    if (bytes[3] == NGHTTP2_GOAWAY && !c->goaway_sent && !c->planned_stop) {
        c->listener->stats.protocol_errors++; /* nghttp2's own decision */
        c->end = "protocol error";
    }
    return (size_t)size;
}

bool h2_receive(struct conn *c, const char *bytes, size_t size) {
    return nghttp2_session_mem_recv(c->h2, (const uint8_t *)bytes, size) == (ssize_t)size;
}

bool h2_is_over(const struct conn *c) {
    return !nghttp2_session_want_read(c->h2) && !nghttp2_session_want_write(c->h2);
}

static void send_goaway(struct conn *c, int32_t last_stream_id, uint32_t code, const char *debug) {
    (void)nghttp2_submit_goaway(c->h2, NGHTTP2_FLAG_NONE, last_stream_id, code,
                                (const uint8_t *)debug, strlen(debug));
    c->goaway_sent = true;
    c->goaway_last = last_stream_id;
    conn_want_flush(c);
}

const char *h2_stop_reason(const struct conn *c) {
    return c->listener->provider == PROVIDER_APNS ? "{\"reason\":\"Shutdown\"}"
                                                  : "server_shutting_down";
}

static void on_grace_end(struct wheel_item *item) {
    struct conn *c = LIST_ENTRY(item, struct conn, step);
    send_goaway(c, nghttp2_session_get_last_proc_stream_id(c->h2), NGHTTP2_NO_ERROR,
                h2_stop_reason(c));
}

/* The lower half of what is open will be answered, the upper half never was there. */
static void on_collected(struct wheel_item *item) {
    struct conn *c = LIST_ENTRY(item, struct conn, step);
    int32_t ids[MIDDLE_IDS_MAX];
    size_t count = 0;
    LIST_EACH(it, &c->streams) { /* in order of their numbers */
        const struct stream *st = LIST_ENTRY(it, struct stream, link);
        if (!st->decided && count < MIDDLE_IDS_MAX) {
            ids[count++] = st->id;
        }
    }
    c->collecting = false;
    send_goaway(c, count ? ids[(count - 1) / 2] : nghttp2_session_get_last_proc_stream_id(c->h2),
                NGHTTP2_NO_ERROR, h2_stop_reason(c));
}

void h2_goaway(struct conn *c, enum goaway_mode mode, uint32_t code, const char *debug) {
    struct wheel *w = &c->listener->sim->wheel;
    int32_t last = nghttp2_session_get_last_proc_stream_id(c->h2);
    if (c->goaway_sent || c->collecting) {
        return;
    }
    switch (mode) {
    case GOAWAY_GRACEFUL:
        c->planned_stop = true;
        (void)nghttp2_submit_shutdown_notice(c->h2);
        wheel_remove(w, &c->step);
        wheel_add(w, &c->step, GRACE_MS, on_grace_end);
        conn_want_flush(c);
        return;
    case GOAWAY_MIDDLE:
        c->collecting = true;
        wheel_remove(w, &c->step);
        wheel_add(w, &c->step, COLLECT_MS, on_collected);
        return;
    case GOAWAY_ZERO:
        last = 0;
        break;
    case GOAWAY_SILENT:
        c->silent = c->keep_open = true;
        break;
    case GOAWAY_KEEP:
        c->keep_open = true;
        break;
    }
    send_goaway(c, last, code, debug);
}

void h2_sweep_idle(struct listener *l) {
    struct fault *f = &l->faults[F_IDLE_GOAWAY];
    int64_t limit_ms = l->provider == PROVIDER_APNS ? APNS_IDLE_MS : FCM_IDLE_MS;
    bool by_fault = fault_is_on(f);
    if (by_fault) {
        limit_ms = f->ms;
    }
    int64_t now_ms = clock_mono_ms();
    LIST_EACH_SAFE(it, &l->conns) {
        struct conn *c = LIST_ENTRY(it, struct conn, link);
        if (c->state != CONN_OPEN || c->goaway_sent || !list_is_empty(&c->streams) ||
            now_ms - c->last_request_ms < limit_ms) {
            continue;
        }
        if (by_fault) {
            fault_count(f);
        }
        send_goaway(c, nghttp2_session_get_last_proc_stream_id(c->h2), NGHTTP2_NO_ERROR,
                    l->provider == PROVIDER_APNS ? "{\"reason\":\"IdleTimeout\"}"
                                                 : "session_timed_out");
    }
}

/* --- what the client sends --- */

/* More streams than allowed: FCM ends the connection, APNs refuses the stream or ends it. */
static void on_excess(struct conn *c, int32_t id) {
    bool race = c->settings.acknowledged != c->settings.submitted;
    struct fault *end = &c->listener->faults[F_EXCESS_GOAWAY];
    struct rng *rng = &c->listener->sim->rng;
    if (race) {
        c->listener->stats.streams_excess_race++;
    } else {
        c->listener->stats.streams_excess++;
    }
    int32_t last = id > 2 ? id - 2 : 0; /* this one was not processed */
    if (!race && c->listener->provider != PROVIDER_APNS) {
        send_goaway(c, last, NGHTTP2_PROTOCOL_ERROR, "exceeded_max_concurrent_streams");
        return;
    }
    if (!race && fault_fires(end, rng)) {
        send_goaway(c, last, NGHTTP2_PROTOCOL_ERROR, "max concurrent streams violated");
        return;
    }
    (void)nghttp2_submit_rst_stream(c->h2, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *user) {
    struct conn *c = user;
    int32_t id = frame->hd.stream_id;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
        return 0;
    }
    c->last_request_ms = clock_mono_ms();
    if (c->broken) {
        (void)nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    if (c->open_streams >= c->stream_limit) {
        on_excess(c, id);
        return 0;
    }
    c->open_streams++;
    struct connection_record *record = conn_record(c);
    if (c->open_streams > record->max_streams) {
        record->max_streams = c->open_streams;
    }
    if (c->open_streams > c->listener->stats.max_streams) {
        c->listener->stats.max_streams = c->open_streams;
    }
    return nghttp2_session_set_stream_user_data(h2, id, stream_create(c, id));
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user) {
    struct stream *st = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    (void)flags;
    (void)user;
    if (st && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        stream_header(st, (struct str){(const char *)name, name_size},
                      (struct str){(const char *)value, value_size});
    }
    return 0;
}

static void on_credit_time(struct wheel_item *item) {
    struct conn *c = LIST_ENTRY(item, struct conn, credit);
    (void)nghttp2_session_consume_connection(c->h2, c->credit_held);
    c->credit_held = 0;
    conn_want_flush(c);
}

/* Gives the credit of the connection's window back, now or later. */
static void give_credit(struct conn *c, size_t size) {
    struct fault *hold = &c->listener->faults[F_HOLD_WINDOW];
    if (!c->credit_held && !fault_fires(hold, &c->listener->sim->rng)) {
        (void)nghttp2_session_consume_connection(c->h2, size);
        return;
    }
    c->credit_held += size;
    if (!wheel_item_waits(&c->credit)) {
        wheel_add(&c->listener->sim->wheel, &c->credit, hold->ms, on_credit_time);
    }
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes,
                   size_t size, void *user) {
    struct conn *c = user;
    struct stream *st = nghttp2_session_get_stream_user_data(h2, id);
    (void)flags;
    c->listener->stats.body_bytes += size;
    if (st) {
        buf_put(&st->request.body, bytes, size);
    }
    (void)nghttp2_session_consume_stream(h2, id, size);
    give_credit(c, size);
    return 0;
}

static void on_ping(struct conn *c, const nghttp2_frame *frame) {
    struct fault *faults = c->listener->faults;
    struct fault *many = &faults[F_TOO_MANY_PINGS];
    c->listener->stats.pings++;
    if (fault_is_on(many) && fault_over_rate(many, &c->pings, clock_mono_ms())) {
        fault_count(many);
        send_goaway(c, nghttp2_session_get_last_proc_stream_id(c->h2), NGHTTP2_ENHANCE_YOUR_CALM,
                    "too_many_pings");
        return;
    }
    if (!c->silent && !fault_fires(&faults[F_NO_PING_ACK], &c->listener->sim->rng)) {
        (void)nghttp2_submit_ping(c->h2, NGHTTP2_FLAG_ACK, frame->ping.opaque_data);
    }
}

static int on_frame(nghttp2_session *h2, const nghttp2_frame *frame, void *user) {
    struct conn *c = user;
    struct stats *stats = &c->listener->stats;
    struct stream *st;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        stats->header_bytes += frame->hd.length;
        break;
    case NGHTTP2_DATA:
        break;
    case NGHTTP2_SETTINGS:
        c->settings.acknowledged += (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
        return 0;
    case NGHTTP2_PING:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK)) {
            on_ping(c, frame);
        }
        return 0;
    case NGHTTP2_GOAWAY:
        stats->goaways_received++;
        return 0;
    case NGHTTP2_RST_STREAM:
        stats->streams_cancelled++;
        return 0;
    default:
        return 0;
    }
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) {
        st = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
        if (st) {
            exchange_begin(st);
        }
    }
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t code, void *user) {
    struct conn *c = user;
    struct stream *st = nghttp2_session_get_stream_user_data(h2, id);
    (void)code;
    if (st) {
        c->open_streams--;
        stream_destroy(st);
    }
    return 0;
}

static ssize_t choose_padding(nghttp2_session *h2, const nghttp2_frame *frame, size_t max_size,
                              void *user) {
    const struct conn *c = user;
    size_t size = frame->hd.length;
    (void)h2;
    if (c->pads && frame->hd.type == NGHTTP2_DATA) {
        size += PADDING_BYTES;
    }
    return (ssize_t)(size < max_size ? size : max_size);
}

void h2_setup(void) {
    int failed = nghttp2_session_callbacks_new(&callbacks) | nghttp2_option_new(&options);
    assert(!failed);
    (void)failed;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_select_padding_callback(callbacks, choose_padding);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_auto_ping_ack(options, 1);
}

void h2_cleanup(void) {
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(options);
}

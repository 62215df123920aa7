#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "authorization.h"
#include "base/clock.h"
#include "base/mem.h"
#include "h2.h"

enum { SEGMENT_GAP_MS = 5 };

/* Streams come and go a hundred thousand times a second; their memory stays. One thread. */
static struct list free_streams = {&free_streams, &free_streams};

static const struct {
    const char *name;
    size_t size;
} known[H_COUNT] = {
#define HEADER(id, text) [id] = {text, sizeof(text) - 1}
    HEADER(H_METHOD, ":method"),
    HEADER(H_PATH, ":path"),
    HEADER(H_SCHEME, ":scheme"),
    HEADER(H_AUTHORITY, ":authority"),
    HEADER(H_AUTHORIZATION, "authorization"),
    HEADER(H_CONTENT_TYPE, "content-type"),
    HEADER(H_CONTENT_ENCODING, "content-encoding"),
    HEADER(H_APNS_ID, "apns-id"),
    HEADER(H_APNS_TOPIC, "apns-topic"),
    HEADER(H_APNS_PUSH_TYPE, "apns-push-type"),
    HEADER(H_APNS_PRIORITY, "apns-priority"),
    HEADER(H_APNS_EXPIRATION, "apns-expiration"),
    HEADER(H_APNS_COLLAPSE_ID, "apns-collapse-id"),
#undef HEADER
};

struct stream *stream_create(struct conn *c, int32_t id) {
    struct stream *st;
    if (list_is_empty(&free_streams)) {
        st = mem_zalloc(1, sizeof(*st));
        buf_init(&st->request.body, STREAM_BODY_MAX);
        buf_init(&st->answer.body, STREAM_BODY_MAX);
    } else {
        st = LIST_ENTRY(free_streams.next, struct stream, link);
        list_remove(&st->link);
    }
    st->conn = c;
    st->id = id;
    st->answer.retry_after = -1;
    wheel_item_init(&st->delay);
    list_push_back(&c->streams, &st->link);
    return st;
}

void stream_destroy(struct stream *st) {
    wheel_remove(&st->conn->listener->sim->wheel, &st->delay);
    list_remove(&st->link);
    for (int i = 0; i < H_COUNT; i++) {
        free(st->owned[i]);
        st->owned[i] = NULL;
    }
    memset(st->request.header, 0, sizeof(st->request.header));
    st->request.duplicate = false;
    st->request.authorization = NULL;
    buf_clear(&st->request.body);
    struct buf body = st->answer.body;
    buf_clear(&body);
    st->answer = (struct answer){.body = body};
    st->fate = FATE_ANSWER;
    st->body_sent = st->text_n = 0;
    st->body_held = st->decided = st->counted = false;
    st->apns_id[0] = st->unique_id[0] = st->retry_text[0] = '\0';
    list_push_front(&free_streams, &st->link);
}

void stream_cleanup(void) {
    while (!list_is_empty(&free_streams)) {
        struct stream *st = LIST_ENTRY(free_streams.next, struct stream, link);
        list_remove(&st->link);
        buf_finish(&st->request.body);
        buf_finish(&st->answer.body);
        free(st);
    }
}

static void keep_authorization(struct stream *st, struct str value) {
    struct conn *c = st->conn;
    struct authorization *a = c->authorization;
    if (!a || !str_eq(a->text, value)) {
        bool is_new;
        a = authorization_get(c->listener->sim, value, &is_new);
        c->listener->stats.authorizations += is_new;
    }
    st->request.authorization = a;
    st->request.header[H_AUTHORIZATION] = a->text;
}

void stream_header(struct stream *st, struct str name, struct str value) {
    int id = 0;
    while (id < H_COUNT &&
           (known[id].size != name.n || memcmp(known[id].name, name.p, name.n) != 0)) {
        id++;
    }
    if (id == H_COUNT) {
        return;
    }
    if (st->request.header[id].p) {
        st->request.duplicate = true;
        return;
    }
    if (id == H_AUTHORIZATION) {
        keep_authorization(st, value);
        return;
    }
    char *at = st->text + st->text_n;
    if (value.n > sizeof(st->text) - st->text_n) {
        at = st->owned[id] = mem_alloc(value.n + 1);
    } else {
        st->text_n += value.n;
    }
    memcpy(at, value.p, value.n);
    st->request.header[id] = (struct str){at, value.n};
}

static ssize_t read_body(nghttp2_session *h2, int32_t id, uint8_t *out, size_t size,
                         uint32_t *flags, nghttp2_data_source *source, void *user) {
    struct stream *st = source->ptr;
    (void)h2;
    (void)id;
    (void)user;
    if (st->body_held) {
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t left = st->answer.body.n - st->body_sent;
    size_t n = left < size ? left : size;
    if (st->fate == FATE_SPLIT_BYTES && n > 1) {
        n = 1;
    }
    if (n) {
        memcpy(out, st->answer.body.p + st->body_sent, n);
    }
    st->body_sent += n;
    if (st->body_sent == st->answer.body.n) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)n;
}

/* Nothing is copied: names are literals, values live in the stream until it is closed. */
static void add(nghttp2_nv *nv, size_t *count, const char *name, const char *value) {
    nv[(*count)++] =
        (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                     strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static void format_retry(struct stream *st) {
    if (!st->answer.retry_date) {
        (void)snprintf(st->retry_text, sizeof(st->retry_text), "%lld",
                       (long long)st->answer.retry_after);
        return;
    }
    time_t at = (time_t)(clock_wall_ms() / 1000 + st->answer.retry_after);
    struct tm utc;
    gmtime_r(&at, &utc);
    (void)strftime(st->retry_text, sizeof(st->retry_text), "%a, %d %b %Y %H:%M:%S GMT", &utc);
}

static void on_body_time(struct wheel_item *item) {
    struct stream *st = LIST_ENTRY(item, struct stream, delay);
    if (st->fate == FATE_RST_AFTER_HEADERS) {
        stream_reset(st, st->rst_code);
        return;
    }
    st->body_held = false;
    (void)nghttp2_session_resume_data(st->conn->h2, st->id);
    conn_want_flush(st->conn);
}

void stream_answer(struct stream *st) {
    struct conn *c = st->conn;
    struct answer *a = &st->answer;
    nghttp2_nv nv[STREAM_HEADERS_MAX];
    size_t count = 0;
    unsigned status = (unsigned)a->status % 1000;
    st->status_text[0] = (char)('0' + status / 100);
    st->status_text[1] = (char)('0' + status / 10 % 10);
    st->status_text[2] = (char)('0' + status % 10);
    add(nv, &count, ":status", st->status_text);
    if (st->apns_id[0]) {
        add(nv, &count, "apns-id", st->apns_id);
        nv[count - 1].flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    }
    if (st->unique_id[0]) {
        add(nv, &count, "apns-unique-id", st->unique_id);
    }
    if (a->content_type) {
        add(nv, &count, "content-type", a->content_type);
    }
    if (a->retry_after >= 0) {
        format_retry(st);
        add(nv, &count, "retry-after", st->retry_text);
    }
    if (fault_fires(&c->listener->faults[F_EXTRA_HEADERS], &c->listener->sim->rng)) {
        add(nv, &count, "x-served-by", "simulator");
        add(nv, &count, "alt-svc", "h3=\":443\"; ma=2592000");
        c->pads = true;
    }
    bool later =
        st->fate == FATE_RST_AFTER_HEADERS || (st->fate == FATE_SPLIT_SEGMENT && a->body.n > 0);
    nghttp2_data_provider body = {.source.ptr = st, .read_callback = read_body};
    st->decided = true;
    st->body_held = later;
    (void)nghttp2_submit_response(c->h2, st->id, nv, count, a->body.n || later ? &body : NULL);
    if (later) {
        wheel_add(&c->listener->sim->wheel, &st->delay, SEGMENT_GAP_MS, on_body_time);
    }
    conn_want_flush(c);
}

void stream_reset(struct stream *st, uint32_t code) {
    st->decided = true;
    wheel_remove(&st->conn->listener->sim->wheel, &st->delay);
    (void)nghttp2_submit_rst_stream(st->conn->h2, NGHTTP2_FLAG_NONE, st->id, code);
    conn_want_flush(st->conn);
}

#pragma once
/* A real gateway on a loop with a private real Redis, and raw WebSocket clients on that loop. */
#include <stdio.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/gateway.h"
#include "model/alert.h"
#include "store/alert_store.h"
#include "support_http.h"
#include "support_redis.h"

struct fixture {
    struct test_redis redis;
    uv_loop_t loop;
    struct config *cfg;
    struct taxonomy *t;
    struct store *store; /* the newsroom's side, for publishing */
    struct gateway *gateway;
    int port;
};

#define RUN_UNTIL(loop, ms, condition)                                                             \
    do {                                                                                           \
        int64_t run_until_end = clock_mono_ms() + (ms);                                            \
        while (!(condition)) {                                                                     \
            if (clock_mono_ms() > run_until_end) {                                                 \
                fail_msg("not within %d ms: %s", (int)(ms), #condition);                           \
            }                                                                                      \
            loop_turn(loop);                                                                       \
        }                                                                                          \
    } while (0)

static inline bool fixture_is_ready(struct fixture *f) {
    struct client c;
    client_open(&c, &f->loop, f->port);
    int status = client_ask(&c, "GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n", false);
    client_close(&c);
    return status == 200;
}

static inline void fixture_gateway(struct fixture *f) {
    assert_int_equal(gateway_create(&f->loop, f->cfg, f->t, &f->gateway), ERR_OK);
    f->port = gateway_port(f->gateway);
    RUN_UNTIL(&f->loop, 8000, fixture_is_ready(f));
}

/* Redis and the store only; set f->cfg, then fixture_gateway. */
static inline void fixture_prepare(struct fixture *f, bool persistent) {
    log_setup(LOG_FORMAT_KV, getenv("TEST_VERBOSE") ? LOG_DEBUG : LOG_ERROR);
    memset(f, 0, sizeof(*f));
    test_redis_start(&f->redis, persistent);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->cfg = config_create();
    f->cfg->newsroom_duplicate_window_s = 0; /* tests repeat themselves */
    f->cfg->newsroom_breaker_alerts = 0;
    free(f->cfg->redis_url);
    free(f->cfg->gateway_listen);
    f->cfg->redis_url = mem_strdup(f->redis.url);
    f->cfg->gateway_listen = mem_strdup("127.0.0.1:0");
    f->cfg->redis_reconnect_max_ms = 200;
    f->cfg->gateway_drain_s = 1;
    f->t = taxonomy_builtin();
    assert_int_equal(store_create(&f->loop, f->cfg, &f->store), ERR_OK);
    assert_int_equal(store_wait_up(f->store, &f->loop, 5000), ERR_OK);
}

static inline void fixture_start(struct fixture *f) {
    fixture_prepare(f, false);
    fixture_gateway(f);
}

/* Also proves that nothing is left on the loop. */
static inline void fixture_stop(struct fixture *f) {
    gateway_destroy(f->gateway);
    store_destroy(f->store);
    RUN_UNTIL(&f->loop, 5000, uv_loop_alive(&f->loop) == 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    taxonomy_destroy(f->t);
    config_destroy(f->cfg);
    test_redis_stop(&f->redis);
}

/* --- publishing --- */

struct published {
    bool done;
    struct publish_result result;
};

static inline void on_published(void *user, const struct publish_result *result) {
    struct published *p = user;
    p->done = true;
    p->result = *result;
}

/* Posts a request body as the newsroom would, and repeats it while Redis is doubted, as its clients
 * do: a connection found silent may be given up at any time after an outage. */
static inline struct publish_result fixture_publish(struct fixture *f, const char *body) {
    struct published p = {0};
    struct alert *a = NULL;
    struct problem *problems = problem_create();
    char key[UUID_BYTES];
    if (alert_parse_request(f->t, str_of(body), &a, problems) != ERR_OK) {
        fail_msg("bad alert in the test: %s", body);
    }
    problem_destroy(problems);
    codec_uuid7(key);
    codec_uuid7(a->id);
    a->created_by = mem_strdup("test");
    a->sent_ms = clock_wall_ms();
    struct publish_request request = {
        .alert = a, .idempotency_key = str_of(key), .fingerprint = str_of(key)};
    int64_t end_ms = clock_mono_ms() + 20000;
    bool repeated = false;
    do {
        p = (struct published){0};
        alert_store_publish(f->store, f->t, &request, on_published, &p);
        RUN_UNTIL(&f->loop, 20000, p.done);
        repeated = repeated || p.result.status == PUBLISH_UNAVAILABLE;
    } while (p.result.status == PUBLISH_UNAVAILABLE && clock_mono_ms() < end_ms);
    alert_destroy(a);
    if (!repeated ||
        p.result.status != PUBLISH_REPLAYED) { /* the answer alone may have been lost */
        assert_int_equal(p.result.status, PUBLISH_ACCEPTED);
    }
    return p.result;
}

/* An alert with a headline, for a region. */
static inline struct publish_result fixture_post(struct fixture *f, const char *region,
                                                 const char *headline) {
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{\"urgency\":\"high\",\"audience\":{\"regions\":[\"%s\"]},"
                   "\"content\":{\"en\":{\"headline\":\"%s\"}},\"fallback_language\":\"en\"}",
                   region, headline);
    return fixture_publish(f, body);
}

/* --- WebSocket client --- */

struct ws {
    struct client c;
    size_t at;      /* parsed so far */
    int status;     /* of the handshake */
    int close_code; /* of the Close frame received; 0 = none */
    int pings;
    struct buf text; /* the last text message, NUL-terminated */
};

static inline void ws_open(struct ws *w, struct fixture *f, const char *target) {
    memset(w, 0, sizeof(*w));
    client_open(&w->c, &f->loop, f->port);
    buf_init(&w->text, 1 << 20);
    struct buf request;
    buf_init(&request, 16384);
    buf_printf(&request,
               "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
               "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: tocsin.v1\r\n\r\n",
               target);
    client_send(&w->c, request.p, request.n);
    buf_finish(&request);
    (void)client_wait_for(&w->c, "\r\n\r\n", 5000);
    char *end = w->c.in.n ? strstr(w->c.in.p, "\r\n\r\n") : NULL;
    if (end) {
        w->status = (int)strtol(w->c.in.p + 9, NULL, 10);
        w->at = (size_t)(end + 4 - w->c.in.p);
    }
}

static inline void ws_close(struct ws *w) {
    client_close(&w->c);
    buf_finish(&w->text);
}

/* One client frame, masked with zeros. */
static inline void ws_send_frame(struct ws *w, unsigned first_byte, const char *bytes, size_t n) {
    struct buf b;
    buf_init(&b, n + 16);
    buf_putc(&b, (char)first_byte);
    if (n < 126) {
        buf_putc(&b, (char)(0x80U | (unsigned)n));
    } else {
        buf_putc(&b, (char)0xfe);
        buf_putc(&b, (char)(n >> 8));
        buf_putc(&b, (char)(n & 0xff));
    }
    buf_put(&b, "\0\0\0\0", 4);
    buf_put(&b, bytes, n);
    client_send(&w->c, b.p, b.n);
    buf_finish(&b);
}

static inline void ws_say(struct ws *w, const char *text) {
    ws_send_frame(w, 0x81, text, strlen(text));
}

/* Parses the next complete frame of what came; false when there is none. Answers PINGs. */
static inline bool ws_take(struct ws *w, bool *out_is_text) {
    const unsigned char *p = (const unsigned char *)w->c.in.p + w->at;
    size_t left = w->c.in.n - w->at;
    if (left < 2) {
        return false;
    }
    size_t header = p[1] < 126 ? 2 : p[1] == 126 ? 4 : 10;
    if (left < header) {
        return false;
    }
    size_t size = p[1];
    if (header > 2) {
        size = 0;
        for (size_t i = 2; i < header; i++) {
            size = size << 8 | p[i];
        }
    }
    if (left < header + size) {
        return false;
    }
    unsigned opcode = p[0];
    assert_true(opcode == 0x81 || opcode == 0x88 || opcode == 0x89 || opcode == 0x8a);
    *out_is_text = opcode == 0x81;
    if (opcode == 0x81) {
        buf_clear(&w->text);
        buf_put(&w->text, p + header, size);
    } else if (opcode == 0x88 && w->close_code == 0) {
        w->close_code = p[header] << 8 | p[header + 1];
    } else if (opcode == 0x89) {
        w->pings++;
        ws_send_frame(w, 0x8a, (const char *)p + header, size);
    }
    w->at += header + size;
    return true;
}

/* The next text message, parsed; NULL when none comes in time. Release with cJSON_Delete. */
static inline cJSON *ws_next(struct ws *w, int patience_ms) {
    int64_t end = clock_mono_ms() + patience_ms;
    do {
        bool is_text = false;
        while (w->c.in.n && ws_take(w, &is_text)) {
            if (is_text) {
                cJSON *json = cJSON_ParseWithLength(w->text.p, w->text.n);
                assert_non_null(json);
                return json;
            }
        }
        client_poll(&w->c);
    } while (clock_mono_ms() < end && !(w->c.closed && w->at == w->c.in.n));
    return NULL;
}

static inline const char *json_text(const cJSON *json, const char *name) {
    const cJSON *it = cJSON_GetObjectItemCaseSensitive(json, name);
    return cJSON_IsString(it) ? it->valuestring : "";
}

static inline bool json_true(const cJSON *json, const char *name) {
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, name));
}

static inline const char *json_headline(const cJSON *json, const char *edition) {
    const cJSON *content = cJSON_GetObjectItemCaseSensitive(json, "content");
    return json_text(cJSON_GetObjectItemCaseSensitive(content, edition), "headline");
}

/* The next message of a type; others are skipped unless they are alerts. */
static inline cJSON *ws_expect(struct ws *w, const char *type) {
    for (;;) {
        cJSON *json = ws_next(w, 5000);
        if (!json) {
            fail_msg("no %s came (close code %d)", type, w->close_code);
            return NULL;
        }
        if (strcmp(json_text(json, "type"), type) == 0) {
            return json;
        }
        if (strcmp(json_text(json, "type"), "ping") != 0 &&
            strcmp(json_text(json, "type"), "status") != 0) {
            fail_msg("%s came instead of %s", w->text.p, type);
        }
        cJSON_Delete(json);
    }
}

static inline void ws_expect_headline(struct ws *w, const char *headline) {
    cJSON *json = ws_expect(w, "alert");
    assert_string_equal(json_headline(json, "en"), headline);
    cJSON_Delete(json);
}

/* A welcome with these properties; the position is copied. */
static inline void ws_expect_welcome(struct ws *w, bool recovered, const char *reason,
                                     char out_position[POSITION_BYTES]) {
    cJSON *json = ws_expect(w, "welcome");
    assert_int_equal(json_true(json, "recovered"), recovered);
    assert_string_equal(json_text(json, "reason"), reason);
    if (out_position) {
        (void)snprintf(out_position, POSITION_BYTES, "%s", json_text(json, "position"));
    }
    cJSON_Delete(json);
}

/* Waits for the Close frame. */
static inline int ws_wait_close(struct ws *w, int patience_ms) {
    int64_t end = clock_mono_ms() + patience_ms;
    while (w->close_code == 0 && clock_mono_ms() < end) {
        cJSON *json = ws_next(w, 50);
        cJSON_Delete(json);
        if (w->c.closed && w->at == w->c.in.n) {
            break;
        }
    }
    return w->close_code;
}

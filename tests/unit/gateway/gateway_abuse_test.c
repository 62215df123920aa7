/* Clients that stall, lie, flood, leave or never finish a sentence. Each test guards a defect of
 * the libraries below, or a limit of ours with its stated answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>

#include "support_gateway.h"

static void raw_open(struct client *c, struct fixture *f, const char *text) {
    client_open(c, &f->loop, f->port);
    client_puts(c, text);
}

static void assert_serves(struct fixture *f) {
    int64_t start = clock_mono_ms();
    assert_true(fixture_is_ready(f));
    assert_true(clock_mono_ms() - start < 1000);
}

/* Two requests in one segment hang the WebSocket library's HTTP side for ever. */
static void test_pipelined_requests(void **state) {
    (void)state;
    static const char *const segments[] = {
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\n\r\n"
        "POST /v1/stream HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
        "POST /v1/stream HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello"
        "POST /v1/stream HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello",
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello"
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /v1/alerts HTTP/1.1\r\nHost: t\r\n\r\n"
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    };
    struct fixture f;
    fixture_start(&f);
    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++) {
        struct client c;
        raw_open(&c, &f, segments[i]);
        for (int n = 0; n < 20; n++) {
            client_poll(&c);
        }
        assert_serves(&f);
        client_close(&c);
    }
    fixture_stop(&f);
}

/* What is no WebSocket upgrade on /v1/stream gets a 4xx or nothing, and the connection ends. */
static void test_bad_upgrades(void **state) {
    (void)state;
    static const char *const heads[] = {
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\n",
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings"
        "\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: "
        "chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\nContent-Length: -5\r\n\r\nhello",
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\n\r\n",
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n",
        "GET /v1/stream HTTP/1.1\r\nHost: t\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "GET /v1/stream\r\n\r\n",
    };
    struct fixture f;
    fixture_start(&f);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        struct client c;
        raw_open(&c, &f, heads[i]);
        if (!client_wait_closed(&c, 3000)) {
            fail_msg("still open: %s", heads[i]);
        }
        if (c.in.n > 0) {
            assert_memory_equal(c.in.p, "HTTP/1.", 7);
            assert_int_equal(c.in.p[9], '4');
        }
        client_close(&c);
    }
    assert_serves(&f);
    fixture_stop(&f);
}

/* A leaver or a half-closed client must not make the loop spin. */
static void test_leavers_cost_nothing(void **state) {
    (void)state;
    struct fixture f;
    struct client sse;
    struct client poll;
    struct client open_poll;
    struct ws w;
    fixture_start(&f);
    raw_open(&sse, &f, "GET /v1/events HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_true(client_wait_for(&sse, "event: ping", 3000));
    struct publish_result head = fixture_post(&f, "europe", "head");
    char request[256];
    (void)snprintf(request, sizeof(request),
                   "GET /v1/alerts?after=%s:%llu HTTP/1.1\r\nHost: t\r\n\r\nGET /junk",
                   head.position.epoch, (unsigned long long)head.position.seq);
    raw_open(&poll, &f, request);
    raw_open(&open_poll, &f, request);
    ws_open(&w, &f, "/v1/stream?regions=europe");
    ws_expect_welcome(&w, true, "fresh", NULL);
    shutdown(poll.fd, SHUT_WR);
    shutdown(w.c.fd, SHUT_WR);
    client_close(&sse);
    for (int i = 0; i < 20; i++) {
        client_poll(&open_poll);
    }
    int64_t used = loop_idle_cpu_ms(&f.loop, 2000);
    assert_true(used < 100); /* 5 % */
    client_close(&poll);
    client_close(&open_poll);
    ws_close(&w);
    fixture_stop(&f);
}

/* --- stalled readers --- */

enum { LARGE_ALERTS = 150, STALLED = 30 };

static void post_large(struct fixture *f, int number) {
    static char body[40000];
    static char text[4001];
    memset(text, 'x', 4000);
    (void)snprintf(body, sizeof(body),
                   "{\"urgency\":\"high\",\"audience\":{\"regions\":[\"europe\"]},\"content\":{"
                   "\"en\":{\"headline\":\"large %d\",\"body\":\"%s\"},"
                   "\"ar\":{\"headline\":\"large %d\",\"body\":\"%s\"},"
                   "\"es\":{\"headline\":\"large %d\",\"body\":\"%s\"}}}",
                   number, text, number, text, number, text);
    (void)fixture_publish(f, body);
}

/* A fixed receive buffer, far below the 2 MB that are going to be sent. (Much smaller ones make
 * the kernel send four kilobytes each fifth of a second.) */
static void fix_window(int fd) {
    int bytes = 32768;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

static void stalled_open(struct ws *w, struct fixture *f) {
    ws_open(w, f, "/v1/stream?regions=europe");
    ws_expect_welcome(w, true, "fresh", NULL);
    fix_window(w->c.fd);
}

#ifdef __SANITIZE_ADDRESS__
extern size_t
__sanitizer_get_current_allocated_bytes(void); /* its header is not always installed */
#endif

/* Memory in use by the program; freed memory that an allocator keeps does not count. */
static size_t allocated_kb(void) {
#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes() / 1024;
#else
    struct mallinfo2 info = mallinfo2();
    return (info.uordblks + info.hblkhd) / 1024;
#endif
}

/* Reads to the end of what comes; each frame must parse, the alerts must follow one another.
 * Returns the number of the last one. */
static int read_stream(struct ws *w, int next, int patience_ms) {
    cJSON *json = NULL;
    while (next < LARGE_ALERTS && (json = ws_next(w, patience_ms))) {
        if (strcmp(json_text(json, "type"), "alert") == 0) {
            char headline[32];
            (void)snprintf(headline, sizeof(headline), "large %d", next++);
            assert_string_equal(json_headline(json, "en"), headline);
        }
        cJSON_Delete(json);
    }
    return next;
}

/* Readers that stop reading cost a bounded amount; when they wake they have been cut, with all that
 * came before intact, and recover from their position. */
static void test_stalled_readers_are_cut(void **state) {
    (void)state;
    struct fixture f;
    static struct ws w[STALLED];
    fixture_prepare(&f, false);
    f.cfg->gateway_ring_entries = 16;
    f.cfg->gateway_heartbeat_s = 1;
    f.cfg->gateway_idle_timeout_s = 600;
    fixture_gateway(&f);
    for (int i = 0; i < STALLED; i++) {
        stalled_open(&w[i], &f);
    }
    post_large(&f, 0);
    size_t before = allocated_kb();
    for (int n = 1; n < LARGE_ALERTS; n++) {
        post_large(&f, n);
    }
    size_t after = allocated_kb();
    size_t grown = after > before ? after - before : 0;
    /* A queue per reader would hold 150 × 13 KB × 30 = 58 MB. What is left is the ring (16 alerts)
     * and, per reader, what one write may leave behind. */
    if (grown > 8192) {
        fail_msg("grew by %zu KB", grown);
    }
    RUN_UNTIL(&f.loop, 10000, metrics_read(M_GATEWAY_CLOSED_LAGGED) >= STALLED / 2);
    for (int i = 0; i < STALLED; i++) {
        (void)read_stream(&w[i], 0, 200);
        ws_close(&w[i]);
    }
    assert_serves(&f);
    fixture_stop(&f);
}

static void turn_for(struct fixture *f, int64_t ms) {
    for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;) {
        loop_turn(&f->loop);
    }
}

/* Posts them all; the reader must have been choked on the way, or the test shows nothing. */
static void post_until_choked(struct fixture *f, enum metric delivered) {
    turn_for(f, 200);
    int64_t before = metrics_read(delivered);
    for (int n = 0; n < LARGE_ALERTS; n++) {
        post_large(f, n);
    }
    turn_for(f, 200);
    assert_true(metrics_read(delivered) - before < LARGE_ALERTS);
}

/* A reader that stalls for a while, with the ring deep enough, misses nothing. */
static void test_stalled_reader_continues(void **state) {
    (void)state;
    struct fixture f;
    struct ws w;
    fixture_start(&f);
    stalled_open(&w, &f);
    post_until_choked(&f, M_GATEWAY_DELIVERED_WS);
    assert_int_equal(read_stream(&w, 0, 5000), LARGE_ALERTS);
    ws_close(&w);
    fixture_stop(&f);
}

/* The same over SSE. */
static void test_stalled_sse_continues(void **state) {
    (void)state;
    struct fixture f;
    struct client c;
    char expected[32];
    fixture_start(&f);
    raw_open(&c, &f, "GET /v1/events?regions=europe&editions=en HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_true(client_wait_for(&c, "event: ping", 3000));
    fix_window(c.fd);
    post_until_choked(&f, M_GATEWAY_DELIVERED_SSE);
    (void)snprintf(expected, sizeof(expected), "\"large %d\"", LARGE_ALERTS - 1);
    if (!client_wait_for(&c, expected, 10000)) {
        fail_msg("stopped after %zu bytes, closed %d: ...%s", c.in.n, c.closed,
                 c.in.n > 300 ? c.in.p + c.in.n - 300 : "");
    }
    const char *at = c.in.p;
    for (int n = 0; n < LARGE_ALERTS; n++) {
        (void)snprintf(expected, sizeof(expected), "\"large %d\"", n);
        at = strstr(at, expected);
        assert_non_null(at);
        at++;
        assert_null(strstr(at, expected)); /* once, and in order */
    }
    client_close(&c);
    fixture_stop(&f);
}

/* --- limits and their answers --- */

static void test_deadlines(void **state) {
    (void)state;
    struct fixture f;
    struct ws mute;
    struct ws dead;
    struct ws alive;
    struct client half_line;
    struct client half_head;
    fixture_prepare(&f, false);
    f.cfg->gateway_hello_timeout_s = 1;
    f.cfg->gateway_heartbeat_s = 1;
    f.cfg->gateway_idle_timeout_s = 3;
    f.cfg->gateway_handshake_timeout_s = 1;
    fixture_gateway(&f);
    ws_open(&mute, &f, "/v1/stream");
    ws_open(&dead, &f, "/v1/stream?regions=asia");
    ws_open(&alive, &f, "/v1/stream?regions=asia");
    raw_open(&half_line, &f, "GET /v1/str");
    raw_open(&half_head, &f, "GET /v1/stream HTTP/1.1\r\nHost: t\r\nUpgra");
    int64_t end = clock_mono_ms() + 6500;
    while (clock_mono_ms() < end) {
        cJSON_Delete(ws_next(&mute, 1));
        cJSON_Delete(ws_next(&alive, 1)); /* answers PINGs; `dead` is not read, so it does not */
        client_poll(&half_line);
        client_poll(&half_head);
    }
    assert_int_equal(mute.close_code, 4003);
    assert_true(half_line.closed);
    assert_true(half_head.closed);
    assert_int_equal(alive.close_code, 0);
    assert_true(alive.pings >= 4);
    assert_int_equal(ws_wait_close(&dead, 1000), 4102);
    ws_close(&mute);
    ws_close(&dead);
    ws_close(&alive);
    client_close(&half_line);
    client_close(&half_head);
    fixture_stop(&f);
}

static void test_capacity(void **state) {
    (void)state;
    struct fixture f;
    struct ws w[4];
    fixture_prepare(&f, false);
    f.cfg->gateway_connections_max = 2;
    fixture_gateway(&f);
    for (int i = 0; i < 4; i++) {
        ws_open(&w[i], &f, "/v1/stream?regions=asia");
    }
    ws_expect_welcome(&w[0], true, "fresh", NULL);
    ws_expect_welcome(&w[1], true, "fresh", NULL);
    assert_int_equal(ws_wait_close(&w[2], 2000), 4103);
    assert_true(client_wait_closed(&w[3].c, 2000)); /* far over: not even that */
    assert_int_equal(w[3].status, 0);
    ws_close(&w[0]);
    ws_close(&w[2]);
    for (int i = 0; i < 20; i++) {
        loop_turn(&f.loop);
    }
    struct ws next; /* a place was left */
    ws_open(&next, &f, "/v1/stream?regions=asia");
    ws_expect_welcome(&next, true, "fresh", NULL);
    ws_close(&next);
    ws_close(&w[1]);
    ws_close(&w[3]);
    fixture_stop(&f);
}

static void test_connections_per_address(void **state) {
    (void)state;
    struct fixture f;
    struct ws w[3];
    struct client c;
    fixture_prepare(&f, false);
    f.cfg->gateway_per_ip_max = 4; /* three and the readiness check */
    fixture_gateway(&f);
    for (int i = 0; i < 3; i++) {
        ws_open(&w[i], &f, "/v1/stream?regions=asia");
        ws_expect_welcome(&w[i], true, "fresh", NULL);
    }
    raw_open(&c, &f, "GET /v1/events HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_true(client_wait_for(&c, "event: ping", 2000));
    struct client refused;
    raw_open(&refused, &f, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_true(client_wait_closed(&refused, 2000));
    assert_int_equal(refused.in.n, 0);
    client_close(&refused);
    client_close(&c); /* the places come back, from HTTP and from WebSocket */
    ws_close(&w[0]);
    for (int i = 0; i < 200 && !fixture_is_ready(&f); i++) {
        loop_turn(&f.loop);
    }
    assert_true(fixture_is_ready(&f));
    ws_close(&w[1]);
    ws_close(&w[2]);
    fixture_stop(&f);
}

/* --- many --- */

enum { MANY = 4000, BATCH = 100, BATCHES = MANY / BATCH };

static int64_t batch_cost_us(struct fixture *f, struct ws *w) {
    int64_t start = cpu_ms();
    for (int i = 0; i < BATCH; i++) {
        ws_open(&w[i], f, "/v1/stream?regions=asia");
        assert_int_equal(w[i].status, 101);
        buf_finish(&w[i].c.in);
        buf_finish(&w[i].text);
    }
    return (cpu_ms() - start) * 1000 / BATCH;
}

static int64_t smallest(const int64_t *values, int count) {
    int64_t least = values[0];
    for (int i = 1; i < count; i++) {
        least = values[i] < least ? values[i] : least;
    }
    return least;
}

/* The cost of one more connection does not depend on how many there are: a sorted list of timers
 * per connection, or a linear descriptor table, would show here. */
static void test_accept_cost_is_flat(void **state) {
    (void)state;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    assert_true(limit.rlim_max >= 2 * MANY + 500); /* descriptors for both ends */
    limit.rlim_cur = 2 * MANY + 500;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct fixture f;
    fixture_prepare(&f, false);
    f.cfg->gateway_per_ip_max = 0;
    fixture_gateway(&f);
    static struct ws w[MANY];
    int64_t cost[BATCHES];
    for (int b = 0; b < BATCHES; b++) {
        cost[b] = batch_cost_us(&f, &w[b * BATCH]);
    }
    int64_t early = smallest(&cost[1], 8);
    int64_t late = smallest(&cost[BATCHES - 8], 8);
    print_message("cost of a connection, client and server: early %lld us, late %lld us\n",
                  (long long)early, (long long)late);
    assert_true(late <= early * 3 + 50); /* a timer list costs ten times as much by then */
    for (int i = 0; i < MANY; i++) {
        close(w[i].c.fd);
    }
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelined_requests),
        cmocka_unit_test(test_bad_upgrades),
        cmocka_unit_test(test_leavers_cost_nothing),
        cmocka_unit_test(test_stalled_readers_are_cut),
        cmocka_unit_test(test_stalled_reader_continues),
        cmocka_unit_test(test_stalled_sse_continues),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_connections_per_address),
        cmocka_unit_test(test_accept_cost_is_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Redis away, killed, frozen, emptied; the gateway drained: no reader loses an alert, none gets one
 * twice, and everybody is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_gateway.h"

static void wait_ready(struct fixture *f, bool ready) {
    RUN_UNTIL(&f->loop, 15000, fixture_is_ready(f) == ready);
}

static void wait_store(struct fixture *f) {
    RUN_UNTIL(&f->loop, 8000, store_is_up(f->store));
}

/* The next status frame says so. */
static void expect_status(struct ws *w, bool live) {
    cJSON *json = NULL;
    do {
        cJSON_Delete(json);
        json = ws_next(w, 10000);
        assert_non_null(json);
    } while (strcmp(json_text(json, "type"), "status") != 0);
    assert_int_equal(json_true(json, "live"), live);
    cJSON_Delete(json);
}

/* Killed and restarted with its data: the socket stays, status frames tell, alerts go on. */
static void test_redis_killed_and_back(void **state) {
    (void)state;
    struct fixture f;
    struct ws w;
    fixture_prepare(&f, true);
    fixture_gateway(&f);
    ws_open(&w, &f, "/v1/stream?min_urgency=low");
    ws_expect_welcome(&w, true, "fresh", NULL);
    (void)fixture_post(&f, "europe", "before");
    ws_expect_headline(&w, "before");
    test_redis_kill(&f.redis);
    expect_status(&w, false);
    wait_ready(&f, false);
    test_redis_launch(&f.redis);
    expect_status(&w, true);
    wait_ready(&f, true);
    wait_store(&f);
    (void)fixture_post(&f, "europe", "after");
    ws_expect_headline(&w, "after");
    assert_int_equal(w.close_code, 0);
    ws_close(&w);
    fixture_stop(&f);
}

/* Frozen: nothing fails at once, yet it is noticed; what was published behind it arrives. */
static void test_redis_frozen(void **state) {
    (void)state;
    struct fixture f;
    struct ws w;
    fixture_start(&f);
    ws_open(&w, &f, "/v1/stream?min_urgency=low");
    ws_expect_welcome(&w, true, "fresh", NULL);
    test_redis_signal(&f.redis, SIGSTOP);
    expect_status(&w, false);
    test_redis_signal(&f.redis, SIGCONT);
    wait_store(&f);
    (void)fixture_post(&f, "europe", "thawed");
    ws_expect_headline(&w, "thawed");
    ws_close(&w);
    fixture_stop(&f);
}

/* Emptied: a new history. The reader is told that continuity is lost, and goes on. */
static void test_redis_emptied(void **state) {
    (void)state;
    struct fixture f;
    struct ws w;
    char position[POSITION_BYTES];
    fixture_start(&f); /* without persistence */
    ws_open(&w, &f, "/v1/stream?min_urgency=low");
    ws_expect_welcome(&w, true, "fresh", NULL);
    (void)fixture_post(&f, "europe", "old world");
    ws_expect_headline(&w, "old world");
    test_redis_restart(&f.redis);
    ws_expect_welcome(&w, false, "unknown", position);
    wait_store(&f);
    (void)fixture_post(&f, "europe", "new world");
    ws_expect_headline(&w, "new world");
    ws_close(&w);
    fixture_stop(&f);
}

/* Starting without Redis: not ready, readers wait, and are served when it comes. */
static void test_starts_without_redis(void **state) {
    (void)state;
    struct fixture f;
    struct ws w;
    fixture_prepare(&f, true);
    (void)fixture_post(&f, "europe", "early");
    test_redis_kill(&f.redis);
    assert_int_equal(gateway_create(&f.loop, f.cfg, f.t, &f.gateway), ERR_OK);
    f.port = gateway_port(f.gateway);
    assert_false(fixture_is_ready(&f));
    ws_open(&w, &f, "/v1/stream?regions=europe&position=nonsense");
    expect_status(&w, false);
    test_redis_launch(&f.redis);
    ws_expect_welcome(&w, false, "unknown", NULL);
    ws_expect_headline(&w, "early");
    ws_close(&w);
    fixture_stop(&f);
}

/* A position older than the ring is served from the log, in order, for several readers by few
 * reads; one older than the log gets the snapshot. */
static void test_older_than_the_ring(void **state) {
    (void)state;
    enum { ALERTS = 100, READERS = 5 };
    struct fixture f;
    struct ws w[READERS];
    char headline[32];
    char target[128];
    fixture_prepare(&f, false);
    f.cfg->gateway_ring_entries = 16;
    struct publish_result first = fixture_post(&f, "europe", "alert 0");
    for (int i = 1; i < ALERTS; i++) {
        (void)snprintf(headline, sizeof(headline), "alert %d", i);
        (void)fixture_post(&f, "europe", headline);
    }
    fixture_gateway(&f);
    int64_t reads = metrics_read(M_GATEWAY_LOG_READS);
    (void)snprintf(target, sizeof(target), "/v1/stream?position=%s:%llu", first.position.epoch,
                   (unsigned long long)first.position.seq);
    for (int i = 0; i < READERS; i++) {
        ws_open(&w[i], &f, target);
    }
    for (int i = 0; i < READERS; i++) {
        ws_expect_welcome(&w[i], true, "", NULL);
        for (int n = 1; n < ALERTS; n++) {
            (void)snprintf(headline, sizeof(headline), "alert %d", n);
            ws_expect_headline(&w[i], headline);
        }
        ws_close(&w[i]);
    }
    reads = metrics_read(M_GATEWAY_LOG_READS) - reads;
    assert_true(reads >= 2 && reads <= 2 * READERS);
    (void)test_redis_raw(&f.redis, "XTRIM {t}:log MAXLEN 50");
    ws_open(&w[0], &f, target);
    ws_expect_welcome(&w[0], false, "expired", NULL);
    ws_close(&w[0]);
    fixture_stop(&f);
}

static bool stopped;

static void on_stopped(void *user) {
    (void)user;
    stopped = true;
}

/* Drain: everybody gets a bye with a reason to come back, then the gateway says it is done. */
static void test_drain(void **state) {
    (void)state;
    struct fixture f;
    struct ws w[8];
    struct client sse;
    struct client poll;
    struct client late;
    fixture_start(&f);
    for (int i = 0; i < 8; i++) {
        ws_open(&w[i], &f, i % 2 ? "/v1/stream?regions=asia" : "/v1/stream?min_urgency=low");
    }
    client_open(&sse, &f.loop, f.port);
    client_puts(&sse, "GET /v1/events HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_true(client_wait_for(&sse, "event: ping", 3000));
    client_open(&poll, &f.loop, f.port);
    client_puts(&poll, "GET /v1/alerts?after=x:1&regions=asia HTTP/1.1\r\nHost: t\r\n\r\n");
    assert_true(client_wait_for(&poll, "\"recovered\":false", 3000));
    char request[256];
    buf_clear(&poll.in);
    struct publish_result head = fixture_post(&f, "europe", "head");
    (void)snprintf(request, sizeof(request),
                   "GET /v1/alerts?after=%s:%llu HTTP/1.1\r\nHost: t\r\n\r\n", head.position.epoch,
                   (unsigned long long)head.position.seq);
    client_puts(&poll, request);
    client_open(&late, &f.loop, f.port); /* kept alive, asks during the drain */
    for (int i = 0; i < 20; i++) {
        client_poll(&late);
    }
    stopped = false;
    gateway_stop(f.gateway, on_stopped, NULL);
    for (int i = 0; i < 8; i += 2) {
        ws_expect_welcome(&w[i], true, "fresh", NULL);
        ws_expect_headline(&w[i], "head");
        cJSON *bye = ws_expect(&w[i], "bye");
        assert_string_equal(json_text(bye, "reason"), "draining");
        assert_true(json_true(bye, "reconnect"));
        cJSON_Delete(bye);
        assert_int_equal(ws_wait_close(&w[i], 3000), 4201);
    }
    assert_true(client_wait_for(&sse, "event: bye", 3000));
    assert_true(client_wait_for(&poll, "\"alerts\":[]", 3000));
    for (int i = 0; i < 8; i++) {
        ws_close(&w[i]);
    }
    RUN_UNTIL(&f.loop, 5000, stopped);
    client_close(&sse);
    client_close(&poll);
    client_close(&late);
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redis_killed_and_back), cmocka_unit_test(test_redis_frozen),
        cmocka_unit_test(test_redis_emptied),         cmocka_unit_test(test_starts_without_redis),
        cmocka_unit_test(test_older_than_the_ring),   cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

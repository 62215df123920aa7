/* When a reader is pinged: each period, but not shortly after an alert, and always in time to learn
 * whether it lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/hub.h"

enum { PERIOD_MS = 10000, IDLE_MS = 60000 };

static struct taxonomy *t;
static struct hub *hub;
static struct reader reader;
static int pings;
static int alerts;
static int hints; /* that its token ends */
static bool ended;
static uint64_t head;

static bool can_write(const struct reader *r) {
    (void)r;
    return true;
}

static enum err take(struct reader *r, struct str bytes) {
    (void)r;
    pings += memmem(bytes.p, bytes.n, "\"type\":\"ping\"", 13) != NULL;
    hints += memmem(bytes.p, bytes.n, "\"type\":\"auth\"", 13) != NULL;
    alerts += memmem(bytes.p, bytes.n, "\"type\":\"alert\"", 14) != NULL;
    return ERR_OK;
}

static void want_writable(struct reader *r) {
    (void)r;
}

static void end(struct reader *r, struct str bytes) {
    (void)r;
    (void)bytes;
    ended = true;
}

static const struct transport transport = {.kind = FRAME_WS,
                                           .can_write = can_write,
                                           .write = take,
                                           .want_writable = want_writable,
                                           .end = end,
                                           .kill = reader_leave};

static void want_turn(void *user) {
    (void)user;
}

static void pass(int64_t ms) {
    for (int64_t passed = 0; passed < ms; passed += HUB_TICK_MS) {
        clock_advance_for_test(HUB_TICK_MS);
        hub_tick(hub);
        while (hub_turn(hub)) {
        }
    }
}

static void publish(void) {
    struct buf json;
    struct alert *a = alert_create();
    buf_init(&json, 4096);
    codec_uuid7(a->id);
    a->revision = 1;
    a->audience.regions_all = true;
    a->content[0].headline = mem_strdup("Storm");
    a->ttl_s = 3600;
    a->sent_ms = clock_wall_ms();
    alert_put_stored(a, t, &json);
    struct log_entry log = {.position = {.seq = ++head, .epoch = "first"}, .json = buf_str(&json)};
    hub_on_entry(hub, &log);
    while (hub_turn(hub)) {
    }
    buf_finish(&json);
    alert_destroy(a);
}

static int start(void **state) {
    (void)state;
    struct hub_options options = {.ring_entries = 64,
                                  .ring_bytes = 1 << 20,
                                  .snapshot_max = 10,
                                  .heartbeat_ms = PERIOD_MS,
                                  .idle_timeout_ms = IDLE_MS,
                                  .hello_timeout_ms = IDLE_MS,
                                  .token_hint_ms = PERIOD_MS,
                                  .want_turn = want_turn};
    struct position at = {.seq = 0, .epoch = "first"};
    struct filter everything;
    struct resume fresh = {0};
    t = taxonomy_builtin();
    hub = hub_create(t, &options);
    hub_on_reset(hub, &at, 1, NULL, 0);
    hub_on_live(hub, true);
    reader_init(&reader, hub, &transport);
    filter_init(&everything);
    reader_hello(&reader, &everything, &fresh);
    filter_finish(&everything);
    pass(HUB_TICK_MS);
    pings = alerts = hints = 0;
    ended = false;
    head = 0;
    return 0;
}

static int finish(void **state) {
    (void)state;
    reader_leave(&reader);
    hub_destroy(hub);
    taxonomy_destroy(t);
    return 0;
}

static void test_each_period_while_nothing_happens(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        reader_heard(&reader);
        pass(PERIOD_MS);
    }
    assert_in_range(pings, 19, 20);
}

static void test_not_while_alerts_come(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        reader_heard(&reader);
        publish();
        pass(PERIOD_MS / 4);
    }
    assert_int_equal(alerts, 100);
    assert_int_equal(pings, 0);
    /* They stop: a frame comes within a period and a half of the last alert. */
    publish();
    pass(PERIOD_MS * 3 / 2 + HUB_TICK_MS);
    assert_in_range(pings, 1, 2);
}

static void test_whoever_is_silent_is_asked_all_the_same(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        publish();
        pass(PERIOD_MS / 4);
    }
    assert_true(pings > 0);
    assert_false(ended);
    for (int i = 0; i < 10; i++) {
        publish();
        pass(PERIOD_MS / 4);
    }
    assert_true(ended);
}

static void test_an_alert_does_not_stand_for_the_end_of_a_token(void **state) {
    (void)state;
    reader_set_expiry(&reader, 4 * PERIOD_MS);
    for (int i = 0; i < 11; i++) {
        reader_heard(&reader);
        publish();
        pass(PERIOD_MS / 4);
    }
    publish();
    pass(PERIOD_MS / 2); /* the hint is due in the middle */
    assert_int_equal(pings, 0);
    assert_int_equal(hints, 1);
    assert_false(ended);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_period_while_nothing_happens, start, finish),
        cmocka_unit_test_setup_teardown(test_not_while_alerts_come, start, finish),
        cmocka_unit_test_setup_teardown(test_whoever_is_silent_is_asked_all_the_same, start,
                                        finish),
        cmocka_unit_test_setup_teardown(test_an_alert_does_not_stand_for_the_end_of_a_token, start,
                                        finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

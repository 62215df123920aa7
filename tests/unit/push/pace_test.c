/* How fast a lane may send: bucket, ramp, refusals. Times and rates in, numbers of messages out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "push/pace.h"

enum { PER_MIN = 600000, SECOND = 1000 };

static size_t take_all(struct pace *p, int64_t now_ms) {
    size_t n = pace_room(p, now_ms);
    for (size_t i = 0; i < n; i++) {
        pace_take(p, now_ms);
    }
    return n;
}

/* Sends whatever may be sent, every 20 ms, as a lane with more work than rate does. */
static size_t drain(struct pace *p, int64_t from_ms, int64_t to_ms) {
    size_t sum = 0;
    for (int64_t now_ms = from_ms; now_ms < to_ms; now_ms += 20) {
        sum += take_all(p, now_ms);
    }
    return sum;
}

static void no_limit_is_none(void **state) {
    (void)state;
    struct pace p;
    pace_init(&p, 0, 60, 0);
    assert_true(pace_room(&p, 0) == SIZE_MAX);
    pace_take(&p, 0);
    pace_refuse(&p, 0, 60 * SECOND);
    assert_true(pace_room(&p, 1) == SIZE_MAX);
}

static void the_rate_is_kept_for_any_rate(void **state) {
    (void)state;
    static const struct {
        int64_t per_min;
        size_t burst;
        size_t minute; /* sent in the first minute, the burst included */
    } rows[] = {
        {1, 1, 1},
        {10, 1, 10},
        {60, 1, 60},
        {6000, 100, 6099},
        {600000, 10000, 609800},
        {100000000, 1666666, 101633333},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pace p;
        pace_init(&p, rows[i].per_min, 0, 5);
        assert_int_equal(pace_room(&p, 5), rows[i].burst);
        /* Never more than the burst and what the time brings, and hardly less. */
        size_t sent = drain(&p, 5, 5 + 60 * SECOND);
        assert_true(sent <= rows[i].burst + (size_t)rows[i].per_min);
        assert_true(sent >= rows[i].minute - rows[i].minute / 1000);
    }
}

static void an_unused_bucket_holds_no_more_than_a_burst(void **state) {
    (void)state;
    struct pace p;
    pace_init(&p, PER_MIN, 0, 0);
    assert_int_equal(take_all(&p, 0), 10000);
    assert_int_equal(pace_room(&p, 500), 5000);
    assert_int_equal(pace_room(&p, INT64_C(1) << 50), 10000);
}

static void the_ramp_takes_its_time(void **state) {
    (void)state;
    struct pace p;
    pace_init(&p, PER_MIN, 60, 0);
    assert_int_equal(pace_room(&p, 0), 1000); /* a tenth */
    size_t last = 0;
    for (int s = 0; s < 54; s++) {
        size_t sent = drain(&p, s * SECOND, (s + 1) * SECOND);
        assert_true(s == 1 || sent > last); /* the first second has the burst */
        assert_true(sent <= 10000);
        last = sent;
    }
    assert_true(p.rate > PER_MIN * 95 / 100);
    (void)drain(&p, 54 * SECOND, 61 * SECOND);
    assert_int_equal(p.rate, PER_MIN);
}

static void it_grows_no_faster_than_needed(void **state) {
    (void)state;
    struct pace p;
    pace_init(&p, PER_MIN, 60, 0);
    for (int64_t now_ms = 0; now_ms < 300 * SECOND; now_ms += 100) {
        assert_true(pace_room(&p, now_ms) > 0);
        pace_take(&p, now_ms);
    }
    assert_int_equal(p.rate, PER_MIN / 10);
}

static void a_minute_unused_begins_the_ramp_again(void **state) {
    (void)state;
    struct pace p;
    pace_init(&p, PER_MIN, 60, 0);
    (void)drain(&p, 0, 70 * SECOND);
    assert_int_equal(p.rate, PER_MIN);
    assert_int_equal(pace_room(&p, 100 * SECOND), 10000); /* not yet */
    assert_int_equal(pace_room(&p, 140 * SECOND), 1000);
}

static void a_refusal_stops_then_halves_once(void **state) {
    (void)state;
    struct pace p;
    pace_init(&p, PER_MIN, 0, 0);
    pace_refuse(&p, 100, 30100);
    pace_refuse(&p, 120, 30120); /* of what was under way */
    pace_refuse(&p, 130, 30050);
    assert_int_equal(p.rate, PER_MIN / 2);
    assert_int_equal(pace_room(&p, 131), 0);
    assert_int_equal(pace_room(&p, 30119), 0);
    assert_int_equal(pace_room(&p, 30120), 0); /* nothing was saved up meanwhile */
    size_t first = pace_room(&p, 31120);
    assert_true(first >= 5000 && first < 5200); /* half, and what it climbed */
    (void)drain(&p, 31120, 31120 + 40 * SECOND);
    assert_int_equal(p.rate, PER_MIN); /* half of it takes half a minute */
}

static void refusals_without_end_leave_a_tenth(void **state) {
    (void)state;
    struct pace p;
    pace_init(&p, PER_MIN, 0, 0);
    for (int64_t i = 1; i < 50; i++) {
        pace_refuse(&p, i * SECOND, i * SECOND + 1);
    }
    assert_int_equal(p.rate, PER_MIN / 10);
    assert_true(pace_room(&p, 60 * SECOND) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit_is_none),
        cmocka_unit_test(the_rate_is_kept_for_any_rate),
        cmocka_unit_test(an_unused_bucket_holds_no_more_than_a_burst),
        cmocka_unit_test(the_ramp_takes_its_time),
        cmocka_unit_test(it_grows_no_faster_than_needed),
        cmocka_unit_test(a_minute_unused_begins_the_ramp_again),
        cmocka_unit_test(a_refusal_stops_then_halves_once),
        cmocka_unit_test(refusals_without_end_leave_a_tenth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

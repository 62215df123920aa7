#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/http2_demand.h"

enum { WINDOW_MS = 1000 };

static void pass(struct http2_demand *d, int requests, int64_t took_ms) {
    for (int i = 0; i < requests; i++) {
        http2_demand_on_post(d);
    }
    for (int i = 0; i < requests; i++) {
        http2_demand_on_end(d, took_ms);
    }
}

/* So many answers in a judged span, each after `took_ms`; may the pool grow? */
static bool grows_after(struct http2_demand *d, int64_t *now_ms, int answers, int64_t took_ms) {
    pass(d, answers, took_ms);
    *now_ms += 100;
    return http2_demand_grows(d, *now_ms);
}

static void streams_are_the_limit_while_answers_are_as_fast_as_ever(void **state) {
    (void)state;
    struct http2_demand d = {0};
    int64_t now_ms = 5000;
    assert_true(http2_demand_grows(&d, now_ms));     /* nothing is known */
    assert_true(grows_after(&d, &now_ms, 100, 105)); /* the quickest of the first come first */
    for (int i = 0; i < 50; i++) {
        pass(&d, 50, 100);
        assert_true(grows_after(&d, &now_ms, 50, 300));
    }
}

static void queues_at_the_provider_are_not_fed(void **state) {
    (void)state;
    struct http2_demand d = {0};
    int64_t now_ms = 5000;
    assert_true(http2_demand_grows(&d, now_ms));
    assert_true(grows_after(&d, &now_ms, 100, 50));
    assert_false(grows_after(&d, &now_ms, 100, 160));
    assert_false(http2_demand_grows(&d, now_ms + 50)); /* until judged again */
    assert_false(grows_after(&d, &now_ms, 100, 160));
    assert_true(grows_after(&d, &now_ms, 100, 140));
}

static void a_provider_that_became_slower_is_given_more(void **state) {
    (void)state;
    struct http2_demand d = {0};
    int64_t now_ms = 5000;
    assert_true(http2_demand_grows(&d, now_ms));
    assert_true(grows_after(&d, &now_ms, 10000, 1));
    assert_true(grows_after(&d, &now_ms, 100, 200));
    assert_true(grows_after(&d, &now_ms, 4000, 200));
    assert_false(grows_after(&d, &now_ms, 6000, 200)); /* as many as ever, and slow */
}

static void what_became_usual_is_no_queue(void **state) {
    (void)state;
    struct http2_demand d = {0};
    int64_t now_ms = 5000;
    assert_true(http2_demand_grows(&d, now_ms));
    assert_true(grows_after(&d, &now_ms, 100, 50));
    int refusals = 0;
    while (!grows_after(&d, &now_ms, 100, 400) && refusals < 1000) {
        refusals++;
    }
    assert_in_range(refusals, 50, 200);
}

static void fast_enough_is_fast_enough(void **state) {
    (void)state;
    struct http2_demand d = {0};
    int64_t now_ms = 5000;
    assert_true(http2_demand_grows(&d, now_ms));
    assert_true(grows_after(&d, &now_ms, 100, 1));
    assert_true(grows_after(&d, &now_ms, 100, 10));
    assert_false(grows_after(&d, &now_ms, 100, 11));
}

static void silence_and_pauses_tell_nothing(void **state) {
    (void)state;
    struct http2_demand d = {0};
    int64_t now_ms = 5000;
    assert_true(http2_demand_grows(&d, now_ms));
    assert_true(grows_after(&d, &now_ms, 100, 20));
    assert_false(grows_after(&d, &now_ms, 100, 200));
    assert_true(grows_after(&d, &now_ms, 100, -1));
    assert_false(grows_after(&d, &now_ms, 100, 200));
    now_ms += 2000;
    assert_true(grows_after(&d, &now_ms, 100, 200));
    assert_int_equal(d.in_flight, 0);
}

static void a_window_must_pass_first(void **state) {
    (void)state;
    struct http2_demand d = {0};
    int64_t now_ms = 5000;
    assert_false(http2_demand_shrinks(&d, now_ms, WINDOW_MS, 100));
    assert_false(http2_demand_shrinks(&d, now_ms + WINDOW_MS - 1, WINDOW_MS, 100));
    assert_true(http2_demand_shrinks(&d, now_ms + WINDOW_MS, WINDOW_MS, 100));
}

static void the_peak_of_two_windows_counts(void **state) {
    (void)state;
    struct http2_demand d = {0};
    int64_t now_ms = 5000;
    assert_false(http2_demand_shrinks(&d, now_ms, WINDOW_MS, 1000));
    pass(&d, 50, 10);
    now_ms += WINDOW_MS;
    assert_false(http2_demand_shrinks(&d, now_ms, WINDOW_MS, 99));
    assert_true(http2_demand_shrinks(&d, now_ms, WINDOW_MS, 100)); /* twice the peak remains */
    now_ms += WINDOW_MS - 1;
    assert_false(http2_demand_shrinks(&d, now_ms, WINDOW_MS, 99)); /* the window before */
    assert_true(http2_demand_shrinks(&d, now_ms + 1, WINDOW_MS, 99));
}

static void what_is_in_flight_counts_in_every_window(void **state) {
    (void)state;
    struct http2_demand d = {0};
    int64_t now_ms = 5000;
    for (int i = 0; i < 30; i++) {
        http2_demand_on_post(&d);
    }
    for (int i = 0; i < 5; i++, now_ms += WINDOW_MS) {
        assert_false(http2_demand_shrinks(&d, now_ms, WINDOW_MS, 59));
    }
    assert_true(http2_demand_shrinks(&d, now_ms, WINDOW_MS, 60));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_are_the_limit_while_answers_are_as_fast_as_ever),
        cmocka_unit_test(queues_at_the_provider_are_not_fed),
        cmocka_unit_test(what_became_usual_is_no_queue),
        cmocka_unit_test(fast_enough_is_fast_enough),
        cmocka_unit_test(silence_and_pauses_tell_nothing),
        cmocka_unit_test(a_provider_that_became_slower_is_given_more),
        cmocka_unit_test(a_window_must_pass_first),
        cmocka_unit_test(the_peak_of_two_windows_counts),
        cmocka_unit_test(what_is_in_flight_counts_in_every_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* When a push is tried again: floors, ceilings, jitter, Retry-After and ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codec.h"
#include "push/retry.h"

static const int64_t hour_ms = 3600000;

static struct retry_case case_of(enum retry_class retry, int attempt) {
    return (struct retry_case){.retry = retry,
                               .attempt = attempt,
                               .first_ms = 1000,
                               .now_ms = 2000,
                               .deadline_ms = 100 * hour_ms};
}

/* Least and most delay over the whole range of the jitter. */
static void range_of(struct retry_case c, int64_t *out_least, int64_t *out_most) {
    *out_least = INT64_MAX;
    *out_most = 0;
    for (int i = 0; i < 20000; i++) {
        int64_t at_ms = 0;
        c.random = i == 0 ? 0 : codec_random_below(UINT64_MAX);
        assert_int_equal(retry_decide(&c, &at_ms), RETRY_AT);
        int64_t delay = at_ms - c.now_ms;
        *out_least = delay < *out_least ? delay : *out_least;
        *out_most = delay > *out_most ? delay : *out_most;
    }
}

static void check_range(enum retry_class retry, int attempt, int64_t floor, int64_t ceiling) {
    int64_t least = 0;
    int64_t most = 0;
    range_of(case_of(retry, attempt), &least, &most);
    assert_int_equal(least, floor);
    assert_true(most <= ceiling);
    assert_true(most >= floor + (ceiling - floor) * 9 / 10);
}

static void ceilings_grow_and_are_spread(void **state) {
    (void)state;
    check_range(RETRY_APNS_SERVER, 1, 250, 1000);
    check_range(RETRY_APNS_SERVER, 2, 250, 5000);
    check_range(RETRY_APNS_SERVER, 3, 250, 25000);
    check_range(RETRY_APNS_SERVER, 40, 250, 900000);
    check_range(RETRY_FCM_SERVER, 1, 10000, 20000);
    check_range(RETRY_FCM_SERVER, 2, 10000, 40000);
    check_range(RETRY_FCM_QUOTA, 1, 60000, 75000);
    check_range(RETRY_APNS_TOKEN, 2, 2000, 30000);
    check_range(RETRY_NOT_SENT, 1, 100, 1000);
}

static void retry_after_is_never_undercut(void **state) {
    (void)state;
    struct retry_case c = case_of(RETRY_FCM_SERVER, 1);
    c.retry_after_ms = 30000;
    int64_t least = 0;
    int64_t most = 0;
    range_of(c, &least, &most);
    assert_int_equal(least, 30000);
    assert_true(most <= 33000);
}

static void the_time_to_live_ends_it(void **state) {
    (void)state;
    int64_t at_ms = 0;
    struct retry_case c = case_of(RETRY_APNS_SERVER, 1);
    c.deadline_ms = c.now_ms;
    assert_int_equal(retry_decide(&c, &at_ms), RETRY_EXPIRED);
    c.deadline_ms = c.now_ms + 100; /* before the earliest next attempt */
    assert_int_equal(retry_decide(&c, &at_ms), RETRY_EXPIRED);
    c = case_of(RETRY_FCM_SERVER, 1);
    c.retry_after_ms = hour_ms;
    c.deadline_ms = c.now_ms + hour_ms;
    assert_int_equal(retry_decide(&c, &at_ms), RETRY_EXPIRED);
}

static void attempts_and_total_time_end_it(void **state) {
    (void)state;
    int64_t at_ms = 0;
    struct retry_case c = case_of(RETRY_APNS_TOKEN, 6);
    assert_int_equal(retry_decide(&c, &at_ms), RETRY_AT);
    c.attempt = 7;
    assert_int_equal(retry_decide(&c, &at_ms), RETRY_GIVE_UP);
    c = case_of(RETRY_FCM_SERVER, 3);
    c.now_ms = c.first_ms + hour_ms - 1;
    assert_int_equal(retry_decide(&c, &at_ms), RETRY_AT);
    c.now_ms = c.first_ms + hour_ms;
    assert_int_equal(retry_decide(&c, &at_ms), RETRY_GIVE_UP);
    c = case_of(RETRY_APNS_SERVER, 200);
    c.now_ms = c.first_ms + 50 * hour_ms;
    assert_int_equal(retry_decide(&c, &at_ms), RETRY_AT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ceilings_grow_and_are_spread),
        cmocka_unit_test(retry_after_is_never_undercut),
        cmocka_unit_test(the_time_to_live_ends_it),
        cmocka_unit_test(attempts_and_total_time_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

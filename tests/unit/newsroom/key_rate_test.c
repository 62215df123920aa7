/* Token buckets of keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "newsroom/key_rate.h"

static void a_burst_then_the_rate(void **state) {
    (void)state;
    struct key_rate *rate = key_rate_create(60, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(key_rate_take(rate, STR("a"), 1000), 0);
    }
    assert_int_equal(key_rate_take(rate, STR("a"), 1000), 1000);
    assert_int_equal(key_rate_take(rate, STR("a"), 1400), 600);
    assert_int_equal(key_rate_take(rate, STR("a"), 2000), 0);
    assert_int_equal(key_rate_take(rate, STR("a"), 2000), 1000);
    /* Other keys have their own. */
    assert_int_equal(key_rate_take(rate, STR("b"), 2000), 0);
    /* Never more than the burst, however long it rests; time never runs backwards. */
    for (int i = 0; i < 5; i++) {
        assert_int_equal(key_rate_take(rate, STR("a"), INT64_C(1) << 50), 0);
    }
    assert_true(key_rate_take(rate, STR("a"), INT64_C(1) << 50) > 0);
    assert_true(key_rate_take(rate, STR("a"), 0) > 0);
    key_rate_destroy(rate);
    key_rate_destroy(NULL);
}

static void slow_rates_are_exact(void **state) {
    (void)state;
    struct key_rate *rate = key_rate_create(7, 1);
    int taken = 0;
    for (int64_t now = 0; now < 600000; now += 10) {
        taken += key_rate_take(rate, STR("a"), now) == 0 ? 1 : 0;
    }
    assert_int_equal(taken, 70);
    key_rate_destroy(rate);
}

static void the_number_of_buckets_is_bounded(void **state) {
    (void)state;
    struct key_rate *rate = key_rate_create(1, 2);
    for (int i = 0; i < 20000; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "key%d", i);
        assert_int_equal(key_rate_take(rate, str_of(id), 5), 0);
    }
    key_rate_destroy(rate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_then_the_rate),
        cmocka_unit_test(slow_rates_are_exact),
        cmocka_unit_test(the_number_of_buckets_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/took.h"

static void test_steps_hold_what_is_put_in(void **state) {
    (void)state;
    for (int64_t ms = -1; ms < 4000000; ms += 1 + ms / 1000) {
        int step = took_step(ms);
        assert_true(step >= 0 && step < TOOK_COUNT);
        assert_true(took_ms(step) >= ms);
        assert_true(step == 0 || took_ms(step - 1) < ms);
        assert_true(ms < 100 || took_ms(step) <= ms + ms / 10);
    }
    assert_int_equal(took_step(INT64_MAX), TOOK_COUNT - 1);
    for (int step = 1; step < TOOK_COUNT; step++) {
        assert_true(took_ms(step) >= took_ms(step - 1));
    }
}

static void test_the_steps_of_the_promises_are_exact(void **state) {
    static const int steps[] = {TOOK_30_S, TOOK_60_S, TOOK_120_S};
    (void)state;
    for (int i = 0; i < 3; i++) {
        int64_t ms = INT64_C(30000) << i;
        assert_int_equal(took_ms(steps[i]), ms);
        assert_int_equal(took_step(ms), steps[i]);
        assert_int_equal(took_step(ms + 1), steps[i] + 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps_hold_what_is_put_in),
        cmocka_unit_test(test_the_steps_of_the_promises_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

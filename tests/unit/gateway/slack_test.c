#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/slack.h"

static int looks(struct slack *s, size_t readers, int count) {
    int due = 0;
    for (int i = 0; i < count; i++) {
        due += slack_is_due(s, readers);
    }
    return due;
}

static void test_once_after_a_crowd(void **state) {
    (void)state;
    struct slack s = {0};
    for (size_t n = 0; n < 18000; n += 500) {
        assert_int_equal(looks(&s, n, 1), 0);
    }
    assert_int_equal(looks(&s, 18000, 100), 1);
}

static void test_after_it_left(void **state) {
    (void)state;
    struct slack s = {0};
    assert_int_equal(looks(&s, 5000, 50), 1);
    assert_int_equal(looks(&s, 3, 50), 1);
    assert_int_equal(looks(&s, 0, 50), 0);
}

static void test_not_for_a_few(void **state) {
    (void)state;
    struct slack s = {0};
    assert_int_equal(looks(&s, 999, 100), 0);
    assert_int_equal(looks(&s, 1000, 100), 1);
    assert_int_equal(looks(&s, 1010, 100), 0);
}

static void test_not_while_they_come(void **state) {
    (void)state;
    struct slack s = {0};
    for (size_t n = 1000; n < 100000; n += n / 50) {
        assert_int_equal(looks(&s, n, 5), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once_after_a_crowd),
        cmocka_unit_test(test_after_it_left),
        cmocka_unit_test(test_not_for_a_few),
        cmocka_unit_test(test_not_while_they_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"

#include <stdlib.h>

static void iso(void **state) {
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {7, "1970-01-01T00:00:00.007Z"},
        {951782400999, "2000-02-29T00:00:00.999Z"}, /* a leap day */
        {1795467056123, "2026-11-23T20:50:56.123Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {253402300800000, "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
        {INT64_MIN, "1970-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[CLOCK_ISO_BYTES];
        clock_format_iso(rows[i].ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void iso_is_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2026-11-23T20:50:56.123Z", 1795467056123},
        {"2026-11-23T23:50:56.1239+03:00", 1795467056123},
        {"2026-11-23t15:20:56.1-05:30", 1795467056100},
        {"2000-02-29 00:00:00Z", 951782400000},
        {"2001-02-29T00:00:00Z", -1},
        {"2026-11-31T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-11-23T24:00:00Z", -1},
        {"2026-11-23T20:50:56", -1},
        {"2026-11-23T20:50Z", -1},
        {"2026-11-23T20:50:56.Z", -1},
        {"2026-11-23T20:50:56+3", -1},
        {"2026-11-23T20:50:56Zulu", -1},
        {"1969-12-31T23:59:59Z", -1},
        {"1970-01-01T00:00:00+01:00", -1},
        {"2026-11-23", -1},
        {"", -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t ms = -1;
        enum err err = clock_parse_iso(str_of(rows[i].text), &ms);
        assert_int_equal(err, rows[i].ms < 0 ? ERR_INVALID : ERR_OK);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void tests_move_it(void **state) {
    (void)state;
    int64_t wall_ms = clock_wall_ms();
    int64_t mono_ms = clock_mono_ms();
    int64_t mono_us = clock_mono_us();
    assert_true(wall_ms > 1600000000000); /* 2020 */
    assert_true(mono_us / 1000 - mono_ms < 10000);
    assert_true(clock_mono_us() >= mono_us);
    clock_advance_for_test(3600000);
    assert_in_range(clock_wall_ms() - wall_ms, 3600000, 3610000);
    assert_in_range(clock_mono_ms() - mono_ms, 3600000, 3610000);
    assert_in_range(clock_mono_us() - mono_us, 3600000000, 3610000000);
    clock_advance_for_test(-3600000);
    assert_true(clock_mono_ms() - mono_ms < 10000);
}

static void error_names(void **state) {
    (void)state;
    assert_string_equal(err_name(ERR_OK), "ok");
    assert_string_equal(err_name(ERR_NOT_FOUND), "not_found");
    assert_string_equal(err_name(ERR_COUNT), "unknown");
    for (int i = 0; i < ERR_COUNT; i++) {
        assert_non_null(err_name((enum err)i));
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(err_name((enum err)i), err_name((enum err)k));
        }
    }
}

static void memory(void **state) {
    (void)state;
    int *numbers = mem_zalloc(4, sizeof(*numbers));
    assert_int_equal(numbers[3], 0);
    numbers[3] = 9;
    numbers = mem_resize(numbers, 4000, sizeof(*numbers));
    assert_int_equal(numbers[3], 9);
    free(numbers);
    free(mem_alloc(0));
    free(mem_zalloc(0, 0));
    assert_null(mem_strdup(NULL));
    char *copy = mem_strndup("abcdef", 3);
    assert_string_equal(copy, "abc");
    free(copy);
    copy = mem_strdup("");
    assert_string_equal(copy, "");
    free(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iso),           cmocka_unit_test(iso_is_read),
        cmocka_unit_test(tests_move_it), cmocka_unit_test(error_names),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests_name("clock, err, mem", tests, NULL, NULL);
}

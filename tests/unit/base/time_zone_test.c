#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/time_zone.h"

static void test_offsets(void **state) {
    static const char *const good[] = {"+00:00", "-00:00", "+03:00", "+05:45",
                                       "-09:30", "-12:00", "+14:00"};
    static const char *const bad[] = {"",       "+3:00",  "03:00",  "+03:60", "+03:10",
                                      "+14:15", "-12:15", "+0a:00", "+03-00", "+03:000"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(time_zone_is_offset(str_of(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(time_zone_is_offset(str_of(bad[i])));
    }
}

static void test_names(void **state) {
    static const struct {
        const char *text;
        bool is_name;
        bool is_known;
    } cases[] = {
        {"Asia/Beirut", true, true},
        {"America/Argentina/Buenos_Aires", true, true},
        {"Etc/GMT+12", true, true},
        {"UTC", true, true},
        {"Europe/Atlantis", true, false},
        {"Europe", true, false}, /* a folder */
        {"Europe/", true, false},
        {"posix/Asia/Beirut", true, false},
        {"posixrules", true, false},
        {"/etc/localtime", true, false},
        {"asia/beirut", true, false},
        {"zone.tab", false, false},
        {"../zoneinfo/UTC", false, false},
        {"", false, false},
        {"Asia/Beirut ", false, false},
        {"A234567890123456789012345678901234567890123456789012345678901234", true, false},
        {"A2345678901234567890123456789012345678901234567890123456789012345", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(time_zone_is_name(str_of(cases[i].text)), cases[i].is_name);
        assert_int_equal(time_zone_is_known(str_of(cases[i].text)), cases[i].is_known);
    }
}

static void check_offset(const char *zone, int64_t wall_s, int32_t hours_x4) {
    int32_t offset_s = 1;
    assert_true(time_zone_offset_s(str_of(zone), wall_s * 1000, &offset_s));
    assert_int_equal(offset_s, hours_x4 * 900);
}

static void test_local_time(void **state) {
    static const char *const unknown[] = {"", "Europe/Atlantis", "Europe", "+03:10", "posix/UTC"};
    const int64_t january = INT64_C(1767225600); /* 2026-01-01T00:00Z */
    const int64_t july = INT64_C(1782864000);    /* 2026-07-01T00:00Z */
    int32_t offset_s = 7;
    (void)state;
    check_offset("UTC", january, 0);
    check_offset("+05:45", january, 23);
    check_offset("-09:30", july, -38);
    check_offset("Europe/Madrid", january, 4);
    check_offset("Europe/Madrid", july, 8);
    check_offset("America/New_York", january, -20);
    check_offset("America/New_York", july, -16);
    check_offset("Asia/Kolkata", july, 22);
    check_offset("Asia/Beirut", july, 12);
    check_offset("Etc/GMT+12", july, -48);
    /* The hour of the change itself, and one of the last that the files list. */
    check_offset("Europe/Madrid", INT64_C(1774745999), 4);
    check_offset("Europe/Madrid", INT64_C(1774746000), 8);
    check_offset("Europe/Madrid", INT64_C(2098396800), 8); /* 2036-06-30 */
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        assert_false(time_zone_offset_s(str_of(unknown[i]), january * 1000, &offset_s));
    }
    assert_int_equal(offset_s, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_local_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

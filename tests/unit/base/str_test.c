#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void equality(void **state) {
    (void)state;
    assert_true(str_eq(STR(""), str_of(NULL)));
    assert_true(str_eq(STR("mena"), str_of("mena")));
    assert_false(str_eq(STR("mena"), STR("men")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_true(str_ieq(STR("Content-Type"), STR("content-tYPE")));
    assert_false(str_ieq(STR("[a]"), STR("{a}"))); /* differ by 0x20, are no letters */
    assert_false(str_ieq(STR("a\0b"), STR("a\0c")));
    assert_false(str_ieq(STR("\xC3\x84"), STR("\xC3\xA4"))); /* only ASCII folds */
    assert_true(str_eq_secret(STR("secret"), STR("secret")));
    assert_false(str_eq_secret(STR("secret"), STR("secres")));
    assert_false(str_eq_secret(STR("secret"), STR("secre")));
    assert_false(str_eq_secret(STR(""), STR("s")));
    assert_true(str_eq_secret(STR(""), STR("")));
}

static void prefix_and_trim(void **state) {
    (void)state;
    assert_true(str_starts(STR("redis://x"), STR("redis://")));
    assert_true(str_starts(STR("x"), STR("")));
    assert_false(str_starts(STR("red"), STR("redis")));
    assert_true(str_eq(str_trim(STR(" \t\r\n a b \n")), STR("a b")));
    assert_int_equal(str_trim(STR(" \t ")).n, 0);
    assert_int_equal(str_trim(str_of(NULL)).n, 0);
}

static void assert_split(const char *text, const char *const *parts, size_t count) {
    struct str rest = str_of(text);
    struct str part;
    for (size_t i = 0; i < count; i++) {
        assert_true(str_split(&rest, ',', &part));
        assert_true(str_eq(part, str_of(parts[i])));
    }
    assert_false(str_split(&rest, ',', &part));
    assert_false(str_split(&rest, ',', &part));
}

static void split(void **state) {
    (void)state;
    assert_split("a,b", (const char *const[]){"a", "b"}, 2);
    assert_split("", (const char *const[]){""}, 1);
    assert_split(",", (const char *const[]){"", ""}, 2);
    assert_split("a,,b,", (const char *const[]){"a", "", "b", ""}, 4);
    struct str none = {NULL, 0};
    struct str part;
    assert_false(str_split(&none, ',', &part));
}

static void unsigned_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"0", 0},
                {"007", 7},
                {"18446744073709551615", UINT64_MAX},
                {"0000000000000000000000000001", 1}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t value = 99;
        assert_int_equal(str_to_u64(str_of(good[i].text), &value), ERR_OK);
        assert_true(value == good[i].value);
    }
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "+1",
                                      "-1",
                                      "0x1",
                                      "1.",
                                      "1e",
                                      "１",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "184467440737095516150"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t value = 99;
        assert_int_equal(str_to_u64(str_of(bad[i]), &value), ERR_INVALID);
        assert_int_equal(value, 99);
    }
    uint64_t value = 99;
    assert_int_equal(str_to_u64(STR("1\0002"), &value), ERR_INVALID);
    assert_int_equal(str_to_u64(str_of(NULL), &value), ERR_INVALID);
}

static void signed_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"-12", -12},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775808", INT64_MIN}};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t value = 99;
        assert_int_equal(str_to_i64(str_of(good[i].text), &value), ERR_OK);
        assert_true(value == good[i].value);
    }
    static const char *const bad[] = {
        "", "-", "--1", "+1", "- 1", "9223372036854775808", "-9223372036854775809"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t value = 99;
        assert_int_equal(str_to_i64(str_of(bad[i]), &value), ERR_INVALID);
        assert_int_equal(value, 99);
    }
}

/* The limits of each length and the forms RFC 3629 section 3 forbids. */
static void utf8(void **state) {
    (void)state;
    static const char *const good[] = {"",
                                       "plain",
                                       "\xC2\x80",
                                       "\xDF\xBF",
                                       "\xE0\xA0\x80",
                                       "\xED\x9F\xBF", /* U+D7FF */
                                       "\xEE\x80\x80", /* U+E000 */
                                       "\xEF\xBF\xBF",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF", /* U+10FFFF */
                                       "عاجل ñ 中 😀"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(str_is_utf8(str_of(good[i])));
    }
    static const char *const bad[] = {"\x80",
                                      "\xBF",
                                      "\xC0\x80", /* overlong */
                                      "\xC1\xBF",
                                      "\xC3",
                                      "\xC3(",
                                      "\xE0\x9F\xBF", /* overlong */
                                      "\xE2\x82",
                                      "\xE2(\xA1",
                                      "\xED\xA0\x80", /* a surrogate */
                                      "\xED\xBF\xBF",
                                      "\xF0\x8F\xBF\xBF", /* overlong */
                                      "\xF0\x90\x80",
                                      "\xF4\x90\x80\x80", /* above U+10FFFF */
                                      "\xF5\x80\x80\x80",
                                      "\xFF",
                                      "ok\xFE"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(str_is_utf8(str_of(bad[i])));
    }
    assert_true(str_is_utf8(STR("a\0b")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality),       cmocka_unit_test(prefix_and_trim),
        cmocka_unit_test(split),          cmocka_unit_test(unsigned_numbers),
        cmocka_unit_test(signed_numbers), cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}

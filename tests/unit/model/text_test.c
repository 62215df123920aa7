#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "model/text.h"

struct text_case {
    const char *text;
    const char *code; /* NULL = fine */
};

static void check(const struct text_case *cases, size_t count,
                  const struct text_fault *(*rule)(struct str, size_t), size_t max_bytes) {
    for (size_t i = 0; i < count; i++) {
        const struct text_fault *fault = rule(str_of(cases[i].text), max_bytes);
        const char *code = fault ? fault->code : NULL;
        if (cases[i].code ? !code || strcmp(code, cases[i].code) != 0 : code != NULL) {
            fail_msg("case %zu (%s): %s", i, cases[i].text, code ? code : "accepted");
        }
    }
}

static void test_text(void **state) {
    (void)state;
    static const struct text_case cases[] = {
        {"x", NULL},
        {"فلسطين", NULL},
        {"a b", NULL},
        {"\xE2\x80\xAB"
         "ar\xE2\x80\xAC",
         NULL}, /* direction marks around a word */
        {"\xF0\x9F\x9A\xA8", NULL},
        {"", "blank"},
        {" ", "blank"},
        {"\xC2\xA0\xE2\x80\x8B\xE3\x80\x80\xEF\xBB\xBF", "blank"},
        {"a\tb", "control_character"},
        {"a\nb", "control_character"},
        {"a\x7F", "control_character"},
        {"a\xC2\x85", "control_character"},
        {"a\xE2\x80\xA8"
         "b",
         "control_character"},
        {"\x80", "invalid_utf8"},
        {"\xC0\xAF", "invalid_utf8"},
        {"\xED\xA0\x80", "invalid_utf8"},
        {"\xF4\x90\x80\x80", "invalid_utf8"},
        {"abc\xD9", "invalid_utf8"},
        {"0123456789012345678901234567890", NULL},
        {"01234567890123456789012345678901", NULL},
        {"012345678901234567890123456789012", "too_long"},
    };
    check(cases, sizeof(cases) / sizeof(cases[0]), text_check, 32);
}

static void test_ascii(void **state) {
    (void)state;
    static const struct text_case cases[] = {
        {"a", NULL},
        {"!~", NULL},
        {"", "blank"},
        {"a b", "invalid_value"},
        {"é", "invalid_value"},
        {"a\x7F", "invalid_value"},
        {"12345678", NULL},
        {"123456789", "too_long"},
    };
    check(cases, sizeof(cases) / sizeof(cases[0]), text_check_ascii, 8);
}

static void test_url(void **state) {
    (void)state;
    static const struct text_case cases[] = {
        {"http://a", NULL},
        {"https://news.example/politics/jenin?x=1&y=%20#top", NULL},
        {"HTTPS://NEWS.EXAMPLE:8443/", NULL},
        {"https://news.example", NULL},
        {"https://news.example./a", NULL},
        {"https://192.0.2.7:80/x", NULL},
        {"https://[2001:db8::1]/x", NULL},
        {"https://[2001:db8::1]:443", NULL},
        {"https://أخبار.example/سياسة", NULL},
        {"ftp://news.example/", "invalid_url"},
        {"javascript:alert(1)", "invalid_url"},
        {"//news.example/a", "invalid_url"},
        {"news.example/a", "invalid_url"},
        {"https:/news.example", "invalid_url"},
        {"https://", "invalid_url"},
        {"https:///path", "invalid_url"},
        {"https://user@news.example/", "invalid_url"},
        {"https://user:pw@news.example/", "invalid_url"},
        {"https://news..example/", "invalid_url"},
        {"https://-news.example/", "invalid_url"},
        {"https://news.example:0/", "invalid_url"},
        {"https://news.example:65536/", "invalid_url"},
        {"https://news.example:/", "invalid_url"},
        {"https://news.example:8x/", "invalid_url"},
        {"https://[::1/", "invalid_url"},
        {"https://[::g]/", "invalid_url"},
        {"https://[::1]x/", "invalid_url"},
        {"https://news.example/a b", "invalid_url"},
        {"https://news.example/a\xC2\xA0"
         "b",
         "invalid_url"},
        {"https://news.example/%zz", "invalid_url"},
        {"https://news.example/%2", "invalid_url"},
        {"https://news.example/\"x", "invalid_url"},
        {"https://news.example\\@evil.example/", "invalid_url"},
        {" https://news.example/", "invalid_url"},
        {"", "blank"},
        {"https://news.example/\n", "control_character"},
        {"https://news.example/\xFF", "invalid_utf8"},
        {"https://news.example/0123456789012345678901234567890123456789", "too_long"},
    };
    check(cases, sizeof(cases) / sizeof(cases[0]), text_check_url, 60);
}

static void test_clean(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    text_put_clean(&b, STR("a\xFF\xD9\x81\xE2\x80z\xF0\x9F\x9A\xA8\xD9"));
    assert_string_equal(b.p, "a\xEF\xBF\xBD\xD9\x81\xEF\xBF\xBD\xEF\xBF\xBDz\xF0\x9F\x9A\xA8"
                             "\xEF\xBF\xBD");
    assert_true(str_is_utf8(buf_str(&b)));
    buf_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_ascii),
        cmocka_unit_test(test_url),
        cmocka_unit_test(test_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

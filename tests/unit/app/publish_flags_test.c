/* What the flags of "tocsin publish" become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "app/publish_flags.h"
#include "model/alert.h"
#include "model/alert_request.h"

enum { WORDS_MAX = 32 };

/* The JSON of a command line, in `out`; what is left of it must be nothing. */
static bool build(struct buf *out, const char *const *words) {
    char *argv[WORDS_MAX] = {(char *)(uintptr_t) "publish"};
    int argc = 1;
    struct options o;
    int status;
    for (; words[argc - 1]; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    assert_true(options_parse(&o, argc, argv, "", &status));
    buf_init(out, ALERT_JSON_BYTES_MAX);
    bool good = publish_flags_put(&o, out);
    assert_true(!good || options_done(&o));
    options_finish(&o);
    return good;
}

#define EXPECT(wanted, ...)                                                                        \
    do {                                                                                           \
        struct buf json;                                                                           \
        assert_true(build(&json, (const char *const[]){__VA_ARGS__, NULL}));                       \
        assert_string_equal(buf_str(&json).p, wanted);                                             \
        buf_finish(&json);                                                                         \
    } while (0)

#define EXPECT_REFUSED(...)                                                                        \
    do {                                                                                           \
        struct buf json;                                                                           \
        assert_false(build(&json, (const char *const[]){__VA_ARGS__, NULL}));                      \
        buf_finish(&json);                                                                         \
    } while (0)

static void no_flags_are_an_empty_object(void **state) {
    (void)state;
    EXPECT("{}", NULL);
}

static void lists_are_split_at_commas(void **state) {
    (void)state;
    EXPECT("{\"urgency\":\"flash\",\"audience\":{\"regions\":[\"mena\",\"europe\"],"
           "\"sections\":[\"politics\"],\"editions\":[\"en\"],\"platforms\":[\"apns\"]},"
           "\"tags\":[\"a b\",\"c\"]}",
           "--platforms", "apns", "--tags", "a b, c", "--regions=mena,europe", "--urgency", "flash",
           "--editions", "en", "--sections=politics");
}

static void texts_are_gathered_by_edition(void **state) {
    (void)state;
    EXPECT(
        "{\"content\":{\"en\":{\"headline\":\"H=1, a\",\"body\":\"B\",\"url\":\"https://x/?a=b\"},"
        "\"ar\":{\"headline\":\"\xD8\xB9\",\"image_url\":\"https://x/i\"}}}",
        "--headline", "en=H=1, a", "--headline=ar=\xD8\xB9", "--url", "en=https://x/?a=b", "--body",
        "en=B", "--image", "ar=https://x/i");
}

static void values_are_escaped(void **state) {
    (void)state;
    EXPECT("{\"content\":{\"e\\\"n\":{\"headline\":\"a\\\"b\\\\c\\nd\"}},\"source\":\"\\\"},{\"}",
           "--headline", "e\"n=a\"b\\c\nd", "--source", "\"},{");
}

static void all_the_other_members(void **state) {
    (void)state;
    EXPECT("{\"msg_type\":\"update\",\"references\":[\"id\"],\"status\":\"test\","
           "\"fallback_language\":\"en\",\"story_id\":\"s\",\"collapse_id\":\"c\",\"ttl_s\":0}",
           "--ttl", "0", "--collapse-id", "c", "--story", "s", "--fallback", "en", "--status",
           "test", "--about", "id", "--msg-type", "update");
}

static void flags_that_cannot_be_are_refused(void **state) {
    (void)state;
    EXPECT_REFUSED("--headline", "no edition");
    EXPECT_REFUSED("--headline", "=text");
    EXPECT_REFUSED("--url", "");
    EXPECT_REFUSED("--ttl", "1h");
    EXPECT_REFUSED("--ttl", "");
    EXPECT_REFUSED("--ttl", "99999999999999999999");
}

/* What the flags build is what the service takes. */
static void the_service_understands_it(void **state) {
    (void)state;
    struct buf json;
    struct alert *a = NULL;
    struct taxonomy *t = taxonomy_builtin();
    struct problem *p = problem_create();
    assert_true(build(&json, (const char *const[]){"--urgency", "high", "--regions", "all",
                                                   "--headline", "en=Text", "--fallback", "en",
                                                   "--ttl", "60", "--tags", "x,y", NULL}));
    assert_int_equal(alert_parse_request(t, buf_str(&json), &a, p), ERR_OK);
    assert_int_equal(a->ttl_s, 60);
    assert_true(problem_is_empty(p));
    alert_destroy(a);
    buf_finish(&json);
    problem_destroy(p);
    taxonomy_destroy(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_flags_are_an_empty_object),
        cmocka_unit_test(lists_are_split_at_commas),
        cmocka_unit_test(texts_are_gathered_by_edition),
        cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(all_the_other_members),
        cmocka_unit_test(flags_that_cannot_be_are_refused),
        cmocka_unit_test(the_service_understands_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What an editor is told to look at twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "newsroom/advice.h"

struct fixture {
    struct taxonomy *t;
    struct advice advice;
    struct alert *alert;
    struct buf found; /* "pointer code" lines */
};

static void start(struct fixture *f, const char *audience, const char *content, const char *more) {
    struct buf json;
    struct problem *p = problem_create();
    *f = (struct fixture){.t = taxonomy_builtin()};
    buf_init(&json, 1 << 16);
    buf_printf(&json,
               "{\"urgency\":\"high\",\"audience\":{\"regions\":[\"mena\"]%s},\"content\":{%s}%s}",
               audience, content, more);
    if (alert_parse_request(f->t, buf_str(&json), &f->alert, p) != ERR_OK) {
        struct buf text;
        buf_init(&text, 1 << 16);
        problem_put_text(p, &text);
        fail_msg("%s", text.p);
    }
    f->advice = (struct advice){.alert = f->alert, .t = f->t};
    problem_destroy(p);
    buf_finish(&json);
    buf_init(&f->found, 1 << 16);
}

/* The codes at a pointer, "" = none: only those of `wanted` may be there. */
static void check(struct fixture *f, const char *wanted) {
    struct problem *p = problem_create();
    struct buf errors;
    buf_init(&errors, 1 << 16);
    advice_find(&f->advice, p);
    problem_put_errors(p, &errors);
    buf_clear(&f->found);
    struct str rest = buf_str(&errors);
    struct str part;
    /* Pointers and codes have no escapes. */
    while (str_split(&rest, '"', &part)) {
        if (str_eq(part, STR("pointer")) || str_eq(part, STR("code"))) {
            (void)str_split(&rest, '"', &part);
            (void)str_split(&rest, '"', &part);
            buf_put_str(&f->found, part);
            buf_putc(&f->found, part.p[0] == '/' ? ' ' : '\n');
        }
    }
    buf_putc(&f->found, '\0');
    assert_string_equal(f->found.p, wanted);
    buf_finish(&errors);
    problem_destroy(p);
}

static void finish(struct fixture *f) {
    alert_destroy(f->alert);
    taxonomy_destroy(f->t);
    buf_finish(&f->found);
}

static void once(const char *audience, const char *content, const char *more, const char *wanted) {
    struct fixture f;
    start(&f, audience, content, more);
    check(&f, wanted);
    finish(&f);
}

#define EN    "\"en\":{\"headline\":\"Nile rises\",\"url\":\"https://n.example/1\"}"
#define AR    "\"ar\":{\"headline\":\"النيل يرتفع\",\"url\":\"https://n.example/2\"}"
#define ES    "\"es\":{\"headline\":\"Sube el Nilo\",\"url\":\"https://n.example/3\"}"
#define TEN   "0123456789"
#define FIFTY TEN TEN TEN TEN TEN

static void test_nothing_to_say(void **state) {
    (void)state;
    once("", EN "," AR "," ES, "", "");
}

static void test_scripts(void **state) {
    (void)state;
    once("",
         EN "," ES ",\"ar\":{\"headline\":\"Nile rises above\",\"url\":\"https://n.example/2\"}",
         "", "/content/ar/headline latin_in_arabic\n");
    once("",
         AR "," ES
            ",\"en\":{\"headline\":\"Nile\",\"body\":\"يرتفع\",\"url\":\"https://n.example\"}",
         "", "/content/en/body arabic_in_latin\n");
    /* Brands and names are usual. */
    once("",
         EN "," ES ",\"ar\":{\"headline\":\"آبل تعلن عن iPhone\",\"url\":\"https://n.example/2\"}",
         "", "");
    once("", EN "," ES ",\"ar\":{\"headline\":\"2026: 3 - 1\",\"url\":\"https://n.example/2\"}", "",
         "");
}

static void test_lengths(void **state) {
    (void)state;
    once(",\"editions\":[\"en\"]",
         "\"en\":{\"headline\":\"" FIFTY TEN "01234\",\"url\":\"https://n.example/1\"}", "", "");
    once(",\"editions\":[\"en\"]",
         "\"en\":{\"headline\":\"" FIFTY TEN "012345\",\"url\":\"https://n.example/1\"}", "",
         "/content/en/headline long_headline\n");
    once(",\"editions\":[\"en\"]",
         "\"en\":{\"headline\":\"N\",\"body\":\"" FIFTY FIFTY FIFTY TEN
         "x\",\"url\":\"https://n.example/1\"}",
         "", "/content/en/body long_body\n");
}

static void test_editions(void **state) {
    struct fixture f;
    (void)state;
    once("", EN "," ES, ",\"fallback_language\":\"en\"", "/content/ar missing_language\n");
    once(",\"editions\":[\"en\",\"es\"]", EN "," ES, "", "");
    once(",\"editions\":[\"en\"]", EN "," AR, "", "/content/ar unused_text\n");
    once("", EN "," AR ",\"es\":{\"headline\":\"NILE  rises\",\"url\":\"https://n.example/3\"}", "",
         "/content/es/headline same_text\n");
    start(&f, "", EN "," AR "," ES, "");
    f.advice.cut[PLATFORM_APNS] = 2;
    f.advice.too_large[PLATFORM_FCM] = 1;
    check(&f, "/content/en too_large\n/content/ar/body shortened\n");
    finish(&f);
}

static void test_links(void **state) {
    (void)state;
    once(",\"editions\":[\"en\"]",
         "\"en\":{\"headline\":\"N\",\"url\":\"http://n.example/1\",\"image_url\":\"HTTPS://"
         "n.example/i\"}",
         "", "/content/en/url link_without_https\n");
    once(",\"editions\":[\"en\"]", "\"en\":{\"headline\":\"N\"}", "", "/content/en/url no_url\n");
}

static void test_night(void **state) {
    struct fixture f;
    (void)state;
    start(&f, "", EN "," AR "," ES, "");
    f.advice.night = 3;
    f.advice.total = 9;
    check(&f, "/urgency night_time\n");
    f.alert->urgency = URGENCY_LOW; /* makes no sound */
    check(&f, "");
    f.alert->urgency = URGENCY_FLASH;
    f.alert->msg_type = MSG_CANCEL;
    check(&f, "");
    finish(&f);
}

static void test_lengths_of_texts(void **state) {
    struct fixture f;
    struct buf b;
    (void)state;
    start(&f, ",\"editions\":[\"ar\"]",
          "\"ar\":{\"headline\":\"عَاجِلٌ\",\"body\":\"🇵🇸 ok\",\"url\":\"https://n.example/2\"}", "");
    buf_init(&b, 4096);
    advice_put_lengths(&f.advice, &b);
    buf_putc(&b, '\0');
    assert_string_equal(b.p, "{\"ar\":{\"headline\":{\"graphemes\":4,\"advised_max\":65},"
                             "\"body\":{\"graphemes\":4,\"advised_max\":160}}}");
    buf_finish(&b);
    finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_say),
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_editions),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_night),
        cmocka_unit_test(test_lengths_of_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

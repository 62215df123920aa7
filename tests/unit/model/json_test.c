#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/json.h"
#include "support_model.h"

/* RFC 8259: one value, nothing else. */
static void test_grammar(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *reason; /* NULL = accepted */
    } cases[] = {
        {"{}", NULL},
        {" [ ] ", NULL},
        {"\"x\"", NULL},
        {"-0.5e+10", NULL},
        {"[1,2,{\"a\":[true,false,null]}]", NULL},
        {"\"\\u00e9\\ud83d\\ude00\\/\"", NULL},
        {"", "the text ends where a value is expected"},
        {"{", "expected a member name in quotes"},
        {"{\"a\"}", "expected a colon"},
        {"{\"a\":}", "expected a value"},
        {"{\"a\":1,}", "expected a member name in quotes"},
        {"{\"a\":1 \"b\":2}", "expected a comma or }"},
        {"[1,]", "expected a value"},
        {"[1 2]", "expected a comma or ]"},
        {"{} x", "something follows the end of the value"},
        {"{}{}", "something follows the end of the value"},
        {"01", "something follows the end of the value"},
        {"+1", "expected a value"},
        {"-", "a number needs a digit here"},
        {"1.", "a number needs a digit after its point"},
        {"1e", "a number needs a digit in its exponent"},
        {"NaN", "expected a value"},
        {"tru", "expected a value"},
        {"'a'", "expected a value"},
        {"\"a", "the text ends inside a string"},
        {"\"a\nb\"", "raw control character in a string"},
        {"\"\\x\"", "unknown escape in a string"},
        {"\"\\u12g4\"", "\\u needs four hex digits"},
        {"\"\\ud83d\"", "half of a surrogate pair in a string"},
        {"\"\\ude00\"", "half of a surrogate pair in a string"},
        {"\"\\ud83d\\u0041\"", "half of a surrogate pair in a string"},
        {"\xEF\xBB\xBF{}", "expected a value"},
        {"/* c */ 1", "expected a value"},
        {"1111111111111111111111111111111111111111111111111111111111111111",
         "this number is too long"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t offset;
        const char *reason = json_check(str_of(cases[i].text), &offset, NULL);
        if (cases[i].reason ? !reason || strcmp(reason, cases[i].reason) != 0 : reason != NULL) {
            fail_msg("%s: %s", cases[i].text, reason ? reason : "accepted");
        }
    }
}

static void test_bounds(void **state) {
    (void)state;
    struct buf b;
    size_t offset;
    buf_init(&b, 1 << 20);
    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        buf_clear(&b);
        for (int i = 0; i < depth; i++) {
            buf_putc(&b, '[');
        }
        for (int i = 0; i < depth; i++) {
            buf_putc(&b, ']');
        }
        assert_int_equal(json_check(buf_str(&b), &offset, NULL) == NULL, depth == JSON_DEPTH_MAX);
    }
    for (int members = JSON_MEMBERS_MAX; members <= JSON_MEMBERS_MAX + 1; members++) {
        buf_clear(&b);
        buf_putc(&b, '{');
        for (int i = 0; i < members; i++) {
            buf_printf(&b, "%s\"m%d\":0", i ? "," : "", i);
        }
        buf_putc(&b, '}');
        assert_int_equal(json_check(buf_str(&b), &offset, NULL) == NULL,
                         members == JSON_MEMBERS_MAX);
    }
    buf_finish(&b);
}

static void test_where(void **state) {
    (void)state;
    struct problem *p = problem_create();
    struct cJSON *root = NULL;
    assert_int_equal(json_parse(STR("{\n  \"a\": 1,\n  oops\n}"), "/x", &root, p), ERR_PROTOCOL);
    assert_null(root);
    struct buf b;
    buf_init(&b, 4096);
    problem_put_text(p, &b);
    assert_string_equal(b.p, "/x: not JSON: line 3, column 3: expected a member name in quotes\n");
    buf_finish(&b);
    problem_destroy(p);
}

static void test_duplicates(void **state) {
    (void)state;
    struct problem *p = problem_create();
    struct cJSON *root;
    struct str text =
        STR("{\"a\":1,\"b\":[{\"c\":1,\"c\":2}],\"\\u0061\":3,\"A\":1,\"x/y\":{\"~\":1,\"~\":1}}");
    assert_int_equal(json_parse(text, "", &root, p), ERR_OK);
    assert_faults(p, "duplicates",
                  "/b/0/c duplicate_field; /a duplicate_field; /x~1y/~0 duplicate_field");
    json_destroy(root);
    problem_destroy(p);
}

/* What is behind an escaped U+0000 is not lost. */
static void test_nul(void **state) {
    (void)state;
    struct cJSON *root;
    struct problem *p = problem_create();
    assert_int_equal(json_parse(STR("[\"a\\u0000b\",\"\\\\u0000\"]"), "", &root, p), ERR_OK);
    assert_string_equal(cJSON_GetArrayItem(root, 0)->valuestring, "a\001b");
    assert_string_equal(cJSON_GetArrayItem(root, 1)->valuestring, "\\u0000");
    json_destroy(root);
    problem_destroy(p);
}

static void test_pointer(void **state) {
    (void)state;
    char pointer[JSON_POINTER_BYTES];
    char longer[2 * JSON_POINTER_BYTES];
    json_pointer(pointer, "/a", "b/c~d");
    assert_string_equal(pointer, "/a/b~1c~0d");
    json_pointer(pointer, pointer, "e");
    assert_string_equal(pointer, "/a/b~1c~0d/e");
    json_pointer_index(pointer, "", 12);
    assert_string_equal(pointer, "/12");
    memset(longer, '/', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    json_pointer(pointer, "/x", longer);
    assert_true(strlen(pointer) < JSON_POINTER_BYTES);
    json_pointer(pointer, longer, "y");
    assert_true(strlen(pointer) < JSON_POINTER_BYTES);
}

static void test_readers(void **state) {
    (void)state;
    struct cJSON *root;
    struct problem *p = problem_create();
    struct str text =
        STR("{\"i\":7,\"f\":1.5,\"big\":1e300,\"s\":\"x\",\"b\":true,\"n\":null,\"o\":{}}");
    assert_int_equal(json_parse(text, "", &root, p), ERR_OK);
    struct json_reader r = {root, "/p", p};
    int64_t number = -1;
    struct str s;
    bool b = false;
    int index;
    assert_true(json_read_int(&r, "i", 0, 10, &number) && number == 7);
    assert_false(json_read_int(&r, "i", 8, 10, &number));
    assert_false(json_read_int(&r, "f", 0, 10, &number));
    assert_false(json_read_int(&r, "big", 0, 10, &number));
    assert_false(json_read_int(&r, "s", 0, 10, &number));
    assert_false(json_read_int(&r, "absent", 0, 10, &number));
    assert_int_equal(number, 7);
    assert_true(json_read_bool(&r, "b", &b) && b);
    assert_false(json_read_bool(&r, "i", &b));
    assert_true(json_read_string(&r, "s", &s) && str_eq(s, STR("x")));
    assert_false(json_read_string(&r, "n", &s));
    static const char *const names[] = {"w", "x"};
    assert_true(json_read_name(&r, "s", names, 2, &index) && index == 1);
    assert_false(json_read_name(&r, "s", names, 1, &index));
    assert_faults(p, "readers",
                  "/p/i out_of_range; /p/f out_of_range; /p/big out_of_range; /p/s wrong_type; "
                  "/p/i wrong_type; /p/n wrong_type; /p/s unknown_value");
    json_destroy(root);
    problem_destroy(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_where),   cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_nul),     cmocka_unit_test(test_pointer),
        cmocka_unit_test(test_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

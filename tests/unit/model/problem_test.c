#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/problem.h"
#include "support_model.h"

static char *as_json(const struct problem *p) {
    struct buf b;
    buf_init(&b, 1 << 20);
    problem_put_json(p, 422, "Unprocessable Content", &b);
    assert_int_equal(buf_check(&b), ERR_OK);
    return buf_take(&b);
}

static void test_json(void **state) {
    (void)state;
    struct problem *p = problem_create();
    assert_true(problem_is_empty(p));
    char *json = as_json(p);
    assert_string_equal(json, "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\","
                              "\"status\":422,\"detail\":\"Unprocessable Content\",\"errors\":[]}");
    free(json);
    problem_add(p, "/content/ar/headline", "required", "a \"%s\" is required", "headline");
    assert_false(problem_is_empty(p));
    json = as_json(p);
    assert_string_equal(json,
                        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\","
                        "\"status\":422,\"detail\":\"a \\\"headline\\\" is required\",\"errors\":[{"
                        "\"pointer\":\"/content/ar/headline\",\"code\":\"required\","
                        "\"detail\":\"a \\\"headline\\\" is required\"}]}");
    free(json);
    problem_add(p, "", "too_long", "x");
    json = as_json(p);
    assert_non_null(strstr(json, "\"detail\":\"2 faults\""));
    free(json);
    problem_destroy(p);
}

/* Foreign bytes in a pointer or detail do not make the answer malformed. */
static void test_clean(void **state) {
    (void)state;
    struct problem *p = problem_create();
    problem_add(p, "/\xFF", "unknown_field", "\xD9 %s", "\"\n");
    char *json = as_json(p);
    assert_true(str_is_utf8(str_of(json)));
    assert_non_null(strstr(json, "\"pointer\":\"/\xEF\xBF\xBD\""));
    free(json);
    problem_destroy(p);
}

static void test_move(void **state) {
    (void)state;
    static const char *const codes[] = {"required", "blank"};
    struct problem *from = problem_create();
    struct problem *to = problem_create();
    for (int i = 0; i < PROBLEM_FAULTS_MAX + 6; i++) {
        problem_add(from, "/x", i % 2 ? "required" : "wrong_type", "fault %d", i);
    }
    problem_move(from, codes, 2, to);
    assert_int_equal(problem_count(to), PROBLEM_FAULTS_MAX / 2);
    assert_int_equal(problem_count(from), PROBLEM_FAULTS_MAX / 2 + 6); /* some were never kept */
    char *json = as_json(from);
    assert_null(strstr(json, "required"));
    assert_non_null(strstr(json, "fault 62"));
    assert_non_null(strstr(json, "not all of them listed"));
    free(json);
    json = as_json(to);
    assert_null(strstr(json, "wrong_type"));
    assert_non_null(strstr(json, "fault 63"));
    free(json);
    problem_add(from, "/y", "late", "one more");
    problem_destroy(from);
    problem_destroy(to);
}

static void test_many(void **state) {
    (void)state;
    struct problem *p = problem_create();
    for (int i = 0; i < PROBLEM_FAULTS_MAX + 6; i++) {
        problem_add(p, "/x", "code", "fault %d", i);
    }
    problem_add(NULL, "/x", "code", "nowhere");
    assert_int_equal(problem_count(p), PROBLEM_FAULTS_MAX + 6);
    assert_int_equal(problem_count(NULL), 0);
    char *json = as_json(p);
    assert_non_null(strstr(json, "\"detail\":\"70 faults, not all of them listed\""));
    assert_non_null(strstr(json, "\"fault 63\""));
    assert_null(strstr(json, "\"fault 64\""));
    free(json);
    struct buf b;
    buf_init(&b, 1 << 16);
    problem_put_text(p, &b);
    assert_non_null(strstr(b.p, "/x: fault 63\nand 6 more\n"));
    buf_finish(&b);
    problem_destroy(p);
    problem_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

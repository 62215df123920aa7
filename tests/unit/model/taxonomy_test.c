#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "model/taxonomy.h"
#include "support_model.h"

static uint64_t bit(const struct taxonomy *t, enum dimension dim, const char *name) {
    int index = taxonomy_find(t, dim, str_of(name));
    assert_true(index >= 0);
    return UINT64_C(1) << index;
}

/* The built-in copy is config/taxonomy.json. */
static void test_builtin(void **state) {
    (void)state;
    char *json = support_read_file("config/taxonomy.json");
    struct buf problems;
    struct buf from_file;
    struct buf from_builtin;
    struct taxonomy *t;
    buf_init(&problems, 4096);
    buf_init(&from_file, 1 << 20);
    buf_init(&from_builtin, 1 << 20);
    assert_int_equal(taxonomy_parse(str_of(json), &t, &problems), ERR_OK);
    assert_int_equal(problems.n, 0);
    taxonomy_put_json(t, &from_file);
    taxonomy_destroy(t);
    t = taxonomy_builtin();
    taxonomy_put_json(t, &from_builtin);
    assert_string_equal(from_file.p, from_builtin.p);
    cJSON *a = cJSON_Parse(json);
    cJSON *b = cJSON_Parse(from_builtin.p);
    assert_true(cJSON_Compare(a, b, true)); /* as the file says it, not only as we read it */
    cJSON_Delete(a);
    cJSON_Delete(b);
    taxonomy_destroy(t);
    free(json);
    buf_finish(&problems);
    buf_finish(&from_file);
    buf_finish(&from_builtin);
}

static void test_answers(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    assert_int_equal(taxonomy_count(t, DIM_REGION), 8);
    assert_int_equal(taxonomy_count(t, DIM_SECTION), 8);
    assert_int_equal(taxonomy_count(t, DIM_EDITION), 3);
    assert_int_equal(taxonomy_find(t, DIM_REGION, STR("politics")), -1);
    assert_int_equal(taxonomy_find(t, DIM_REGION, STR("Mena")), -1);
    int palestine = taxonomy_find(t, DIM_REGION, STR("palestine"));
    int ar = taxonomy_find(t, DIM_EDITION, STR("ar"));
    assert_string_equal(taxonomy_name(t, DIM_REGION, palestine), "palestine");
    assert_string_equal(taxonomy_label(t, DIM_REGION, palestine, ar), "فلسطين");
    assert_string_equal(taxonomy_label(t, DIM_REGION, palestine, -1), "palestine");
    assert_true(taxonomy_is_rtl(t, ar));
    assert_false(taxonomy_is_rtl(t, taxonomy_find(t, DIM_EDITION, STR("en"))));
    uint64_t mena = bit(t, DIM_REGION, "mena");
    assert_true(taxonomy_with_parents(t, bit(t, DIM_REGION, "palestine")) ==
                (mena | bit(t, DIM_REGION, "palestine")));
    assert_true(taxonomy_with_parents(t, mena) == mena);
    assert_true(taxonomy_with_parents(t, 0) == 0);
    assert_true(taxonomy_all(t, DIM_EDITION) == 7);
    taxonomy_destroy(t);
    taxonomy_destroy(NULL);
}

#define EN           "{\"id\":\"en\",\"dir\":\"ltr\",\"labels\":{\"en\":\"English\"}}"
#define EU           "{\"id\":\"europe\",\"labels\":{\"en\":\"Europe\"}}"
#define PO           "{\"id\":\"politics\",\"labels\":{\"en\":\"Politics\"}}"
#define DOC(e, r, s) "{\"editions\":[" e "],\"regions\":[" r "],\"sections\":[" s "]}"

static void test_faults(void **state) {
    (void)state;
    static const struct {
        const char *json;
        const char *problems;
    } cases[] = {
        {DOC(EN, EU, PO), ""},
        {"{", "(document): not JSON: line 1, column 2: expected a member name in quotes\n"},
        {"[]", "(document): must be an object\n"},
        {"{}", "/editions: must be a list of 1 to 64 values\n"
               "/regions: must be a list of 1 to 64 values\n"
               "/sections: must be a list of 1 to 64 values\n"},
        {"{\"editions\":[" EN "],\"regions\":[" EU "],\"sections\":[" PO "],\"zones\":[]}",
         "/zones: there is no such member\n"},
        {DOC(EN, EU "," EU, PO), "/regions/1/id: \"europe\" is there twice\n"},
        {DOC(EN, "{\"id\":\"Europe\",\"labels\":{\"en\":\"Europe\"}}", PO),
         "/regions/0/id: must be 1 to 32 of a-z, 0-9 and -, not \"all\"\n"},
        {DOC(EN, "{\"id\":\"all\",\"labels\":{\"en\":\"All\"}}", PO),
         "/regions/0/id: must be 1 to 32 of a-z, 0-9 and -, not \"all\"\n"},
        {DOC(EN, EU, "{\"id\":\"a23456789012345678901234567890123\",\"labels\":{\"en\":\"x\"}}"),
         "/sections/0/id: must be 1 to 32 of a-z, 0-9 and -, not \"all\"\n"},
        {DOC(EN, "{\"id\":\"x\",\"parent\":\"y\",\"labels\":{\"en\":\"x\"}}", PO),
         "/regions/0/parent: there is no region \"y\"\n"},
        {DOC(EN,
             "{\"id\":\"x\",\"parent\":\"y\",\"labels\":{\"en\":\"x\"}},"
             "{\"id\":\"y\",\"parent\":\"x\",\"labels\":{\"en\":\"y\"}}",
             PO),
         "/regions/0/parent: the parents of \"x\" form a circle\n"
         "/regions/1/parent: the parents of \"y\" form a circle\n"},
        {DOC(EN, "{\"id\":\"x\",\"parent\":\"x\",\"labels\":{\"en\":\"x\"}}", PO),
         "/regions/0/parent: the parents of \"x\" form a circle\n"},
        {DOC(EN, EU, "{\"id\":\"x\",\"parent\":\"europe\",\"labels\":{\"en\":\"x\"}}"),
         "/sections/0/parent: there is no such member\n"},
        {DOC(EN, "{\"id\":\"x\",\"labels\":{}}", PO),
         "/regions/0/labels/en: the label in this edition is missing\n"},
        {DOC(EN, "{\"id\":\"x\",\"labels\":{\"en\":\" \"}}", PO),
         "/regions/0/labels/en: is empty or blank (at most 128 bytes of visible text)\n"},
        {DOC(EN, "{\"id\":\"x\",\"labels\":{\"en\":\"x\",\"fr\":\"x\"}}", PO),
         "/regions/0/labels/fr: there is no such member\n"},
        {DOC("{\"id\":\"en\",\"labels\":{\"en\":\"English\"}}", EU, PO),
         "/editions/0/dir: is missing: ltr or rtl\n"},
        {DOC("{\"id\":\"en\",\"dir\":\"up\",\"labels\":{\"en\":\"English\"}}", EU, PO),
         "/editions/0/dir: must be one of ltr, rtl\n"},
        {DOC(EN, "7", PO), "/regions/0: must be an object\n"},
        {DOC(EN, "{\"labels\":{\"en\":\"x\"}}", PO), "/regions/0/id: is missing\n"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf problems;
        struct taxonomy *t = NULL;
        buf_init(&problems, 1 << 16);
        enum err err = taxonomy_parse(str_of(cases[i].json), &t, &problems);
        assert_string_equal(buf_str(&problems).p, cases[i].problems);
        assert_int_equal(err, cases[i].problems[0] ? ERR_INVALID : ERR_OK);
        taxonomy_destroy(t);
        buf_finish(&problems);
    }
}

/* 64 values work, 65 do not; a chain of 64 parents is followed to its end. */
static void test_full(void **state) {
    (void)state;
    for (int count = TAXONOMY_MAX; count <= TAXONOMY_MAX + 1; count++) {
        struct buf json;
        struct buf problems;
        struct taxonomy *t = NULL;
        buf_init(&json, 1 << 20);
        buf_init(&problems, 1 << 16);
        buf_puts(&json, "{\"editions\":[" EN "],\"sections\":[" PO "],\"regions\":[");
        for (int i = 0; i < count; i++) {
            buf_printf(&json, "%s{\"id\":\"r%d\",\"labels\":{\"en\":\"r\"}", i ? "," : "", i);
            if (i) {
                buf_printf(&json, ",\"parent\":\"r%d\"", i - 1);
            }
            buf_putc(&json, '}');
        }
        buf_puts(&json, "]}");
        enum err err = taxonomy_parse(buf_str(&json), &t, &problems);
        assert_int_equal(err, count == TAXONOMY_MAX ? ERR_OK : ERR_INVALID);
        if (t) {
            assert_true(taxonomy_all(t, DIM_REGION) == UINT64_MAX);
            assert_true(taxonomy_with_parents(t, UINT64_C(1) << 63) == UINT64_MAX);
            assert_true(taxonomy_with_parents(t, 1) == 1);
        }
        taxonomy_destroy(t);
        buf_finish(&json);
        buf_finish(&problems);
    }
}

static void test_load(void **state) {
    (void)state;
    struct buf problems;
    struct taxonomy *t = NULL;
    buf_init(&problems, 4096);
    assert_int_equal(taxonomy_load("/nonexistent/taxonomy.json", &t, &problems), ERR_NOT_FOUND);
    assert_non_null(strstr(problems.p, "/nonexistent/taxonomy.json: "));
    char path[] = "/tmp/taxonomy_test_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(write(fd, DOC(EN, EU, PO), strlen(DOC(EN, EU, PO))) > 0);
    close(fd);
    assert_int_equal(taxonomy_load(path, &t, &problems), ERR_OK);
    assert_int_equal(taxonomy_count(t, DIM_REGION), 1);
    taxonomy_destroy(t);
    unlink(path);
    buf_finish(&problems);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builtin), cmocka_unit_test(test_answers),
        cmocka_unit_test(test_faults),  cmocka_unit_test(test_full),
        cmocka_unit_test(test_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

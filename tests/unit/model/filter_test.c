#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>

#include "model/filter.h"
#include "model/json.h"
#include "support_model.h"
#include "support_random.h"

/* --- the rule, once more, as one would say it aloud: value by value, by name --- */

static bool has(uint64_t mask, int i) {
    return (mask & (UINT64_C(1) << i)) != 0;
}

/* Does someone who follows `region` follow an alert for `target`: is it the target or above it? */
static bool naive_region_reaches(const cJSON *taxonomy, const char *region, const char *target) {
    for (const char *at = target; at;) {
        if (strcmp(at, region) == 0) {
            return true;
        }
        const cJSON *entry = NULL;
        const char *parent = NULL;
        cJSON_ArrayForEach(entry, cJSON_GetObjectItem(taxonomy, "regions")) {
            const cJSON *up = cJSON_GetObjectItem(entry, "parent");
            if (up && strcmp(cJSON_GetObjectItem(entry, "id")->valuestring, at) == 0) {
                parent = up->valuestring;
            }
        }
        at = parent;
    }
    return false;
}

static bool naive_in_regions(const struct filter *f, const struct alert *a,
                             const struct taxonomy *t, const cJSON *json) {
    if (f->regions == 0 || a->audience.regions_all) {
        return true;
    }
    for (int i = 0; i < 64; i++) {
        for (int k = 0; k < 64; k++) {
            if (has(f->regions, i) && has(a->audience.regions, k) &&
                naive_region_reaches(json, taxonomy_name(t, DIM_REGION, i),
                                     taxonomy_name(t, DIM_REGION, k))) {
                return true;
            }
        }
    }
    return false;
}

static bool naive_in_sections(const struct filter *f, const struct alert *a) {
    if (f->sections == 0 || a->audience.sections == 0) {
        return true;
    }
    for (int i = 0; i < 64; i++) {
        if (has(f->sections, i) && has(a->audience.sections, i)) {
            return true;
        }
    }
    return false;
}

static bool naive_same_tag(const char *a, const char *b) {
    for (; *a && *b; a++, b++) {
        if ((unsigned char)*a >= 128 || (unsigned char)*b >= 128
                ? *a != *b
                : tolower((unsigned char)*a) != tolower((unsigned char)*b)) {
            return false;
        }
    }
    return *a == *b;
}

static bool naive_follows_tag(const struct filter *f, const struct alert *a) {
    for (int i = 0; i < f->tag_count; i++) {
        for (int k = 0; k < a->tag_count; k++) {
            if (naive_same_tag(f->tags[i], a->tags[k])) {
                return true;
            }
        }
    }
    return false;
}

static bool naive_has_edition(const struct filter *f, const struct alert *a,
                              const struct taxonomy *t) {
    for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
        bool is_wanted = f->editions == 0 || has(f->editions, i);
        bool is_addressed = a->audience.editions == 0 || has(a->audience.editions, i);
        if (is_wanted && is_addressed && alert_content_for(a, i)) {
            return true;
        }
    }
    return false;
}

static bool naive_matches(const struct filter *f, const struct alert *a, const struct taxonomy *t,
                          const cJSON *json) {
    if (a->status != STATUS_ACTUAL && !f->test) {
        return false;
    }
    if ((int)a->urgency > (int)f->min_urgency) {
        return false;
    }
    if (a->audience.platforms != 0 && !has(a->audience.platforms, PLATFORM_STREAM)) {
        return false;
    }
    if (!naive_has_edition(f, a, t)) {
        return false;
    }
    return (naive_in_regions(f, a, t, json) && naive_in_sections(f, a)) || naive_follows_tag(f, a);
}

static void test_against_naive(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct support_random r = support_random_start();
    struct buf b;
    buf_init(&b, 1 << 20);
    taxonomy_put_json(t, &b);
    cJSON *json = cJSON_Parse(b.p);
    struct filter filters[100];
    int matches = 0;
    for (int i = 0; i < 100; i++) {
        filters[i] = support_random_filter(&r, t);
    }
    for (int round = 0; round < 500; round++) {
        struct alert *a = support_random_alert(&r, t);
        for (int i = 0; i < 100; i++) {
            bool expected = naive_matches(&filters[i], a, t, json);
            assert_int_equal(filter_matches(&filters[i], a, alert_editions(a, t)), expected);
            matches += expected;
        }
        alert_destroy(a);
    }
    /* Of 50,000 pairs a good share on both sides, or the test shows little. */
    assert_in_range(matches, 2500, 25000);
    for (int i = 0; i < 100; i++) {
        filter_finish(&filters[i]);
    }
    cJSON_Delete(json);
    buf_finish(&b);
    taxonomy_destroy(t);
}

/* --- keys --- */

static bool naive_is_equal(const struct filter *a, const struct filter *b) {
    bool equal = a->regions == b->regions && a->sections == b->sections &&
                 a->editions == b->editions && a->min_urgency == b->min_urgency &&
                 a->test == b->test && a->tag_count == b->tag_count;
    for (int i = 0; equal && i < a->tag_count; i++) {
        bool found = false;
        for (int k = 0; k < b->tag_count; k++) {
            found = found || naive_same_tag(a->tags[i], b->tags[k]);
        }
        equal = found;
    }
    return equal;
}

/* As text, which is easier to compare. */
static char *key_of(const struct filter *f) {
    struct buf key;
    struct buf hex;
    buf_init(&key, 1 << 16);
    buf_init(&hex, 1 << 17);
    filter_put_key(f, &key);
    codec_put_hex(&hex, buf_str(&key));
    buf_finish(&key);
    return buf_take(&hex);
}

static void test_keys(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct support_random r = support_random_start();
    enum { COUNT = 400 };
    static struct filter filters[COUNT];
    static char *keys[COUNT];
    int equal = 0;
    for (int i = 0; i < COUNT; i++) {
        filters[i] = support_random_filter(&r, t);
        /* Few dimensions vary, so that equal ones occur. */
        filters[i].regions &= 3;
        filters[i].sections = filters[i].editions = 0;
        filters[i].min_urgency = URGENCY_LOW;
        keys[i] = key_of(&filters[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        for (int k = 0; k < i; k++) {
            bool expected = naive_is_equal(&filters[i], &filters[k]);
            assert_int_equal(strcmp(keys[i], keys[k]) == 0, expected);
            equal += expected;
        }
    }
    assert_true(equal > 100);
    for (int i = 0; i < COUNT; i++) {
        free(keys[i]);
        filter_finish(&filters[i]);
    }
    taxonomy_destroy(t);
}

/* Two tags are not one tag that looks like both. */
static void test_key_separators(void **state) {
    (void)state;
    static const char *const lookalikes[] = {"a/b", "a/1:b", "1:a/1:b", "a,b"};
    struct filter two;
    filter_init(&two);
    two.tags[two.tag_count++] = mem_strdup("b");
    two.tags[two.tag_count++] = mem_strdup("A");
    filter_normalise(&two);
    char *key = key_of(&two);
    for (size_t i = 0; i < sizeof(lookalikes) / sizeof(lookalikes[0]); i++) {
        struct filter one;
        filter_init(&one);
        one.tags[one.tag_count++] = mem_strdup(lookalikes[i]);
        char *other = key_of(&one);
        assert_string_not_equal(key, other);
        free(other);
        filter_finish(&one);
    }
    free(key);
    filter_finish(&two);
}

/* --- the forms --- */

/* What filter_put_json writes is read back as the same filter. */
static void test_json_round_trip(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct support_random r = support_random_start();
    for (int round = 0; round < 2000; round++) {
        struct filter f = support_random_filter(&r, t);
        struct filter back;
        struct filter copy;
        struct problem *p = problem_create();
        struct buf b;
        buf_init(&b, 1 << 16);
        filter_put_json(&f, t, &b);
        assert_int_equal(filter_parse_json(t, buf_str(&b), "", &back, p), ERR_OK);
        filter_copy(&back, &copy);
        filter_finish(&back);
        char *before = key_of(&f);
        char *after = key_of(&copy);
        assert_string_equal(before, after);
        free(before);
        free(after);
        filter_finish(&f);
        filter_finish(&copy);
        problem_destroy(p);
        buf_finish(&b);
    }
    taxonomy_destroy(t);
}

#define TAGS32                                                                                     \
    "\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\","    \
    "\"15\",\"16\",\"17\",\"18\",\"19\",\"20\",\"21\",\"22\",\"23\",\"24\",\"25\",\"26\","         \
    "\"27\",\"28\",\"29\",\"30\",\"31\",\"32\""
#define ANY(member)                                                                                \
    "{\"regions\":[\"all\"],\"sections\":[\"all\"],\"editions\":[\"all\"]," member "}"

static void test_json(void **state) {
    (void)state;
    static const struct {
        const char *json;
        const char *faults; /* "" = accepted */
        const char *echo;   /* the filter as JSON, NULL = not compared */
    } cases[] = {
        {"{}", "", ANY("\"tags\":[],\"min_urgency\":\"low\",\"test\":false")},
        {"{\"regions\":[],\"sections\":[\"all\"],\"tags\":[]}", "",
         ANY("\"tags\":[],\"min_urgency\":\"low\",\"test\":false")},
        {"{\"regions\":[\"mena\",\"asia\",\"mena\"],\"sections\":[\"health\"],\"editions\":[\"ar\"]"
         ","
         "\"tags\":[\"Sudan\",\" IRAN \",\"sudan\"],\"min_urgency\":\"high\",\"test\":true}",
         "",
         "{\"regions\":[\"asia\",\"mena\"],\"sections\":[\"health\"],\"editions\":[\"ar\"],"
         "\"tags\":[\"iran\",\"sudan\"],\"min_urgency\":\"high\",\"test\":true}"},
        {"{\"tags\":[" TAGS32 ",\"1\"]}", "", NULL},
        {"{\"tags\":[" TAGS32 ",\"33\",\"34\"]}", "/f/tags/32 too_many", NULL},
        {"{\"tags\":[\"\",3,\"a\\u0000\"]}",
         "/f/tags/0 blank; /f/tags/1 wrong_type; /f/tags/2 control_character", NULL},
        {"{\"tags\":\"a\"}", "/f/tags wrong_type", NULL},
        {"{\"regions\":[\"atlantis\",\"mena\",null]}",
         "/f/regions/0 unknown_value; /f/regions/2 wrong_type", NULL},
        {"{\"sections\":{},\"editions\":[\"fr\"]}",
         "/f/sections wrong_type; /f/editions/0 unknown_value", NULL},
        {"{\"min_urgency\":\"max\",\"test\":1}", "/f/min_urgency unknown_value; /f/test wrong_type",
         NULL},
        {"{\"region\":[\"mena\"]}", "/f/region unknown_field", NULL},
        {"{\"test\":true,\"test\":true}", "/f/test duplicate_field", NULL},
        {"[]", "/f wrong_type", NULL},
        {"{\"regions\":[}", "/f invalid_json", NULL},
    };
    struct taxonomy *t = taxonomy_builtin();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct problem *p = problem_create();
        struct filter f;
        enum err err = filter_parse_json(t, str_of(cases[i].json), "/f", &f, p);
        assert_faults(p, cases[i].json, cases[i].faults);
        if (cases[i].faults[0]) {
            assert_int_equal(err, strstr(cases[i].faults, "json") ? ERR_PROTOCOL : ERR_INVALID);
        } else {
            struct buf b;
            buf_init(&b, 1 << 16);
            assert_int_equal(err, ERR_OK);
            filter_put_json(&f, t, &b);
            if (cases[i].echo) {
                assert_string_equal(b.p, cases[i].echo);
            }
            buf_finish(&b);
            filter_finish(&f);
        }
        problem_destroy(p);
    }
    taxonomy_destroy(t);
}

static void test_params(void **state) {
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        enum err err;
        const char *faults;
    } cases[] = {
        {"regions", "mena, europe", ERR_OK, ""},
        {"regions", "asia", ERR_OK, ""},
        {"regions", "all", ERR_OK, ""},
        {"regions", "", ERR_OK, ""},
        {"sections", "health,health", ERR_OK, ""},
        {"editions", "ar", ERR_OK, ""},
        {"tags", "Sudan,Pope Leo XIV", ERR_OK, ""},
        {"tags", "SUDAN", ERR_OK, ""},
        {"min_urgency", "high", ERR_OK, ""},
        {"test", "0", ERR_OK, ""},
        {"test", "true", ERR_OK, ""},
        {"position", "a:1", ERR_NOT_FOUND, ""},
        {"Regions", "mena", ERR_NOT_FOUND, ""},
        {"regions", "atlantis,x", ERR_INVALID, "?regions unknown_value; ?regions unknown_value"},
        {"regions", "mena,,asia", ERR_INVALID, "?regions unknown_value"},
        {"regions", "mena,all", ERR_INVALID, "?regions unknown_value"},
        {"sections", "mena", ERR_INVALID, "?sections unknown_value"},
        {"editions", "\xFF", ERR_INVALID, "?editions unknown_value"},
        {"tags", "a,,b", ERR_INVALID, "?tags blank"},
        {"tags", "\xFF", ERR_INVALID, "?tags invalid_utf8"},
        {"min_urgency", "HIGH", ERR_INVALID, "?min_urgency unknown_value"},
        {"test", "yes", ERR_INVALID, "?test invalid_value"},
    };
    struct taxonomy *t = taxonomy_builtin();
    struct filter f;
    struct buf b;
    buf_init(&b, 1 << 16);
    filter_init(&f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct problem *p = problem_create();
        assert_int_equal(filter_set_param(t, str_of(cases[i].name), str_of(cases[i].value), &f, p),
                         cases[i].err);
        assert_faults(p, cases[i].value, cases[i].faults);
        problem_destroy(p);
        if (cases[i].err == ERR_NOT_FOUND && b.n == 0) {
            filter_normalise(&f); /* everything good so far, added up */
            filter_put_json(&f, t, &b);
        }
    }
    assert_string_equal(b.p,
                        "{\"regions\":[\"asia\",\"europe\",\"mena\"],\"sections\":[\"health\"],"
                        "\"editions\":[\"ar\"],\"tags\":[\"pope leo xiv\",\"sudan\"],"
                        "\"min_urgency\":\"high\",\"test\":true}");
    filter_finish(&f);
    buf_finish(&b);
    taxonomy_destroy(t);
}

/* An alert for palestine reaches followers of mena, not the other way round. */
static void test_parents(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    uint64_t palestine = UINT64_C(1) << taxonomy_find(t, DIM_REGION, STR("palestine"));
    uint64_t mena = UINT64_C(1) << taxonomy_find(t, DIM_REGION, STR("mena"));
    uint64_t europe = UINT64_C(1) << taxonomy_find(t, DIM_REGION, STR("europe"));
    const struct {
        uint64_t alert;
        uint64_t reader;
        bool matches;
    } cases[] = {
        {palestine, palestine, true},
        {palestine, mena, true},
        {palestine, europe, false},
        {mena, palestine, false},
        {mena, mena, true},
        {mena, 0, true},
        {mena | europe, europe, true},
        {europe, palestine | mena, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct alert *a = alert_create();
        struct filter f;
        filter_init(&f);
        a->content[0].headline = mem_strdup("x");
        a->audience.regions = cases[i].alert;
        a->audience.regions_match = taxonomy_with_parents(t, cases[i].alert);
        f.regions = cases[i].reader;
        assert_int_equal(filter_matches(&f, a, alert_editions(a, t)), cases[i].matches);
        a->status = STATUS_DRAFT;
        f.test = true;
        assert_false(filter_matches(&f, a, alert_editions(a, t)));
        alert_destroy(a);
    }
    taxonomy_destroy(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_naive),  cmocka_unit_test(test_keys),
        cmocka_unit_test(test_key_separators), cmocka_unit_test(test_json_round_trip),
        cmocka_unit_test(test_json),           cmocka_unit_test(test_params),
        cmocka_unit_test(test_parents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

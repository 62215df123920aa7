#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/alert.h"
#include "support_model.h"

/* A minimal good alert and its parts. */
#define URGENCY       "\"urgency\":\"high\""
#define REGIONS       "\"regions\":[\"mena\"]"
#define AUDIENCE      "\"audience\":{" REGIONS ",\"editions\":[\"en\"]}"
#define CONTENT       "\"content\":{\"en\":{\"headline\":\"x\"}}"
#define WITH(more)    "{" URGENCY "," AUDIENCE "," CONTENT "," more "}"
#define TEXT(members) "{" URGENCY "," AUDIENCE ",\"content\":{\"en\":{" members "}}}"
#define TO(members)                                                                                \
    "{" URGENCY "," CONTENT ",\"fallback_language\":\"en\",\"audience\":{" members "}}"
#define ID           "01890a5d-ac96-774b-bcce-b302099a8057"
#define UPDATE(more) "{\"msg_type\":\"update\"," more "}"
#define REFERENCE    "\"references\":[\"" ID "\"]"

struct parse_case {
    const char *json;
    const char *faults; /* "" = accepted */
};

static const struct parse_case shape_cases[] = {
    {"{" URGENCY "," AUDIENCE "," CONTENT "}", ""},
    {"[]", " wrong_type"},
    {"null", " wrong_type"},
    {"{}", "/urgency required; /audience/regions required; /content/en/headline required; "
           "/content/ar/headline required; /content/es/headline required"},
    {WITH("\"id\":\"x\""), "/id unknown_field"},
    {WITH("\"Headline\":\"x\""), "/Headline unknown_field"},
    {WITH("\"a/b~\":1"), "/a~1b~0 unknown_field"},
    {WITH("\"created_by\":\"me\",\"revision\":2"),
     "/created_by unknown_field; /revision unknown_field"},
    {WITH("\"urgency\":\"low\""), "/urgency duplicate_field"},
    {WITH("\"source\":\"a\",\"source\":\"b\""), "/source duplicate_field"},
    {"{" URGENCY "," AUDIENCE ",\"content\":{\"en\":{\"headline\":\"x\",\"headline\":\"y\"}}}",
     "/content/en/headline duplicate_field"},
    {"{" URGENCY "," AUDIENCE ",\"content\":{\"en\":{\"headline\":\"x\"},\"en\":{}}}",
     "/content/en duplicate_field"},
    {WITH("\"send_at\":\"2027-01-01T00:00:00Z\",\"embargoed_until\":\"2027-01-01T03:00:00+03:00\","
          "\"hold_s\":3600"),
     ""},
    {WITH("\"send_at\":\"2027-01-01\""), "/send_at invalid_value"},
    {WITH("\"send_at\":1798761600"), "/send_at wrong_type"},
    {WITH("\"embargoed_until\":null"), "/embargoed_until wrong_type"},
    {WITH("\"hold_s\":3601"), "/hold_s out_of_range"},
    {WITH("\"hold_s\":-1"), "/hold_s out_of_range"},
};

static const struct parse_case choice_cases[] = {
    {WITH("\"msg_type\":\"alert\",\"status\":\"actual\",\"ttl_s\":0"), ""},
    {WITH("\"status\":\"exercise\""), ""},
    {WITH("\"status\":\"test\""), ""},
    {WITH("\"status\":\"draft\""), "/status not_supported"},
    {WITH("\"status\":\"Test\""), "/status unknown_value"},
    {WITH("\"msg_type\":\"Alert\""), "/msg_type unknown_value"},
    {WITH("\"msg_type\":1"), "/msg_type wrong_type"},
    {"{\"urgency\":\"urgent\"," AUDIENCE "," CONTENT "}", "/urgency unknown_value"},
    {"{\"urgency\":null," AUDIENCE "," CONTENT "}", "/urgency wrong_type"},
    {"{" AUDIENCE "," CONTENT "}", "/urgency required"},
    {WITH("\"ttl_s\":2419200"), ""},
    {WITH("\"ttl_s\":2419201"), "/ttl_s out_of_range"},
    {WITH("\"ttl_s\":-1"), "/ttl_s out_of_range"},
    {WITH("\"ttl_s\":1.5"), "/ttl_s out_of_range"},
    {WITH("\"ttl_s\":\"60\""), "/ttl_s wrong_type"},
};

static const struct parse_case audience_cases[] = {
    {TO("\"regions\":[\"all\"]"), ""},
    {TO(REGIONS ",\"sections\":[\"politics\",\"health\"],\"platforms\":[\"stream\",\"webpush\"]"),
     ""},
    {TO(""), "/audience/regions required"},
    {TO("\"sections\":[\"politics\"]"), "/audience/regions required"},
    {TO("\"regions\":[]"), "/audience/regions empty"},
    {TO("\"regions\":\"mena\""), "/audience/regions wrong_type"},
    {TO("\"regions\":[\"mena\",7]"), "/audience/regions/1 wrong_type"},
    {TO("\"regions\":[\"mena\",\"all\"]"), "/audience/regions/1 invalid_value"},
    {TO("\"regions\":[\"atlantis\",\"mena\",\"Mena\"]"),
     "/audience/regions/0 unknown_value; /audience/regions/2 unknown_value"},
    {TO(REGIONS ",\"sections\":[\"mena\"]"), "/audience/sections/0 unknown_value"},
    {TO(REGIONS ",\"sections\":[]"), "/audience/sections empty"},
    {TO(REGIONS ",\"editions\":[\"fr\"]"), "/audience/editions/0 unknown_value"},
    {TO(REGIONS ",\"platforms\":[\"sms\"]"), "/audience/platforms/0 unknown_value"},
    {TO(REGIONS ",\"region\":[\"mena\"]"), "/audience/region unknown_field"},
    {"{" URGENCY "," CONTENT ",\"fallback_language\":\"en\",\"audience\":[\"mena\"]}",
     "/audience wrong_type"},
    {"{" URGENCY "," CONTENT ",\"fallback_language\":\"en\"}", "/audience/regions required"},
};

static const struct parse_case content_cases[] = {
    {TEXT("\"headline\":\"x\",\"body\":\"y\",\"url\":\"https://a.example/\",\"image_url\":"
          "\"http://a.example/i.jpg\",\"dir\":\"ltr\""),
     ""},
    {TEXT(""), "/content/en/headline required"},
    {TEXT("\"headline\":\"\""), "/content/en/headline blank"},
    {TEXT("\"headline\":\" \\u00a0 \""), "/content/en/headline blank"},
    {TEXT("\"headline\":null"), "/content/en/headline wrong_type"},
    {TEXT("\"headline\":\"a\\nb\""), "/content/en/headline control_character"},
    {TEXT("\"headline\":\"a\\u0000b\""), "/content/en/headline control_character"},
    {TEXT("\"headline\":\"a\xFF\""), "/content/en/headline invalid_utf8"},
    {TEXT("\"headline\":\"x\",\"body\":\"\\t\""), "/content/en/body control_character"},
    {TEXT("\"headline\":\"x\",\"body\":\"\""), "/content/en/body blank"},
    {TEXT("\"headline\":\"x\",\"url\":\"javascript:alert(1)\""), "/content/en/url invalid_url"},
    {TEXT("\"headline\":\"x\",\"url\":\"https://u@a.example/\",\"image_url\":\"file:///x.jpg\""),
     "/content/en/url invalid_url; /content/en/image_url invalid_url"},
    {TEXT("\"headline\":\"x\",\"dir\":\"rtl\""), "/content/en/dir dir_mismatch"},
    {TEXT("\"headline\":\"x\",\"dir\":\"auto\""), "/content/en/dir unknown_value"},
    {TEXT("\"headline\":\"x\",\"title\":\"y\""), "/content/en/title unknown_field"},
    {"{" URGENCY "," AUDIENCE ",\"content\":{\"en\":\"x\"}}", "/content/en wrong_type"},
    {"{" URGENCY "," AUDIENCE ",\"content\":[]}", "/content wrong_type"},
    {"{" URGENCY "," AUDIENCE ",\"content\":{}}", "/content/en/headline required"},
    {"{" URGENCY "," AUDIENCE "}", "/content/en/headline required"},
    {"{" URGENCY "," AUDIENCE ",\"content\":{\"en\":{\"headline\":\"x\"},\"fr\":{}}}",
     "/content/fr unknown_value"},
    {"{" URGENCY ",\"audience\":{" REGIONS "}," CONTENT "}",
     "/content/ar/headline required; /content/es/headline required"},
    {"{" URGENCY ",\"audience\":{" REGIONS "}," CONTENT ",\"fallback_language\":\"en\"}", ""},
    {"{" URGENCY ",\"audience\":{" REGIONS "}," CONTENT ",\"fallback_language\":\"ar\"}",
     "/fallback_language no_content"},
    {"{" URGENCY ",\"audience\":{" REGIONS "}," CONTENT ",\"fallback_language\":\"fr\"}",
     "/fallback_language unknown_value"},
    {"{" URGENCY ",\"audience\":{" REGIONS ",\"editions\":[\"ar\"]},\"content\":{\"ar\":"
     "{\"headline\":\"خبر\",\"dir\":\"ltr\"}}}",
     "/content/ar/dir dir_mismatch"},
};

static const struct parse_case label_cases[] = {
    {WITH("\"tags\":[\"Lebanon\",\" Pope Leo XIV \",\"لبنان\"]"), ""},
    {WITH("\"tags\":[]"), ""},
    {WITH("\"tags\":\"a\""), "/tags wrong_type"},
    {WITH("\"tags\":[\"a\",1,\"\",\"A\",\" a \"]"),
     "/tags/1 wrong_type; /tags/2 blank; /tags/3 duplicate; /tags/4 duplicate"},
    {WITH("\"tags\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\","
          "\"13\",\"14\",\"15\",\"16\",\"17\"]"),
     "/tags too_many"},
    {WITH("\"source\":\"AFP\",\"story_id\":\"mena\",\"collapse_id\":\"a-b.c\""), ""},
    {WITH("\"source\":\" \",\"story_id\":1"), "/source blank; /story_id wrong_type"},
    {WITH("\"collapse_id\":\"a b\""), "/collapse_id invalid_value"},
    {WITH("\"collapse_id\":\"\""), "/collapse_id blank"},
    {WITH("\"collapse_id\":\"خ\""), "/collapse_id invalid_value"},
};

static const struct parse_case revision_cases[] = {
    {WITH("\"references\":[]"), ""},
    {WITH(REFERENCE), "/references not_allowed"},
    {UPDATE(REFERENCE "," CONTENT), ""},
    {UPDATE(REFERENCE "," CONTENT "," URGENCY ",\"tags\":[\"a\"],\"status\":\"test\""), ""},
    {UPDATE(REFERENCE), "/content required"},
    {UPDATE(REFERENCE ",\"content\":{}"), "/content empty"},
    {UPDATE(CONTENT), "/references required"},
    {UPDATE(CONTENT ",\"references\":[]"), "/references invalid_value"},
    {UPDATE(CONTENT ",\"references\":\"" ID "\""), "/references invalid_value"},
    {UPDATE(CONTENT ",\"references\":[\"" ID "\",\"" ID "\"]"), "/references invalid_value"},
    {UPDATE(CONTENT ",\"references\":[7]"), "/references/0 invalid_value"},
    {UPDATE(CONTENT ",\"references\":[\"01890A5D-AC96-774B-BCCE-B302099A8057\"]"),
     "/references/0 invalid_value"},
    {UPDATE(REFERENCE "," CONTENT "," AUDIENCE), "/audience not_allowed"},
    {UPDATE(REFERENCE ",\"content\":{\"ar\":{\"headline\":\"\"}}"), "/content/ar/headline blank"},
    {"{\"msg_type\":\"cancel\"," REFERENCE "}", ""},
    {"{\"msg_type\":\"cancel\"," REFERENCE "," CONTENT "}", ""},
    {"{\"msg_type\":\"cancel\"}", "/references required"},
    {"{\"msg_type\":\"cancel\"," REFERENCE "," AUDIENCE "}", "/audience not_allowed"},
    {UPDATE(REFERENCE "," CONTENT ",\"sound\":true"), ""},
    {"{\"msg_type\":\"cancel\"," REFERENCE ",\"sound\":false}", ""},
    {UPDATE(REFERENCE "," CONTENT ",\"sound\":1"), "/sound wrong_type"},
    {WITH("\"sound\":true"), "/sound not_allowed"},
    {WITH("\"sound\":false"), "/sound not_allowed"},
};

static const struct parse_case syntax_cases[] = {
    {"", " invalid_json"},
    {"{", " invalid_json"},
    {"{\"urgency\":\"high\",}", " invalid_json"},
    {"{} {}", " invalid_json"},
    {"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", " invalid_json"},
};

static void run(const struct parse_case *cases, size_t count, enum err expected) {
    struct taxonomy *t = taxonomy_builtin();
    for (size_t i = 0; i < count; i++) {
        struct problem *p = problem_create();
        struct alert *a = NULL;
        enum err err = alert_parse_request(t, str_of(cases[i].json), &a, p);
        assert_faults(p, cases[i].json, cases[i].faults);
        assert_int_equal(err, cases[i].faults[0] ? expected : ERR_OK);
        assert_true((a != NULL) == (err == ERR_OK));
        alert_destroy(a);
        problem_destroy(p);
    }
    taxonomy_destroy(t);
}

#define TABLE_TEST(name)                                                                           \
    static void test_##name(void **state) {                                                        \
        (void)state;                                                                               \
        run(name##_cases, sizeof(name##_cases) / sizeof(name##_cases[0]), ERR_INVALID);            \
    }
TABLE_TEST(shape)
TABLE_TEST(choice)
TABLE_TEST(audience)
TABLE_TEST(content)
TABLE_TEST(label)
TABLE_TEST(revision)

/* The path says what is corrected, so the body must not. */
static void test_correction_by_path(void **state) {
    static const struct {
        enum msg_type msg_type;
        struct parse_case it;
    } cases[] = {
        {MSG_UPDATE, {"{" CONTENT "}", ""}},
        {MSG_UPDATE, {"{" CONTENT ",\"sound\":true," URGENCY "}", ""}},
        {MSG_UPDATE, {"{}", "/content required"}},
        {MSG_UPDATE,
         {"{" CONTENT ",\"msg_type\":\"update\"," REFERENCE "}",
          "/msg_type not_allowed; /references not_allowed"}},
        {MSG_UPDATE, {"{" CONTENT "," AUDIENCE "}", "/audience not_allowed"}},
        {MSG_CANCEL, {"{}", ""}},
        {MSG_CANCEL, {"{" CONTENT "}", ""}},
        {MSG_CANCEL, {"{\"sound\":\"loud\"}", "/sound wrong_type"}},
        {MSG_CANCEL, {"[]", " wrong_type"}},
    };
    struct taxonomy *t = taxonomy_builtin();
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct parse_case *it = &cases[i].it;
        struct problem *p = problem_create();
        struct alert *a = NULL;
        enum err err =
            alert_parse_correction(t, str_of(it->json), cases[i].msg_type, STR(ID), &a, p);
        assert_faults(p, it->json, it->faults);
        assert_int_equal(err, it->faults[0] ? ERR_INVALID : ERR_OK);
        if (a) {
            assert_int_equal(a->msg_type, cases[i].msg_type);
            assert_string_equal(a->reference, ID);
        }
        alert_destroy(a);
        problem_destroy(p);
    }
    taxonomy_destroy(t);
}

static void test_syntax(void **state) {
    (void)state;
    run(syntax_cases, sizeof(syntax_cases) / sizeof(syntax_cases[0]), ERR_PROTOCOL);
}

/* Every byte limit: the last length that fits and the first that does not. */
static void test_limits(void **state) {
    (void)state;
    static const struct {
        const char *before;
        const char *after;
        const char *pointer;
        size_t max_bytes;
    } limits[] = {
        {"{" URGENCY "," AUDIENCE ",\"content\":{\"en\":{\"headline\":\"", "\"}}}",
         "/content/en/headline too_long", ALERT_HEADLINE_BYTES_MAX},
        {"{" URGENCY "," AUDIENCE ",\"content\":{\"en\":{\"headline\":\"x\",\"body\":\"", "\"}}}",
         "/content/en/body too_long", ALERT_BODY_BYTES_MAX},
        {"{" URGENCY "," AUDIENCE ",\"content\":{\"en\":{\"headline\":\"x\",\"url\":\"https://a/",
         "\"}}}", "/content/en/url too_long", ALERT_URL_BYTES_MAX - 10},
        {"{" URGENCY "," AUDIENCE "," CONTENT ",\"tags\":[\"", "\"]}", "/tags/0 too_long",
         ALERT_TAG_BYTES_MAX},
        {"{" URGENCY "," AUDIENCE "," CONTENT ",\"source\":\"", "\"}", "/source too_long",
         ALERT_SHORT_BYTES_MAX},
        {"{" URGENCY "," AUDIENCE "," CONTENT ",\"story_id\":\"", "\"}", "/story_id too_long",
         ALERT_SHORT_BYTES_MAX},
        {"{" URGENCY "," AUDIENCE "," CONTENT ",\"collapse_id\":\"", "\"}", "/collapse_id too_long",
         ALERT_COLLAPSE_ID_BYTES_MAX},
    };
    struct buf b;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < 2 * sizeof(limits) / sizeof(limits[0]); i++) {
        bool is_over = i % 2;
        buf_clear(&b);
        buf_puts(&b, limits[i / 2].before);
        for (size_t k = 0; k < limits[i / 2].max_bytes + is_over; k++) {
            buf_putc(&b, 'x');
        }
        buf_puts(&b, limits[i / 2].after);
        run(&(struct parse_case){b.p, is_over ? limits[i / 2].pointer : ""}, 1, ERR_INVALID);
    }
    buf_finish(&b);
}

/* All faults of one body, from every part of it, in one answer. */
static void test_all_at_once(void **state) {
    (void)state;
    struct parse_case all = {
        "{\"msg_type\":\"alert\",\"status\":\"draft\",\"urgency\":\"now\",\"audience\":{"
        "\"regions\":"
        "[\"atlantis\"],\"sections\":[]},\"content\":{\"en\":{\"headline\":\"\",\"url\":\"x\"},"
        "\"ar\":{\"dir\":\"ltr\"}},\"tags\":[1],\"source\":\"\\u0007\",\"ttl_s\":-5,"
        "\"send_at\":\"x\",\"x\":1}",
        "/x unknown_field; /send_at invalid_value; /status not_supported; /urgency unknown_value; "
        "/ttl_s out_of_range; /audience/regions/0 unknown_value; /audience/sections empty; "
        "/content/en/headline blank; /content/en/url invalid_url; /content/ar/headline required; "
        "/content/ar/dir dir_mismatch; /content/es/headline required; /tags/0 wrong_type; "
        "/source control_character"};
    run(&all, 1, ERR_INVALID);
}

static void test_values(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct problem *p = problem_create();
    struct alert *a = NULL;
    struct str json = STR(
        "{\"urgency\":\"flash\",\"status\":\"test\",\"audience\":{\"regions\":[\"palestine\"],"
        "\"sections\":[\"politics\"],\"editions\":[\"en\",\"ar\"],\"platforms\":[\"stream\","
        "\"fcm\"]},"
        "\"content\":{\"ar\":{\"headline\":\"خبر\",\"url\":\"https://a.example/\"}},"
        "\"fallback_language\":\"ar\",\"tags\":[\" Jenin \"],\"collapse_id\":\"c\",\"ttl_s\":60}");
    assert_int_equal(alert_parse_request(t, json, &a, p), ERR_OK);
    int palestine = taxonomy_find(t, DIM_REGION, STR("palestine"));
    int mena = taxonomy_find(t, DIM_REGION, STR("mena"));
    int ar = taxonomy_find(t, DIM_EDITION, STR("ar"));
    int en = taxonomy_find(t, DIM_EDITION, STR("en"));
    int es = taxonomy_find(t, DIM_EDITION, STR("es"));
    assert_string_equal(a->id, "");
    assert_int_equal(a->revision, 1);
    assert_int_equal(a->status, STATUS_TEST);
    assert_int_equal(a->urgency, URGENCY_FLASH);
    assert_true(a->audience.regions == UINT64_C(1) << palestine);
    assert_true(a->audience.regions_match == (UINT64_C(1) << palestine | UINT64_C(1) << mena));
    assert_false(a->audience.regions_all);
    assert_true(a->audience.editions == (UINT64_C(1) << en | UINT64_C(1) << ar));
    assert_int_equal(a->audience.platforms, 1 << PLATFORM_STREAM | 1 << PLATFORM_FCM);
    assert_true(a->content[ar].rtl);
    assert_int_equal(a->fallback_edition, ar);
    assert_string_equal(a->tags[0], "Jenin");
    assert_string_equal(a->collapse_id, "c");
    assert_int_equal(a->ttl_s, 60);
    assert_true(a->ttl_given && a->status_given && a->urgency_given);
    assert_true(alert_editions(a, t) == a->audience.editions);
    assert_ptr_equal(alert_content_for(a, en), &a->content[ar]);
    assert_ptr_equal(alert_content_for(a, ar), &a->content[ar]);
    assert_ptr_equal(alert_content_for(a, es), &a->content[ar]);
    alert_destroy(a);

    assert_int_equal(alert_parse_request(t, STR("{" URGENCY "," AUDIENCE "," CONTENT "}"), &a, p),
                     ERR_OK);
    assert_int_equal(a->msg_type, MSG_ALERT);
    assert_int_equal(a->status, STATUS_ACTUAL);
    assert_int_equal(a->ttl_s, ALERT_TTL_DEFAULT_S);
    assert_false(a->ttl_given || a->status_given);
    assert_int_equal(a->fallback_edition, -1);
    assert_null(alert_content_for(a, ar));
    assert_null(alert_content_for(a, -1));
    alert_destroy(a);
    problem_destroy(p);
    taxonomy_destroy(t);
}

/* Texts that each fit but together do not fit a log entry. Three editions stay below the limit
 * however long their texts, so a taxonomy of twenty is used. */
static void test_size(void **state) {
    (void)state;
    struct buf json;
    struct buf problems;
    buf_init(&json, 1 << 20);
    buf_init(&problems, 1 << 16);
    buf_puts(&json, "{\"regions\":[{\"id\":\"r\",\"labels\":{");
    struct buf labels;
    buf_init(&labels, 1 << 16);
    for (int i = 0; i < 20; i++) {
        buf_printf(&labels, "%s\"e%d\":\"x\"", i ? "," : "", i);
    }
    buf_printf(&json, "%s}}],\"sections\":[{\"id\":\"s\",\"labels\":{%s}}],\"editions\":[",
               labels.p, labels.p);
    for (int i = 0; i < 20; i++) {
        buf_printf(&json, "%s{\"id\":\"e%d\",\"dir\":\"ltr\",\"labels\":{%s}}", i ? "," : "", i,
                   labels.p);
    }
    buf_puts(&json, "]}");
    struct taxonomy *t;
    assert_int_equal(taxonomy_parse(buf_str(&json), &t, &problems), ERR_OK);
    buf_clear(&json);
    buf_puts(&json, "{" URGENCY ",\"audience\":{\"regions\":[\"all\"]},\"content\":{");
    char body[ALERT_BODY_BYTES_MAX + 1];
    memset(body, 'x', ALERT_BODY_BYTES_MAX);
    body[ALERT_BODY_BYTES_MAX] = '\0';
    for (int i = 0; i < 20; i++) {
        buf_printf(&json, "%s\"e%d\":{\"headline\":\"x\",\"body\":\"%s\"}", i ? "," : "", i, body);
    }
    buf_puts(&json, "}}");
    struct problem *p = problem_create();
    struct alert *a = NULL;
    assert_int_equal(alert_parse_request(t, buf_str(&json), &a, p), ERR_INVALID);
    assert_faults(p, "size", " too_long");
    problem_destroy(p);
    taxonomy_destroy(t);
    buf_finish(&json);
    buf_finish(&labels);
    buf_finish(&problems);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_audience),
        cmocka_unit_test(test_content),
        cmocka_unit_test(test_label),
        cmocka_unit_test(test_revision),
        cmocka_unit_test(test_correction_by_path),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

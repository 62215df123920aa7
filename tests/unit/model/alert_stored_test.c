#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/alert.h"
#include "support_model.h"
#include "support_random.h"

static void assert_same_text(const char *a, const char *b) {
    assert_true((a == NULL) == (b == NULL));
    if (a) {
        assert_string_equal(a, b);
    }
}

/* Every member, independent of the writer under test. */
static void assert_same_alert(const struct alert *a, const struct alert *b) {
    assert_string_equal(a->id, b->id);
    assert_int_equal(a->revision, b->revision);
    assert_int_equal(a->msg_type, b->msg_type);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->urgency, b->urgency);
    assert_true(a->audience.regions == b->audience.regions);
    assert_true(a->audience.regions_match == b->audience.regions_match);
    assert_int_equal(a->audience.regions_all, b->audience.regions_all);
    assert_true(a->audience.sections == b->audience.sections);
    assert_true(a->audience.editions == b->audience.editions);
    assert_int_equal(a->audience.platforms, b->audience.platforms);
    for (int i = 0; i < TAXONOMY_MAX; i++) {
        assert_same_text(a->content[i].headline, b->content[i].headline);
        assert_same_text(a->content[i].body, b->content[i].body);
        assert_same_text(a->content[i].url, b->content[i].url);
        assert_same_text(a->content[i].image_url, b->content[i].image_url);
        assert_int_equal(a->content[i].rtl, b->content[i].rtl);
    }
    assert_int_equal(a->fallback_edition, b->fallback_edition);
    assert_int_equal(a->tag_count, b->tag_count);
    for (int i = 0; i < a->tag_count; i++) {
        assert_string_equal(a->tags[i], b->tags[i]);
    }
    assert_same_text(a->source, b->source);
    assert_same_text(a->story_id, b->story_id);
    assert_same_text(a->collapse_id, b->collapse_id);
    assert_same_text(a->reference, b->reference);
    assert_int_equal(a->sound, b->sound);
    assert_same_text(a->created_by, b->created_by);
    assert_true(a->ttl_s == b->ttl_s);
    assert_true(a->sent_ms == b->sent_ms);
}

static void test_round_trip(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct support_random r = support_random_start();
    struct buf first;
    struct buf second;
    buf_init(&first, ALERT_JSON_BYTES_MAX);
    buf_init(&second, ALERT_JSON_BYTES_MAX);
    for (int round = 0; round < 3000; round++) {
        struct alert *a = support_random_alert(&r, t);
        struct alert *b = NULL;
        buf_clear(&first);
        buf_clear(&second);
        alert_put_stored(a, t, &first);
        assert_int_equal(buf_check(&first), ERR_OK);
        assert_int_equal(alert_parse_stored(t, buf_str(&first), &b), ERR_OK);
        assert_same_alert(a, b);
        alert_put_stored(b, t, &second);
        assert_string_equal(first.p, second.p);
        alert_destroy(a);
        alert_destroy(b);
    }
    buf_finish(&first);
    buf_finish(&second);
    taxonomy_destroy(t);
}

#define ID "01890a5d-ac96-774b-bcce-b302099a8057"
#define HEAD(id, revision, sent_at)                                                                \
    "{\"id\":\"" id "\",\"revision\":" revision                                                    \
    ",\"msg_type\":\"alert\",\"status\":\"actual\",\"urgency\":\"high\",\"sent_at\":\"" sent_at    \
    "\""
#define GOOD     HEAD(ID, "1", "2026-11-23T20:50:56.123Z")
#define AUDIENCE ",\"audience\":{\"regions\":[\"mena\"]}"

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *json;
        enum err err;
    } cases[] = {
        {GOOD AUDIENCE "}", ERR_OK},
        {"{", ERR_PROTOCOL},
        {"[]", ERR_INVALID},
        {"{}", ERR_INVALID},
        {HEAD("01890A5D-AC96-774B-BCCE-B302099A8057", "1", "2026-11-23T20:50:56.123Z") "}",
         ERR_INVALID},
        {HEAD(ID, "0", "2026-11-23T20:50:56.123Z") "}", ERR_INVALID},
        {HEAD(ID, "4294967296", "2026-11-23T20:50:56.123Z") "}", ERR_INVALID},
        {HEAD(ID, "1", "2026-11-23T20:50:56Z") "}", ERR_INVALID},
        {HEAD(ID, "1", "2026-11-31T20:50:56.123Z") "}", ERR_INVALID},
        {HEAD(ID, "1", "2026-11-23 20:50:56.123Z") "}", ERR_INVALID},
        {HEAD(ID, "1", "2026-11-23T20:50:56.1 3Z") "}", ERR_INVALID},
        {HEAD(ID, "1", "1969-11-23T20:50:56.123Z") "}", ERR_INVALID},
    };
    struct taxonomy *t = taxonomy_builtin();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct alert *a = NULL;
        enum err err = alert_parse_stored(t, str_of(cases[i].json), &a);
        if (err != cases[i].err) {
            fail_msg("%s: %s", cases[i].json, err_name(err));
        }
        alert_destroy(a);
    }
    taxonomy_destroy(t);
}

/* Values that the taxonomy has lost are left out; a list that lost all of them reaches nobody
 * instead of everybody, also after it is written and read again. */
static void test_lost_values(void **state) {
    (void)state;
    static const struct {
        const char *audience;
        bool nobody;
    } cases[] = {
        {"\"regions\":[\"mena\",\"atlantis\"],\"sections\":[\"x\",\"health\"]", false},
        {"\"regions\":[\"all\"]", false},
        {"\"regions\":[\"atlantis\"]", true},
        {"\"regions\":[\"mena\"],\"sections\":[\"x\"]", true},
        {"\"regions\":[\"mena\"],\"editions\":[\"fr\"]", true},
        {"\"regions\":[\"mena\"],\"platforms\":[\"fax\"]", true},
        {"\"sections\":[\"health\"]", true},
    };
    struct taxonomy *t = taxonomy_builtin();
    struct filter everything;
    filter_init(&everything);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf json;
        struct alert *a = NULL;
        buf_init(&json, 4096);
        buf_printf(&json,
                   "%s,\"audience\":{%s},\"content\":{\"en\":{\"headline\":\"x\"},"
                   "\"fr\":{\"headline\":\"y\"}}}",
                   GOOD, cases[i].audience);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(alert_parse_stored(t, buf_str(&json), &a), ERR_OK);
            assert_int_equal(a->audience.platforms == AUDIENCE_NOBODY, cases[i].nobody);
            assert_int_equal(filter_matches(&everything, a, alert_editions(a, t)),
                             !cases[i].nobody);
            buf_clear(&json);
            alert_put_stored(a, t, &json);
            alert_destroy(a);
        }
        buf_finish(&json);
    }
    taxonomy_destroy(t);
}

static struct alert *parse_request(const struct taxonomy *t, const char *json) {
    struct problem *p = problem_create();
    struct alert *a = NULL;
    enum err err = alert_parse_request(t, str_of(json), &a, p);
    assert_faults(p, json, "");
    assert_int_equal(err, ERR_OK);
    problem_destroy(p);
    return a;
}

#define ORIGINAL                                                                                   \
    "{\"urgency\":\"flash\",\"status\":\"test\",\"audience\":{\"regions\":[\"palestine\"],"        \
    "\"sections\":[\"politics\"]},\"content\":{\"en\":{\"headline\":\"one\",\"body\":\"b\"},"      \
    "\"ar\":{\"headline\":\"واحد\"}},\"fallback_language\":\"en\",\"tags\":[\"Jenin\"],"       \
    "\"source\":\"AP\",\"story_id\":\"s\",\"collapse_id\":\"c\",\"ttl_s\":60}"

static void test_inherit(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct alert *first = parse_request(t, ORIGINAL);
    memcpy(first->id, ID, sizeof(first->id));
    first->revision = 3;
    int en = taxonomy_find(t, DIM_EDITION, STR("en"));
    int ar = taxonomy_find(t, DIM_EDITION, STR("ar"));

    struct alert *cancel =
        parse_request(t, "{\"msg_type\":\"cancel\",\"references\":[\"" ID "\"]}");
    assert_int_equal(alert_inherit(cancel, first), ERR_OK);
    assert_int_equal(cancel->msg_type, MSG_CANCEL);
    assert_string_equal(cancel->reference, ID);
    /* All the rest is the same. */
    cancel->msg_type = MSG_ALERT;
    free(cancel->reference);
    cancel->reference = NULL;
    first->revision++;
    assert_same_alert(cancel, first);
    first->revision--;

    struct alert *update = parse_request(
        t,
        "{\"msg_type\":\"update\",\"references\":[\"" ID "\"],\"urgency\":\"low\",\"ttl_s\":0,"
        "\"content\":{\"en\":{\"headline\":\"two\"}},\"tags\":[\"a\",\"b\"],\"source\":\"AFP\"}");
    assert_int_equal(alert_inherit(update, first), ERR_OK);
    assert_string_equal(update->id, ID);
    assert_int_equal(update->revision, 4);
    assert_int_equal(update->status, STATUS_TEST);
    assert_int_equal(update->urgency, URGENCY_LOW);
    assert_int_equal(update->ttl_s, 0);
    assert_string_equal(update->content[en].headline, "two");
    assert_null(update->content[en].body); /* a language is replaced whole */
    assert_string_equal(update->content[ar].headline, "واحد");
    assert_int_equal(update->tag_count, 2);
    assert_string_equal(update->source, "AFP");
    assert_string_equal(update->story_id, "s");
    assert_true(update->audience.regions_match == first->audience.regions_match);

    struct alert *louder = parse_request(t, "{\"msg_type\":\"cancel\",\"references\":[\"" ID
                                            "\"],\"status\":\"actual\"}");
    assert_int_equal(alert_inherit(louder, first), ERR_CONFLICT);
    alert_destroy(first);
    alert_destroy(cancel);
    alert_destroy(update);
    alert_destroy(louder);
    taxonomy_destroy(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lost_values),
        cmocka_unit_test(test_inherit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

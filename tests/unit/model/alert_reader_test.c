#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/alert.h"
#include "support_model.h"
#include "support_random.h"

static char *reader_json(const struct alert *a, const struct taxonomy *t, uint64_t editions,
                         bool replay) {
    struct buf b;
    buf_init(&b, ALERT_JSON_BYTES_MAX);
    alert_put_reader_json(a, t, editions, "abc:7", replay, &b);
    assert_int_equal(buf_check(&b), ERR_OK);
    return buf_take(&b);
}

static void test_form(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct problem *p = problem_create();
    struct alert *a;
    struct str json = STR(
        "{\"urgency\":\"flash\",\"audience\":{\"regions\":[\"palestine\"],\"sections\":["
        "\"politics\"],"
        "\"editions\":[\"ar\",\"es\"],\"platforms\":[\"stream\"]},\"content\":{\"en\":{"
        "\"headline\":"
        "\"one\"},\"ar\":{\"headline\":\"واحد\",\"url\":\"https://a.example/\"}},"
        "\"fallback_language\":\"en\",\"tags\":[\"Jenin\"],\"source\":\"AP\",\"story_id\":\"s\","
        "\"collapse_id\":\"c\",\"ttl_s\":60}");
    assert_int_equal(alert_parse_request(t, json, &a, p), ERR_OK);
    memcpy(a->id, "01890a5d-ac96-774b-bcce-b302099a8057", UUID_BYTES);
    a->sent_ms = 1795467056123;
    a->created_by = mem_strdup("key000000001");
#define HEAD                                                                                       \
    "{\"type\":\"alert\",\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"revision\":1,"          \
    "\"position\":\"abc:7\",\"status\":\"actual\",\"urgency\":\"flash\",\"sent_at\":"              \
    "\"2026-11-23T20:50:56.123Z\",\"audience\":{\"regions\":[\"palestine\"],\"sections\":["        \
    "\"politics\"]},\"content\":{"
#define TAIL "\"tags\":[\"Jenin\"],\"source\":\"AP\",\"story_id\":\"s\",\"ttl_s\":60"
#define EN   "\"en\":{\"headline\":\"one\",\"dir\":\"ltr\"}"
#define AR   "\"ar\":{\"headline\":\"واحد\",\"url\":\"https://a.example/\",\"dir\":\"rtl\"}"
    const struct {
        const char *edition; /* NULL = all */
        const char *json;
    } cases[] = {
        {NULL, HEAD EN "," AR "},\"fallback_language\":\"en\"," TAIL "}"},
        {"ar", HEAD AR "}," TAIL "}"},
        {"es", HEAD EN "},\"fallback_language\":\"en\"," TAIL "}"},
        {"en", HEAD "}," TAIL "}"}, /* not addressed: such a reader is not sent it */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t mask = cases[i].edition
                            ? UINT64_C(1) << taxonomy_find(t, DIM_EDITION, str_of(cases[i].edition))
                            : 0;
        char *found = reader_json(a, t, mask, false);
        assert_string_equal(found, cases[i].json);
        free(found);
    }
    char *found = reader_json(a, t, 0, true);
    assert_string_equal(found,
                        HEAD EN "," AR "},\"fallback_language\":\"en\"," TAIL ",\"replay\":true}");
    free(found);
    alert_destroy(a);
    problem_destroy(p);
    taxonomy_destroy(t);
}

/* Whatever the alert: JSON, right type, no secret of the newsroom, and text for exactly the
 * editions that alert_editions promises. */
static void test_random(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct support_random r = support_random_start();
    for (int round = 0; round < 2000; round++) {
        struct alert *a = support_random_alert(&r, t);
        uint64_t wanted = support_mask(&r, taxonomy_count(t, DIM_EDITION));
        char *json = reader_json(a, t, wanted, false);
        cJSON *root = cJSON_Parse(json);
        assert_non_null(root);
        assert_null(cJSON_GetObjectItemCaseSensitive(root, "created_by"));
        assert_string_equal(cJSON_GetObjectItemCaseSensitive(root, "type")->valuestring,
                            msg_type_names[a->msg_type]);
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(root, "content");
        const cJSON *fallback = cJSON_GetObjectItemCaseSensitive(root, "fallback_language");
        uint64_t promised = alert_editions(a, t) & (wanted ? wanted : UINT64_MAX);
        assert_int_equal(promised == 0, content->child == NULL);
        for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
            if (!(promised >> i & 1)) {
                continue;
            }
            const cJSON *own =
                cJSON_GetObjectItemCaseSensitive(content, taxonomy_name(t, DIM_EDITION, i));
            if (!own) {
                own = cJSON_GetObjectItemCaseSensitive(content, fallback->valuestring);
            }
            assert_string_equal(cJSON_GetObjectItemCaseSensitive(own, "headline")->valuestring,
                                alert_content_for(a, i)->headline);
        }
        cJSON_Delete(root);
        free(json);
        alert_destroy(a);
    }
    taxonomy_destroy(t);
}

/* The twelve alerts of the newsroom's ticker: accepted, and every headline comes out byte for byte
 * in the stored form and in what readers of each edition get. */
static void test_ticker(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    char *file = support_read_file("config/breaking.ndjson");
    struct str rest = str_of(file);
    struct str line;
    int count = 0;
    while (str_split(&rest, '\n', &line)) {
        if (!line.n) {
            continue;
        }
        struct problem *p = problem_create();
        struct alert *a = NULL;
        struct alert *b = NULL;
        struct buf stored;
        buf_init(&stored, ALERT_JSON_BYTES_MAX);
        assert_int_equal(alert_parse_request(t, line, &a, p), ERR_OK);
        codec_uuid7(a->id);
        alert_put_stored(a, t, &stored);
        assert_int_equal(alert_parse_stored(t, buf_str(&stored), &b), ERR_OK);
        char *text = mem_strndup(line.p, line.n);
        for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
            char quoted[ALERT_HEADLINE_BYTES_MAX + 16];
            (void)snprintf(quoted, sizeof(quoted), "\"headline\": \"%s\"", b->content[i].headline);
            assert_non_null(strstr(text, quoted));
            (void)snprintf(quoted, sizeof(quoted), "\"headline\":\"%s\"", b->content[i].headline);
            char *json = reader_json(b, t, UINT64_C(1) << i, false);
            assert_non_null(strstr(json, quoted));
            free(json);
        }
        count++;
        free(text);
        buf_finish(&stored);
        alert_destroy(a);
        alert_destroy(b);
        problem_destroy(p);
    }
    assert_int_equal(count, 12);
    free(file);
    taxonomy_destroy(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_ticker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

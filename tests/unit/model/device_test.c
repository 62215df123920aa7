#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/device.h"
#include "support_model.h"

#define HEX64 "00FC13adff785122b4ad28809a3420982341241421348097878e577c991de8f0"
#define FCM   "\"platform\":\"fcm\",\"token\":\"abc:DEF-1\",\"edition\":\"en\""
#define APNS  "\"platform\":\"apns\",\"token\":\"" HEX64 "\",\"edition\":\"ar\""

static void test_id(void **state) {
    (void)state;
    static const struct {
        const char *id;
        bool is_valid;
    } cases[] = {
        {"01890a5d-ac96-774b-bcce-b302099a8057", true},
        {"A.b_c-12", true},
        {"1234567", false},
        {"", false},
        {"12345678/", false},
        {"12345678 ", false},
        {"1234567é", false},
        {"0123456789012345678901234567890123456789012345678901234567890123", true},
        {"01234567890123456789012345678901234567890123456789012345678901234", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(device_id_is_valid(str_of(cases[i].id)), cases[i].is_valid);
    }
}

static void test_requests(void **state) {
    (void)state;
    static const struct {
        const char *json;
        const char *faults;  /* "" = accepted */
        const char *dropped; /* of an accepted one */
        const char *kept;    /* with token, NULL = not compared */
    } cases[] = {
        {"{" FCM "}", "", "[]",
         "{\"id\":\"device-1\",\"platform\":\"fcm\",\"token\":\"abc:DEF-1\",\"edition\":\"en\","
         "\"regions\":[],\"sections\":[],\"tags\":[],\"min_urgency\":\"low\",\"test\":false}"},
        {"{" APNS ",\"app\":\"com.example.tocsin\",\"regions\":[\"mena\",\"atlantis\"],"
         "\"sections\":[\"politics\"],\"tags\":[\" Sudan \",\"\",\"SUDAN\",\"خبر\"],"
         "\"min_urgency\":\"high\",\"test\":true,\"time_zone\":\"Asia/Beirut\"}",
         "",
         "[{\"pointer\":\"/regions/1\",\"value\":\"atlantis\",\"reason\":\"unknown region\"},"
         "{\"pointer\":\"/tags/1\",\"value\":\"\",\"reason\":\"is empty or blank\"},"
         "{\"pointer\":\"/tags/2\",\"value\":\"SUDAN\",\"reason\":\"is there already\"}]",
         "{\"id\":\"device-1\",\"platform\":\"apns\",\"token\":"
         "\"00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0\","
         "\"app\":\"com.example.tocsin\",\"edition\":\"ar\",\"regions\":[\"mena\"],"
         "\"sections\":[\"politics\"],\"tags\":[\"Sudan\",\"خبر\"],\"min_urgency\":\"high\","
         "\"test\":true,\"time_zone\":\"Asia/Beirut\"}"},
        {"{" FCM ",\"colour\":\"red\",\"x\":{},\"tags\":[\"\xFF\"]}", "",
         "[{\"pointer\":\"/colour\",\"value\":\"red\",\"reason\":\"unknown member\"},"
         "{\"pointer\":\"/x\",\"value\":null,\"reason\":\"unknown member\"},"
         "{\"pointer\":\"/tags/0\",\"value\":\"\xEF\xBF\xBD\",\"reason\":"
         "\"is not well-formed UTF-8\"}]",
         NULL},
        {"{" FCM ",\"regions\":[\"all\",\"mena\"],\"sections\":[]}", "", "[]",
         "{\"id\":\"device-1\",\"platform\":\"fcm\",\"token\":\"abc:DEF-1\",\"edition\":\"en\","
         "\"regions\":[],\"sections\":[],\"tags\":[],\"min_urgency\":\"low\",\"test\":false}"},
        {"{" FCM ",\"\xFF\":1}", "",
         "[{\"pointer\":\"/\xEF\xBF\xBD\",\"value\":null,\"reason\":\"unknown member\"}]", NULL},
        {"{" FCM ",\"time_zone\":\"Europe/Atlantis\"}", "",
         "[{\"pointer\":\"/time_zone\",\"value\":\"Europe/Atlantis\",\"reason\":"
         "\"unknown time zone\"}]",
         NULL},
        {"{}", "/platform required; /token required; /edition required", NULL, NULL},
        {"[]", " wrong_type", NULL, NULL},
        {"{\"platform\"", " invalid_json", NULL, NULL},
        {"{\"platform\":\"fcm\",\"edition\":\"en\"}", "/token required", NULL, NULL},
        {"{\"platform\":\"webpush\",\"token\":\"x\",\"edition\":\"en\"}", "/platform not_supported",
         NULL, NULL},
        {"{\"platform\":\"stream\",\"token\":\"x\",\"edition\":\"en\"}", "/platform unknown_value",
         NULL, NULL},
        {"{\"platform\":\"fcm\",\"token\":\"x\",\"edition\":\"fr\"}", "/edition unknown_value",
         NULL, NULL},
        {"{\"platform\":\"fcm\",\"token\":\"a b\",\"edition\":\"en\"}", "/token invalid_value",
         NULL, NULL},
        {"{\"platform\":\"fcm\",\"token\":\"\",\"edition\":\"en\"}", "/token blank", NULL, NULL},
        {"{\"platform\":\"fcm\",\"token\":7,\"edition\":\"en\"}", "/token wrong_type", NULL, NULL},
        {"{\"platform\":\"apns\",\"token\":\"" HEX64 "0\",\"edition\":\"en\"}",
         "/token invalid_value", NULL, NULL},
        {"{\"platform\":\"apns\",\"token\":\"00fc\",\"edition\":\"en\"}", "/token invalid_value",
         NULL, NULL},
        {"{\"platform\":\"apns\",\"token\":\"g" HEX64 "0\",\"edition\":\"en\"}",
         "/token invalid_value", NULL, NULL},
        {"{" FCM ",\"regions\":[\"atlantis\"],\"sections\":[\"x\",\"y\"]}",
         "/regions unknown_value; /sections unknown_value", NULL, NULL},
        {"{" FCM ",\"regions\":\"mena\",\"sections\":[1],\"tags\":{},\"test\":0,\"min_urgency\":1}",
         "/regions wrong_type; /sections/0 wrong_type; /sections unknown_value; /tags wrong_type; "
         "/min_urgency wrong_type; /test wrong_type",
         NULL, NULL},
        {"{" FCM ",\"tags\":[1]}", "/tags/0 wrong_type", NULL, NULL},
        {"{" FCM ",\"app\":\"a b\",\"time_zone\":\"\"}",
         "/app invalid_value; /time_zone invalid_value", NULL, NULL},
        {"{" FCM ",\"time_zone\":\"+3:00\"}", "/time_zone invalid_value", NULL, NULL},
        {"{" FCM ",\"test\":true,\"test\":false}", "/test duplicate_field", NULL, NULL},
    };
    struct taxonomy *t = taxonomy_builtin();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct problem *p = problem_create();
        struct device *d = NULL;
        struct buf dropped;
        buf_init(&dropped, 1 << 16);
        enum err err =
            device_parse_request(t, STR("device-1"), str_of(cases[i].json), &d, &dropped, p);
        assert_faults(p, cases[i].json, cases[i].faults);
        if (cases[i].faults[0]) {
            assert_int_equal(err, strstr(cases[i].faults, "json") ? ERR_PROTOCOL : ERR_INVALID);
            assert_null(d);
        } else {
            assert_int_equal(err, ERR_OK);
            assert_string_equal(dropped.p, cases[i].dropped);
        }
        if (cases[i].kept) {
            struct buf kept;
            buf_init(&kept, 1 << 16);
            device_put_json(d, t, true, &kept);
            assert_string_equal(kept.p, cases[i].kept);
            buf_finish(&kept);
        }
        device_destroy(d);
        buf_finish(&dropped);
        problem_destroy(p);
    }
    taxonomy_destroy(t);
}

static void test_tag_limit(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct problem *p = problem_create();
    struct device *d;
    struct buf json;
    struct buf dropped;
    buf_init(&json, 4096);
    buf_init(&dropped, 4096);
    buf_puts(&json, "{" FCM ",\"tags\":[");
    for (int i = 0; i <= DEVICE_TAGS_MAX; i++) {
        buf_printf(&json, "%s\"t%d\"", i ? "," : "", i);
    }
    buf_puts(&json, "]}");
    assert_int_equal(device_parse_request(t, STR("device-1"), buf_str(&json), &d, &dropped, p),
                     ERR_OK);
    assert_int_equal(d->tag_count, DEVICE_TAGS_MAX);
    assert_string_equal(
        dropped.p, "[{\"pointer\":\"/tags/32\",\"value\":\"t32\",\"reason\":\"too many tags\"}]");
    device_destroy(d);
    buf_finish(&json);
    buf_finish(&dropped);
    problem_destroy(p);
    taxonomy_destroy(t);
}

/* The token stays out unless asked for; the day of registration comes once it is known. */
static void test_answer(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct problem *p = problem_create();
    struct device *d;
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(device_parse_request(t, STR("device-1"), STR("{" APNS "}"), &d, &b, p),
                     ERR_OK);
    d->registered_ms = 1795467056123;
    buf_clear(&b);
    device_put_json(d, t, false, &b);
    assert_null(strstr(b.p, "token"));
    assert_non_null(strstr(b.p, "\"registered_at\":\"2026-11-23T20:50:56.123Z\"}"));
    device_destroy(d);
    assert_int_equal(device_parse_request(t, STR("short"), STR("{" APNS "}"), &d, &b, p),
                     ERR_INVALID);
    assert_faults(p, "id", " invalid_value");
    buf_finish(&b);
    problem_destroy(p);
    device_destroy(NULL);
    taxonomy_destroy(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_tag_limit),
        cmocka_unit_test(test_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

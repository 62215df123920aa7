/* Every row of FCM's error table, with the details in any order or missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "push/fcm_answer.h"

#define FCM_ERROR(code)                                                                            \
    "{\"@type\":\"type.googleapis.com/google.firebase.fcm.v1.FcmError\",\"errorCode\":\"" code "\"}"
#define APNS_ERROR(status, reason)                                                                 \
    "{\"@type\":\"type.googleapis.com/google.firebase.fcm.v1.ApnsError\",\"statusCode\":" status   \
    ",\"reason\":\"" reason "\"}"
#define BAD_REQUEST(field)                                                                         \
    "{\"@type\":\"type.googleapis.com/"                                                            \
    "google.rpc.BadRequest\",\"fieldViolations\":[{\"field\":\"" field                             \
    "\",\"description\":\"no\"}]}"
#define ERROR_INFO(reason)                                                                         \
    "{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"" reason "\"}"

struct row {
    int http;
    const char *status;
    const char *details;
    enum verdict_kind kind;
    const char *reason;
};

static const struct row rows[] = {
    {400, "INVALID_ARGUMENT", FCM_ERROR("INVALID_ARGUMENT"), VERDICT_PAYLOAD_REJECTED,
     "INVALID_ARGUMENT"},
    {400, "INVALID_ARGUMENT", BAD_REQUEST("message.data") "," FCM_ERROR("INVALID_ARGUMENT"),
     VERDICT_PAYLOAD_REJECTED, "INVALID_ARGUMENT"},
    {400, "INVALID_ARGUMENT", FCM_ERROR("INVALID_ARGUMENT") "," BAD_REQUEST("message.token"),
     VERDICT_TOKEN_DEAD, "INVALID_ARGUMENT"},
    {400, "INVALID_ARGUMENT", FCM_ERROR("INVALID_ARGUMENT") "," APNS_ERROR("410", "Unregistered"),
     VERDICT_TOKEN_DEAD, "Unregistered"},
    {400, "INVALID_ARGUMENT",
     APNS_ERROR("403", "InvalidProviderToken") "," FCM_ERROR("INVALID_ARGUMENT"), VERDICT_FAILED,
     "InvalidProviderToken"},
    {400, "INVALID_ARGUMENT", APNS_ERROR("413", "PayloadTooLarge"), VERDICT_PAYLOAD_REJECTED,
     "PayloadTooLarge"},
    {401, "UNAUTHENTICATED", FCM_ERROR("THIRD_PARTY_AUTH_ERROR"), VERDICT_FAILED,
     "THIRD_PARTY_AUTH_ERROR"},
    {401, "UNAUTHENTICATED", ERROR_INFO("ACCESS_TOKEN_EXPIRED"), VERDICT_CREDENTIALS_OLD,
     "ACCESS_TOKEN_EXPIRED"},
    {401, "UNAUTHENTICATED", "", VERDICT_CREDENTIALS_OLD, "UNAUTHENTICATED"},
    {403, "PERMISSION_DENIED", FCM_ERROR("SENDER_ID_MISMATCH"), VERDICT_TOKEN_DEAD,
     "SENDER_ID_MISMATCH"},
    {403, "PERMISSION_DENIED", "", VERDICT_CREDENTIALS_BAD, "PERMISSION_DENIED"},
    {404, "NOT_FOUND", FCM_ERROR("UNREGISTERED"), VERDICT_TOKEN_DEAD, "UNREGISTERED"},
    {404, "NOT_FOUND", "", VERDICT_CREDENTIALS_BAD, "NOT_FOUND"},
    {429, "RESOURCE_EXHAUSTED", FCM_ERROR("QUOTA_EXCEEDED"), VERDICT_RETRY, "QUOTA_EXCEEDED"},
    {429, "RESOURCE_EXHAUSTED", ERROR_INFO("RATE_LIMIT_EXCEEDED"), VERDICT_RETRY,
     "RATE_LIMIT_EXCEEDED"},
    {500, "INTERNAL", FCM_ERROR("INTERNAL"), VERDICT_RETRY, "INTERNAL"},
    {503, "UNAVAILABLE", FCM_ERROR("UNAVAILABLE"), VERDICT_RETRY, "UNAVAILABLE"},
};

static struct verdict classify(int http, const char *body, const char *retry_after) {
    return fcm_answer_classify(http, str_of(body), str_of(retry_after), 1000000);
}

static void every_row_has_its_verdict(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[1024];
        (void)snprintf(body, sizeof(body),
                       "{\"error\":{\"code\":%d,\"message\":\"m\",\"status\":\"%s\","
                       "\"details\":[%s]}}",
                       rows[i].http, rows[i].status, rows[i].details);
        struct verdict v = classify(rows[i].http, body, NULL);
        if (v.kind != rows[i].kind) {
            fail_msg("row %zu: verdict %d, not %d", i, (int)v.kind, (int)rows[i].kind);
        }
        assert_string_equal(v.reason, rows[i].reason);
    }
}

static void a_bad_token_field_needs_a_payload_known_good(void **state) {
    (void)state;
    struct verdict v =
        classify(400,
                 "{\"error\":{\"status\":\"INVALID_ARGUMENT\",\"details\":[" BAD_REQUEST(
                     "message.token") "]}}",
                 NULL);
    assert_true(v.needs_good_payload);
    v = classify(404, "{\"error\":{\"details\":[" FCM_ERROR("UNREGISTERED") "]}}", NULL);
    assert_false(v.needs_good_payload);
}

static void quota_of_the_project_pauses_the_lane(void **state) {
    (void)state;
    static const char project[] =
        "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[" ERROR_INFO(
            "RATE_LIMIT_EXCEEDED") "]}}";
    static const char device[] =
        "{\"error\":{\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[" FCM_ERROR(
            "QUOTA_EXCEEDED") "]}}";
    assert_int_equal(classify(429, project, NULL).pause_ms, 60000);
    assert_int_equal(classify(429, project, "12").pause_ms, 12000);
    assert_int_equal(classify(429, device, "12").pause_ms, 0);
    assert_int_equal(classify(429, device, "12").retry_after_ms, 12000);
    assert_int_equal(classify(429, "{}", NULL).pause_ms, 60000);
}

static void pages_that_are_not_json_are_survived(void **state) {
    (void)state;
    static const char page[] = "<!DOCTYPE html><title>Error 502 (Server Error)</title>";
    assert_int_equal(classify(502, page, NULL).kind, VERDICT_RETRY);
    assert_int_equal(classify(504, page, NULL).retry, RETRY_FCM_SERVER);
    assert_int_equal(classify(404, page, NULL).kind, VERDICT_CREDENTIALS_BAD);
    assert_int_equal(classify(400, page, NULL).kind, VERDICT_PAYLOAD_REJECTED);
    assert_int_equal(classify(401, "", NULL).kind, VERDICT_CREDENTIALS_OLD);
    assert_int_equal(classify(302, page, NULL).kind, VERDICT_FAILED);
    assert_int_equal(classify(200, page, NULL).kind, VERDICT_ACCEPTED);
}

static void odd_shapes_are_survived(void **state) {
    (void)state;
    assert_int_equal(classify(404, "{\"error\":[]}", NULL).kind, VERDICT_CREDENTIALS_BAD);
    assert_int_equal(classify(404, "{\"error\":{\"details\":{\"a\":1}}}", NULL).kind,
                     VERDICT_CREDENTIALS_BAD);
    assert_int_equal(classify(404, "{\"error\":{\"details\":[1,null,{\"@type\":3}]}}", NULL).kind,
                     VERDICT_CREDENTIALS_BAD);
    /* The name is compared with its case. */
    assert_int_equal(
        classify(404, "{\"error\":{\"details\":[" FCM_ERROR("unregistered") "]}}", NULL).kind,
        VERDICT_CREDENTIALS_BAD);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_verdict),
        cmocka_unit_test(a_bad_token_field_needs_a_payload_known_good),
        cmocka_unit_test(quota_of_the_project_pauses_the_lane),
        cmocka_unit_test(pages_that_are_not_json_are_survived),
        cmocka_unit_test(odd_shapes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

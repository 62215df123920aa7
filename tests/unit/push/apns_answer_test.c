/* Every row of Apple's table of answers, and what nobody documented. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "push/apns_answer.h"

struct row {
    int status;
    const char *reason;
    enum verdict_kind kind;
};

static const struct row rows[] = {
    {400, "BadDeviceToken", VERDICT_TOKEN_DEAD},
    {400, "DeviceTokenNotForTopic", VERDICT_TOKEN_DEAD},
    {400, "BadCollapseId", VERDICT_PAYLOAD_REJECTED},
    {400, "BadExpirationDate", VERDICT_PAYLOAD_REJECTED},
    {400, "BadMessageId", VERDICT_FAILED},
    {400, "BadPriority", VERDICT_PAYLOAD_REJECTED},
    {400, "BadTopic", VERDICT_FAILED},
    {400, "InvalidPushType", VERDICT_PAYLOAD_REJECTED},
    {400, "DuplicateHeaders", VERDICT_PAYLOAD_REJECTED},
    {400, "PayloadEmpty", VERDICT_PAYLOAD_REJECTED},
    {400, "MissingDeviceToken", VERDICT_FAILED},
    {400, "MissingTopic", VERDICT_FAILED},
    {400, "TopicDisallowed", VERDICT_FAILED},
    {400, "IdleTimeout", VERDICT_RETRY},
    {403, "BadCertificate", VERDICT_CREDENTIALS_BAD},
    {403, "BadCertificateEnvironment", VERDICT_CREDENTIALS_BAD},
    {403, "ExpiredProviderToken", VERDICT_CREDENTIALS_OLD},
    {403, "InvalidProviderToken", VERDICT_CREDENTIALS_BAD},
    {403, "MissingProviderToken", VERDICT_CREDENTIALS_BAD},
    {403, "Forbidden", VERDICT_CREDENTIALS_BAD},
    {403, "UnrelatedKeyIdInToken", VERDICT_CREDENTIALS_BAD},
    {403, "BadEnvironmentKeyIdInToken", VERDICT_CREDENTIALS_BAD},
    {403, "BadEnvironmentKeyInToken", VERDICT_CREDENTIALS_BAD},
    {404, "BadPath", VERDICT_FAILED},
    {405, "MethodNotAllowed", VERDICT_FAILED},
    {410, "Unregistered", VERDICT_TOKEN_DEAD},
    {410, "ExpiredToken", VERDICT_TOKEN_DEAD},
    {413, "PayloadTooLarge", VERDICT_PAYLOAD_REJECTED},
    {429, "TooManyRequests", VERDICT_RETRY},
    {429, "TooManyProviderTokenUpdates", VERDICT_RETRY},
    {500, "InternalServerError", VERDICT_RETRY},
    {503, "ServiceUnavailable", VERDICT_RETRY},
    {503, "Shutdown", VERDICT_RETRY},
    {400, "SomethingNew", VERDICT_FAILED},
    {403, "SomethingNew", VERDICT_CREDENTIALS_BAD},
    {410, "SomethingNew", VERDICT_TOKEN_DEAD},
    {418, "SomethingNew", VERDICT_FAILED},
    {429, "SomethingNew", VERDICT_RETRY},
    {502, "SomethingNew", VERDICT_RETRY},
    {429, "Unregistered", VERDICT_RETRY},
    {503, "BadDeviceToken", VERDICT_RETRY},
};

static struct verdict classify(int status, const char *body, const char *retry_after) {
    return apns_answer_classify(status, str_of(body), str_of(retry_after), 1000000);
}

static void every_row_has_its_verdict(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char body[128];
        (void)snprintf(body, sizeof(body), "{\"reason\":\"%s\"}", rows[i].reason);
        struct verdict v = classify(rows[i].status, body, NULL);
        if (v.kind != rows[i].kind) {
            fail_msg("%d %s: verdict %d, not %d", rows[i].status, rows[i].reason, (int)v.kind,
                     (int)rows[i].kind);
        }
        assert_string_equal(v.reason, rows[i].reason);
    }
}

static void success_needs_no_body(void **state) {
    (void)state;
    assert_int_equal(classify(200, NULL, NULL).kind, VERDICT_ACCEPTED);
}

static void the_timestamp_of_410_is_in_milliseconds(void **state) {
    (void)state;
    struct verdict v =
        classify(410, "{\"reason\":\"Unregistered\",\"timestamp\":1700000000123}", NULL);
    assert_int_equal(v.kind, VERDICT_TOKEN_DEAD);
    assert_true(v.dead_before_ms == INT64_C(1700000000123));
    assert_true(classify(410, "{\"reason\":\"Unregistered\"}", NULL).dead_before_ms == INT64_MAX);
    /* Only 410 has one. */
    v = classify(400, "{\"reason\":\"BadDeviceToken\",\"timestamp\":17}", NULL);
    assert_true(v.dead_before_ms == INT64_MAX);
}

static void broken_bodies_follow_the_status(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "", "<html>", "[]", "{\"reason\":7}", "{\"reason\":\"Bad", "null"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        assert_int_equal(classify(400, bodies[i], NULL).kind, VERDICT_FAILED);
        assert_int_equal(classify(410, bodies[i], NULL).kind, VERDICT_TOKEN_DEAD);
        assert_int_equal(classify(413, bodies[i], NULL).kind, VERDICT_PAYLOAD_REJECTED);
        assert_int_equal(classify(503, bodies[i], NULL).kind, VERDICT_RETRY);
    }
}

static void connections_and_tokens_are_heeded(void **state) {
    (void)state;
    assert_true(classify(403, "{\"reason\":\"ExpiredProviderToken\"}", NULL).retire);
    assert_true(classify(503, "{\"reason\":\"Shutdown\"}", NULL).retire);
    assert_false(classify(503, "{\"reason\":\"ServiceUnavailable\"}", NULL).retire);
    assert_true(classify(500, "{\"reason\":\"InternalServerError\"}", NULL).retire_if_renewed);
    struct verdict v = classify(429, "{\"reason\":\"TooManyProviderTokenUpdates\"}", NULL);
    assert_true(v.hold_token && v.pause_ms > 0);
    v = classify(429, "{\"reason\":\"TooManyRequests\"}", "7");
    assert_int_equal(v.retry, RETRY_APNS_TOKEN);
    assert_int_equal(v.pause_ms, 0);
    assert_int_equal(v.retry_after_ms, 7000);
}

static void retry_after_is_read_in_both_forms(void **state) {
    (void)state;
    const int64_t now_ms = INT64_C(784111777000) - 30000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    assert_int_equal(verdict_retry_after_ms(STR("120"), now_ms), 120000);
    assert_int_equal(verdict_retry_after_ms(STR(" 5 "), now_ms), 5000);
    assert_int_equal(verdict_retry_after_ms(STR("Sun, 06 Nov 1994 08:49:37 GMT"), now_ms), 30000);
    assert_int_equal(verdict_retry_after_ms(STR("Sun, 06 Nov 1994 08:49:37 GMT"), now_ms + 60000),
                     0);
    assert_int_equal(verdict_retry_after_ms(STR("99999999999"), now_ms), 86400000);
    assert_int_equal(verdict_retry_after_ms(STR("soon"), now_ms), 0);
    assert_int_equal(verdict_retry_after_ms(STR("-3"), now_ms), 0);
    assert_int_equal(verdict_retry_after_ms(STR("Sun, 06 Xxx 1994 08:49:37 GMT"), now_ms), 0);
    assert_int_equal(verdict_retry_after_ms((struct str){0}, now_ms), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_verdict),
        cmocka_unit_test(success_needs_no_body),
        cmocka_unit_test(the_timestamp_of_410_is_in_milliseconds),
        cmocka_unit_test(broken_bodies_follow_the_status),
        cmocka_unit_test(connections_and_tokens_are_heeded),
        cmocka_unit_test(retry_after_is_read_in_both_forms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

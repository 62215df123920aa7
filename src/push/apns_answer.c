/* Source of the rows: Apple, "Handling error responses from APNs", and what APNs was seen doing
 * (stream states after an expired token, connections that stay broken after a 500). */
#include "push/apns_answer.h"

#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/buf.h"

enum {
    TOKEN_UPDATE_PAUSE_MS = 60000, /* TooManyProviderTokenUpdates: the old token stays valid */
    TIMESTAMP_MAX_EXP = 53,        /* doubles are exact up to 2^53 */
};

struct row {
    int status;
    const char *reason;
    struct verdict verdict;
};

#define REQUEST_BUG                                                                                \
    { .kind = VERDICT_PAYLOAD_REJECTED, .is_alarm = true, .is_payload_fatal = true }
#define OWN_BUG                                                                                    \
    { .kind = VERDICT_FAILED, .is_alarm = true }
#define DEAD                                                                                       \
    { .kind = VERDICT_TOKEN_DEAD, .dead_before_ms = INT64_MAX }
#define CREDENTIALS                                                                                \
    { .kind = VERDICT_CREDENTIALS_BAD, .is_alarm = true, .retire = true }
#define OLD                                                                                        \
    { .kind = VERDICT_CREDENTIALS_OLD, .retire = true }
#define SERVER                                                                                     \
    { .kind = VERDICT_RETRY, .retry = RETRY_APNS_SERVER }

static const struct row rows[] = {
    {400, "BadDeviceToken", DEAD},
    {400, "DeviceTokenNotForTopic", DEAD},
    {400, "BadCollapseId", REQUEST_BUG},
    {400, "BadExpirationDate", REQUEST_BUG},
    {400, "BadMessageId", OWN_BUG},
    {400, "BadPriority", REQUEST_BUG},
    {400, "BadTopic", OWN_BUG},
    {400, "InvalidPushType", REQUEST_BUG},
    {400, "DuplicateHeaders", REQUEST_BUG},
    {400, "PayloadEmpty", REQUEST_BUG},
    {400, "MissingDeviceToken", OWN_BUG},
    {400, "MissingTopic", OWN_BUG},
    {400, "TopicDisallowed", OWN_BUG},
    {400, "IdleTimeout", {.kind = VERDICT_RETRY, .retry = RETRY_APNS_SERVER, .retire = true}},
    {403, "BadCertificate", CREDENTIALS},
    {403, "BadCertificateEnvironment", CREDENTIALS},
    {403, "ExpiredProviderToken", OLD},
    {403, "InvalidProviderToken", CREDENTIALS},
    {403, "MissingProviderToken", CREDENTIALS},
    {403, "Forbidden", CREDENTIALS},
    {403, "UnrelatedKeyIdInToken", CREDENTIALS},
    {403, "BadEnvironmentKeyIdInToken", CREDENTIALS},
    {403, "BadEnvironmentKeyInToken", CREDENTIALS},
    {404, "BadPath", OWN_BUG},
    {405, "MethodNotAllowed", OWN_BUG},
    {410, "Unregistered", DEAD},
    {410, "ExpiredToken", DEAD},
    {413, "PayloadTooLarge", REQUEST_BUG},
    {429, "TooManyRequests", {.kind = VERDICT_RETRY, .retry = RETRY_APNS_TOKEN}},
    {429,
     "TooManyProviderTokenUpdates",
     {.kind = VERDICT_RETRY,
      .retry = RETRY_APNS_SERVER,
      .pause_ms = TOKEN_UPDATE_PAUSE_MS,
      .hold_token = true,
      .is_alarm = true}},
    {500,
     "InternalServerError",
     {.kind = VERDICT_RETRY, .retry = RETRY_APNS_SERVER, .retire_if_renewed = true}},
    {503, "ServiceUnavailable", SERVER},
    {503, "Shutdown", {.kind = VERDICT_RETRY, .retry = RETRY_APNS_SERVER, .retire = true}},
};

/* A reason nobody has told us about. */
static struct verdict by_status(int status) {
    if (status == 410) {
        return (struct verdict)DEAD;
    }
    if (status == 413) {
        return (struct verdict)REQUEST_BUG;
    }
    if (status == 403) {
        return (struct verdict)CREDENTIALS;
    }
    if (status == 429) {
        return (struct verdict){.kind = VERDICT_RETRY, .retry = RETRY_APNS_TOKEN};
    }
    if (status >= 500 && status <= 599) {
        return (struct verdict)SERVER;
    }
    return (struct verdict)OWN_BUG;
}

struct verdict apns_answer_of_reason(int status, struct str reason, int64_t timestamp_ms) {
    struct verdict v = by_status(status);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool is_status = status == 0 || status == rows[i].status;
        if (is_status && str_eq(reason, str_of(rows[i].reason))) {
            v = rows[i].verdict;
            break;
        }
    }
    if (v.kind == VERDICT_TOKEN_DEAD && timestamp_ms > 0) {
        v.dead_before_ms = timestamp_ms;
    }
    verdict_set_reason(&v, reason.n ? reason : STR("none"));
    return v;
}

struct verdict apns_answer_classify(int status, struct str body, struct str retry_after,
                                    int64_t now_ms) {
    if (status == 200) {
        return (struct verdict){.kind = VERDICT_ACCEPTED};
    }
    cJSON *json = cJSON_ParseWithLength(body.p, body.n);
    const cJSON *reason = cJSON_GetObjectItemCaseSensitive(json, "reason");
    const cJSON *timestamp = cJSON_GetObjectItemCaseSensitive(json, "timestamp");
    double ms = cJSON_IsNumber(timestamp) ? timestamp->valuedouble : 0;
    bool is_exact = ms > 0 && ms < (double)(INT64_C(1) << TIMESTAMP_MAX_EXP);
    struct verdict v =
        apns_answer_of_reason(status, str_of(cJSON_IsString(reason) ? reason->valuestring : NULL),
                              status == 410 && is_exact ? (int64_t)ms : 0);
    cJSON_Delete(json);
    if (v.kind == VERDICT_RETRY) {
        v.retry_after_ms = verdict_retry_after_ms(retry_after, now_ms);
    }
    return v;
}

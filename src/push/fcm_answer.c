/* Source of the rules: Firebase, "ErrorCode" of the v1 reference and "Best practices for sending
 * at scale"; the shape of a project-quota 429 (ErrorInfo only, no FcmError) as seen in the field.
 */
#include "push/fcm_answer.h"

#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "push/apns_answer.h"

enum { QUOTA_PAUSE_MS = 60000 /* 429 without retry-after */ };

/* What of the envelope matters. Strings are borrowed from the parsed document. */
struct details {
    struct str status;     /* error.status */
    struct str code;       /* FcmError.errorCode */
    struct str apns;       /* ApnsError.reason */
    int apns_status;       /* ApnsError.statusCode */
    struct str error_info; /* ErrorInfo.reason */
    bool is_token_field;   /* a BadRequest violation names the token */
};

static struct str text_of(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return str_of(cJSON_IsString(item) ? item->valuestring : NULL);
}

static bool is_type(struct str type, struct str suffix) {
    return type.n >= suffix.n && str_eq((struct str){type.p + type.n - suffix.n, suffix.n}, suffix);
}

static bool has_token_violation(const cJSON *detail) {
    const cJSON *violation = NULL;
    cJSON_ArrayForEach(violation, cJSON_GetObjectItemCaseSensitive(detail, "fieldViolations")) {
        struct str field = text_of(violation, "field");
        if (str_eq(field, STR("message.token")) || str_eq(field, STR("message.fid"))) {
            return true;
        }
    }
    return false;
}

/* The order of details is not fixed: each is known by its type. */
static struct details read_details(const cJSON *json) {
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(json, "error");
    struct details d = {.status = text_of(error, "status")};
    const cJSON *detail = NULL;
    cJSON_ArrayForEach(detail, cJSON_GetObjectItemCaseSensitive(error, "details")) {
        struct str type = text_of(detail, "@type");
        if (is_type(type, STR("fcm.v1.FcmError"))) {
            d.code = text_of(detail, "errorCode");
        } else if (is_type(type, STR("fcm.v1.ApnsError"))) {
            const cJSON *code = cJSON_GetObjectItemCaseSensitive(detail, "statusCode");
            d.apns = text_of(detail, "reason");
            d.apns_status = cJSON_IsNumber(code) ? code->valueint : 0;
        } else if (is_type(type, STR("google.rpc.ErrorInfo"))) {
            d.error_info = text_of(detail, "reason");
        } else if (is_type(type, STR("google.rpc.BadRequest"))) {
            d.is_token_field = d.is_token_field || has_token_violation(detail);
        }
    }
    return d;
}

static struct verdict of_400(const struct details *d) {
    if (d->apns.n) {
        /* APNs refused what FCM passed on. Its credentials are the project's business: another
         * answer than "stop" is of no use for the rest of the lane. */
        struct verdict v = apns_answer_of_reason(d->apns_status, d->apns, 0);
        if (v.kind == VERDICT_CREDENTIALS_BAD || v.kind == VERDICT_CREDENTIALS_OLD) {
            return (struct verdict){.kind = VERDICT_FAILED, .is_alarm = true};
        }
        v.retry = v.retry == RETRY_APNS_TOKEN ? RETRY_FCM_QUOTA : RETRY_FCM_SERVER;
        v.pause_ms = 0;
        v.retire = v.retire_if_renewed = v.hold_token = false;
        return v;
    }
    if (d->is_token_field) {
        return (struct verdict){
            .kind = VERDICT_TOKEN_DEAD, .dead_before_ms = INT64_MAX, .needs_good_payload = true};
    }
    return (struct verdict){.kind = VERDICT_PAYLOAD_REJECTED, .is_alarm = true};
}

static struct verdict of_429(const struct details *d, int64_t retry_after_ms) {
    struct verdict v = {.kind = VERDICT_RETRY, .retry = RETRY_FCM_QUOTA};
    if (!str_eq(d->code, STR("QUOTA_EXCEEDED"))) {
        v.pause_ms = retry_after_ms ? retry_after_ms : QUOTA_PAUSE_MS; /* the whole project */
        v.is_alarm = true;
    }
    return v;
}

static struct verdict of_status(int status, const struct details *d, int64_t retry_after_ms) {
    switch (status) {
    case 400:
        return of_400(d);
    case 401:
        return str_eq(d->code, STR("THIRD_PARTY_AUTH_ERROR"))
                   ? (struct verdict){.kind = VERDICT_FAILED, .is_alarm = true}
                   : (struct verdict){.kind = VERDICT_CREDENTIALS_OLD};
    case 403:
        return str_eq(d->code, STR("SENDER_ID_MISMATCH"))
                   ? (struct verdict){.kind = VERDICT_TOKEN_DEAD, .dead_before_ms = INT64_MAX}
                   : (struct verdict){.kind = VERDICT_CREDENTIALS_BAD, .is_alarm = true};
    case 404:
        /* Without FcmError it is the project or the path that does not exist: keep the tokens. */
        return str_eq(d->code, STR("UNREGISTERED"))
                   ? (struct verdict){.kind = VERDICT_TOKEN_DEAD, .dead_before_ms = INT64_MAX}
                   : (struct verdict){.kind = VERDICT_CREDENTIALS_BAD, .is_alarm = true};
    case 429:
        return of_429(d, retry_after_ms);
    default:
        return status >= 500 && status <= 599
                   ? (struct verdict){.kind = VERDICT_RETRY, .retry = RETRY_FCM_SERVER}
                   : (struct verdict){.kind = VERDICT_FAILED, .is_alarm = true};
    }
}

struct verdict fcm_answer_classify(int status, struct str body, struct str retry_after,
                                   int64_t now_ms) {
    if (status == 200) {
        return (struct verdict){.kind = VERDICT_ACCEPTED};
    }
    int64_t retry_after_ms = verdict_retry_after_ms(retry_after, now_ms);
    cJSON *json = cJSON_ParseWithLength(body.p, body.n);
    struct details d = read_details(json);
    struct verdict v = of_status(status, &d, retry_after_ms);
    struct str reason = d.apns.n         ? d.apns
                        : d.code.n       ? d.code
                        : d.error_info.n ? d.error_info
                                         : d.status;
    verdict_set_reason(&v, reason.n ? reason : STR("none"));
    if (v.kind == VERDICT_RETRY) {
        v.retry_after_ms = retry_after_ms;
    }
    cJSON_Delete(json);
    return v;
}

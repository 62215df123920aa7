/* Header rules of "Sending notification requests to APNs" (Apple). The order in which the real
 * service checks is not documented; this is the order of pushy's mock server, with the path and
 * the method first. */
#include <string.h>

#include "apns.h"

enum { COLLAPSE_ID_MAX = 64, TOKEN_HEX_MAX = 200, APNS_PUSH_BYTES = 4096, VOIP_BYTES = 5120 };

#define ANY_PRIORITY "15a"

const struct apns_push_type apns_push_types[] = {
    {"alert", "", ANY_PRIORITY, APNS_PUSH_BYTES},
    {"background", "", "5", APNS_PUSH_BYTES},
    {"voip", ".voip", ANY_PRIORITY, VOIP_BYTES},
    {"complication", ".complication", ANY_PRIORITY, APNS_PUSH_BYTES},
    {"fileprovider", ".pushkit.fileprovider", ANY_PRIORITY, APNS_PUSH_BYTES},
    {"liveactivity", ".push-type.liveactivity", ANY_PRIORITY, APNS_PUSH_BYTES},
    {"location", ".location-query", ANY_PRIORITY, APNS_PUSH_BYTES},
    {"mdm", "", ANY_PRIORITY, APNS_PUSH_BYTES},
    {"pushtotalk", ".voip-ptt", ANY_PRIORITY, APNS_PUSH_BYTES},
    {"widgets", ".push-type.widgets", ANY_PRIORITY, APNS_PUSH_BYTES},
    {"controls", ".push-type.controls", ANY_PRIORITY, APNS_PUSH_BYTES},
};

static const struct verdict fine = {0, NULL};

int apns_find_push_type(struct str name) {
    for (size_t i = 0; i < sizeof(apns_push_types) / sizeof(apns_push_types[0]); i++) {
        if (str_eq(str_of(apns_push_types[i].name), name)) {
            return (int)i;
        }
    }
    return -1;
}

/* Reverse domain names; a certificate's UID for mdm looks alike. */
static bool is_topic(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '-' || c == '_')) {
            return false;
        }
    }
    return s.n > 0;
}

static struct verdict check_priority(struct str s, int push_type) {
    char code = 'a'; /* absent = 10 */
    if (s.p) {
        if (str_eq(s, STR("10"))) {
            code = 'a';
        } else if (str_eq(s, STR("5")) || str_eq(s, STR("1"))) {
            code = s.p[0];
        } else {
            return (struct verdict){400, "BadPriority"};
        }
    }
    return strchr(apns_push_types[push_type].priorities, code)
               ? fine
               : (struct verdict){400, "BadPriority"};
}

static struct verdict check_fields(const struct request *rq, struct apns_push *out) {
    struct str topic = rq->header[H_APNS_TOPIC];
    struct str type = rq->header[H_APNS_PUSH_TYPE];
    struct str expiration = rq->header[H_APNS_EXPIRATION];
    if (!topic.n) {
        return (struct verdict){400, "MissingTopic"};
    }
    if (!is_topic(topic)) {
        return (struct verdict){400, "BadTopic"};
    }
    if (rq->header[H_APNS_COLLAPSE_ID].n > COLLAPSE_ID_MAX) {
        return (struct verdict){400, "BadCollapseId"};
    }
    out->expiration = -1;
    if (expiration.p) {
        uint64_t value;
        if (str_to_u64(expiration, &value) != ERR_OK || value > INT64_MAX) {
            return (struct verdict){400, "BadExpirationDate"};
        }
        out->expiration = (int64_t)value;
    }
    int push_type = type.p ? apns_find_push_type(type) : 0;
    if (push_type < 0) {
        return (struct verdict){400, "InvalidPushType"};
    }
    out->push_type = push_type;
    return check_priority(rq->header[H_APNS_PRIORITY], out->push_type);
}

/* Hexadecimal of whole bytes; both letter cases; the length is not fixed. */
static bool take_token(struct str hex, struct apns_push *out) {
    if (hex.n % 2 || hex.n > TOKEN_HEX_MAX) {
        return false;
    }
    for (size_t i = 0; i < hex.n; i++) {
        char c = hex.p[i];
        if (c >= 'A' && c <= 'F') {
            c = (char)(c + ('a' - 'A'));
        }
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        out->token_bytes[i] = c;
    }
    out->token = (struct str){out->token_bytes, hex.n};
    return true;
}

struct verdict apns_check_headers(const struct request *rq, struct apns_push *out) {
    static const struct str prefix = {"/3/device/", sizeof("/3/device/") - 1};
    struct str path = rq->header[H_PATH];
    struct str id = rq->header[H_APNS_ID];
    if (id.p && !codec_is_uuid(id)) {
        return (struct verdict){400, "BadMessageId"};
    }
    if (!str_starts(path, prefix) && !str_eq(path, STR("/3/device"))) {
        return (struct verdict){404, "BadPath"};
    }
    if (!str_eq(rq->header[H_METHOD], STR("POST"))) {
        return (struct verdict){405, "MethodNotAllowed"};
    }
    if (rq->duplicate) {
        return (struct verdict){400, "DuplicateHeaders"};
    }
    struct verdict v = check_fields(rq, out);
    if (v.status) {
        return v;
    }
    if (path.n <= prefix.n) {
        return (struct verdict){400, "MissingDeviceToken"};
    }
    if (!take_token((struct str){path.p + prefix.n, path.n - prefix.n}, out)) {
        return (struct verdict){400, "BadDeviceToken"};
    }
    return fine;
}

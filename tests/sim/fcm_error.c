#include "fcm_error.h"

#include <stdio.h>
#include <string.h>

enum { DETAILS_MAX = 4, DETAIL_BYTES_MAX = 4096 };
enum { DETAILS_SHUFFLED, DETAILS_MISSING }; /* as in faults_table.h, "details" */

struct kind_row {
    const char *name;
    int http;
    const char *status;
    const char *message;
    const char *fcm_code;   /* FcmError.errorCode; NULL = no such detail */
    const char *error_info; /* ErrorInfo.reason; NULL = no such detail */
};

static const struct kind_row rows[FCM_KIND_COUNT] = {
    [FCM_INVALID_ARGUMENT] = {"invalid_argument", 400, "INVALID_ARGUMENT",
                              "Request contains an invalid argument.", "INVALID_ARGUMENT", NULL},
    [FCM_PARSE] = {"parse", 400, "INVALID_ARGUMENT", "Invalid JSON payload received.", NULL, NULL},
    [FCM_APNS] = {"apns", 400, "INVALID_ARGUMENT", "Request contains an invalid argument.",
                  "INVALID_ARGUMENT", NULL},
    [FCM_THIRD_PARTY_AUTH] = {"third_party_auth", 401, "UNAUTHENTICATED",
                              "Auth error from APNS or Web Push Service", "THIRD_PARTY_AUTH_ERROR",
                              NULL},
    [FCM_UNAUTHENTICATED] = {"unauthenticated", 401, "UNAUTHENTICATED",
                             "Request had invalid authentication credentials. Expected OAuth 2 "
                             "access token, login cookie or other valid authentication credential.",
                             NULL, "ACCESS_TOKEN_TYPE_UNSUPPORTED"},
    [FCM_BEARER_EXPIRED] = {"bearer_expired", 401, "UNAUTHENTICATED",
                            "Request had invalid authentication credentials. Expected OAuth 2 "
                            "access token, login cookie or other valid authentication credential.",
                            NULL, "ACCESS_TOKEN_EXPIRED"},
    [FCM_BEARER_MISSING] =
        {"bearer_missing", 401, "UNAUTHENTICATED",
         "Request is missing required authentication credential. Expected OAuth "
         "2 access token, login cookie or other valid authentication credential.",
         NULL, "CREDENTIALS_MISSING"},
    [FCM_SENDER_ID_MISMATCH] = {"sender_id_mismatch", 403, "PERMISSION_DENIED", "SenderId mismatch",
                                "SENDER_ID_MISMATCH", NULL},
    [FCM_PERMISSION_DENIED] = {"permission_denied", 403, "PERMISSION_DENIED",
                               "Permission 'cloudmessaging.messages.create' denied on resource.",
                               NULL, "IAM_PERMISSION_DENIED"},
    [FCM_UNREGISTERED] = {"unregistered", 404, "NOT_FOUND", "Requested entity was not found.",
                          "UNREGISTERED", NULL},
    [FCM_NOT_FOUND] = {"not_found", 404, "NOT_FOUND", "Requested entity was not found.", NULL,
                       NULL},
    [FCM_QUOTA] = {"quota", 429, "RESOURCE_EXHAUSTED", "Quota exceeded for this device.",
                   "QUOTA_EXCEEDED", NULL},
    [FCM_PROJECT_QUOTA] = {"project_quota", 429, "RESOURCE_EXHAUSTED",
                           "Quota exceeded for quota metric 'Send requests' and limit 'Send "
                           "requests per minute' of service 'fcm.googleapis.com'.",
                           NULL, "RATE_LIMIT_EXCEEDED"},
    [FCM_INTERNAL] = {"internal", 500, "INTERNAL", "Internal error encountered.", "INTERNAL", NULL},
    [FCM_UNAVAILABLE] = {"unavailable", 503, "UNAVAILABLE", "The service is currently unavailable.",
                         "UNAVAILABLE", NULL},
    [FCM_HTML_404] = {"html_404", 404, NULL, "Error 404 (Not Found)", NULL, NULL},
    [FCM_HTML_502] = {"html_502", 502, NULL, "Error 502 (Server Error)", NULL, NULL},
    [FCM_HTML_504] = {"html_504", 504, NULL, "Error 504 (Gateway Timeout)", NULL, NULL},
};

enum fcm_kind fcm_find_kind(struct str name) {
    int kind = 0;
    while (kind < FCM_KIND_COUNT && !str_eq(str_of(rows[kind].name), name)) {
        kind++;
    }
    return (enum fcm_kind)kind;
}

struct details {
    struct buf item[DETAILS_MAX];
    size_t count;
};

static struct buf *next(struct details *d, const char *type) {
    struct buf *b = &d->item[d->count++];
    buf_init(b, DETAIL_BYTES_MAX);
    buf_printf(b, "{\"@type\":\"type.googleapis.com/%s\"", type);
    return b;
}

static void put_error_info(struct details *d, const struct kind_row *row, enum fcm_kind kind) {
    struct buf *b = next(d, "google.rpc.ErrorInfo");
    buf_printf(b, ",\"reason\":\"%s\",\"domain\":\"googleapis.com\",\"metadata\":{",
               row->error_info);
    if (kind == FCM_PROJECT_QUOTA) {
        buf_puts(b, "\"service\":\"fcm.googleapis.com\","
                    "\"quota_metric\":\"fcm.googleapis.com/send_requests\","
                    "\"quota_limit\":\"SendsPerMinutePerProject\","
                    "\"quota_unit\":\"1/min/{project}\",\"quota_location\":\"global\"}}");
        b = next(d, "google.rpc.Help");
        buf_puts(b, ",\"links\":[{\"description\":\"Request a higher quota limit.\",\"url\":"
                    "\"https://cloud.google.com/docs/quota#requesting_higher_quota\"}]}");
        return;
    }
    buf_puts(b, "\"service\":\"fcm.googleapis.com\"}}");
}

static void collect(struct details *d, enum fcm_kind kind, const struct fcm_violation *violation) {
    const struct kind_row *row = &rows[kind];
    if (row->fcm_code) {
        buf_printf(next(d, "google.firebase.fcm.v1.FcmError"), ",\"errorCode\":\"%s\"}",
                   row->fcm_code);
    }
    if (kind == FCM_APNS) {
        buf_puts(next(d, "google.firebase.fcm.v1.ApnsError"),
                 ",\"statusCode\":410,\"reason\":\"Unregistered\"}");
    }
    if (kind == FCM_QUOTA) {
        buf_puts(next(d, "google.rpc.QuotaFailure"),
                 ",\"violations\":[{\"subject\":\"device\",\"description\":\"Device message rate "
                 "exceeded\"}]}");
    }
    if (row->error_info) {
        put_error_info(d, row, kind);
    }
    if (violation && violation->text[0]) {
        struct buf *b = next(d, "google.rpc.BadRequest");
        buf_puts(b, ",\"fieldViolations\":[{");
        if (violation->field[0]) {
            buf_puts(b, "\"field\":");
            buf_put_json(b, str_of(violation->field));
            buf_putc(b, ',');
        }
        buf_puts(b, "\"description\":");
        buf_put_json(b, str_of(violation->text));
        buf_puts(b, "}]}");
    }
}

/* The details in their usual or, by fault, another order with a stranger among them. */
static void put_details(struct stream *st, struct details *d) {
    struct buf *b = &st->answer.body;
    struct fault *f = &st->conn->listener->faults[F_DETAILS];
    bool by_fault = fault_fires(f, &st->conn->listener->sim->rng);
    bool shuffled = by_fault && f->mode == DETAILS_SHUFFLED;
    if (!d->count || (by_fault && f->mode == DETAILS_MISSING)) {
        return;
    }
    buf_puts(b, ",\"details\":[");
    if (shuffled) {
        buf_puts(b, "{\"@type\":\"type.googleapis.com/google.rpc.DebugInfo\",\"detail\":\"\"},");
    }
    for (size_t i = 0; i < d->count; i++) {
        buf_puts(b, i ? "," : "");
        buf_put_str(b, buf_str(&d->item[shuffled ? d->count - 1 - i : i]));
    }
    buf_putc(b, ']');
}

static void put_html(struct buf *b, const char *message) {
    buf_printf(b,
               "<!DOCTYPE html>\n<html lang=en>\n<meta charset=utf-8>\n<title>%s</title>\n"
               "<p>The requested URL was not found on this server. That's all we know.</p>\n",
               message);
}

void fcm_error_answer(struct stream *st, enum fcm_kind kind, int status,
                      const struct fcm_violation *violation) {
    const struct kind_row *row = &rows[kind];
    struct answer *a = &st->answer;
    struct details details = {.count = 0};
    a->status = status ? status : row->http;
    (void)snprintf(a->reason, sizeof(a->reason), "%s",
                   row->fcm_code     ? row->fcm_code
                   : row->error_info ? row->error_info
                                     : row->name);
    buf_clear(&a->body);
    if (!row->status) {
        a->content_type = "text/html; charset=UTF-8";
        put_html(&a->body, row->message);
        return;
    }
    a->content_type = "application/json; charset=UTF-8";
    bool own_text = violation && violation->text[0];
    buf_printf(&a->body, "{\"error\":{\"code\":%d,\"message\":", a->status);
    buf_put_json(&a->body, str_of(own_text ? violation->text : row->message));
    buf_printf(&a->body, ",\"status\":\"%s\"", row->status);
    collect(&details, kind, violation);
    put_details(st, &details);
    buf_puts(&a->body, "}}\n");
    for (size_t i = 0; i < details.count; i++) {
        buf_finish(&details.item[i]);
    }
}

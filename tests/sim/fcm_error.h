#pragma once
/* The error answers of FCM HTTP v1: the envelope, the details and their exact shapes. */
#include "base/str.h"
#include "stream.h"

enum fcm_kind {
    FCM_INVALID_ARGUMENT,
    FCM_PARSE, /* the JSON itself: BadRequest without FcmError */
    FCM_APNS,  /* Apple refused: ApnsError */
    FCM_THIRD_PARTY_AUTH,
    FCM_UNAUTHENTICATED, /* bearer unknown */
    FCM_BEARER_EXPIRED,
    FCM_BEARER_MISSING,
    FCM_SENDER_ID_MISMATCH,
    FCM_PERMISSION_DENIED,
    FCM_UNREGISTERED,
    FCM_NOT_FOUND,     /* another project */
    FCM_QUOTA,         /* of a device: FcmError QUOTA_EXCEEDED */
    FCM_PROJECT_QUOTA, /* ErrorInfo only */
    FCM_INTERNAL,
    FCM_UNAVAILABLE,
    FCM_HTML_404,
    FCM_HTML_502,
    FCM_HTML_504,
    FCM_KIND_COUNT
};

enum { FCM_FIELD_BYTES = 256, FCM_TEXT_BYTES = 512 };

/* Which field of the request is at fault, for BadRequest. */
struct fcm_violation {
    char field[FCM_FIELD_BYTES]; /* "" = none to name */
    char text[FCM_TEXT_BYTES];
};

/* Fills st->answer. `violation` may be NULL. `status` 0 = the kind's own. */
void fcm_error_answer(struct stream *st, enum fcm_kind kind, int status,
                      const struct fcm_violation *violation);
/* The kind with this name ("unavailable"); FCM_KIND_COUNT when there is none. */
enum fcm_kind fcm_find_kind(struct str name);

#pragma once
/* One request body of messages:send: what it says, or what is wrong with it. Bodies that differ
 * only in the device token are read once. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "fcm_error.h"
#include "ledger.h"

enum fcm_target { FCM_TO_TOKEN, FCM_TO_FID, FCM_TO_TOPIC, FCM_TO_CONDITION };

/* What is the same for all devices. Lives as long as the cache. */
struct fcm_form {
    uint32_t payload;        /* number in the ledger: the message without its token */
    struct str collapse_key; /* owned */
    const char *priority;    /* "high", "normal" or "" */
    int64_t ttl_s;           /* -1 = not given */
    bool validate_only;
    enum fcm_target target;
};

struct fcm_messages;

struct fcm_messages *fcm_messages_create(struct ledger *ledger);
/* Accepts NULL. */
void fcm_messages_destroy(struct fcm_messages *m);
/* Reads `body`. Returns the form and the target's name (valid while `body` and the cache are), or
 * NULL with `out_kind` and `out_violation`. */
const struct fcm_form *fcm_message_read(struct fcm_messages *m, struct str body,
                                        struct str *out_target, enum fcm_kind *out_kind,
                                        struct fcm_violation *out_violation);

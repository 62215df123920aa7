#pragma once
/* A registered phone or browser: where to push and what it follows. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "model/alert.h"
#include "model/problem.h"
#include "model/taxonomy.h"

enum {
    DEVICE_ID_BYTES_MAX = 64,
    DEVICE_TOKEN_BYTES_MAX = 4096,
    DEVICE_TAGS_MAX = 32,
    DEVICE_APP_BYTES_MAX = 128,
};

struct cJSON;

struct device {
    char *id;               /* [A-Za-z0-9._-]{8,64}, chosen by the app (a UUID is usual) */
    enum platform platform; /* apns or fcm (webpush once its dispatcher exists) */
    char *token;            /* APNs: lower-case hex, 64..200 digits; FCM: opaque */
    char *app;              /* bundle id or package; NULL = the configured default */
    int edition;            /* the language its notifications come in */
    uint64_t regions;       /* 0 = any */
    uint64_t sections;      /* 0 = any */
    char *tags[DEVICE_TAGS_MAX];
    int tag_count;
    enum urgency min_urgency;
    bool test;
    char *time_zone;       /* IANA name or offset ("+03:00"), or NULL */
    int64_t registered_ms; /* wall clock; 0 = not registered yet */
};

/* A PUT body → device. Hard faults (platform, token, edition, wrong types) go to `problems`;
 * follows that the taxonomy does not know, tags that break the rules and unknown members are
 * dropped and noted, so that an old app keeps working. A list of which nothing is left is a fault:
 * dropping it would follow everything. `out_dropped_json` gets a JSON array of
 * {"pointer","value","reason"}. ERR_PROTOCOL when it is not JSON, else ERR_INVALID. */
MUST_CHECK enum err device_parse_request(const struct taxonomy *t, struct str id, struct str json,
                                         struct device **out_device, struct buf *out_dropped_json,
                                         struct problem *problems);
/* The same of an object that was parsed already, borrowed; other members of the caller's are noted
 * as unknown. */
MUST_CHECK enum err device_read_request(const struct taxonomy *t, struct str id,
                                        const struct cJSON *root, struct device **out_device,
                                        struct buf *out_dropped_json, struct problem *problems);
/* An object: what was kept, as the API answers and `devices export` writes it. The token is shown
 * only with `with_token`. */
void device_put_json(const struct device *d, const struct taxonomy *t, bool with_token,
                     struct buf *b);
/* Accepts NULL. */
void device_destroy(struct device *d);
/* True for a well-formed device id. */
bool device_id_is_valid(struct str id);

#pragma once
/* What a lane needs from a push service: payloads, credit, one request per target, verdicts. Each
 * service embeds struct provider and fills the table; a new service is one more table. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/str.h"
#include "model/alert.h"
#include "model/taxonomy.h"
#include "net/http2_client.h"
#include "push/verdict.h"

/* One message, built once per alert revision and edition; per device only the token is added. */
struct payload {
    struct buf body;      /* APNs: all of it; FCM: what follows the token */
    char expiration[24];  /* apns-expiration */
    const char *priority; /* apns-priority, static */
    char collapse_id[ALERT_COLLAPSE_ID_BYTES_MAX + 1];
    enum err err;      /* why it cannot be sent: ERR_TOO_LARGE, ERR_NOT_FOUND (no text) */
    int64_t built_ms;  /* wall clock */
    uint64_t accepted; /* pushes of it taken by the provider: it is known to be good */
    bool is_rejected;  /* refused as such: sending it to others is useless */
};

/* Where one push goes. */
struct provider_target {
    struct str token;
    struct str app;         /* bundle id; empty = the configured default */
    const char *attempt_id; /* UUID, the same for a replay */
};

struct provider;

struct provider_events {
    /* Credit or a token came: the lane may send. */
    void (*on_ready)(void *user);
    /* The token endpoint refused our credentials. */
    void (*on_credentials_bad)(void *user, struct str reason);
};

struct provider_ops {
    enum platform platform;
    bool has_attempt_id; /* requests carry provider_target.attempt_id */
    /* Builds the payload; its `err` says whether it may be sent. */
    void (*build)(struct provider *p, const struct alert *a, int edition, struct payload *out);
    /* Requests that would be taken now; 0 also without a valid token. */
    size_t (*credit)(struct provider *p);
    /* ERR_FULL, ERR_UNAVAILABLE: not now. `out_version` names the provider token used. */
    enum err (*post)(struct provider *p, const struct payload *payload,
                     const struct provider_target *target, http2_answer_fn *done, void *user,
                     uint32_t *out_version);
    /* A complete answer; `now_ms` is the wall clock. */
    struct verdict (*classify)(const struct http2_answer *answer, int64_t now_ms);
    /* The token `version` was called old: false when no newer one can be had. */
    bool (*renew)(struct provider *p, uint32_t version);
    /* Acts on the verdict's connection and token flags. */
    void (*heed)(struct provider *p, const struct verdict *v, void *connection);
    /* Sends what was posted. */
    void (*flush)(struct provider *p);
    /* Time passes; called several times a second. */
    void (*tick)(struct provider *p, int64_t now_mono_ms);
    /* Requests in flight get their callbacks before this returns. */
    void (*destroy)(struct provider *p);
};

struct provider {
    const struct provider_ops *ops;
    const struct taxonomy *taxonomy; /* borrowed */
    struct provider_events events;
    void *events_user;
};

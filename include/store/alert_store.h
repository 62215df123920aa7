#pragma once
/* Publish and read alerts. The publish is one script: idempotency, epoch, seq, log, push plan,
 * stored alert and the bell happen together or not at all (design section 4). */
#include <stdint.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/str.h"
#include "model/alert.h"
#include "model/position.h"
#include "store/store.h"

enum publish_status {
    PUBLISH_ACCEPTED,          /* new; in the log and the plan */
    PUBLISH_REPLAYED,          /* same key, same body: the first answer again */
    PUBLISH_KEY_REUSED,        /* same key, other body: 422 */
    PUBLISH_REFERENCE_UNKNOWN, /* update or cancel of an alert that is not there: 422 /references */
    PUBLISH_REFERENCE_ENDED,   /* the referenced alert is cancelled already: 409 */
    PUBLISH_REVISIONS_FULL,    /* it was updated newsroom.revisions_max times already: 409 */
    PUBLISH_STATUS_DIFFERS,    /* an update spells out another status than its alert has: 409 */
    PUBLISH_REVISED,           /* not the revision any more that it was made from: 409 */
    PUBLISH_DUPLICATE,         /* `id` said the same within newsroom.duplicate_window_s: 409 */
    PUBLISH_BREAKER_TRIPPED,   /* this very alert was one too many for its key: 429 */
    PUBLISH_BREAKER_OPEN,      /* the breaker of its key had tripped before: 429 */
    PUBLISH_WAITS,             /* recalled: kept as the draft `id`, to be sent later */
    PUBLISH_NOT_DUE,           /* a draft that is not there to be sent: somebody was faster */
    PUBLISH_EXPIRED,           /* a draft that was due too long ago; it has ended */
    PUBLISH_OVERLOADED,        /* admission control: too much undispatched work, 503 */
    PUBLISH_UNAVAILABLE, /* Redis away; nothing done as far as known, safe to retry with the same
                            key: 503 */
};

struct publish_result {
    enum publish_status status;
    char id[UUID_BYTES];
    uint32_t revision;
    struct position position;
    int64_t sent_ms;
    bool is_forgotten;      /* who got the alert is not known any more: only readers were told */
    const char *durability; /* "memory", "fsync" or "replicated": what was really reached */
};

typedef void publish_fn(void *user, const struct publish_result *result);

/* A draft that is to be sent: publish it only if it is due and still of that version, and note what
 * became of it in the same step. A refusal of the publish that will stay ends it as failed. */
struct draft_claim {
    struct str id;
    int64_t version;
    struct str sent_audit; /* entries to make; empty = none */
    struct str expired_audit;
    struct str failed_audit;
};

struct publish_request {
    const struct alert *alert;  /* id already made for MSG_ALERT; sent_ms and created_by set */
    struct str idempotency_key; /* scoped to created_by by the store */
    struct str fingerprint;     /* SHA-256 hex of the canonical body */
    const char *key_name;       /* who created_by is, for the audit log; may be NULL */
    uint32_t about;             /* the only revision it may be made from; 0 = the latest */
    bool allow_duplicate;
    const struct draft_claim *claim; /* NULL: posted to be sent at once */
};

/* Appends the Redis key under which what one newsroom key posted with an Idempotency-Key is known.
 */
void alert_store_put_idempotency(struct buf *b, const char *created_by, struct str key);

/* For MSG_UPDATE and MSG_CANCEL the store loads the referenced alert first and fills what the
 * request left out (id, audience, content, …) inside the same atomic step. All pointers are
 * borrowed for the call. */
void alert_store_publish(struct store *store, const struct taxonomy *t,
                         const struct publish_request *request, publish_fn *done, void *user);

/* Only what a repeat would be answered: ERR_OK with PUBLISH_REPLAYED, PUBLISH_WAITS or
 * PUBLISH_KEY_REUSED, ERR_NOT_FOUND when nothing was published under this key yet, ERR_UNAVAILABLE.
 */
typedef void publish_recall_fn(void *user, enum err err, const struct publish_result *result);
void alert_store_recall(struct store *store, const struct publish_request *request,
                        publish_recall_fn *done, void *user);

/* The stored form of one alert's latest revision; ERR_NOT_FOUND. `json` valid during the call. */
typedef void alert_get_fn(void *user, enum err err, struct str json, struct position position);
void alert_store_get(struct store *store, struct str id, alert_get_fn *done, void *user);

/* What became of one revision by a later one: replaced by an update, or withdrawn by a cancel. */
enum alert_fate { ALERT_STANDS, ALERT_SUPERSEDED, ALERT_RETRACTED };

/* All revisions, the first first; ERR_NOT_FOUND. `revisions` is valid during the call. */
struct alert_revision {
    struct str json; /* stored form */
    enum alert_fate fate;
};
typedef void alert_revisions_fn(void *user, enum err err, const struct alert_revision *revisions,
                                size_t count);
void alert_store_revisions(struct store *store, struct str id, alert_revisions_fn *done,
                           void *user);

/* One log entry. `json` is the stored form of that revision, valid during the call. */
struct log_entry {
    struct position position;
    struct str json;
    enum alert_fate fate; /* told by alert_log_list */
};
typedef void log_page_fn(void *user, enum err err, const struct log_entry *entries, size_t count);
/* Oldest first, seq >= from_seq, at most `limit` entries. */
void alert_log_read(struct store *store, uint64_t from_seq, size_t limit, log_page_fn *done,
                    void *user);
/* Newest first, seq <= from_seq (UINT64_MAX = the head), with what became of each. */
void alert_log_list(struct store *store, uint64_t from_seq, size_t limit, log_page_fn *done,
                    void *user);

/* Counters of an alert, as the JSON object served at /v1/alerts/{id}/stats; `revision` 0 = the
 * latest. ERR_NOT_FOUND for an alert or a revision that is not there. */
typedef void stats_fn(void *user, enum err err, struct str json);
void alert_store_stats(struct store *store, const struct taxonomy *t, struct str id,
                       uint32_t revision, stats_fn *done, void *user);

#pragma once
/* Every push a provider accepted, in order. A row is some fifty bytes: token, payload and the
 * other texts are kept once each, so a million rows fit easily. */
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "faults.h"

struct ledger;

struct ledger_entry {
    enum provider provider;
    struct str token;
    struct str collapse_id; /* empty = none */
    struct str topic;       /* APNs topic, FCM project */
    struct str push_type;   /* APNs; empty for FCM */
    struct str priority;    /* as sent; empty = not given */
    uint32_t payload;       /* of ledger_payload */
    int64_t expiration;     /* APNs: UNIX seconds; FCM: ttl in seconds; -1 = not given */
    int status;             /* answered with */
    uint64_t connection;
};

struct ledger_query {
    int provider;        /* -1 = any */
    struct str token;    /* empty = any */
    struct str alert_id; /* empty = any */
    uint64_t since;      /* rows after this number */
    uint64_t skip;       /* matches to pass over first; counted down */
};

struct ledger *ledger_create(void);
/* Accepts NULL. */
void ledger_destroy(struct ledger *l);
/* Number of this payload text (JSON), made if new; its alert id is read once: member "alert_id" of
 * the object or of its "data". */
uint32_t ledger_payload(struct ledger *l, struct str json);
/* The number of this payload text, 0 when it is new. */
uint32_t ledger_find_payload(const struct ledger *l, struct str json);
/* Records and looks for duplicates: the same token, collapse id and payload a second time. */
void ledger_add(struct ledger *l, const struct ledger_entry *entry);
/* Appends the first match at or after row *cursor as one line of JSON and moves *cursor behind
 * it; false when there is none. */
bool ledger_next_line(const struct ledger *l, struct ledger_query *query, uint64_t *cursor,
                      struct buf *b);
/* {"accepted","tokens","duplicates","places" (distinct token and collapse id: what the devices
 * show at the end),"payloads","platforms":{…},"alerts":{id:{"accepted","tokens","duplicates"}}}. */
void ledger_put_summary(const struct ledger *l, struct buf *b);

#pragma once
/* One alert revision on its way to one platform: the parsed alert, the payload of each edition and
 * what its answers have been so far. Shared by the jobs of that alert in this process. */
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "model/alert.h"
#include "push/provider.h"
#include "store/push_control.h"
#include "store/push_queue.h"

struct campaign {
    char key[64];
    struct push_revision revision; /* which alert */
    struct map *table;             /* where it is known, borrowed */
    int refs;
    struct alert *alert;                    /* owned; NULL when the stored form could not be read */
    struct payload *payloads[TAXONOMY_MAX]; /* by edition, built on first use; owned */
    int64_t deadline_ms;                    /* monotonic: nothing is sent after it */
    int64_t begun_ms;                       /* monotonic: the first job of it came */
    uint64_t served_turn;                   /* when the lane last took a target of it */
    uint64_t answered;                      /* targets with a final answer of the provider */
    uint64_t dead;                          /* of which dead tokens */
    bool is_quarantined;                    /* too many dead tokens: none is removed */
    int ended; /* by the newsroom: the outcome of whoever was not sent to; -1 = it is sent */
};

/* The campaign of the job's alert, made on first sight; one reference for the caller. An alert
 * with a shorter time to live than `handover_min_s` still gets that long to be handed to the
 * provider, which is told the true time. */
struct campaign *campaign_ref(struct map *table, const struct taxonomy *t, int64_t handover_min_s,
                              const struct push_job *job, struct str alert_json);
/* The campaign of an alert, NULL when none is under way. */
struct campaign *campaign_find(const struct map *table, const struct push_revision *revision);
void campaign_unref(struct campaign *c);
/* The edition's payload; rebuilt when it is a minute old, since FCM's ttl is relative. */
struct payload *campaign_payload(struct campaign *c, struct provider *p, int edition,
                                 int64_t wall_ms);
/* True when `c` is an earlier revision of the alert that `of` is one of. */
bool campaign_is_before(const struct campaign *c, const struct campaign *of);
/* The outcome of whoever was not sent to yet, once nothing more is sent: aborted, superseded or
 * expired; -1 while the alert may be sent. */
int campaign_end(const struct campaign *c, int64_t now_ms);

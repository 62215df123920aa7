#pragma once
/* From plan to jobs to outcomes. Plan entries are read by a consumer group; planning one alert
 * snapshots each block's audience as a bitmap, counts it and adds one job per (alert, revision,
 * block, platform) to the lane of its platform and urgency, in one atomic step, so a planner that
 * dies is repeated without doubling. Jobs are read by a consumer group per lane; outcomes and the
 * `done` bitmap are flushed in one script, so the sums cannot disagree and a restart resumes. */
#include <stdbool.h>
#include <stdint.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/str.h"
#include "model/alert.h"
#include "store/device_store.h"
#include "store/store.h"

/* Where a device ends up, exactly one each; they add up to `targeted` (design section 7). */
enum outcome {
    OUTCOME_ACCEPTED,
    OUTCOME_SUPPRESSED, /* not wanted by policy (platform off, correction of what never came) */
    OUTCOME_EXPIRED,    /* ttl ran out before it could be sent */
    OUTCOME_ABORTED,
    OUTCOME_SUPERSEDED, /* not sent: a later revision of the alert came */
    OUTCOME_PAYLOAD_REJECTED,
    OUTCOME_TOKEN_DEAD,
    OUTCOME_FAILED,
    OUTCOME_UNKNOWN, /* sent, answer never known, not retried */
    OUTCOME_COUNT
};
extern const char *const outcome_names[OUTCOME_COUNT];

struct push_job {
    char stream_id[32]; /* entry id in its lane */
    enum platform platform;
    enum urgency urgency;
    char alert_id[UUID_BYTES];
    uint32_t revision;
    uint32_t block;
    int ended;        /* the outcome by which it had ended when it was handed out, -1 = none */
    uint32_t reached; /* slots below may have been sent to by whoever had the job before */
    uint32_t noted;   /* the same, of this holder too: slots that were handed out to be sent to */
};

struct push_target {
    uint32_t slot; /* device number = block << BLOCK_BITS | slot */
    int edition;   /* index */
    int64_t registered_ms;
    struct str token; /* valid during the callback */
    struct str app;   /* empty = default */
};

struct push_queue;

/* `consumer` names this process in the groups, unique among live dispatchers. */
MUST_CHECK enum err push_queue_create(uv_loop_t *loop, struct store *store,
                                      const struct config *cfg, const struct taxonomy *t,
                                      const char *consumer, struct push_queue **out_queue);
void push_queue_destroy(struct push_queue *q);

struct push_queue_handlers {
    /* A plan entry was planned: `targeted` devices in `jobs` jobs. For the log. */
    void (*on_planned)(void *user, struct str alert_id, uint64_t targeted, uint64_t jobs);
    /* A job to do; the consumer holds it until push_queue_finish. `alert_json` is the stored form.
     */
    void (*on_job)(void *user, const struct push_job *job, struct str alert_json);
    /* Another consumer took the job over, since nothing was heard of us for queue.claim_ms: send no
     * more of it; outcomes may still be flushed, and it is not to be finished. */
    void (*on_lost)(void *user, const struct push_job *job);
};
/* Starts planning, and claiming work of dead consumers; jobs are handed out while credit lasts. */
void push_queue_start(struct push_queue *q, const struct push_queue_handlers *handlers, void *user);
/* Lets `jobs` more jobs of a platform be handed out, most urgent lane first. Jobs held count only
 * against those as urgent as they are or less: however many of a normal alert are held, a flash has
 * its full number. */
void push_queue_allow(struct push_queue *q, enum platform platform, int jobs);
/* A job is over: another may be handed out in its place. */
void push_queue_allow_next(struct push_queue *q, const struct push_job *over);

/* Which devices of a job: at most `limit`, ascending by slot from `from_slot`. With `slots_only`
 * without tokens, for those who end without being sent to. */
struct push_page {
    uint32_t from_slot;
    size_t limit;
    bool slots_only;
};

/* Devices of the job not yet done; `next_slot` is BLOCK_DEVICES when that was all. Left out are
 * the `held`, so many of the block: to whom an earlier revision is on its way, which the correction
 * must not overtake. */
typedef void push_targets_fn(void *user, enum err err, const struct push_target *targets,
                             size_t count, uint32_t next_slot, uint32_t held);
void push_queue_targets(struct push_queue *q, const struct push_job *job,
                        const struct push_page *page, push_targets_fn *done, void *user);

struct push_outcome {
    uint16_t slot;
    uint8_t outcome; /* enum outcome */
    uint8_t edition; /* index, for the counters */
    uint8_t took;    /* took_step() from the alert's acceptance; read for OUTCOME_ACCEPTED */
};
/* Marks the devices done and counts them, atomically and idempotently (a slot already done counts
 * nothing). ERR_UNAVAILABLE: keep them and flush again. */
void push_queue_flush(struct push_queue *q, const struct push_job *job,
                      const struct push_outcome *outcomes, size_t count, store_done_fn *done,
                      void *user);
/* Everything of the job is flushed: acknowledge and drop it from the lane. */
void push_queue_finish(struct push_queue *q, const struct push_job *job, store_done_fn *done,
                       void *user);

#pragma once
/* A job being done: reads its devices in pages, keeps those that wait, gathers outcomes and writes
 * them in batches, and finishes the job when every device has exactly one. Redis being away only
 * makes it wait: nothing is lost, since outcomes are kept and writing them twice counts once. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/list.h"
#include "push/campaign.h"
#include "push/dead_tokens.h"
#include "push/target.h"
#include "store/push_queue.h"

/* What all runs of a lane share. */
struct job_run_env {
    struct push_queue *queue;
    const struct config *cfg;
    struct dead_tokens *dead_tokens;
    void (*on_ready)(void *lane);                          /* targets or room came */
    void (*on_over)(void *lane, struct push_job_run *run); /* done; destroy it */
    void (*on_held)(
        void *lane,
        struct push_job_run *run); /* it waits for other jobs, so others may be taken; once a run */
    void *lane;
};

struct push_job_run {
    struct list link; /* in the lane's `runs` */
    const struct job_run_env *env;
    struct push_job job;
    struct campaign *campaign; /* one reference */
    int fixed_outcome;         /* given to every device without asking anybody; -1 = none */
    struct list ready;         /* of target.link */
    size_t ready_count;
    size_t live; /* targets in memory: ready, in flight, waiting for their time */
    uint32_t next_slot;
    bool is_reading;
    bool has_all;               /* the last page was read */
    bool has_held;              /* some were left out: read once more */
    bool was_held;              /* on_held was called */
    int64_t read_after_ms;      /* monotonic */
    struct push_outcome *known; /* not yet being written; owned */
    size_t known_count;
    size_t known_size;
    int64_t known_since_ms;        /* monotonic, of the oldest in `known` */
    struct push_outcome *flushing; /* being written, or to be written again; owned */
    size_t flushing_count;
    bool is_flushing;
    int64_t flush_after_ms; /* monotonic: not before, after a failure */
    bool is_finishing;
    bool is_stopping;
    bool is_lost; /* another dispatcher has the job: it ends without being finished */
    struct dead_list *dead;
};

/* Takes the campaign reference. */
struct push_job_run *job_run_create(const struct job_run_env *env, const struct push_job *job,
                                    struct campaign *take_campaign, int fixed_outcome);
/* Only without live targets and after its queue is destroyed, or from on_over. */
void job_run_destroy(struct push_job_run *run);
/* Reads, writes and finishes whatever is due; may end in on_over. */
void job_run_advance(struct push_job_run *run, int64_t now_ms);
/* The next waiting target, or NULL. It is the caller's until one of the three below. */
struct target *job_run_take(struct push_job_run *run);
void job_run_give_back(struct push_job_run *run, struct target *take_target);
/* The target's one and final outcome. */
void job_run_record(struct push_job_run *run, struct target *take_target, enum outcome outcome);
/* The outcome of a target that is not sent any more: unknown if an earlier try may have arrived,
 * else `why`. */
void job_run_leave(struct push_job_run *run, struct target *take_target, enum outcome why);
/* Its campaign was ended: whoever waits and whoever is still to be read ends there. */
void job_run_end(struct push_job_run *run, enum outcome why);
/* Leaves the target to whoever gets the job next. */
void job_run_drop(struct push_job_run *run, struct target *take_target);
/* Reads no more and drops what waits. */
void job_run_stop(struct push_job_run *run);
/* Outcomes that are known and not yet surely written. */
size_t job_run_unnoted(const struct push_job_run *run);
/* True when everything known is written. */
bool job_run_is_quiet(const struct push_job_run *run);

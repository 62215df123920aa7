#include "push/job_run.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/took.h"

enum {
    REDIS_RETRY_MS = 300,
    HELD_MS = 100, /* how soon those held back are looked at again */
};

static const enum metric outcome_metrics[OUTCOME_COUNT] = {
    [OUTCOME_ACCEPTED] = M_PUSH_ACCEPTED,     [OUTCOME_SUPPRESSED] = M_PUSH_SUPPRESSED,
    [OUTCOME_EXPIRED] = M_PUSH_EXPIRED,       [OUTCOME_ABORTED] = M_PUSH_ABORTED,
    [OUTCOME_SUPERSEDED] = M_PUSH_SUPERSEDED, [OUTCOME_PAYLOAD_REJECTED] = M_PUSH_PAYLOAD_REJECTED,
    [OUTCOME_TOKEN_DEAD] = M_PUSH_TOKEN_DEAD, [OUTCOME_FAILED] = M_PUSH_FAILED,
    [OUTCOME_UNKNOWN] = M_PUSH_UNKNOWN,
};

struct push_job_run *job_run_create(const struct job_run_env *env, const struct push_job *job,
                                    struct campaign *take_campaign, int fixed_outcome) {
    struct push_job_run *run = mem_zalloc(1, sizeof(*run));
    run->env = env;
    run->job = *job;
    run->campaign = take_campaign;
    run->fixed_outcome = fixed_outcome;
    list_init(&run->link);
    list_init(&run->ready);
    return run;
}

void job_run_destroy(struct push_job_run *run) {
    assert(run->live == 0);
    list_remove(&run->link);
    dead_tokens_settle(run->env->dead_tokens, run->campaign, run->dead);
    campaign_unref(run->campaign);
    free(run->known);
    free(run->flushing);
    free(run);
}

/* --- outcomes --- */

static void add_outcome(struct push_job_run *run, uint16_t slot, uint8_t edition,
                        enum outcome outcome) {
    if (run->known_count == run->known_size) {
        run->known_size = run->known_size ? 2 * run->known_size : 256;
        run->known = mem_resize(run->known, run->known_size, sizeof(*run->known));
    }
    if (run->known_count == 0) {
        run->known_since_ms = clock_mono_ms();
    }
    struct push_outcome *o = &run->known[run->known_count++];
    *o = (struct push_outcome){.slot = slot, .outcome = (uint8_t)outcome, .edition = edition};
    if (outcome == OUTCOME_ACCEPTED) {
        o->took = (uint8_t)took_step(clock_wall_ms() - run->campaign->alert->sent_ms);
    }
    metrics_add(outcome_metrics[outcome], 1);
}

static void on_flushed(void *user, enum err err) {
    struct push_job_run *run = user;
    run->is_flushing = false;
    if (err == ERR_OK) {
        run->flushing_count = 0;
        run->env->on_ready(run->env->lane);
        job_run_advance(run, clock_mono_ms());
        return;
    }
    run->flush_after_ms = clock_mono_ms() + REDIS_RETRY_MS;
    metrics_add(M_PUSH_FLUSH_FAILURES, 1);
    if (err != ERR_CLOSED) {
        log_warn("push_outcomes_not_written", LOG_S("job_id", run->job.stream_id),
                 LOG_S("alert_id", run->job.alert_id), LOG_I("count", run->flushing_count),
                 LOG_ERR(err));
    }
}

static void flush_if_due(struct push_job_run *run, int64_t now_ms) {
    const struct config *cfg = run->env->cfg;
    if (run->is_flushing || now_ms < run->flush_after_ms) {
        return;
    }
    if (run->flushing_count == 0) {
        bool is_last = run->has_all && run->live == 0;
        bool is_due = run->known_count >= (size_t)cfg->dispatcher_flush_max ||
                      now_ms - run->known_since_ms >= cfg->dispatcher_flush_ms || is_last ||
                      run->is_stopping;
        if (!run->known_count || !is_due) {
            return;
        }
        free(run->flushing);
        run->flushing = run->known;
        run->flushing_count = run->known_count;
        run->known = NULL;
        run->known_count = run->known_size = 0;
    }
    run->is_flushing = true;
    push_queue_flush(run->env->queue, &run->job, run->flushing, run->flushing_count, on_flushed,
                     run);
}

/* --- pages --- */

/* A device that an earlier holder of the job may have sent to, without living to note it, may have
 * the alert: whoever gets corrections must not miss it. */
static enum outcome unsent(const struct push_job_run *run, uint32_t slot, enum outcome why) {
    return why == OUTCOME_SUPERSEDED && slot < run->job.reached ? OUTCOME_UNKNOWN : why;
}

static void add_target(struct push_job_run *run, const struct push_target *from) {
    if (run->fixed_outcome >= 0) {
        add_outcome(run, (uint16_t)from->slot, (uint8_t)from->edition,
                    unsent(run, from->slot, (enum outcome)run->fixed_outcome));
        return;
    }
    if (!from->token.n) {
        /* Unregistered since the alert was planned. */
        add_outcome(run, (uint16_t)from->slot, (uint8_t)from->edition, OUTCOME_TOKEN_DEAD);
        return;
    }
    struct target *t = target_create(run, from);
    list_push_back(&run->ready, &t->link);
    run->ready_count++;
    run->live++;
}

static void on_targets(void *user, enum err err, const struct push_target *targets, size_t count,
                       uint32_t next_slot, uint32_t held) {
    struct push_job_run *run = user;
    run->is_reading = false;
    if (err == ERR_CLOSED || run->is_stopping) {
        return;
    }
    if (err) {
        run->read_after_ms = clock_mono_ms() + REDIS_RETRY_MS;
        log_warn("push_devices_not_read", LOG_S("job_id", run->job.stream_id),
                 LOG_S("alert_id", run->job.alert_id), LOG_ERR(err));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        add_target(run, &targets[i]);
    }
    run->next_slot = next_slot;
    run->has_all = next_slot >= BLOCK_DEVICES;
    run->has_held = run->has_held || held;
    run->job.noted = next_slot > run->job.noted ? next_slot : run->job.noted;
    run->env->on_ready(run->env->lane);
    job_run_advance(run, clock_mono_ms());
}

static void read_if_due(struct push_job_run *run, int64_t now_ms) {
    size_t page = (size_t)run->env->cfg->dispatcher_page;
    bool slots_only = run->fixed_outcome >= 0;
    if (run->is_reading || run->has_all || run->is_stopping || now_ms < run->read_after_ms ||
        run->ready_count > page / 2) {
        return;
    }
    run->is_reading = true;
    const struct push_page wish = {
        .from_slot = run->next_slot,
        .limit = slots_only ? BLOCK_DEVICES : page,
        .slots_only = slots_only,
    };
    push_queue_targets(run->env->queue, &run->job, &wish, on_targets, run);
}

/* --- end --- */

static void on_finished(void *user, enum err err) {
    struct push_job_run *run = user;
    run->is_finishing = false;
    if (err == ERR_OK) {
        run->env->on_over(run->env->lane, run);
        return;
    }
    run->flush_after_ms = clock_mono_ms() + REDIS_RETRY_MS;
}

/* Everybody else has an outcome: looks again at those who were left out. */
static void begin_again(struct push_job_run *run, int64_t now_ms) {
    run->next_slot = 0;
    run->has_all = run->has_held = false;
    run->read_after_ms = now_ms + HELD_MS;
    if (!run->was_held) {
        run->was_held = true;
        run->env->on_held(run->env->lane, run);
    }
}

static void finish_if_over(struct push_job_run *run, int64_t now_ms) {
    if (!(run->has_all || run->is_lost) || run->live || run->is_reading || run->is_finishing ||
        !job_run_is_quiet(run) || now_ms < run->flush_after_ms) {
        return;
    }
    if (run->is_lost) {
        run->env->on_over(run->env->lane, run);
        return;
    }
    if (run->has_held) {
        begin_again(run, now_ms);
        return;
    }
    run->is_finishing = true;
    push_queue_finish(run->env->queue, &run->job, on_finished, run);
}

/* The alert's time is over, or it was ended: what was not sent will not be. */
static void settle_if_over(struct push_job_run *run, int64_t now_ms) {
    int end = campaign_end(run->campaign, now_ms);
    struct target *t = NULL;
    while (end >= 0 && (t = job_run_take(run))) {
        job_run_leave(run, t, (enum outcome)end);
    }
}

void job_run_advance(struct push_job_run *run, int64_t now_ms) {
    settle_if_over(run, now_ms);
    read_if_due(run, now_ms);
    flush_if_due(run, now_ms);
    finish_if_over(run, now_ms);
}

bool job_run_is_quiet(const struct push_job_run *run) {
    return !run->known_count && !run->flushing_count && !run->is_finishing;
}

size_t job_run_unnoted(const struct push_job_run *run) {
    return run->known_count + run->flushing_count;
}

/* --- targets --- */

struct target *job_run_take(struct push_job_run *run) {
    if (list_is_empty(&run->ready)) {
        return NULL;
    }
    struct target *t = LIST_ENTRY(run->ready.next, struct target, link);
    list_remove(&t->link);
    run->ready_count--;
    return t;
}

void job_run_give_back(struct push_job_run *run, struct target *take_target) {
    list_push_front(&run->ready, &take_target->link);
    run->ready_count++;
}

static void release(struct push_job_run *run, struct target *t) {
    run->live--;
    free(t);
}

void job_run_drop(struct push_job_run *run, struct target *take_target) {
    run->has_all = false; /* so that the job is not finished without it */
    release(run, take_target);
}

void job_run_record(struct push_job_run *run, struct target *take_target, enum outcome outcome) {
    add_outcome(run, take_target->slot, take_target->edition, outcome);
    release(run, take_target);
    if (run->known_count >= (size_t)run->env->cfg->dispatcher_flush_max || run->live == 0) {
        flush_if_due(run, clock_mono_ms());
    }
}

void job_run_leave(struct push_job_run *run, struct target *take_target, enum outcome why) {
    enum outcome outcome = take_target->unknowns ? OUTCOME_UNKNOWN : why;
    job_run_record(run, take_target, unsent(run, take_target->slot, outcome));
}

void job_run_end(struct push_job_run *run, enum outcome why) {
    run->fixed_outcome = (int)why;
    job_run_advance(run, clock_mono_ms());
}

void job_run_stop(struct push_job_run *run) {
    run->is_stopping = true;
    struct target *t = NULL;
    while ((t = job_run_take(run))) {
        job_run_drop(run, t);
    }
}

#include "push/lane.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "lane_internal.h"

enum {
    PUMP_BUDGET = 1024, /* sends per loop turn, so that answers and Redis get their share */
    QUANTUM = 32,       /* sends of one alert before the next has its turn */
};

static const struct lane_metrics metrics_of[PLATFORM_COUNT] = {
    [PLATFORM_APNS] = {M_PUSH_STOPPED_APNS, M_PUSH_WAITING_APNS, M_PUSH_CUTS_APNS,
                       M_PUSH_ALARMS_APNS},
    [PLATFORM_FCM] = {M_PUSH_STOPPED_FCM, M_PUSH_WAITING_FCM, M_PUSH_CUTS_FCM, M_PUSH_ALARMS_FCM},
};

static void on_run_ready(void *lane) {
    struct lane *l = lane;
    l->options.want_pump(l->options.user);
}

/* A run that waits for other jobs must not keep them from being taken. */
static void on_run_held(void *lane, struct push_job_run *run) {
    struct lane *l = lane;
    if (!l->is_stopping) {
        push_queue_allow_next(l->options.queue, &run->job);
    }
}

static void on_run_over(void *lane, struct push_job_run *run) {
    struct lane *l = lane;
    log_info("push_job_done", LOG_S("job_id", run->job.stream_id),
             LOG_S("alert_id", run->job.alert_id), LOG_I("revision", run->job.revision),
             LOG_I("block", run->job.block),
             LOG_S("platform", platform_names[l->options.platform]));
    if (!run->was_held) {
        on_run_held(l, run);
    }
    job_run_destroy(run);
}

/* FCM has a quota for the project; APNs publishes none, its stream limits are the rule. */
static void limit(struct lane *l) {
    const struct config *cfg = l->options.cfg;
    bool is_metered = l->options.platform == PLATFORM_FCM;
    int64_t workers = cfg->dispatcher_workers > 1 ? cfg->dispatcher_workers : 1;
    int64_t share = (cfg->fcm_rate_per_min + workers - 1) / workers;
    window_init(&l->window, (size_t)cfg->dispatcher_in_flight_min,
                (size_t)cfg->dispatcher_in_flight_max, cfg->dispatcher_slow_answer_ms);
    pace_init(&l->pace, is_metered ? share : 0, cfg->fcm_ramp_s, clock_mono_ms());
}

struct lane *lane_create(const struct lane_options *options) {
    struct lane *l = mem_zalloc(1, sizeof(*l));
    l->options = *options;
    l->env = (struct job_run_env){
        .queue = options->queue,
        .cfg = options->cfg,
        .dead_tokens = options->dead_tokens,
        .on_ready = on_run_ready,
        .on_over = on_run_over,
        .on_held = on_run_held,
        .lane = l,
    };
    l->campaigns = map_create();
    list_init(&l->runs);
    l->is_switched_off = true;
    l->metrics = metrics_of[options->platform];
    limit(l);
    return l;
}

static void on_provider_ready(void *user) {
    on_run_ready(user);
}

static void on_provider_refused(void *user, struct str reason) {
    struct lane *l = user;
    metrics_add(l->metrics.alarms, 1);
    lane_refuse_credentials(l, reason);
}

const struct provider_events lane_events = {
    .on_ready = on_provider_ready,
    .on_credentials_bad = on_provider_refused,
};

void lane_set_provider(struct lane *l, struct provider *take_provider) {
    l->provider = take_provider;
}

/* Entries of two lanes of a platform may have the same id. */
static struct push_job_run *find_run(struct lane *l, const struct push_job *job) {
    LIST_EACH(it, &l->runs) {
        struct push_job_run *run = LIST_ENTRY(it, struct push_job_run, link);
        if (run->job.urgency == job->urgency && !run->is_stopping &&
            str_eq(str_of(run->job.stream_id), str_of(job->stream_id))) {
            return run;
        }
    }
    return NULL;
}

/* --- control --- */

void lane_switch(struct lane *l, bool is_off) {
    if (l->is_switched_off != is_off) {
        l->is_switched_off = is_off;
        log_info("push_lane_switched", LOG_S("platform", platform_names[l->options.platform]),
                 LOG_S("to", is_off ? "paused" : "sending"));
        l->options.want_pump(l->options.user);
    }
}

size_t lane_alerts(const struct lane *l, struct push_revision *out_alerts, size_t most) {
    size_t count = 0;
    size_t cursor = 0;
    struct str key;
    void *value = NULL;
    while (count < most && map_next(l->campaigns, &cursor, &key, &value)) {
        const struct campaign *c = value;
        if (c->ended < 0) {
            out_alerts[count++] = c->revision;
        }
    }
    return count;
}

/* Those whose alert was ended, or whose job is another's by now. */
static void sort_waiting(struct lane *l) {
    struct target_heap kept = {0};
    struct target *t = NULL;
    while ((t = target_heap_pop(&l->waiting))) {
        int why = t->run->campaign->ended;
        if (t->run->is_stopping) {
            job_run_drop(t->run, t);
        } else if (why >= 0) {
            job_run_leave(t->run, t, (enum outcome)why);
        } else {
            target_heap_push(&kept, t);
        }
    }
    target_heap_finish(&l->waiting);
    l->waiting = kept;
}

static void end_campaign(struct lane *l, struct campaign *c, enum outcome why) {
    if (c->ended >= 0) {
        return;
    }
    c->ended = (int)why;
    sort_waiting(l);
    LIST_EACH_SAFE(it, &l->runs) {
        struct push_job_run *run = LIST_ENTRY(it, struct push_job_run, link);
        if (run->campaign == c) {
            job_run_end(run, why);
        }
    }
    log_info("push_ended", LOG_S("alert_id", c->revision.alert_id),
             LOG_I("revision", c->revision.revision), LOG_S("outcome", outcome_names[why]),
             LOG_S("platform", platform_names[l->options.platform]));
}

void lane_end(struct lane *l, const struct push_ending *ending) {
    struct campaign *c = campaign_find(l->campaigns, &ending->revision);
    if (c) {
        end_campaign(l, c, ending->why);
    }
}

/* A correction is here, so what it corrects is not sent any more. */
static void end_before(struct lane *l, const struct campaign *of) {
    size_t cursor = 0;
    struct str key;
    void *value = NULL;
    while (map_next(l->campaigns, &cursor, &key, &value)) {
        struct campaign *c = value;
        if (campaign_is_before(c, of)) {
            end_campaign(l, c, OUTCOME_SUPERSEDED);
        }
    }
}

/* --- jobs --- */

void lane_take_job(struct lane *l, const struct push_job *job, struct str alert_json) {
    if (l->is_stopping || find_run(l, job)) {
        return;
    }
    struct campaign *c = campaign_ref(l->campaigns, l->options.taxonomy,
                                      l->options.cfg->dispatcher_handover_min_s, job, alert_json);
    if (job->ended >= 0) {
        end_campaign(l, c, (enum outcome)job->ended);
    }
    if (job->revision > 1) {
        end_before(l, c);
    }
    int fixed = c->ended >= 0  ? c->ended
                : !l->provider ? (int)OUTCOME_SUPPRESSED
                : !c->alert    ? (int)OUTCOME_FAILED
                               : -1;
    log_info(fixed < 0 ? "push_job_started" : "push_job_not_sent", LOG_S("job_id", job->stream_id),
             LOG_S("alert_id", job->alert_id), LOG_I("revision", job->revision),
             LOG_I("block", job->block), LOG_S("platform", platform_names[l->options.platform]),
             LOG_S("urgency", urgency_names[job->urgency]),
             LOG_S("outcome", fixed < 0 ? "" : outcome_names[fixed]));
    struct push_job_run *run = job_run_create(&l->env, job, c, fixed);
    list_push_back(&l->runs, &run->link);
    job_run_advance(run, clock_mono_ms());
}

void lane_lose_job(struct lane *l, const struct push_job *job) {
    struct push_job_run *run = find_run(l, job);
    if (run) {
        job_run_stop(run);
        sort_waiting(l);
        run->is_lost = true;
        job_run_advance(run, clock_mono_ms());
    }
}

/* --- sending --- */

/* The most urgent of those with devices to send to or just being read, of alerts begun at
 * `since_ms` or later. What is less urgent waits these milliseconds of reading: else it would take
 * all the credit there is, and be in the way at the provider. */
static enum urgency find_urgency(const struct lane *l, int64_t since_ms) {
    enum urgency best = URGENCY_LOW;
    LIST_EACH(it, &l->runs) {
        const struct push_job_run *run = LIST_ENTRY(it, struct push_job_run, link);
        if ((run->ready_count || run->is_reading) && run->job.urgency < best &&
            run->campaign->begun_ms >= since_ms) {
            best = run->job.urgency;
        }
    }
    return best;
}

/* Most urgent first, then the alert served longest ago, then the oldest job. */
static struct push_job_run *choose(const struct lane *l, enum urgency least) {
    enum urgency urgency = find_urgency(l, INT64_MIN);
    struct push_job_run *best = NULL;
    LIST_EACH(it, &l->runs) {
        struct push_job_run *run = LIST_ENTRY(it, struct push_job_run, link);
        if (run->ready_count && run->job.urgency == urgency && urgency <= least &&
            (!best || run->campaign->served_turn < best->campaign->served_turn)) {
            best = run;
        }
    }
    return best;
}

/* How many more may be handed over before what was must be noted in Redis: a batch of each job that
 * is being written, one that gathers meanwhile, and what is under way. A killed dispatcher repeats
 * no more than that, also when Redis is slow or away. */
static size_t unnoted_room(const struct lane *l) {
    const struct config *cfg = l->options.cfg;
    int64_t most =
        cfg->dispatcher_in_flight_max + 2 * cfg->dispatcher_jobs * cfg->dispatcher_flush_max;
    size_t unnoted = l->in_flight;
    LIST_EACH(it, &l->runs) {
        unnoted += job_run_unnoted(LIST_ENTRY(it, struct push_job_run, link));
    }
    return unnoted < (size_t)most ? (size_t)most - unnoted : 0;
}

static size_t allowance(struct lane *l, int64_t now_ms) {
    if (l->is_switched_off || lane_is_waiting(l, now_ms)) {
        return 0;
    }
    size_t room = window_room(&l->window, l->in_flight);
    size_t unnoted = unnoted_room(l);
    room = room < unnoted ? room : unnoted;
    size_t pace = room ? pace_room(&l->pace, now_ms) : 0;
    room = room < pace ? room : pace;
    if (room == 0) {
        return 0; /* without asking for credit: that would open connections */
    }
    size_t credit = l->provider->ops->credit(l->provider);
    if (!l->is_stopped) {
        return credit < room ? credit : room;
    }
    if (l->in_flight > 0 || now_ms < l->probe_ms || credit == 0) {
        return 0;
    }
    l->probe_ms = now_ms + l->options.cfg->dispatcher_credentials_retry_s * 1000;
    return 1;
}

/* False when the provider takes no more now; the target is back in its place then. */
static bool send_target(struct lane *l, struct target *t, int64_t now_ms) {
    struct push_job_run *run = t->run;
    int end = campaign_end(run->campaign, now_ms);
    if (end >= 0) {
        job_run_leave(run, t, (enum outcome)end);
        return true;
    }
    struct payload *payload =
        campaign_payload(run->campaign, l->provider, t->edition, now_ms + l->wall_offset_ms);
    if (payload->err || payload->is_rejected) {
        job_run_record(run, t, OUTCOME_PAYLOAD_REJECTED);
        return true;
    }
    if (!t->attempt_id[0] && l->provider->ops->has_attempt_id) {
        codec_uuid7_next(&l->uuids, now_ms + l->wall_offset_ms, t->attempt_id);
    }
    const struct provider_target to = {
        .token = t->token, .app = t->app, .attempt_id = t->attempt_id};
    if (l->provider->ops->post(l->provider, payload, &to, lane_on_answer, t, &t->token_version)) {
        job_run_give_back(run, t);
        return false;
    }
    t->sent_ms = now_ms;
    t->first_ms = t->first_ms ? t->first_ms : now_ms;
    l->in_flight++;
    pace_take(&l->pace, now_ms);
    metrics_add(M_PUSH_SENT, 1);
    return true;
}

/* Up to a quantum of one job. Returns how many it took; fewer than `most` when it ran dry, and
 * `*out_is_full` when the provider did. */
static size_t serve(struct lane *l, struct push_job_run *run, size_t most, int64_t now_ms,
                    bool *out_is_full) {
    size_t taken = 0;
    struct target *t = NULL;
    run->campaign->served_turn = ++l->turn;
    while (taken < most && (t = job_run_take(run))) {
        if (!send_target(l, t, now_ms)) {
            *out_is_full = true;
            break;
        }
        taken++;
    }
    job_run_advance(run, now_ms);
    return taken;
}

enum urgency lane_urgency(struct lane *l) {
    int64_t hold_ms = l->options.cfg->dispatcher_urgent_hold_ms;
    int64_t now_ms = clock_mono_ms();
    enum urgency urgency = hold_ms ? find_urgency(l, now_ms - hold_ms) : URGENCY_LOW;
    if (urgency == URGENCY_LOW || !l->provider || l->is_stopping || l->is_stopped ||
        l->is_switched_off || lane_is_waiting(l, now_ms) || pace_room(&l->pace, now_ms) == 0) {
        return URGENCY_LOW;
    }
    return urgency;
}

bool lane_pump(struct lane *l, enum urgency least) {
    struct push_job_run *run = l->provider && !l->is_stopping ? choose(l, least) : NULL;
    if (!run) {
        return false;
    }
    int64_t now_ms = clock_mono_ms();
    l->wall_offset_ms = clock_wall_ms() - now_ms;
    size_t allowed = allowance(l, now_ms);
    size_t budget = PUMP_BUDGET;
    bool is_full = false;
    while (run && allowed > 0 && budget > 0 && !is_full) {
        size_t most = allowed < budget ? allowed : budget;
        size_t taken = serve(l, run, most < QUANTUM ? most : QUANTUM, now_ms, &is_full);
        allowed -= taken;
        budget -= taken;
        run = choose(l, least);
    }
    l->provider->ops->flush(l->provider);
    return run && budget == 0;
}

/* --- time --- */

static void wake_waiting(struct lane *l, int64_t now_ms) {
    struct target *t = target_heap_peek(&l->waiting);
    while (t && t->retry_at_ms <= now_ms) {
        (void)target_heap_pop(&l->waiting);
        job_run_give_back(t->run, t);
        t = target_heap_peek(&l->waiting);
    }
}

void lane_tick(struct lane *l, int64_t now_ms) {
    l->wall_offset_ms = clock_wall_ms() - now_ms;
    if (l->provider) {
        l->provider->ops->tick(l->provider, now_ms);
        metrics_set(l->metrics.stopped, l->is_stopped);
        metrics_set(l->metrics.waiting, lane_is_waiting(l, now_ms));
    }
    wake_waiting(l, now_ms);
    LIST_EACH_SAFE(it, &l->runs) {
        job_run_advance(LIST_ENTRY(it, struct push_job_run, link), now_ms);
    }
    if (choose(l, URGENCY_LOW)) {
        l->options.want_pump(l->options.user);
    }
}

/* --- end --- */

void lane_stop(struct lane *l) {
    l->is_stopping = true;
    struct target *t = NULL;
    while ((t = target_heap_pop(&l->waiting))) {
        job_run_drop(t->run, t);
    }
    LIST_EACH(it, &l->runs) {
        job_run_stop(LIST_ENTRY(it, struct push_job_run, link));
    }
}

bool lane_is_quiet(const struct lane *l) {
    LIST_EACH(it, &l->runs) {
        if (!job_run_is_quiet(LIST_ENTRY(it, struct push_job_run, link))) {
            return false;
        }
    }
    return l->in_flight == 0;
}

bool lane_is_busy(const struct lane *l) {
    return !list_is_empty(&l->runs);
}

const char *lane_trouble(const struct lane *l) {
    return l->is_stopped ? l->trouble : "";
}

bool lane_is_waiting(const struct lane *l, int64_t now_ms) {
    return now_ms < l->paused_until_ms;
}

void lane_close(struct lane *l) {
    lane_stop(l);
    if (l->provider) {
        l->provider->ops->destroy(l->provider);
        l->provider = NULL;
    }
}

void lane_destroy(struct lane *l) {
    if (!l) {
        return;
    }
    LIST_EACH_SAFE(it, &l->runs) {
        job_run_destroy(LIST_ENTRY(it, struct push_job_run, link));
    }
    target_heap_finish(&l->waiting);
    map_destroy(l->campaigns);
    free(l);
}

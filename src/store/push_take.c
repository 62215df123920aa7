#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/push_control.h"
#include "store/push_work.h"
#include "store/script.h"

enum { JOB_WORDS = 6 }; /* of each job in a reply */

struct held_job {
    struct list link; /* q->held */
    struct push_job job;
};

struct take {
    struct push_queue *q;
    enum platform platform;
};

static bool is_same(const struct push_job *a, const struct push_job *b) {
    return a->platform == b->platform && a->urgency == b->urgency &&
           strcmp(a->stream_id, b->stream_id) == 0;
}

static struct held_job *find_held(struct push_queue *q, const struct push_job *job) {
    LIST_EACH(link, &q->held) {
        struct held_job *held = LIST_ENTRY(link, struct held_job, link);
        if (is_same(&held->job, job)) {
            return held;
        }
    }
    return NULL;
}

void push_release(struct push_queue *q, const struct push_job *job) {
    struct held_job *held = find_held(q, job);
    if (held) {
        list_remove(&held->link);
        free(held);
    }
}

void push_release_all(struct push_queue *q) {
    LIST_EACH_SAFE(link, &q->held) {
        list_remove(link);
        free(LIST_ENTRY(link, struct held_job, link));
    }
}

/* ---- taking ---- */

void push_count(struct push_queue *q, const struct push_job *job, int change) {
    for (int u = (int)job->urgency; u < URGENCY_COUNT; u++) {
        q->credit[job->platform][u] += change;
    }
}

static enum err parse_job(const struct redisReply *jobs, size_t at, enum platform platform,
                          struct push_job *out_job) {
    struct push_job job = {.platform = platform, .ended = -1};
    int64_t lane = reply_int_at(jobs, at);
    struct str entry = reply_str_at(jobs, at + 1);
    struct str alert = reply_str_at(jobs, at + 2);
    uint64_t revision;
    uint64_t block;
    uint64_t reached;
    if (lane < 0 || lane >= URGENCY_COUNT || !entry.n || entry.n >= sizeof(job.stream_id) ||
        !alert.n || alert.n >= sizeof(job.alert_id) ||
        str_to_u64(reply_str_at(jobs, at + 3), &revision) || revision > UINT32_MAX ||
        str_to_u64(reply_str_at(jobs, at + 4), &block) || block > UINT32_MAX ||
        str_to_u64(reply_str_at(jobs, at + 5), &reached) || reached > BLOCK_DEVICES) {
        return ERR_PROTOCOL;
    }
    job.urgency = (enum urgency)lane;
    memcpy(job.stream_id, entry.p, entry.n);
    memcpy(job.alert_id, alert.p, alert.n);
    job.revision = (uint32_t)revision;
    job.block = (uint32_t)block;
    job.reached = job.noted = (uint32_t)reached;
    *out_job = job;
    return ERR_OK;
}

/* Finds the alert's text, and sets in the job whether it was ended. */
static struct str find_alert(const struct redisReply *texts, struct push_job *job) {
    for (size_t i = 0; i + 3 < reply_count(texts); i += 4) {
        if (str_eq(reply_str_at(texts, i), str_of(job->alert_id)) &&
            reply_int_at(texts, i + 1) == job->revision) {
            job->ended = push_ending_outcome(reply_int_at(texts, i + 3));
            return reply_str_at(texts, i + 2);
        }
    }
    return (struct str){NULL, 0};
}

static void on_dropped(void *user, enum err err) {
    (void)user;
    (void)err;
}

static void hand_out(struct push_queue *q, const struct push_job *job, struct str json) {
    if (find_held(q, job)) {
        return; /* finished by the owner while this reply was under way, or given twice */
    }
    if (!json.n) {
        log_warn("push_job_without_alert", LOG_S("alert_id", job->alert_id));
        push_queue_finish(q, job, on_dropped, NULL);
        return;
    }
    struct held_job *held = mem_zalloc(1, sizeof(*held));
    held->job = *job;
    list_push_back(&q->held, &held->link);
    push_count(q, job, -1);
    q->handlers.on_job(q->user, &held->job, json);
}

static void on_taken(void *user, enum err err, const struct redisReply *reply) {
    struct take take = *(struct take *)user;
    struct push_queue *q = take.q;
    free(user);
    if (!push_call_end(q)) {
        return;
    }
    q->is_taking[take.platform] = false;
    if (store_failed("push_take", err, reply)) {
        q->is_claim_due[take.platform] = true; /* perhaps jobs were given: look at all pending */
        push_retry(q);
        return;
    }
    const struct redisReply *jobs = reply_at(reply, 0);
    for (size_t i = 0; i + JOB_WORDS - 1 < reply_count(jobs) && !q->closing; i += JOB_WORDS) {
        struct push_job job;
        if (parse_job(jobs, i, take.platform, &job)) {
            log_error("push_job_malformed", LOG_STR("entry", reply_str_at(jobs, i + 1)));
        } else {
            struct str json = find_alert(reply_at(reply, 1), &job);
            hand_out(q, &job, json);
        }
    }
    if (q->is_take_wanted[take.platform] && !q->closing) {
        push_take(q, take.platform);
    }
}

static void put_held(struct args *args, struct push_queue *q, enum platform platform) {
    LIST_EACH(link, &q->held) {
        const struct push_job *job = &LIST_ENTRY(link, struct held_job, link)->job;
        if (job->platform == platform) {
            args_printf(args, "%d/%s", (int)job->urgency, job->stream_id);
        }
    }
}

void push_take(struct push_queue *q, enum platform platform) {
    const int *credit = q->credit[platform];
    if (platform == PLATFORM_STREAM || credit[URGENCY_FLASH] <= 0 || !push_can_ask(q)) {
        return;
    }
    if (q->is_taking[platform]) {
        q->is_take_wanted[platform] = true;
        return;
    }
    struct take *take = mem_zalloc(1, sizeof(*take));
    struct args args;
    *take = (struct take){q, platform};
    args_init(&args);
    for (int u = 0; u < URGENCY_COUNT; u++) {
        args_printf(&args, KEY_LANE, platform_names[platform], urgency_names[u]);
    }
    args_put_text(&args, q->consumer);
    args_put_int(&args, q->is_claim_due[platform] ? push_claim_ms(q) : 0);
    for (int u = 0; u < URGENCY_COUNT; u++) {
        args_put_int(&args, credit[u]);
    }
    if (q->is_claim_due[platform]) {
        put_held(&args, q, platform);
    }
    q->is_taking[platform] = true;
    q->is_take_wanted[platform] = false;
    q->is_claim_due[platform] = false;
    q->calls++;
    store_script(q->store, SCRIPT_JOBS_TAKE, args_words(&args), args.count, URGENCY_COUNT, on_taken,
                 take);
    args_finish(&args);
}

/* ---- keeping ---- */

/* Who takes a job over does the rest of it. One that is nowhere any more (a Redis that lost its
 * newest writes) is done to its end: outcomes count once in any case. */
static void lose(struct push_queue *q, int lane, struct str entry, bool to_another) {
    LIST_EACH(link, &q->held) {
        struct held_job *held = LIST_ENTRY(link, struct held_job, link);
        int held_lane = (int)held->job.platform * URGENCY_COUNT + (int)held->job.urgency;
        if (held_lane != lane || !str_eq(str_of(held->job.stream_id), entry)) {
            continue;
        }
        log_warn("push_job_lost", LOG_S("job_id", held->job.stream_id),
                 LOG_S("alert_id", held->job.alert_id), LOG_I("to_another", to_another));
        if (to_another && q->handlers.on_lost) {
            struct push_job job = held->job;
            push_release(q, &job);
            q->handlers.on_lost(q->user, &job);
        }
        return;
    }
}

static void on_kept(void *user, enum err err, const struct redisReply *reply) {
    struct push_queue *q = user;
    if (!push_call_end(q) || store_failed("push_keep", err, reply)) {
        return;
    }
    for (size_t i = 0; i + 2 < reply_count(reply); i += 3) {
        lose(q, (int)reply_int_at(reply, i) - 1, reply_str_at(reply, i + 1),
             reply_int_at(reply, i + 2) == 1);
    }
}

void push_keep(struct push_queue *q) {
    struct args args;
    if (list_is_empty(&q->held)) {
        return;
    }
    args_init(&args);
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        for (int u = 0; u < URGENCY_COUNT; u++) {
            args_printf(&args, KEY_LANE, platform_names[p], urgency_names[u]);
        }
    }
    size_t keys = args.count;
    args_put_text(&args, q->consumer);
    LIST_EACH(link, &q->held) {
        const struct push_job *job = &LIST_ENTRY(link, struct held_job, link)->job;
        args_put_int(&args, (int)job->platform * URGENCY_COUNT + (int)job->urgency + 1);
        args_put_text(&args, job->stream_id);
    }
    q->calls++;
    store_script(q->store, SCRIPT_JOBS_KEEP, args_words(&args), args.count, keys, on_kept, q);
    args_finish(&args);
}

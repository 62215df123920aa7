/* One alert at a time: take the plan entry, snapshot every block (a window of them under way at
 * once), then commit. Dying anywhere leaves the entry to another planner; the snapshots already
 * taken are found again and the commit happens once. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/args.h"
#include "store/audience.h"
#include "store/keys.h"
#include "store/push_work.h"
#include "store/script.h"

enum {
    WINDOW = 32,         /* blocks asked for at once: about 3 ms of Redis' time */
    PLANNED_ABORTED = 2, /* plan_commit.lua's answers */
    PLANNED_SUPERSEDED = 3,
};

struct plan {
    struct push_queue *q;
    char entry[32];
    struct alert *alert;
    uint32_t blocks;
    uint32_t next_block;
    uint32_t left; /* blocks not yet counted */
    bool failed;
    struct audience_counts counts;
    struct args jobs; /* lane and block of each job */
    uint64_t job_count;
};

struct block_call {
    struct plan *plan;
    struct push_queue *q;
    uint32_t block;
};

static void ask_blocks(struct plan *plan);

void push_plan_destroy(struct plan *plan) {
    if (plan) {
        alert_destroy(plan->alert);
        args_finish(&plan->jobs);
        audience_counts_finish(&plan->counts);
        free(plan);
    }
}

static void end_plan(struct push_queue *q, bool again) {
    push_plan_destroy(q->plan);
    q->plan = NULL;
    if (again || q->is_plan_wanted) {
        push_plan_next(q);
    }
}

/* The entry stays pending and is found again. */
static void fail_plan(struct push_queue *q) {
    end_plan(q, false);
    push_retry(q);
}

/* ---- commit ---- */

static void on_committed(void *user, enum err err, const struct redisReply *reply) {
    struct push_queue *q = user;
    if (!push_call_end(q)) {
        return;
    }
    struct plan *plan = q->plan;
    bool ok = !store_failed("plan_commit", err, reply);
    int64_t how = ok ? reply_int(reply) : 0;
    if (how && q->handlers.on_planned) {
        q->handlers.on_planned(q->user, str_of(plan->alert->id), audience_total(&plan->counts),
                               how >= PLANNED_ABORTED ? 0 : plan->job_count);
    }
    if (how >= PLANNED_ABORTED) {
        metrics_add(how == PLANNED_ABORTED ? M_PUSH_ABORTED : M_PUSH_SUPERSEDED,
                    audience_total(&plan->counts));
    }
    if (q->closing) {
        return;
    }
    if (ok) {
        end_plan(q, true);
    } else {
        fail_plan(q);
    }
}

static void put_counters(struct args *args, const struct plan *plan) {
    const struct taxonomy *t = plan->q->t;
    const struct audience_counts *c = &plan->counts;
    struct args pairs;
    args_init(&pairs);
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        for (int e = 0; e < taxonomy_count(t, DIM_EDITION); e++) {
            uint64_t count = audience_of(c, (enum platform)p, e);
            if (count) {
                args_printf(&pairs, "targeted:%s:%s", platform_names[p],
                            taxonomy_name(t, DIM_EDITION, e));
                args_put_int(&pairs, (int64_t)count);
            }
        }
    }
    for (int r = 0; r < taxonomy_count(t, DIM_REGION); r++) {
        if (c->regions >> r & 1) {
            args_printf(&pairs, "targeted@%s", taxonomy_name(t, DIM_REGION, r));
            args_put_int(&pairs, (int64_t)audience_of_region(c, r));
        }
    }
    args_put_int(args, (int64_t)pairs.count / 2);
    args_put_all(args, &pairs);
    args_finish(&pairs);
}

static void put_row_names(struct args *args, const struct plan *plan) {
    struct buf names;
    buf_init(&names, TAXONOMY_MAX * (TAXONOMY_VALUE_MAX + 1));
    for (int r = 0; r < taxonomy_count(plan->q->t, DIM_REGION); r++) {
        if (plan->counts.regions >> r & 1) {
            buf_puts(&names, names.n ? "," : "");
            buf_puts(&names, taxonomy_name(plan->q->t, DIM_REGION, r));
        }
    }
    args_put(args, buf_str(&names));
    buf_finish(&names);
}

/* How long recipients stay known: as configured, and for a day after the alert has run out. */
static int64_t keep_s(const struct plan *plan) {
    int64_t configured = plan->q->cfg->queue_recipients_days * 86400;
    int64_t needed = plan->alert->ttl_s + 86400;
    return configured > needed ? configured : needed;
}

static void commit(struct plan *plan) {
    struct push_queue *q = plan->q;
    const struct alert *a = plan->alert;
    struct args args;
    args_init(&args);
    args_put_text(&args, KEY_PLAN);
    args_printf(&args, KEY_STATS, a->id, a->revision);
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        args_printf(&args, KEY_LANE, platform_names[p], urgency_names[a->urgency]);
    }
    size_t keys = args.count;
    args_put_text(&args, plan->entry);
    args_put_text(&args, a->id);
    args_put_int(&args, a->revision);
    args_put_int(&args, q->cfg->log_retain_days * 86400);
    args_put_int(&args, keep_s(plan));
    put_row_names(&args, plan);
    put_counters(&args, plan);
    args_put_all(&args, &plan->jobs);
    q->calls++;
    store_script(q->store, SCRIPT_PLAN_COMMIT, args_words(&args), args.count, keys, on_committed,
                 q);
    args_finish(&args);
}

/* ---- blocks ---- */

/* Adds the block's counts and its jobs; false when they do not fit. */
static bool add_counts(struct plan *plan, uint32_t block, struct str counts) {
    uint32_t platforms;
    if (!audience_add(&plan->counts, counts, &platforms)) {
        return false;
    }
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        if (platforms >> p & 1) {
            args_put_int(&plan->jobs, p + 1);
            args_put_int(&plan->jobs, block);
            plan->job_count++;
        }
    }
    return true;
}

static void on_block(void *user, enum err err, const struct redisReply *reply) {
    struct block_call call = *(struct block_call *)user;
    struct plan *plan = call.plan;
    free(user);
    if (!push_call_end(call.q)) {
        return; /* the plan is gone with the queue */
    }
    plan->left--;
    if (store_failed("plan_block", err, reply)) {
        plan->failed = true;
    } else if (!plan->failed && !add_counts(plan, call.block, reply_str_at(reply, 0))) {
        log_error("plan_counts_malformed", LOG_S("alert_id", plan->alert->id));
        plan->failed = true;
    }
    metrics_add(M_PUSH_SUPERSEDED, (uint64_t)reply_int_at(reply, 1));
    if (plan->failed && plan->left == plan->blocks - plan->next_block) {
        fail_plan(call.q);
    } else if (plan->left == 0) {
        commit(plan);
    } else if (!plan->failed) {
        ask_blocks(plan);
    }
}

static void ask_block(struct plan *plan, uint32_t block) {
    struct push_queue *q = plan->q;
    const struct alert *a = plan->alert;
    struct block_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct block_call){plan, q, block};
    args_init(&args);
    args_put_int(&args, block);
    args_put_text(&args, a->id);
    args_put_int(&args, a->revision);
    args_put_int(&args, keep_s(plan));
    audience_put(&args, &plan->counts, a);
    q->calls++;
    store_script(q->store, SCRIPT_PLAN_BLOCK, args_words(&args), args.count, 0, on_block, call);
    args_finish(&args);
}

static void ask_blocks(struct plan *plan) {
    while (plan->next_block < plan->blocks &&
           plan->left - (plan->blocks - plan->next_block) < WINDOW) {
        ask_block(plan, plan->next_block++);
    }
}

static void on_block_count(void *user, enum err err, uint32_t blocks, uint64_t devices) {
    struct push_queue *q = user;
    (void)devices;
    if (!push_call_end(q)) {
        return;
    }
    struct plan *plan = q->plan;
    if (err) {
        fail_plan(q);
        return;
    }
    plan->blocks = plan->left = blocks;
    if (blocks) {
        ask_blocks(plan);
    } else {
        commit(plan);
    }
}

/* ---- taking the entry ---- */

static void on_acked(void *user, enum err err, const struct redisReply *reply) {
    (void)err;
    (void)reply;
    (void)push_call_end(user);
}

static void on_dropped(void *user, enum err err, const struct redisReply *reply) {
    struct push_queue *q = user;
    if (!push_call_end(q)) {
        return;
    }
    if (store_failed("plan_drop", err, reply)) {
        fail_plan(q);
    } else {
        end_plan(q, true);
    }
}

/* An entry whose alert is gone (expired, deleted) or cannot be read: nothing to send. */
static void drop_entry(struct push_queue *q) {
    struct plan *plan = q->plan;
    const struct str ack[] = {STR("XACK"), STR(KEY_PLAN), STR("plan"), str_of(plan->entry)};
    const struct str del[] = {STR("XDEL"), STR(KEY_PLAN), str_of(plan->entry)};
    log_error("plan_without_alert", LOG_S("entry", plan->entry));
    q->calls += 2;
    store_command(q->store, ack, 4, on_acked, q);
    store_command(q->store, del, 3, on_dropped, q);
}

static void begin_plan(struct push_queue *q, const struct redisReply *reply) {
    struct plan *plan = q->plan;
    struct str entry = reply_str_at(reply, 0);
    struct str json = reply_str_at(reply, 3);
    memcpy(plan->entry, entry.p, entry.n < sizeof(plan->entry) ? entry.n : 0);
    if (!json.n || alert_parse_stored(q->t, json, &plan->alert)) {
        drop_entry(q);
        return;
    }
    audience_counts_init(&plan->counts, q->t, plan->alert);
    q->calls++;
    device_store_blocks(q->store, on_block_count, q);
}

static void on_plan_taken(void *user, enum err err, const struct redisReply *reply) {
    struct push_queue *q = user;
    if (!push_call_end(q)) {
        return;
    }
    if (store_failed("plan_take", err, reply)) {
        fail_plan(q);
    } else if (reply_count(reply) == 1) {
        fail_plan(q); /* not failed, but not yet: it is found again likewise */
    } else if (!reply_count(reply)) {
        end_plan(q, false);
    } else {
        begin_plan(q, reply);
    }
}

void push_plan_next(struct push_queue *q) {
    if (!push_can_ask(q)) {
        return;
    }
    if (q->plan) {
        q->is_plan_wanted = true;
        return;
    }
    q->plan = mem_zalloc(1, sizeof(*q->plan));
    q->plan->q = q;
    args_init(&q->plan->jobs);
    struct args args;
    args_init(&args);
    args_put_text(&args, KEY_PLAN);
    args_put_text(&args, q->consumer);
    args_put_int(&args, q->is_plan_claim_due ? push_claim_ms(q) : 0);
    args_put_int(&args, q->cfg->queue_correction_wait_ms);
    q->is_plan_wanted = q->is_plan_claim_due = false;
    q->calls++;
    store_script(q->store, SCRIPT_PLAN_TAKE, args_words(&args), args.count, 1, on_plan_taken, q);
    args_finish(&args);
}

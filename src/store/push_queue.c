/* How work is noticed: `waiter` is a connection of its own that asks for the newest entry of every
 * stream and then blocks until one of them grows past it (XREAD BLOCK, which takes nothing). Every
 * round, and so at least every BLOCK_MS, the plan and the lanes with credit are read by scripts on
 * the store's connection. Nothing depends on the wake-up but speed. */
#include "store/push_queue.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/push_work.h"
#include "store/script.h"

enum {
    NEVER_MS = INT32_MAX, /* longer than anything lies there */
    BLOCK_MS = 2000,
    RETRY_MS = 100,
    STREAMS = 1 + PLATFORM_COUNT * URGENCY_COUNT
};

const char *const outcome_names[OUTCOME_COUNT] = {"accepted",   "suppressed", "expired",
                                                  "aborted",    "superseded", "payload_rejected",
                                                  "token_dead", "failed",     "unknown"};

static void ask_tails(struct push_queue *q);

/* ---- calls under way ---- */

static void free_when_idle(struct push_queue *q) {
    if (q->closing && !q->calls && !q->handles) {
        free(q->consumer);
        free(q);
    }
}

bool push_call_end(struct push_queue *q) {
    q->calls--;
    if (q->closing) {
        free_when_idle(q);
        return false;
    }
    return true;
}

void push_op_begin(struct push_op *op, struct push_queue *q,
                   void (*fail)(struct push_op *op, enum err err)) {
    op->q = q;
    op->fail = fail;
    list_init(&op->link);
    list_push_back(&q->ops, &op->link);
}

bool push_op_end(struct push_op *op) {
    list_remove(&op->link);
    return op->q != NULL;
}

void push_put_key(struct args *args, const struct push_job *job, const char *kind) {
    args_printf(args, "{b%" PRIu32 "}:%s:%s:%" PRIu32 ":%s", job->block, kind, job->alert_id,
                job->revision, platform_names[job->platform]);
}

/* ---- noticing work ---- */

static void look_for_work(struct push_queue *q) {
    push_plan_next(q);
    for (enum platform p = 0; p < PLATFORM_COUNT; p++) {
        push_take(q, p);
    }
}

static void on_retry(uv_timer_t *timer) {
    look_for_work(timer->data);
}

void push_retry(struct push_queue *q) {
    if (!q->closing && !uv_is_active((uv_handle_t *)&q->retry_timer)) {
        (void)uv_timer_start(&q->retry_timer, on_retry, RETRY_MS, 0);
    }
}

bool push_can_ask(struct push_queue *q) {
    if (!q->is_started || store_is_up(q->store)) {
        return q->is_started;
    }
    push_retry(q);
    return false;
}

/* The plan, then the lanes; a stream that nobody fills costs nothing. */
static void put_stream_key(struct args *args, int stream) {
    if (stream == 0) {
        args_put_text(args, KEY_PLAN);
    } else {
        args_printf(args, KEY_LANE, platform_names[(stream - 1) / URGENCY_COUNT],
                    urgency_names[(stream - 1) % URGENCY_COUNT]);
    }
}

static void on_growth(void *user, enum err err, const struct redisReply *reply) {
    struct push_queue *q = user;
    if (!push_call_end(q)) {
        return;
    }
    q->is_waiting = false;
    if (!store_failed("push_wait", err, reply)) {
        ask_tails(q);
    }
}

static void wait_for_growth(struct push_queue *q) {
    struct args args;
    args_init(&args);
    args_put_text(&args, "XREAD");
    args_put_text(&args, "COUNT");
    args_put_text(&args, "1");
    args_put_text(&args, "BLOCK");
    args_put_int(&args, BLOCK_MS);
    args_put_text(&args, "STREAMS");
    for (int i = 0; i < STREAMS; i++) {
        put_stream_key(&args, i);
    }
    for (int i = 0; i < STREAMS; i++) {
        args_put_text(&args, q->tails[i]);
    }
    q->calls++;
    redis_conn_command(q->waiter, args_words(&args), args.count, on_growth, q);
    args_finish(&args);
}

static void on_tail(void *user, enum err err, const struct redisReply *reply) {
    struct push_queue *q = user;
    if (!push_call_end(q)) {
        return;
    }
    int stream = STREAMS - q->tails_left;
    struct str id = reply_str_at(reply_at(reply, 0), 0);
    if (!id.n || id.n >= sizeof(q->tails[0])) {
        id = STR("0-0");
    }
    memcpy(q->tails[stream], id.p, id.n);
    q->tails[stream][id.n] = '\0';
    if (--q->tails_left > 0) {
        return;
    }
    q->is_waiting = !err;
    if (!err) {
        wait_for_growth(q);
        look_for_work(q);
    }
}

/* Everything older than these entries is found by the reads that follow, all that is newer ends
 * the wait. */
static void ask_tails(struct push_queue *q) {
    if (q->is_waiting) {
        return;
    }
    q->is_waiting = true;
    q->tails_left = STREAMS;
    for (int i = 0; i < STREAMS; i++) {
        struct args args;
        args_init(&args);
        args_put_text(&args, "XREVRANGE");
        put_stream_key(&args, i);
        args_put_text(&args, "+");
        args_put_text(&args, "-");
        args_put_text(&args, "COUNT");
        args_put_text(&args, "1");
        q->calls++;
        redis_conn_command(q->waiter, args_words(&args), args.count, on_tail, q);
        args_finish(&args);
    }
}

/* While Redis was away nobody could say that they live, and to Redis all their work looks left. So
 * whoever comes back gives the others time to be heard of, and looks for its own work only. */
int64_t push_claim_ms(const struct push_queue *q) {
    int64_t claim_ms = q->cfg->queue_claim_ms;
    bool is_settled = redis_conn_is_up(q->waiter) && clock_mono_ms() - q->up_ms >= claim_ms;
    return is_settled ? claim_ms : NEVER_MS;
}

static void want_claims(struct push_queue *q) {
    q->is_plan_claim_due = true;
    for (enum platform p = 0; p < PLATFORM_COUNT; p++) {
        q->is_claim_due[p] = true;
    }
}

static void on_waiter_state(void *user, bool up) {
    struct push_queue *q = user;
    if (up) {
        q->up_ms = clock_mono_ms();
    }
    if (up && q->is_started) {
        push_keep(q);
        want_claims(q); /* jobs may have been given in answers that were lost */
        ask_tails(q);
    }
}

static void on_claim_due(uv_timer_t *timer) {
    struct push_queue *q = timer->data;
    want_claims(q);
    look_for_work(q);
    if (!q->closing && redis_conn_is_up(q->waiter)) {
        ask_tails(q);
    }
}

static void on_keep_due(uv_timer_t *timer) {
    push_keep(timer->data);
}

/* ---- create, start, destroy ---- */

enum err push_queue_create(uv_loop_t *loop, struct store *store, const struct config *cfg,
                           const struct taxonomy *t, const char *consumer,
                           struct push_queue **out_queue) {
    struct push_queue *q = mem_zalloc(1, sizeof(*q));
    q->loop = loop;
    q->store = store;
    q->cfg = cfg;
    q->t = t;
    q->consumer = mem_strdup(consumer);
    list_init(&q->ops);
    list_init(&q->held);
    struct redis_options options = store_redis_options(store);
    options.timeout_ms += BLOCK_MS;
    enum err err = redis_conn_create(loop, &options, on_waiter_state, q, &q->waiter);
    if (err) {
        free(q->consumer);
        free(q);
        return err;
    }
    (void)uv_timer_init(loop, &q->claim_timer);
    (void)uv_timer_init(loop, &q->keep_timer);
    (void)uv_timer_init(loop, &q->retry_timer);
    q->claim_timer.data = q->keep_timer.data = q->retry_timer.data = q;
    q->handles = 3;
    *out_queue = q;
    return ERR_OK;
}

void push_queue_start(struct push_queue *q, const struct push_queue_handlers *handlers,
                      void *user) {
    uint64_t claim_ms = (uint64_t)q->cfg->queue_claim_ms;
    q->handlers = *handlers;
    q->user = user;
    q->is_started = true;
    (void)uv_timer_start(&q->claim_timer, on_claim_due, claim_ms / 4, claim_ms / 4);
    (void)uv_timer_start(&q->keep_timer, on_keep_due, claim_ms / 3, claim_ms / 3);
    if (redis_conn_is_up(q->waiter)) {
        ask_tails(q);
    }
}

void push_queue_allow(struct push_queue *q, enum platform platform, int jobs) {
    for (int u = 0; u < URGENCY_COUNT; u++) {
        q->credit[platform][u] += jobs;
    }
    push_take(q, platform);
}

void push_queue_allow_next(struct push_queue *q, const struct push_job *over) {
    push_count(q, over, 1);
    push_take(q, over->platform);
}

static void on_handle_closed(uv_handle_t *handle) {
    struct push_queue *q = handle->data;
    q->handles--;
    free_when_idle(q);
}

void push_queue_destroy(struct push_queue *q) {
    if (!q || q->closing) {
        return;
    }
    q->closing = true;
    while (!list_is_empty(&q->ops)) {
        struct push_op *op = LIST_ENTRY(q->ops.next, struct push_op, link);
        list_remove(&op->link);
        op->q = NULL;
        op->fail(op, ERR_CLOSED);
    }
    push_release_all(q);
    push_plan_destroy(q->plan);
    q->plan = NULL;
    redis_conn_destroy(q->waiter);
    uv_close((uv_handle_t *)&q->claim_timer, on_handle_closed);
    uv_close((uv_handle_t *)&q->keep_timer, on_handle_closed);
    uv_close((uv_handle_t *)&q->retry_timer, on_handle_closed);
}

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/push_work.h"
#include "store/script.h"
#include "store/took.h"

enum { BITMAP_BYTES = BLOCK_DEVICES / 8 };

struct outcome_op {
    struct push_op op;
    struct push_job job;
    store_done_fn *done;
    void *user;
    bool is_finish;
};

static void fail_op(struct push_op *op, enum err err) {
    struct outcome_op *call = LIST_ENTRY(op, struct outcome_op, op);
    call->done(call->user, err);
}

static void on_reply(void *user, enum err err, const struct redisReply *reply) {
    struct outcome_op *call = user;
    bool failed = store_failed("push_outcome", err, reply);
    struct push_queue *q = call->op.q;
    if (push_op_end(&call->op)) {
        if (!failed && call->is_finish) {
            push_release(q, &call->job);
        }
        call->done(call->user, failed ? ERR_UNAVAILABLE : ERR_OK);
    }
    free(call);
}

static struct outcome_op *begin(struct push_queue *q, const struct push_job *job, bool is_finish,
                                store_done_fn *done, void *user) {
    struct outcome_op *call = mem_zalloc(1, sizeof(*call));
    call->job = *job;
    call->done = done;
    call->user = user;
    call->is_finish = is_finish;
    push_op_begin(&call->op, q, fail_op);
    return call;
}

/* The slots of one kind of end and edition, as bits in Redis' order. */
struct group {
    bool is_used;
    uint16_t first_byte;
    uint16_t last_byte;
    unsigned char bits[BITMAP_BYTES];
};

static void add_slot(struct group *g, uint16_t slot) {
    uint16_t at = slot / 8;
    if (!g->is_used) {
        g->is_used = true;
        g->first_byte = g->last_byte = at;
    }
    g->first_byte = at < g->first_byte ? at : g->first_byte;
    g->last_byte = at > g->last_byte ? at : g->last_byte;
    g->bits[at] |= (unsigned char)(1u << (7 - slot % 8));
}

/* Kinds of end: how long it took for those accepted, else the outcome. */
enum { KIND_COUNT = TOOK_COUNT + OUTCOME_COUNT };

static size_t kind_of(const struct push_outcome *o) {
    return o->outcome == OUTCOME_ACCEPTED ? o->took : (size_t)TOOK_COUNT + o->outcome;
}

static void put_group(struct args *args, size_t kind, const char *edition, const struct group *g) {
    bool is_accepted = kind < TOOK_COUNT;
    args_put_text(args, outcome_names[is_accepted ? OUTCOME_ACCEPTED : kind - TOOK_COUNT]);
    args_put_text(args, edition);
    if (is_accepted) {
        args_put_int(args, (int64_t)kind);
    } else {
        args_put_text(args, "");
    }
    args_put_int(args, g->first_byte);
    args_put(args, (struct str){(const char *)g->bits + g->first_byte,
                                (size_t)(g->last_byte - g->first_byte) + 1});
}

static void put_groups(struct args *args, const struct taxonomy *t,
                       const struct push_outcome *outcomes, size_t count) {
    size_t editions = (size_t)taxonomy_count(t, DIM_EDITION);
    struct group **groups = mem_zalloc(KIND_COUNT * editions, sizeof(*groups));
    for (size_t i = 0; i < count; i++) {
        const struct push_outcome *o = &outcomes[i];
        if (o->outcome >= OUTCOME_COUNT || o->took >= TOOK_COUNT || o->edition >= editions ||
            o->slot >= BLOCK_DEVICES) {
            continue;
        }
        struct group **g = &groups[kind_of(o) * editions + o->edition];
        if (!*g) {
            *g = mem_zalloc(1, sizeof(**g));
        }
        add_slot(*g, o->slot);
    }
    for (size_t i = 0; i < KIND_COUNT * editions; i++) {
        if (groups[i]) {
            put_group(args, i / editions, taxonomy_name(t, DIM_EDITION, (int)(i % editions)),
                      groups[i]);
            free(groups[i]);
        }
    }
    free(groups);
}

void push_queue_flush(struct push_queue *q, const struct push_job *job,
                      const struct push_outcome *outcomes, size_t count, store_done_fn *done,
                      void *user) {
    struct outcome_op *call = begin(q, job, false, done, user);
    struct args args;
    args_init(&args);
    push_put_key(&args, job, "done");
    args_printf(&args, KEY_STATS, job->alert_id, job->revision);
    args_printf(&args, "{b%" PRIu32 "}:plan:%s:%" PRIu32, job->block, job->alert_id, job->revision);
    args_put_text(&args, platform_names[job->platform]);
    args_put_int(&args, job->block);
    put_groups(&args, q->t, outcomes, count);
    store_script(q->store, SCRIPT_JOB_FLUSH, args_words(&args), args.count, 3, on_reply, call);
    args_finish(&args);
}

void push_queue_finish(struct push_queue *q, const struct push_job *job, store_done_fn *done,
                       void *user) {
    struct outcome_op *call = begin(q, job, true, done, user);
    struct args args;
    args_init(&args);
    args_printf(&args, KEY_LANE, platform_names[job->platform], urgency_names[job->urgency]);
    args_printf(&args, KEY_STATS, job->alert_id, job->revision);
    args_printf(&args, KEY_REACH, job->alert_id, job->revision);
    args_put_text(&args, job->stream_id);
    store_script(q->store, SCRIPT_JOB_FINISH, args_words(&args), args.count, 3, on_reply, call);
    args_finish(&args);
}

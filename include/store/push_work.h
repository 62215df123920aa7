#pragma once
/* What the files of the push queue share (push_queue.c, push_plan.c, push_take.c, push_targets.c,
 * push_outcome.c). */
#include <stdbool.h>
#include <uv.h>

#include "base/list.h"
#include "store/push_queue.h"
#include "store/redis_conn.h"

struct plan;
struct args;

struct push_queue {
    uv_loop_t *loop;
    struct store *store;
    const struct config *cfg;
    const struct taxonomy *t;
    char *consumer;
    struct push_queue_handlers handlers;
    void *user;
    bool is_started;
    bool closing;
    int calls;         /* replies awaited by this struct itself */
    int handles;       /* open */
    struct list ops;   /* struct push_op of callers */
    struct list held;  /* struct held_job */
    struct plan *plan; /* the alert being planned, or NULL */
    bool is_plan_wanted;
    bool is_plan_claim_due;
    int credit[PLATFORM_COUNT][URGENCY_COUNT]; /* falls towards the less urgent */
    bool is_taking[PLATFORM_COUNT];
    bool is_take_wanted[PLATFORM_COUNT];
    bool is_claim_due[PLATFORM_COUNT];
    struct redis_conn *waiter; /* blocking reads: tells that a stream has grown */
    int64_t up_ms;             /* monotonic, when it last connected */
    bool is_waiting;           /* a round of the waiter is under way */
    int tails_left;
    char tails[1 + PLATFORM_COUNT * URGENCY_COUNT][32]; /* newest entry by stream */
    uv_timer_t claim_timer;
    uv_timer_t keep_timer;
    uv_timer_t retry_timer;
};

/* A call of the owner under way. The queue may be destroyed before the reply arrives: then the
 * owner was told ERR_CLOSED and `q` is NULL. */
struct push_op {
    struct list link; /* q->ops */
    struct push_queue *q;
    void (*fail)(struct push_op *op, enum err err); /* calls the owner; frees nothing */
};
void push_op_begin(struct push_op *op, struct push_queue *q,
                   void (*fail)(struct push_op *op, enum err err));
/* Every reply handler of an op begins with this; false: the owner was told, just free the op. */
bool push_op_end(struct push_op *op);

/* Every reply handler of the queue itself begins with this; false: the queue is gone or going. */
bool push_call_end(struct push_queue *q);

/* True when Redis can be asked now; else looks for work again shortly. */
bool push_can_ask(struct push_queue *q);
/* Looks for work again shortly: an attempt failed. */
void push_retry(struct push_queue *q);

/* How long work must have been left alone to be taken from its consumer. */
int64_t push_claim_ms(const struct push_queue *q);

/* push_plan.c: plans the next alert, if there is one and none is being planned. */
void push_plan_next(struct push_queue *q);
void push_plan_destroy(struct plan *plan);

/* push_take.c: fetches jobs of a platform while there is credit. */
void push_take(struct push_queue *q, enum platform platform);
/* Adds to the credit that a job takes: its urgency's and that of all that is less urgent. */
void push_count(struct push_queue *q, const struct push_job *job, int change);
/* Tells Redis that the jobs held are still being worked on. */
void push_keep(struct push_queue *q);
/* Forgets a job held; harmless when it is not. */
void push_release(struct push_queue *q, const struct push_job *job);
void push_release_all(struct push_queue *q);

/* Puts a key of the job's block: {b<block>}:<kind>:<alert>:<revision>:<platform>. */
void push_put_key(struct args *args, const struct push_job *job, const char *kind);

#pragma once
/* One device that a job still has to reach. */
#include <stdint.h>

#include "base/codec.h"
#include "base/list.h"
#include "base/str.h"
#include "push/verdict.h"
#include "store/push_queue.h"

struct push_job_run;

struct target {
    struct list link;         /* in the job's `ready` while it waits for credit */
    struct push_job_run *run; /* borrowed */
    uint16_t slot;
    uint8_t edition;
    uint8_t replays;  /* sent again at once because certainly not processed */
    uint8_t unknowns; /* times its fate was unknown */
    uint8_t refusals; /* answers that asked for a retry, of class `retry` */
    enum retry_class retry;
    int64_t registered_ms;       /* wall clock */
    int64_t first_ms;            /* monotonic: first sent; 0 = not yet */
    int64_t sent_ms;             /* monotonic: last sent */
    int64_t retry_at_ms;         /* monotonic, while it waits for its time */
    uint32_t token_version;      /* provider token of the last request */
    char attempt_id[UUID_BYTES]; /* "" = none yet; kept for a replay, new for a retry */
    struct str token;            /* of `bytes` */
    struct str app;              /* of `bytes` */
    char bytes[];
};

/* A copy of what the queue handed out. Released with free(). */
struct target *target_create(struct push_job_run *run, const struct push_target *from);

/* Targets that wait for their time, soonest first. */
struct target_heap {
    struct target **items; /* owned array, borrowed targets */
    size_t count;
    size_t size;
};

void target_heap_finish(struct target_heap *h);
void target_heap_push(struct target_heap *h, struct target *t);
/* The soonest, or NULL. */
struct target *target_heap_peek(const struct target_heap *h);
struct target *target_heap_pop(struct target_heap *h);

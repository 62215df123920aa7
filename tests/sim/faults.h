#pragma once
/* The fault switches of one listener and when they fire. */
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/err.h"
#include "rng.h"

enum provider { PROVIDER_APNS, PROVIDER_FCM, PROVIDER_OAUTH, PROVIDER_COUNT };
extern const char *const provider_names[PROVIDER_COUNT];

enum fault_id {
#define FAULT(id, name, listeners, modes, help) id,
#include "faults_table.h"
#undef FAULT
    FAULT_COUNT
};

enum { FAULT_WORD_BYTES = 64 };

struct fault {
    bool on;
    int64_t count;      /* how often it may still fire; -1 = no limit */
    int64_t after;      /* how many chances it lets pass first */
    double probability; /* of firing at a chance */
    int64_t ms;
    int64_t max_ms;
    int64_t tail_ms;
    double tail_probability;
    int64_t value;
    int mode; /* index into the modes of the table */
    bool after_headers;
    int status;
    char reason[FAULT_WORD_BYTES];
    int64_t retry_after; /* seconds; -1 = no such header */
    bool retry_date;     /* retry-after as an HTTP date */
    bool accepted;
    bool now;         /* do it to every open connection when posted */
    int64_t until_ms; /* monotonic; 0 = no end */
    uint64_t fired;
};

/* A bucket refilled evenly: `value` in `ms`. */
struct rate_window {
    int64_t start_ms;
    int64_t used;
};

/* Applies one listener's object, {"name":{…},"other":null}. ERR_INVALID with a sentence in
 * `problem` and nothing changed when a name, member or value is unknown. `out_set` gets a bit per
 * fault that was named. */
MUST_CHECK enum err faults_apply(struct fault faults[FAULT_COUNT], enum provider provider,
                                 const cJSON *object, uint64_t *out_set, struct buf *problem);
/* {"name":fired,…} of those that fired or are on. */
void faults_put_json(const struct fault faults[FAULT_COUNT], struct buf *b);
/* Switched on and neither used up nor over its time. Does not count. */
bool fault_is_on(struct fault *f);
/* One chance: decides, and counts when it fires. */
bool fault_fires(struct fault *f, struct rng *rng);
/* Counts an effect that was decided by fault_is_on. */
void fault_count(struct fault *f);
/* True when one more in this window is over f->value in f->ms (default 1000 ms). */
bool fault_over_rate(const struct fault *f, struct rate_window *w, int64_t now_ms);

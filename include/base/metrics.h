#pragma once
/* Counters, gauges and histograms in one shared anonymous mapping: a slot per worker process,
 * written by that worker alone without locks, summed when scraped. One row per metric in
 * metrics_table.h; the page is generated from it. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum metric {
#define METRIC(id, type, name, labels, help) id,
#include "base/metrics_table.h"
#undef METRIC
    METRIC_COUNT
};

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM_MS };
enum { METRICS_WORKERS_MAX = 64, METRICS_REASON_MAX = 96 };

/* What one worker says of itself, for /readyz and the system view. */
struct worker_health {
    char role[16];                   /* "" = slot unused */
    int pid;                         /* 0 = not running right now */
    int ready;                       /* 1 when it can do its work right now */
    char reason[METRICS_REASON_MAX]; /* why not ready; "" when ready */
    int64_t restarts;
    int64_t changed_ms; /* wall clock of the last change of `ready` or `reason` */
};

/* Maps the shared memory; once, in the supervisor, before any fork. Also valid without: until
 * then every call works on a private mapping of this process. */
void metrics_setup(void);
/* From now on this process writes to `slot` (0..METRICS_WORKERS_MAX-1). Counters go on from what
 * an earlier worker of the slot left. A process that never attaches has a slot of its own. */
void metrics_attach(int slot);
/* The slot attached to, METRICS_WORKERS_MAX before. */
int metrics_slot(void);
void metrics_add(enum metric metric, uint64_t amount);
/* Gauges only: sets this worker's part of the sum. */
void metrics_set(enum metric metric, int64_t value);
/* Histograms only: one observation in milliseconds (fixed buckets 1 ms … 60 s). */
void metrics_observe_ms(enum metric metric, double value_ms);
/* The sum over all workers; of a histogram, the number of observations. */
int64_t metrics_read(enum metric metric);
/* Appends the whole page in the Prometheus text format 0.0.4. */
void metrics_render(struct buf *b);

/* This worker's health; `reason` "" means ready. Logs a change. */
void metrics_set_health(const char *reason);
/* The supervisor's view of a slot (role, pid, restarts); `role` "" frees it. With pid 0 (nothing
 * runs there; before every fork) the slot is not ready and its gauges are zero. */
void metrics_set_worker(int slot, const char *role, int pid, int64_t restarts);
/* A copy of the slot's health. */
struct worker_health metrics_health(int slot);

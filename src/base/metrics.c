/* The mapping is an array of slots. A slot has one 64-bit cell per counter and gauge, and one per
 * bucket plus a sum per histogram; only its worker writes them, with relaxed atomics, so a scrape
 * by another process sees every cell whole but not all cells of one instant.
 *
 * Health has two writers, each with a half of its own: the worker (ready, reason) and the
 * supervisor (role, pid, restarts). A half has two copies: the version says which one holds, the
 * writer fills the other and then counts on. So a reader never waits for a writer, be it stopped
 * or killed in the middle; it reads again only when the version moved under it. The supervisor
 * takes the worker's half over only while no worker runs in the slot. */
#include "base/metrics.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/log.h"

/* Upper bounds in milliseconds. Pushes and fan-out take 1 ms to 1 s when well; past a minute the
 * alert is no longer news. */
static const int64_t bounds_ms[] = {1,   2,    5,    10,   20,    50,    100,  200,
                                    500, 1000, 2000, 5000, 10000, 20000, 60000};
enum {
    BOUND_COUNT = sizeof(bounds_ms) / sizeof(bounds_ms[0]),
    HISTOGRAM_SUM_US = BOUND_COUNT + 1, /* after the buckets, the last of which is +Inf */
    HISTOGRAM_CELLS,
    SLOT_COUNT = METRICS_WORKERS_MAX + 1, /* the last: the supervisor, or a process on its own */
    READ_TRIES = 1000                     /* for a writer that never pauses */
};

/* FIRST_<id> is the first cell of a metric, CELL_COUNT the number of all. */
#define METRIC(id, type, name, labels, help)                                                       \
    FIRST_##id, LAST_##id = FIRST_##id + ((type) == METRIC_HISTOGRAM_MS ? HISTOGRAM_CELLS : 1) - 1,
enum {
#include "base/metrics_table.h"
    CELL_COUNT
};
#undef METRIC

static const struct row {
    enum metric_type type;
    int first_cell;
    const char *name;
    const char *labels;
    const char *help;
} rows[METRIC_COUNT] = {
#define METRIC(id, type, name, labels, help) [id] = {type, FIRST_##id, name, labels, help},
#include "base/metrics_table.h"
#undef METRIC
};

/* The copy that holds is copies[version % 2]. */
struct half {
    _Atomic uint32_t version;
    struct worker_health copies[2]; /* only the members of this half are used */
};

struct slot {
    _Atomic int64_t cells[CELL_COUNT];
    struct half of_worker;
    struct half of_supervisor;
};

static struct slot *slots;
static struct slot *own;

void metrics_setup(void) {
    size_t size = SLOT_COUNT * sizeof(struct slot);
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        (void)fprintf(stderr, "level=fatal event=out_of_memory bytes=%zu\n", size);
        abort();
    }
    if (slots) {
        (void)munmap(slots, size);
    }
    slots = p;
    own = &slots[METRICS_WORKERS_MAX];
}

static struct slot *all_slots(void) {
    if (!slots) {
        metrics_setup();
    }
    return slots;
}

static struct slot *own_slot(void) {
    (void)all_slots();
    return own;
}

void metrics_attach(int slot) {
    assert(slot >= 0 && slot < METRICS_WORKERS_MAX);
    own = &all_slots()[slot];
}

int metrics_slot(void) {
    return (int)(own_slot() - slots);
}

static void add(int cell, int64_t amount) {
    (void)atomic_fetch_add_explicit(&own_slot()->cells[cell], amount, memory_order_relaxed);
}

void metrics_add(enum metric metric, uint64_t amount) {
    assert(rows[metric].type == METRIC_COUNTER);
    add(rows[metric].first_cell, (int64_t)amount);
}

void metrics_set(enum metric metric, int64_t value) {
    assert(rows[metric].type == METRIC_GAUGE);
    atomic_store_explicit(&own_slot()->cells[rows[metric].first_cell], value, memory_order_relaxed);
}

void metrics_observe_ms(enum metric metric, double value_ms) {
    assert(rows[metric].type == METRIC_HISTOGRAM_MS);
    double value = value_ms > 0 ? value_ms : 0; /* also not-a-number */
    int bucket = 0;
    while (bucket < BOUND_COUNT && value > (double)bounds_ms[bucket]) {
        bucket++;
    }
    const double day_ms = 86400e3; /* keeps one absurd value from overflowing the sum */
    add(rows[metric].first_cell + bucket, 1);
    add(rows[metric].first_cell + HISTOGRAM_SUM_US,
        (int64_t)((value < day_ms ? value : day_ms) * 1000));
}

static int64_t sum_cell(int cell) {
    int64_t sum = 0;
    for (int i = 0; i < SLOT_COUNT; i++) {
        sum += atomic_load_explicit(&all_slots()[i].cells[cell], memory_order_relaxed);
    }
    return sum;
}

int64_t metrics_read(enum metric metric) {
    if (rows[metric].type != METRIC_HISTOGRAM_MS) {
        return sum_cell(rows[metric].first_cell);
    }
    int64_t count = 0;
    for (int i = 0; i <= BOUND_COUNT; i++) {
        count += sum_cell(rows[metric].first_cell + i);
    }
    return count;
}

/* One sample line: name{labels,more} value. */
static void put_sample(struct buf *b, const struct row *row, const char *suffix, const char *more) {
    buf_printf(b, "%s%s", row->name, suffix);
    if (row->labels[0] || more[0]) {
        buf_printf(b, "{%s%s%s}", row->labels, row->labels[0] && more[0] ? "," : "", more);
    }
    buf_putc(b, ' ');
}

static void put_histogram(struct buf *b, const struct row *row) {
    int64_t count = 0;
    for (int i = 0; i <= BOUND_COUNT; i++) {
        char le[32] = "le=\"+Inf\"";
        if (i < BOUND_COUNT) {
            (void)snprintf(le, sizeof(le), "le=\"%g\"", (double)bounds_ms[i] / 1000);
        }
        count += sum_cell(row->first_cell + i);
        put_sample(b, row, "_bucket", le);
        buf_printf(b, "%lld\n", (long long)count);
    }
    put_sample(b, row, "_sum", "");
    buf_printf(b, "%.6f\n", (double)sum_cell(row->first_cell + HISTOGRAM_SUM_US) / 1e6);
    put_sample(b, row, "_count", "");
    buf_printf(b, "%lld\n", (long long)count);
}

static void put_worker_states(struct buf *b) {
    buf_puts(b, "# HELP tocsin_worker_ready 1 for a worker that can do its work right now\n"
                "# TYPE tocsin_worker_ready gauge\n");
    for (int i = 0; i < METRICS_WORKERS_MAX; i++) {
        struct worker_health health = metrics_health(i);
        if (health.role[0]) {
            buf_printf(b, "tocsin_worker_ready{role=\"%s\",slot=\"%d\"} %d\n", health.role, i,
                       health.ready);
        }
    }
}

void metrics_render(struct buf *b) {
    static const char *const types[] = {[METRIC_COUNTER] = "counter",
                                        [METRIC_GAUGE] = "gauge",
                                        [METRIC_HISTOGRAM_MS] = "histogram"};
    for (int i = 0; i < METRIC_COUNT; i++) {
        const struct row *row = &rows[i];
        if (i == 0 || strcmp(row->name, rows[i - 1].name) != 0) {
            buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
                       types[row->type]);
        }
        if (row->type == METRIC_HISTOGRAM_MS) {
            put_histogram(b, row);
        } else {
            put_sample(b, row, "", "");
            buf_printf(b, "%lld\n", (long long)sum_cell(row->first_cell));
        }
    }
    put_worker_states(b);
}

static struct worker_health *next_copy(struct half *half) {
    uint32_t version = atomic_load_explicit(&half->version, memory_order_relaxed);
    return &half->copies[(version + 1) % 2];
}

static void publish_copy(struct half *half) {
    (void)atomic_fetch_add_explicit(&half->version, 1, memory_order_seq_cst);
    atomic_thread_fence(memory_order_seq_cst); /* the next write is into what was read until now */
}

static struct worker_health read_half(struct half *half) {
    struct worker_health copy = {0};
    for (int tries = 0; tries < READ_TRIES; tries++) {
        uint32_t version = atomic_load_explicit(&half->version, memory_order_acquire);
        copy = half->copies[version % 2];
        atomic_thread_fence(memory_order_seq_cst);
        if (atomic_load_explicit(&half->version, memory_order_relaxed) == version) {
            break;
        }
    }
    return copy;
}

static void write_state(struct slot *slot, bool ready, const char *reason) {
    struct worker_health *next = next_copy(&slot->of_worker);
    next->ready = ready;
    (void)snprintf(next->reason, sizeof(next->reason), "%s", reason);
    next->changed_ms = clock_wall_ms();
    publish_copy(&slot->of_worker);
}

void metrics_set_health(const char *reason) {
    struct slot *slot = own_slot();
    bool ready = !reason[0];
    struct worker_health old = read_half(&slot->of_worker);
    if (old.changed_ms && old.ready == ready &&
        strncmp(old.reason, reason, METRICS_REASON_MAX - 1) == 0) {
        return;
    }
    write_state(slot, ready, reason);
    if (ready) {
        log_info("worker_ready");
    } else {
        /* Every worker starts not ready; only the loss of it is worth a look. */
        log_at(old.ready ? LOG_WARN : LOG_INFO, "worker_not_ready", LOG_S("reason", reason));
    }
}

void metrics_set_worker(int slot, const char *role, int pid, int64_t restarts) {
    assert(slot >= 0 && slot < METRICS_WORKERS_MAX);
    struct slot *s = &all_slots()[slot];
    struct worker_health *next = next_copy(&s->of_supervisor);
    (void)snprintf(next->role, sizeof(next->role), "%s", role);
    next->pid = pid;
    next->restarts = restarts;
    publish_copy(&s->of_supervisor);
    if (pid) {
        return;
    }
    write_state(s, false, "not running");
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (rows[i].type == METRIC_GAUGE) {
            atomic_store_explicit(&s->cells[rows[i].first_cell], 0, memory_order_relaxed);
        }
    }
}

struct worker_health metrics_health(int slot) {
    assert(slot >= 0 && slot < METRICS_WORKERS_MAX);
    struct slot *s = &all_slots()[slot];
    struct worker_health health = read_half(&s->of_worker);
    struct worker_health owner = read_half(&s->of_supervisor);
    memcpy(health.role, owner.role, sizeof(health.role));
    health.role[sizeof(health.role) - 1] = '\0';
    health.reason[METRICS_REASON_MAX - 1] = '\0';
    health.pid = owner.pid;
    health.restarts = owner.restarts;
    return health;
}

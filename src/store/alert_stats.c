/* Counters of one revision of an alert → the JSON object of the API. The hash holds
 * "targeted:<platform>:<edition>", "<outcome>:<platform>:<edition>", "targeted@<region>",
 * "accepted@<region>", "took:<platform>:<step>" (of the accepted), "received:<platform>",
 * "opened:<platform>", planned, jobs, finished, regions and abort (when). Totals are sums of the
 * same numbers, so they cannot disagree with their parts.
 */
#include "store/alert_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/push_control.h"
#include "store/push_queue.h"
#include "store/receipt_store.h"
#include "store/script.h"
#include "store/took.h"

enum { STATS_BYTES_MAX = 1 << 18, ID_BYTES_MAX = 64 };

/* targeted, the outcomes, still to go */
struct tally {
    bool is_used;
    uint64_t targeted;
    uint64_t outcomes[OUTCOME_COUNT];
    uint64_t took[TOOK_COUNT]; /* of the accepted; not known by edition */
};

struct region_tally {
    bool is_used;
    uint64_t targeted;
    uint64_t accepted;
};

struct stats {
    bool is_planned;
    bool is_aborted;
    struct tally total;
    struct tally platforms[PLATFORM_COUNT];
    struct tally editions[TAXONOMY_MAX];
    struct region_tally regions[TAXONOMY_MAX];
    uint64_t receipts[PLATFORM_COUNT][RECEIPT_EVENT_COUNT];
};

struct stats_call {
    struct store *store;
    const struct taxonomy *t;
    char id[ID_BYTES_MAX];
    uint32_t revision;
    bool wants_push;
    bool failed;                  /* to read the switch */
    char *paused[PLATFORM_COUNT]; /* why, as JSON; owned */
    stats_fn *done;
    void *user;
};

static void finish(struct stats_call *call, enum err err, struct str json) {
    stats_fn *done = call->done;
    void *user = call->user;
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        free(call->paused[p]);
    }
    free(call);
    done(user, err, json);
}

static void add(struct tally *tally, int outcome, uint64_t count) {
    tally->is_used = true;
    if (outcome < 0) {
        tally->targeted += count;
    } else {
        tally->outcomes[outcome] += count;
    }
}

/* "took:<platform>:<step>" */
static void add_took(struct stats *s, int platform, struct str step_text, uint64_t count) {
    uint64_t step;
    if (platform >= 0 && !str_to_u64(step_text, &step) && step < TOOK_COUNT) {
        s->total.took[step] += count;
        s->platforms[platform].took[step] += count;
    }
}

/* "<outcome or targeted>:<platform>:<edition>" */
static void add_field(const struct taxonomy *t, struct stats *s, struct str field, uint64_t count) {
    struct str name;
    struct str platform_name;
    if (!str_split(&field, ':', &name) || !str_split(&field, ':', &platform_name)) {
        return;
    }
    int outcome = name_find(outcome_names, OUTCOME_COUNT, name);
    int platform = name_find(platform_names, PLATFORM_COUNT, platform_name);
    if (str_eq(name, STR("took"))) {
        add_took(s, platform, field, count);
        return;
    }
    int event = name_find(receipt_event_names, RECEIPT_EVENT_COUNT, name);
    if (event >= 0 && platform >= 0) {
        s->receipts[platform][event] += count;
        return;
    }
    int edition = taxonomy_find(t, DIM_EDITION, field);
    if ((outcome < 0 && !str_eq(name, STR("targeted"))) || platform < 0) {
        return;
    }
    add(&s->total, outcome, count);
    add(&s->platforms[platform], outcome, count);
    if (edition >= 0) {
        add(&s->editions[edition], outcome, count);
    }
}

/* "targeted@<region>", "accepted@<region>" */
static bool add_region(const struct taxonomy *t, struct stats *s, struct str field,
                       uint64_t count) {
    struct str name;
    if (!str_split(&field, '@', &name) || !field.p) {
        return false;
    }
    int region = taxonomy_find(t, DIM_REGION, field);
    if (region >= 0) {
        s->regions[region].is_used = true;
        *(str_eq(name, STR("targeted")) ? &s->regions[region].targeted
                                        : &s->regions[region].accepted) += count;
    }
    return true;
}

static uint64_t to_go(const struct tally *tally) {
    uint64_t done = 0;
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        done += tally->outcomes[i];
    }
    return tally->targeted > done ? tally->targeted - done : 0;
}

/* How many took at most `step`. */
static uint64_t within(const struct tally *tally, int step) {
    uint64_t sum = 0;
    for (int i = 0; i <= step; i++) {
        sum += tally->took[i];
    }
    return sum;
}

/* The time within which so many per cent of the accepted were accepted. */
static int64_t percentile_ms(const struct tally *tally, uint64_t percent) {
    uint64_t wanted = (within(tally, TOOK_COUNT - 1) * percent + 99) / 100;
    int step = 0;
    for (uint64_t sum = tally->took[0]; sum < wanted; sum += tally->took[step]) {
        step++;
    }
    return took_ms(step);
}

static void put_latency(struct buf *b, const struct tally *tally) {
    buf_puts(b, ",\"latency\":");
    if (!within(tally, TOOK_COUNT - 1)) {
        buf_puts(b, "null");
        return;
    }
    buf_printf(b,
               "{\"p50_ms\":%" PRId64 ",\"p90_ms\":%" PRId64 ",\"p99_ms\":%" PRId64
               ",\"within_30_s\":%" PRIu64 ",\"within_60_s\":%" PRIu64 ",\"within_120_s\":%" PRIu64
               "}",
               percentile_ms(tally, 50), percentile_ms(tally, 90), percentile_ms(tally, 99),
               within(tally, TOOK_30_S), within(tally, TOOK_60_S), within(tally, TOOK_120_S));
}

static void put_tally(struct buf *b, const struct tally *tally, bool with_latency) {
    buf_printf(b, "{\"targeted\":%" PRIu64, tally->targeted);
    for (int i = 0; i < OUTCOME_COUNT; i++) {
        buf_printf(b, ",\"%s\":%" PRIu64, outcome_names[i], tally->outcomes[i]);
    }
    buf_printf(b, ",\"to_go\":%" PRIu64, to_go(tally));
    if (with_latency) {
        put_latency(b, tally);
    }
    buf_putc(b, '}');
}

static void put_key(struct buf *b, const char *name, bool *first) {
    buf_puts(b, *first ? "" : ",");
    buf_put_json(b, str_of(name));
    buf_putc(b, ':');
    *first = false;
}

/* The platforms that have something to send and may not. */
static void put_paused(const struct stats_call *call, const struct stats *s, struct buf *b) {
    bool first = true;
    buf_puts(b, ",\"paused\":{");
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        if (call->paused[p] && to_go(&s->platforms[p])) {
            put_key(b, platform_names[p], &first);
            buf_puts(b, call->paused[p]);
        }
    }
    buf_putc(b, '}');
}

static void put_receipt_counts(struct buf *b, const uint64_t counts[RECEIPT_EVENT_COUNT]) {
    for (int e = 0; e < RECEIPT_EVENT_COUNT; e++) {
        buf_printf(b, "%s\"%s\":%" PRIu64, e ? "," : "", receipt_event_names[e], counts[e]);
    }
}

static void put_receipts(struct buf *b, const struct stats *s) {
    uint64_t total[RECEIPT_EVENT_COUNT] = {0};
    bool first = true;
    for (int i = 0; i < PLATFORM_COUNT; i++) {
        for (int e = 0; e < RECEIPT_EVENT_COUNT; e++) {
            total[e] += s->receipts[i][e];
        }
    }
    buf_puts(b, ",\"receipts\":{");
    put_receipt_counts(b, total);
    buf_puts(b, ",\"platforms\":{");
    for (int i = 0; i < PLATFORM_COUNT; i++) {
        if (s->receipts[i][RECEIPT_RECEIVED]) {
            put_key(b, platform_names[i], &first);
            buf_putc(b, '{');
            put_receipt_counts(b, s->receipts[i]);
            buf_putc(b, '}');
        }
    }
    buf_puts(b, "}}");
}

static void put_json(const struct stats_call *call, const struct stats *s, struct buf *b) {
    const char *state = !call->wants_push ? "done"
                        : s->is_aborted
                            ? s->is_planned && !to_go(&s->total) ? "aborted" : "aborting"
                        : !s->is_planned   ? "planning"
                        : to_go(&s->total) ? "sending"
                                           : "done";
    bool first = true;
    buf_puts(b, "{\"id\":");
    buf_put_json(b, str_of(call->id));
    buf_printf(b, ",\"revision\":%" PRIu32 ",\"state\":\"%s\",\"total\":", call->revision, state);
    put_tally(b, &s->total, true);
    buf_puts(b, ",\"platforms\":{");
    for (int i = 0; i < PLATFORM_COUNT; i++) {
        if (s->platforms[i].is_used) {
            put_key(b, platform_names[i], &first);
            put_tally(b, &s->platforms[i], true);
        }
    }
    buf_puts(b, "},\"editions\":{");
    first = true;
    for (int i = 0; i < TAXONOMY_MAX; i++) {
        if (s->editions[i].is_used) {
            put_key(b, taxonomy_name(call->t, DIM_EDITION, i), &first);
            put_tally(b, &s->editions[i], false);
        }
    }
    buf_puts(b, "},\"regions\":{");
    first = true;
    for (int i = 0; i < TAXONOMY_MAX; i++) {
        if (s->regions[i].is_used) {
            put_key(b, taxonomy_name(call->t, DIM_REGION, i), &first);
            buf_printf(b, "{\"targeted\":%" PRIu64 ",\"accepted\":%" PRIu64 "}",
                       s->regions[i].targeted, s->regions[i].accepted);
        }
    }
    buf_putc(b, '}');
    put_paused(call, s, b);
    put_receipts(b, s);
    buf_putc(b, '}');
}

static void on_counters(void *user, enum err err, const struct redisReply *reply) {
    struct stats_call *call = user;
    struct buf json;
    if (store_failed("stats", err, reply) || call->failed) {
        finish(call, ERR_UNAVAILABLE, (struct str){NULL, 0});
        return;
    }
    struct stats *s = mem_zalloc(1, sizeof(*s));
    for (size_t i = 0; i + 1 < reply_count(reply); i += 2) {
        struct str field = reply_str_at(reply, i);
        uint64_t count;
        if (str_to_u64(reply_str_at(reply, i + 1), &count)) {
            continue;
        }
        s->is_planned = s->is_planned || str_eq(field, STR("planned"));
        s->is_aborted = s->is_aborted || str_eq(field, STR("abort"));
        if (!add_region(call->t, s, field, count)) {
            add_field(call->t, s, field, count);
        }
    }
    buf_init(&json, STATS_BYTES_MAX);
    put_json(call, s, &json);
    finish(call, ERR_OK, buf_str(&json));
    buf_finish(&json);
    free(s);
}

/* on_counters comes next. */
static void on_switch(void *user, enum err err, const struct redisReply *reply) {
    struct stats_call *call = user;
    call->failed = store_failed("stats", err, reply);
    for (int p = PLATFORM_STREAM + 1; p < PLATFORM_COUNT && !call->failed; p++) {
        struct str why = push_control_why(reply, p);
        call->paused[p] = why.n ? mem_strndup(why.p, why.n) : NULL;
    }
}

static void on_alert(void *user, enum err err, const struct redisReply *reply) {
    struct stats_call *call = user;
    uint64_t latest;
    if (store_failed("stats", err, reply)) {
        finish(call, ERR_UNAVAILABLE, (struct str){NULL, 0});
        return;
    }
    if (str_to_u64(reply_str_at(reply, 0), &latest) || call->revision > latest) {
        finish(call, ERR_NOT_FOUND, (struct str){NULL, 0});
        return;
    }
    call->revision = call->revision ? call->revision : (uint32_t)latest;
    call->wants_push = reply_int_at(reply, 1) == 1;
    const struct str ask_switch[] = {STR("HGETALL"), STR(KEY_PAUSED)};
    store_command(call->store, ask_switch, 2, on_switch, call);
    struct args args;
    args_init(&args);
    args_put_text(&args, "HGETALL");
    args_printf(&args, KEY_STATS, call->id, call->revision);
    store_command(call->store, args_words(&args), args.count, on_counters, call);
    args_finish(&args);
}

void alert_store_stats(struct store *store, const struct taxonomy *t, struct str id,
                       uint32_t revision, stats_fn *done, void *user) {
    struct stats_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    call->store = store;
    call->t = t;
    call->revision = revision;
    call->done = done;
    call->user = user;
    memcpy(call->id, id.p, id.n < ID_BYTES_MAX ? id.n : 0);
    args_init(&args);
    args_put_text(&args, "HMGET");
    args_printf(&args, KEY_ALERT, call->id);
    args_put_text(&args, "rev");
    args_put_text(&args, "push");
    store_command(store, args_words(&args), args.count, on_alert, call);
    args_finish(&args);
}

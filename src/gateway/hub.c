#include "gateway/hub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/fanout.h"
#include "gateway/history.h"

enum {
    OUT_BYTES_MAX = 1 << 20,  /* a fill and the largest frame there can be */
    JSON_BYTES_MAX = 1 << 17, /* one control message: a filter or a list of faults */
    /* Readers visited per turn: about 2 ms of direct writes at 7 µs each, so that accepts, pings
     * and a more urgent alert never wait long. */
    TURN_VISITS = 256,
    TURN_PUMPS = 32, /* readers catching up get their part of every turn */
};

static void on_timer(void *user, struct wheel_timer *timer) {
    (void)user;
    reader_on_timer(LIST_ENTRY(timer, struct reader, timer));
}

struct hub *hub_create(const struct taxonomy *t, const struct hub_options *options) {
    struct hub *h = mem_zalloc(1, sizeof(*h));
    h->taxonomy = t;
    h->options = *options;
    h->now_ms = h->start_ms = clock_mono_ms();
    h->ring = ring_create(t, options->ring_entries, options->ring_bytes);
    h->wheel = wheel_create(HUB_TICK_MS, h->now_ms, on_timer, h);
    cohorts_init(&h->cohorts);
    buf_init(&h->out, OUT_BYTES_MAX);
    buf_init(&h->json, JSON_BYTES_MAX);
    for (int u = 0; u < URGENCY_COUNT; u++) {
        list_init(&h->queues[u]);
    }
    list_init(&h->fresh);
    list_init(&h->waiting);
    list_init(&h->log_waiters);
    list_init(&h->behind);
    list_init(&h->choked);
    list_init(&h->closing);
    list_init(&h->graves);
    return h;
}

static void bury(struct hub *h) {
    while (!list_is_empty(&h->graves)) {
        struct reader *r = LIST_ENTRY(h->graves.next, struct reader, link);
        list_remove(&r->link);
        r->transport->release(r);
    }
}

void hub_destroy(struct hub *h) {
    if (!h) {
        return;
    }
    assert(hub_reader_count(h) == 0);
    bury(h);
    history_reset(h);
    cohorts_finish(&h->cohorts);
    wheel_destroy(h->wheel);
    ring_destroy(h->ring);
    buf_finish(&h->out);
    buf_finish(&h->json);
    free(h);
}

/* --- asked by readers --- */

size_t hub_reader_count(const struct hub *h) {
    size_t count = 0;
    for (int kind = 0; kind < FRAME_KIND_COUNT; kind++) {
        count += h->counts[kind];
    }
    return count;
}

struct entry *hub_entry(const struct hub *h, uint64_t seq) {
    struct entry *e = ring_get(h->ring, seq);
    return e ? e : history_entry(h, seq);
}

struct recovery_log hub_log(const struct hub *h) {
    return (struct recovery_log){
        .epoch = h->epoch,
        .head = ring_head(h->ring),
        .ring_oldest = ring_oldest(h->ring),
        .log_oldest = h->log_oldest,
        .past = h->past,
        .past_count = h->past_count,
    };
}

void hub_format_position(const struct hub *h, uint64_t seq, char out_text[POSITION_BYTES]) {
    struct position position = {.seq = seq};
    memcpy(position.epoch, h->epoch, EPOCH_BYTES);
    position_format(&position, out_text);
}

uint32_t hub_seconds(const struct hub *h) {
    return (uint32_t)((h->now_ms - h->start_ms) / 1000);
}

void hub_want_turn(struct hub *h) {
    h->options.want_turn(h->options.user);
}

/* --- the bus --- */

static void set_epoch(struct hub *h, const struct position *head, const struct epoch_past *past,
                      int past_count) {
    memcpy(h->epoch, head->epoch, EPOCH_BYTES);
    h->past_count = past_count < EPOCH_PAST_MAX ? past_count : EPOCH_PAST_MAX;
    if (h->past_count > 0) {
        memcpy(h->past, past, (size_t)h->past_count * sizeof(*past));
    }
}

static void rewind_list(struct list *from, const char *old_epoch) {
    while (!list_is_empty(from)) {
        reader_rewind(LIST_ENTRY(from->next, struct reader, link), old_epoch);
    }
}

/* Every reader goes back to waiting, with the position it stands at in the old log. */
static void rewind_readers(struct hub *h) {
    rewind_list(&h->log_waiters, h->epoch);
    rewind_list(&h->behind, h->epoch);
    rewind_list(&h->choked, h->epoch);
    LIST_EACH(it, &h->cohorts.all) {
        struct cohort *c = LIST_ENTRY(it, struct cohort, all);
        rewind_list(&c->idle, h->epoch);
        rewind_list(&c->due, h->epoch);
        list_remove(&c->queue);
        c->last_match = 0;
        c->due_from = 0;
    }
    h->fanout_start_ms = 0;
}

/* What of the ring is still true in the new log: the entries up to where the old epoch survived. */
static void keep_survivors(struct hub *h, const char *old_epoch, uint64_t head) {
    struct recovery_log log = hub_log(h);
    log.ring_oldest = 0;
    struct resume resume = {.given = true, .valid = true};
    memcpy(resume.position.epoch, old_epoch, EPOCH_BYTES);
    resume.position.seq = ring_head(h->ring);
    struct recovery_answer answer = recovery_decide(&log, &resume);
    if (answer.action != RECOVERY_RING) {
        ring_reset(h->ring, head);
        return;
    }
    ring_truncate(h->ring, answer.cursor);
    if (ring_head(h->ring) < head) {
        ring_reset(h->ring, head); /* a hole that is not going to be filled from here */
    }
}

void hub_on_reset(struct hub *h, const struct position *head, uint64_t oldest_seq,
                  const struct epoch_past *past, int past_count) {
    char old_epoch[EPOCH_BYTES];
    memcpy(old_epoch, h->epoch, EPOCH_BYTES);
    history_reset(h);
    rewind_readers(h);
    set_epoch(h, head, past, past_count);
    if (old_epoch[0]) {
        keep_survivors(h, old_epoch, head->seq);
    } else {
        ring_reset(h->ring, head->seq);
    }
    h->log_oldest = oldest_seq;
    h->settled = false;
    log_info("log_known", LOG_S("epoch", h->epoch), LOG_I("head", head->seq),
             LOG_I("oldest", oldest_seq));
    if (h->live) {
        hub_want_turn(h);
    }
}

void hub_on_epoch(struct hub *h, const struct position *head, const struct epoch_past *past,
                  int past_count) {
    set_epoch(h, head, past, past_count);
    log_info("epoch_changed", LOG_S("epoch", h->epoch), LOG_I("head", head->seq));
}

void hub_on_entry(struct hub *h, const struct log_entry *log) {
    if (log->position.seq <= ring_head(h->ring)) {
        return; /* kept over a reset */
    }
    struct entry *e = ring_push(h->ring, log);
    metrics_add(M_GATEWAY_ALERTS, 1);
    fanout_entry(h, e);
}

static void settle(struct hub *h) {
    h->settled = true;
    struct list todo;
    list_init(&todo);
    while (!list_is_empty(&h->waiting)) {
        struct list *link = h->waiting.next;
        list_remove(link);
        list_push_back(&todo, link);
    }
    while (!list_is_empty(&todo)) {
        reader_decide(LIST_ENTRY(todo.next, struct reader, link));
    }
}

enum reader_doubt hub_verify(struct hub *h) {
    if (!h->options.verify) {
        return DOUBT_OVER;
    }
    if (h->verifying) {
        return DOUBT_LATE;
    }
    h->verifying = true;
    h->options.verify(h->options.user);
    return DOUBT_ASKED;
}

void hub_on_verified(struct hub *h) {
    struct list todo;
    bool again = false;
    list_init(&todo);
    h->verifying = false;
    LIST_EACH_SAFE(it, &h->waiting) {
        struct reader *r = LIST_ENTRY(it, struct reader, link);
        if (r->doubt == DOUBT_LATE) {
            r->doubt = DOUBT_ASKED;
            again = true;
        } else if (r->doubt == DOUBT_ASKED) {
            r->doubt = DOUBT_OVER;
            if (h->settled) {
                list_remove(it);
                list_push_back(&todo, it);
            }
        }
    }
    while (!list_is_empty(&todo)) {
        reader_decide(LIST_ENTRY(todo.next, struct reader, link));
    }
    if (again) {
        (void)hub_verify(h);
    }
}

void hub_on_live(struct hub *h, bool live) {
    h->live = live;
    if (live && h->epoch[0] && !h->settled) {
        settle(h);
    }
    if (live) {
        h->read_retry_ms = 0;
    }
    fanout_everybody(h);
    /* Those that are told nothing by the fan-out: they have not been live yet. */
    struct list *lists[] = {&h->waiting, &h->log_waiters};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        LIST_EACH_SAFE(it, lists[i]) {
            reader_pump(LIST_ENTRY(it, struct reader, link));
        }
    }
}

/* --- time and work --- */

static void publish_gauges(struct hub *h) {
    static const enum metric readers[FRAME_KIND_COUNT] = {
        M_GATEWAY_READERS_WS, M_GATEWAY_READERS_SSE, M_GATEWAY_READERS_LONGPOLL};
    static const enum metric delivered[FRAME_KIND_COUNT] = {
        M_GATEWAY_DELIVERED_WS, M_GATEWAY_DELIVERED_SSE, M_GATEWAY_DELIVERED_LONGPOLL};
    for (int kind = 0; kind < FRAME_KIND_COUNT; kind++) {
        metrics_set(readers[kind], (int64_t)h->counts[kind]);
        metrics_add(delivered[kind], h->delivered[kind]);
        h->delivered[kind] = 0;
    }
    metrics_set(M_GATEWAY_COHORTS, (int64_t)h->cohorts.count);
    metrics_set(M_GATEWAY_RING_ENTRIES, (int64_t)(ring_head(h->ring) + 1 - ring_oldest(h->ring)));
    metrics_set(M_GATEWAY_RING_BYTES, (int64_t)ring_bytes(h->ring));
}

void hub_tick(struct hub *h) {
    h->now_ms = clock_mono_ms();
    wheel_advance(h->wheel, h->now_ms);
    ring_trim(h->ring);
    bury(h);
    publish_gauges(h);
    if (!list_is_empty(&h->log_waiters)) {
        hub_want_turn(h);
    }
}

static void pump_some(struct hub *h, size_t budget) {
    for (; budget > 0 && !list_is_empty(&h->behind); budget--) {
        struct reader *r = LIST_ENTRY(h->behind.next, struct reader, link);
        reader_pump(r); /* moves it, at least to the end of the list */
    }
}

bool hub_turn(struct hub *h) {
    h->now_ms = clock_mono_ms();
    if (h->live && !h->settled && h->epoch[0]) {
        settle(h);
    }
    (void)fanout_run(h, TURN_VISITS);
    pump_some(h, TURN_PUMPS);
    history_kick(h);
    return !fanout_is_idle(h) || !list_is_empty(&h->behind);
}

static void leave_later(struct reader *r, int64_t window_ms) {
    r->leaving = true;
    wheel_set(r->hub->wheel, &r->timer, (int64_t)codec_random_below((uint64_t)window_ms));
}

static void leave_later_all(struct list *list, int64_t window_ms) {
    LIST_EACH(it, list) {
        leave_later(LIST_ENTRY(it, struct reader, link), window_ms);
    }
}

void hub_drain(struct hub *h, int64_t window_ms) {
    struct list *lists[] = {&h->fresh, &h->waiting, &h->log_waiters, &h->behind, &h->choked};
    h->draining = true;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        leave_later_all(lists[i], window_ms);
    }
    LIST_EACH(it, &h->cohorts.all) {
        struct cohort *c = LIST_ENTRY(it, struct cohort, all);
        leave_later_all(&c->idle, window_ms);
        leave_later_all(&c->due, window_ms);
    }
}

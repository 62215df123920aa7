#include "gateway/reader.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/catchup.h"
#include "gateway/history.h"
#include "gateway/hub.h"
#include "gateway/protocol.h"

enum {
    CLOSE_WAIT_MS = 2000,      /* for the peer's Close or FIN after ours */
    SPREAD_MS = 1000,          /* reconnects after a bye spread over this */
    CAPACITY_SPREAD_MS = 5000, /* a full gateway does not want them back at once */
};

/* What each close code says; 40xx as `error`, the others as `bye`. */
static const struct {
    enum close_code code;
    const char *reason;
    uint64_t spread_ms;
    enum metric metric;
} closings[] = {
    {CLOSE_PROTOCOL, "protocol_error", 0, M_GATEWAY_CLOSED_PROTOCOL},
    {CLOSE_UNAUTHORISED, "unauthorised", 0, M_GATEWAY_CLOSED_UNAUTHORISED},
    {CLOSE_FILTER, "bad_filter", 0, M_GATEWAY_CLOSED_FILTER},
    {CLOSE_HELLO_TIMEOUT, "hello_timeout", 0, M_GATEWAY_CLOSED_HELLO},
    {CLOSE_TOO_LARGE, "message_too_large", 0, M_GATEWAY_CLOSED_TOO_LARGE},
    {CLOSE_RATE, "rate", 0, M_GATEWAY_CLOSED_RATE},
    {CLOSE_LAGGED, "lagged", SPREAD_MS, M_GATEWAY_CLOSED_LAGGED},
    {CLOSE_IDLE, "idle", SPREAD_MS, M_GATEWAY_CLOSED_IDLE},
    {CLOSE_CAPACITY, "over_capacity", CAPACITY_SPREAD_MS, M_GATEWAY_CLOSED_CAPACITY},
    {CLOSE_DRAINING, "draining", SPREAD_MS, M_GATEWAY_CLOSED_DRAINING},
};
enum { CLOSING_COUNT = sizeof(closings) / sizeof(closings[0]) };

#define BIT(state) (1U << (state))
enum {
    FROM_HELLO = BIT(READER_WAITING) | BIT(READER_LOG) | BIT(READER_BEHIND) | BIT(READER_CHOKED) |
                 BIT(READER_LIVE),
};

/* Allowed moves: the states one may come from. */
static const unsigned allowed_from[READER_STATE_COUNT] = {
    [READER_NEW] = 0,
    [READER_WAITING] = BIT(READER_NEW) | FROM_HELLO,
    [READER_LOG] = FROM_HELLO,
    [READER_BEHIND] = FROM_HELLO,
    [READER_CHOKED] = BIT(READER_BEHIND) | BIT(READER_CHOKED) | BIT(READER_LIVE),
    [READER_LIVE] = BIT(READER_BEHIND) | BIT(READER_CHOKED) | BIT(READER_LIVE),
    [READER_CLOSING] = BIT(READER_NEW) | FROM_HELLO,
    [READER_GONE] = BIT(READER_NEW) | FROM_HELLO | BIT(READER_CLOSING),
};

static struct list *list_of(const struct reader *r, enum reader_state state) {
    struct hub *h = r->hub;
    switch (state) {
    case READER_NEW:
        return &h->fresh;
    case READER_WAITING:
        return &h->waiting;
    case READER_LOG:
        return &h->log_waiters;
    case READER_BEHIND:
        return &h->behind;
    case READER_CHOKED:
        return &h->choked;
    case READER_LIVE:
        return &r->cohort->idle;
    case READER_CLOSING:
        return &h->closing;
    case READER_GONE:
        return r->transport->release ? &h->graves : NULL;
    case READER_STATE_COUNT:
        break;
    }
    return NULL;
}

void reader_move(struct reader *r, enum reader_state state) {
    assert(allowed_from[state] & BIT(r->state));
    struct list *to = list_of(r, state);
    list_remove(&r->link);
    r->state = (uint8_t)state;
    if (to) {
        list_push_back(to, &r->link);
    }
    if (state == READER_BEHIND || state == READER_LOG) {
        hub_want_turn(r->hub);
    }
}

void reader_init(struct reader *r, struct hub *hub, const struct transport *transport) {
    *r = (struct reader){.hub = hub, .transport = transport, .told_live = true};
    wheel_timer_init(&r->timer);
    list_init(&r->link);
    list_push_back(&hub->fresh, &r->link);
    hub->counts[transport->kind]++;
    r->heard_s = hub_seconds(hub);
    wheel_set(hub->wheel, &r->timer, hub->options.hello_timeout_ms);
}

bool reader_has_position(const struct reader *r) {
    return r->greeted && !(r->owed & OWED_WELCOME) && r->state >= READER_BEHIND;
}

uint64_t reader_seen(const struct reader *r) {
    if (r->state != READER_LIVE) {
        return r->cursor;
    }
    const struct cohort *c = r->cohort;
    if (r->cursor >= c->last_match) {
        return ring_head(r->hub->ring);
    }
    /* Due: everything before the first thing due is there or is none of its business. */
    return r->cursor + 1 > c->due_from ? r->cursor : c->due_from - 1;
}

/* Until its token ends, or until it is to be told so. */
static int64_t until_expiry_ms(const struct reader *r) {
    const struct hub *h = r->hub;
    int64_t at_ms = (int64_t)r->expires_s * 1000 - (r->hinted ? 0 : h->options.token_hint_ms);
    int64_t left_ms = at_ms - (h->now_ms - h->start_ms);
    return left_ms > 0 ? left_ms : 0;
}

/* One timer for both: a token's end wakes it early. */
static void arm_heartbeat(struct reader *r, int64_t delay_ms) {
    if (r->expires_s && until_expiry_ms(r) < delay_ms) {
        delay_ms = until_expiry_ms(r);
    }
    if (!r->leaving && r->transport->kind != FRAME_JSON) {
        wheel_set(r->hub->wheel, &r->timer, delay_ms);
    }
}

void reader_set_expiry(struct reader *r, int64_t remaining_ms) {
    const struct hub *h = r->hub;
    int64_t end_ms = h->now_ms - h->start_ms + (remaining_ms > 0 ? remaining_ms : 0);
    r->expires_s = end_ms > 0 ? (uint32_t)((end_ms + 999) / 1000) : 1; /* never 0 */
    r->hinted = false;
    if (r->state != READER_NEW) {
        arm_heartbeat(r, h->options.heartbeat_ms);
    }
}

int64_t reader_expires_in_s(const struct reader *r) {
    const struct hub *h = r->hub;
    int64_t left_ms = (int64_t)r->expires_s * 1000 - (h->now_ms - h->start_ms);
    return r->expires_s ? (left_ms > 0 ? left_ms / 1000 : 0) : -1;
}

void reader_tell_expiry(struct reader *r) {
    r->owed |= OWED_AUTH;
    reader_pump(r);
}

static void need_catchup(struct reader *r) {
    if (!r->catchup) {
        r->catchup = mem_zalloc(1, sizeof(*r->catchup));
    }
}

void reader_hello(struct reader *r, const struct filter *f, const struct resume *resume) {
    struct hub *h = r->hub;
    assert(r->state == READER_NEW);
    r->cohort = cohorts_join(&h->cohorts, f);
    need_catchup(r);
    r->catchup->resume = *resume;
    /* The first heartbeat anywhere in the period, so that they never come in step. */
    arm_heartbeat(r, (int64_t)(codec_random_next(&h->randoms) % (uint64_t)h->options.heartbeat_ms));
    reader_move(r, READER_WAITING);
    if (h->settled) {
        reader_decide(r);
    }
    reader_pump(r);
}

static void greet(struct reader *r) {
    if (!r->greeted || r->verdict != VERDICT_CONTINUED) {
        r->owed |= OWED_WELCOME;
    }
    r->greeted = true;
}

static void begin_snapshot(struct reader *r) {
    struct hub *h = r->hub;
    struct catchup *c = r->catchup;
    r->cursor = ring_head(h->ring);
    c->snapshotting = true;
    c->snapshot_until = r->cursor;
    c->snapshot_at =
        ring_snapshot_start(h->ring, &r->cohort->filter, h->options.snapshot_max, clock_wall_ms());
    greet(r);
    reader_move(r, READER_BEHIND);
}

static const enum metric verdict_metrics[VERDICT_COUNT] = {
    [VERDICT_CONTINUED] = M_GATEWAY_HELLO_CONTINUED, [VERDICT_FRESH] = M_GATEWAY_HELLO_FRESH,
    [VERDICT_FAILOVER] = M_GATEWAY_HELLO_FAILOVER,   [VERDICT_EXPIRED] = M_GATEWAY_HELLO_EXPIRED,
    [VERDICT_UNKNOWN] = M_GATEWAY_HELLO_UNKNOWN,
};

/* True while the answer has to wait for one look at Redis. */
static bool is_in_doubt(struct reader *r, const struct recovery_answer *answer) {
    if (!recovery_is_doubtful(&r->catchup->resume, answer)) {
        return false;
    }
    if (r->doubt == DOUBT_NONE) {
        r->doubt = (uint8_t)hub_verify(r->hub);
    }
    return r->doubt != DOUBT_OVER;
}

void reader_decide(struct reader *r) {
    struct recovery_log log = hub_log(r->hub);
    struct recovery_answer answer = recovery_decide(&log, &r->catchup->resume);
    if (is_in_doubt(r, &answer)) {
        list_remove(&r->link);
        list_push_back(&r->hub->waiting, &r->link);
        return;
    }
    r->cursor = answer.cursor;
    r->verdict = (uint8_t)answer.verdict;
    switch (answer.action) {
    case RECOVERY_RING:
        metrics_add(verdict_metrics[r->verdict], 1);
        greet(r);
        reader_move(r, READER_BEHIND);
        break;
    case RECOVERY_LOG: /* greeted when the log has proven that it still goes back so far */
        reader_move(r, READER_LOG);
        break;
    case RECOVERY_SNAPSHOT:
        metrics_add(verdict_metrics[r->verdict], 1);
        begin_snapshot(r);
        break;
    }
}

void reader_log_answered(struct reader *r, bool expired) {
    if (expired && r->greeted && !(r->owed & OWED_WELCOME)) {
        /* Trimmed away under a slow reader that was promised all of it: it comes back and is told.
         */
        reader_end(r, &(struct goodbye){.code = CLOSE_LAGGED});
        return;
    }
    bool first = !r->greeted;
    if (expired) {
        r->verdict = VERDICT_EXPIRED;
        begin_snapshot(r);
    } else {
        greet(r);
        reader_move(r, READER_BEHIND);
    }
    if (first) {
        metrics_add(verdict_metrics[r->verdict], 1);
    }
}

void reader_rewind(struct reader *r, const char *old_epoch) {
    if (r->state == READER_WAITING) {
        return;
    }
    /* Where it was told nothing yet, or not all of a snapshot, what it brought is judged again. */
    bool again =
        !r->greeted || (r->owed & OWED_WELCOME) || (r->catchup && r->catchup->snapshotting);
    need_catchup(r);
    if (!again) {
        r->catchup->resume = (struct resume){.given = true, .valid = true};
        r->catchup->resume.position.seq = reader_seen(r);
        memcpy(r->catchup->resume.position.epoch, old_epoch, EPOCH_BYTES);
    }
    r->catchup->snapshotting = false;
    r->doubt = DOUBT_NONE;
    reader_move(r, READER_WAITING);
}

void reader_change_filter(struct reader *r, const struct filter *f) {
    struct cohort *old = r->cohort;
    enum reader_state state = (enum reader_state)r->state;
    r->cursor = reader_seen(r);
    list_remove(&r->link);
    r->cohort = cohorts_join(&r->hub->cohorts, f);
    cohorts_leave(&r->hub->cohorts, old);
    r->owed |= OWED_FILTER;
    /* What lies between cursor and head is judged anew, so a live reader is behind until pumped. */
    reader_move(r, state == READER_LIVE ? READER_BEHIND : state);
    reader_pump(r);
}

void reader_heard(struct reader *r) {
    r->heard_s = hub_seconds(r->hub);
}

void reader_on_writable(struct reader *r) {
    if (r->state < READER_CLOSING) {
        reader_heard(r); /* it took what was pending, and gets no PING while choked */
        reader_pump(r);
    }
}

static int find_closing(enum close_code code) {
    int i = 0;
    while (i < CLOSING_COUNT - 1 && closings[i].code != code) {
        i++;
    }
    return i;
}

static void put_goodbye(const struct reader *r, const struct goodbye *why, struct buf *out) {
    struct hub *h = r->hub;
    int i = find_closing(why->code);
    bool terminal = why->code < CLOSE_LAGGED;
    buf_clear(&h->json);
    if (terminal) {
        protocol_put_error(&h->json, why->word ? why->word : closings[i].reason, why->detail,
                           why->problems);
    } else {
        char position[POSITION_BYTES];
        hub_format_position(h, reader_seen(r), position);
        protocol_put_bye(&h->json, closings[i].reason, reader_has_position(r) ? position : NULL,
                         codec_random_below(closings[i].spread_ms));
    }
    frame_put(out, r->transport->kind, terminal ? "error" : "bye", NULL, buf_str(&h->json));
    if (r->transport->kind == FRAME_WS) {
        frame_put_close(out, (uint16_t)why->code, str_of(closings[i].reason));
    }
    metrics_add(closings[i].metric, 1);
}

void reader_end(struct reader *r, const struct goodbye *why) {
    if (r->state >= READER_CLOSING) {
        return;
    }
    struct buf out; /* its own: hub.out may be in use by the pump that found the reason */
    buf_init(&out, r->hub->json.max + 256);
    put_goodbye(r, why, &out);
    reader_move(r, READER_CLOSING);
    wheel_set(r->hub->wheel, &r->timer, CLOSE_WAIT_MS);
    r->transport->end(r, buf_str(&out));
    buf_finish(&out);
}

void reader_leave(struct reader *r) {
    if (r->state == READER_GONE) {
        return;
    }
    struct hub *h = r->hub;
    reader_move(r, READER_GONE);
    wheel_cancel(&r->timer);
    if (r->cohort) {
        cohorts_leave(&h->cohorts, r->cohort);
        r->cohort = NULL;
    }
    free(r->catchup);
    r->catchup = NULL;
    h->counts[r->transport->kind]--;
}

/* False when the token has ended, and the reader with it. */
static bool check_expiry(struct reader *r) {
    if (r->expires_s && hub_seconds(r->hub) >= r->expires_s) {
        reader_end(r, &(struct goodbye){.code = CLOSE_UNAUTHORISED,
                                        .word = "token_expired",
                                        .detail = "the token has expired"});
        return false;
    }
    if (r->expires_s && !r->hinted && until_expiry_ms(r) == 0) {
        r->hinted = true;
        r->owed |= OWED_AUTH;
    }
    return true;
}

static int64_t silent_ms_of(const struct reader *r) {
    return ((int64_t)hub_seconds(r->hub) - (int64_t)r->heard_s) * 1000;
}

static bool is_silent(const struct reader *r) {
    const struct hub *h = r->hub;
    return r->transport->kind == FRAME_WS && silent_ms_of(r) > h->options.idle_timeout_ms &&
           (!r->transport->silent_ms || r->transport->silent_ms(r) > h->options.idle_timeout_ms);
}

/* An alert within the last half of a period says all that a heartbeat would: the position, and that
 * we live. So nobody waits longer than one and a half periods for a frame, and a fan-out does not
 * share its core with pings and the answers to them (0.3 µs of 5.7 a delivery, measured with 18,000
 * readers and an alert every 0.4 s). Whether the reader lives must be asked all the same, in time.
 */
static bool was_served_lately(const struct reader *r) {
    const struct hub *h = r->hub;
    const struct entry *e = ring_get(h->ring, r->cohort->last_match);
    return e && r->state == READER_LIVE && reader_seen(r) >= r->cohort->last_match &&
           h->now_ms - e->heard_ms < h->options.heartbeat_ms / 2 &&
           silent_ms_of(r) < h->options.idle_timeout_ms / 2;
}

static void heartbeat(struct reader *r) {
    struct hub *h = r->hub;
    if (!check_expiry(r)) {
        return;
    }
    if (is_silent(r)) {
        reader_end(r, &(struct goodbye){.code = CLOSE_IDLE});
        return;
    }
    if (r->transport->is_flooding && r->transport->is_flooding(r)) {
        reader_end(r, &(struct goodbye){.code = CLOSE_RATE, .detail = "more bytes than allowed"});
        return;
    }
    bool choked = r->state == READER_CHOKED;
    if (choked && !r->catchup && r->cursor + 1 < ring_oldest(h->ring)) {
        reader_end(r, &(struct goodbye){.code = CLOSE_LAGGED});
        return;
    }
    arm_heartbeat(r, h->options.heartbeat_ms);
    if (choked || !r->transport->can_write(r)) {
        return;
    }
    if (!was_served_lately(r)) {
        metrics_add(M_GATEWAY_HEARTBEATS, 1);
        r->owed |= OWED_PING;
    }
    if (r->owed) {
        reader_pump(r);
    }
}

void reader_on_timer(struct reader *r) {
    if (r->state == READER_CLOSING) {
        r->transport->kill(r);
    } else if (r->leaving) {
        reader_end(r, &(struct goodbye){.code = CLOSE_DRAINING});
    } else if (r->transport->kind == FRAME_JSON) {
        r->transport->end(r, (struct str){NULL, 0});
    } else if (r->state == READER_NEW) {
        reader_end(
            r, &(struct goodbye){.code = CLOSE_HELLO_TIMEOUT, .detail = "no hello came in time"});
    } else {
        heartbeat(r);
    }
}

/* From a complete request to its answer: latency, the faults that strike single requests, the
 * provider's own checks. Everything is decided when the answer is due, not when the request comes,
 * so that a request still waiting when a GOAWAY cuts it off was truly never processed. */
#include "stream.h"

#include <stdio.h>

#include "apns.h"
#include "authorization.h"
#include "fcm.h"
#include "h2.h"
#include "oauth.h"

enum { COLLECT_WAIT_MS = 40 }; /* longer than "goaway middle" collects */

/* As in faults_table.h, "rst_stream" and "split_body". */
static const uint32_t rst_codes[] = {NGHTTP2_REFUSED_STREAM, NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR,
                                     NGHTTP2_STREAM_CLOSED};
enum { SPLIT_SEGMENT, SPLIT_BYTES };

static void handle(struct stream *st) {
    struct sim *s = st->conn->listener->sim;
    switch (st->conn->listener->provider) {
    case PROVIDER_APNS:
        apns_handle(s->apns, st);
        break;
    case PROVIDER_FCM:
        fcm_handle(s->fcm, st);
        break;
    case PROVIDER_OAUTH:
        oauth_handle(s->oauth, st);
        break;
    case PROVIDER_COUNT:
        break;
    }
    conn_record(st->conn)->accepted += st->answer.accepted;
    st->conn->listener->stats.accepted += st->answer.accepted;
}

/* The answer that the fault "answer" wants. */
static void answer_by_fault(struct stream *st, const struct fault *f) {
    const char *reason = f->reason[0] ? f->reason : NULL;
    switch (st->conn->listener->provider) {
    case PROVIDER_APNS:
        apns_answer(st, f->status ? f->status : 503, reason ? reason : "ServiceUnavailable");
        break;
    case PROVIDER_FCM:
        fcm_answer_named(st, f->status, reason ? reason : "unavailable");
        break;
    case PROVIDER_OAUTH:
        oauth_answer(st, f->status ? f->status : 503, reason ? reason : "internal_failure");
        break;
    case PROVIDER_COUNT:
        break;
    }
    st->answer.retry_after = f->retry_after;
    st->answer.retry_date = f->retry_date;
}

/* True when the connection's fate makes an answer impossible or later. */
static bool connection_fault(struct stream *st) {
    struct conn *c = st->conn;
    struct fault *faults = c->listener->faults;
    struct rng *rng = &c->listener->sim->rng;
    struct fault *goaway = &faults[F_GOAWAY];
    if (!c->goaway_sent && !c->collecting && fault_fires(goaway, rng)) {
        h2_goaway(c, (enum goaway_mode)goaway->mode, NGHTTP2_NO_ERROR, h2_stop_reason(c));
        if (goaway->mode == GOAWAY_MIDDLE) {
            exchange_begin(st);
        }
        return goaway->mode == GOAWAY_MIDDLE || goaway->mode == GOAWAY_ZERO ||
               goaway->mode == GOAWAY_SILENT;
    }
    struct fault *cut = &faults[F_CUT];
    if (fault_fires(cut, rng)) {
        if (cut->accepted) {
            handle(st);
        }
        conn_cut(c, (enum cut_mode)cut->mode);
        return true;
    }
    struct fault *lower = &faults[F_MCS_LOWER];
    if (fault_fires(lower, rng)) {
        h2_set_streams(c, (uint32_t)lower->value);
    }
    return c->cut_wanted;
}

/* True when the request gets no answer; else st->fate may have been set. */
static bool stream_fault(struct stream *st) {
    struct fault *faults = st->conn->listener->faults;
    struct rng *rng = &st->conn->listener->sim->rng;
    struct fault *rst = &faults[F_RST_STREAM];
    struct fault *never = &faults[F_NEVER_ANSWER];
    if (fault_fires(never, rng)) {
        if (never->accepted) {
            handle(st);
        }
        return true;
    }
    if (fault_fires(rst, rng)) {
        st->rst_code = rst_codes[rst->mode];
        if (rst->after_headers) {
            st->fate = FATE_RST_AFTER_HEADERS;
            return false;
        }
        if (rst->accepted) {
            handle(st);
        }
        stream_reset(st, st->rst_code);
        return true;
    }
    return false;
}

static void count_answer(struct stream *st) {
    struct conn *c = st->conn;
    struct stats *stats = &c->listener->stats;
    int status = st->answer.status;
    stats->status[status % STATS_STATUS_MAX]++;
    if (status != 200 && st->answer.reason[0]) {
        stats_count_reason(stats, st->answer.reason);
    }
    struct fault *punish = &c->listener->faults[F_PUNISH];
    if (status >= 400 && status < 500 && status != 410 &&
        fault_fires(punish, &c->listener->sim->rng)) {
        c->punished = true;
        h2_set_streams(c, APNS_FIRST_STREAMS);
    } else if (status == 200 && c->punished) {
        c->punished = false;
        h2_set_streams(c, APNS_STREAMS);
    }
}

static void process(struct stream *st) {
    struct conn *c = st->conn;
    struct fault *faults = c->listener->faults;
    struct rng *rng = &c->listener->sim->rng;
    if (c->broken) {
        stream_reset(st, NGHTTP2_REFUSED_STREAM);
        return;
    }
    if (c->goaway_sent && st->id > c->goaway_last) {
        return; /* announced as never processed; nghttp2 closes it when the GOAWAY leaves */
    }
    if (connection_fault(st) || stream_fault(st)) {
        return;
    }
    if (fault_fires(&faults[F_ANSWER], rng)) {
        if (faults[F_ANSWER].accepted) {
            handle(st);
        }
        answer_by_fault(st, &faults[F_ANSWER]);
    } else if (fault_fires(&faults[F_SHUTDOWN], rng)) {
        apns_answer(st, 503, "Shutdown");
        h2_goaway(c, GOAWAY_GRACEFUL, NGHTTP2_NO_ERROR, h2_stop_reason(c));
    } else {
        handle(st);
    }
    if (st->answer.silent) {
        return;
    }
    if (st->fate == FATE_ANSWER && st->answer.body.n && fault_fires(&faults[F_SPLIT_BODY], rng)) {
        st->fate = faults[F_SPLIT_BODY].mode == SPLIT_BYTES ? FATE_SPLIT_BYTES : FATE_SPLIT_SEGMENT;
    }
    count_answer(st);
    stream_answer(st);
}

static void on_due(struct wheel_item *item) {
    process(LIST_ENTRY(item, struct stream, delay));
}

static int64_t latency_ms(struct listener *l) {
    struct fault *f = &l->faults[F_LATENCY];
    if (!fault_fires(f, &l->sim->rng)) {
        return 0;
    }
    if (f->tail_probability > 0 && rng_unit(&l->sim->rng) < f->tail_probability) {
        return f->tail_ms;
    }
    int64_t spread_ms = f->max_ms > f->ms ? f->max_ms - f->ms : 0;
    return f->ms + (int64_t)(rng_unit(&l->sim->rng) * (double)(spread_ms + 1));
}

static void count_request(struct stream *st) {
    struct conn *c = st->conn;
    c->listener->stats.requests++;
    conn_record(c)->requests++;
    if (st->request.authorization && st->request.authorization != c->authorization) {
        c->authorization = st->request.authorization;
        conn_record(c)->authorizations++;
    }
}

void exchange_begin(struct stream *st) {
    struct conn *c = st->conn;
    if (!st->counted) {
        st->counted = true;
        count_request(st);
    }
    if (c->silent) {
        return;
    }
    int64_t delay_ms = latency_ms(c->listener);
    if (c->collecting && delay_ms < COLLECT_WAIT_MS) {
        delay_ms = COLLECT_WAIT_MS;
    }
    if (delay_ms > 0) {
        wheel_add(&c->listener->sim->wheel, &st->delay, delay_ms, on_due);
    } else {
        process(st);
    }
}

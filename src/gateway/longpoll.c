#include "gateway/longpoll.h"

#include <stdlib.h>

#include "base/mem.h"
#include "gateway/catchup.h"
#include "gateway/http_reply.h"
#include "gateway/reader.h"
#include "gateway/ticker.h"

/* A long-poll is a reader for one answer: what it is sent is collected, and the answer goes out as
 * soon as it is settled with something to say. It comes back with the position of the answer. */

enum {
    BODY_ENOUGH_BYTES = 262144, /* then it is answered, the rest comes with the next request */
    /* A snapshot is never cut, and a fill and one more frame may follow. */
    BODY_BYTES_MAX = 64 << 20,
    LOG_WAIT_MS = 2000,
};

struct poll_reader {
    struct reader reader;    /* first: a reader of the long-poll transport is a poll_reader */
    struct http_request *rq; /* NULL once answered */
    struct buf alerts;
};

static struct poll_reader *poll_of(const struct reader *r) {
    return (struct poll_reader *)r;
}

static bool is_in_snapshot(const struct reader *r) {
    return r->catchup && r->catchup->snapshotting;
}

static bool poll_can_write(const struct reader *r) {
    const struct poll_reader *p = poll_of(r);
    return p->rq && (p->alerts.n < BODY_ENOUGH_BYTES || is_in_snapshot(r));
}

static enum err poll_write(struct reader *r, struct str bytes) {
    struct poll_reader *p = poll_of(r);
    buf_put_str(&p->alerts, bytes);
    return buf_check(&p->alerts) == ERR_OK ? ERR_OK : ERR_CLOSED;
}

static void put_answer(const struct poll_reader *p, struct buf *b) {
    const struct reader *r = &p->reader;
    char position[POSITION_BYTES];
    hub_format_position(r->hub, reader_seen(r), position);
    enum verdict verdict = (enum verdict)r->verdict;
    buf_printf(b, "{\"recovered\":%s,", verdict_is_recovered(verdict) ? "true" : "false");
    if (verdict_reason(verdict)) {
        buf_printf(b, "\"reason\":\"%s\",", verdict_reason(verdict));
    }
    buf_printf(b, "\"position\":\"%s\",\"alerts\":[", position);
    if (p->alerts.n > 0) {
        buf_put(b, p->alerts.p, p->alerts.n - 1); /* each is followed by a comma */
    }
    buf_puts(b, "]}");
}

static void answer(struct poll_reader *p) {
    struct http_request *rq = p->rq;
    p->rq = NULL;
    if (!p->reader.greeted) {
        /* Its position could not be judged in time. */
        http_reply_busy(rq, "the alert log is not reachable");
    } else {
        struct buf body;
        buf_init(&body, BODY_BYTES_MAX + 1024);
        put_answer(p, &body);
        http_reply_json(rq, buf_str(&body));
        buf_finish(&body);
    }
    reader_leave(&p->reader);
}

static void poll_settled(struct reader *r) {
    struct poll_reader *p = poll_of(r);
    bool done = r->state == READER_LIVE || !poll_can_write(r);
    bool has_news = p->alerts.n > 0 || !verdict_is_recovered((enum verdict)r->verdict);
    if (p->rq && r->greeted && done && has_news) {
        answer(p);
    }
}

/* The wait is over, or we are going away: what there is. */
static void poll_end(struct reader *r, struct str bytes) {
    (void)bytes;
    if (poll_of(r)->rq) {
        answer(poll_of(r));
    }
}

static void poll_kill(struct reader *r) {
    struct poll_reader *p = poll_of(r);
    struct http_request *rq = p->rq;
    p->rq = NULL;
    if (rq) {
        http_problem(rq, 500, "Internal Server Error", "the answer grew too large", NULL);
    }
    reader_leave(r);
}

static void poll_want_writable(struct reader *r) {
    (void)r; /* full means answered */
}

static void poll_release(struct reader *r) {
    buf_finish(&poll_of(r)->alerts);
    free(poll_of(r));
}

static const struct transport poll_transport = {
    .kind = FRAME_JSON,
    .can_write = poll_can_write,
    .write = poll_write,
    .want_writable = poll_want_writable,
    .settled = poll_settled,
    .end = poll_end,
    .kill = poll_kill,
    .release = poll_release,
};

static void on_gone(void *user) {
    struct poll_reader *p = user;
    p->rq = NULL;
    reader_leave(&p->reader);
}

static void begin(struct hub *h, struct http_request *rq, const struct params *params) {
    struct poll_reader *p = mem_zalloc(1, sizeof(*p));
    p->rq = rq;
    buf_init(&p->alerts, BODY_BYTES_MAX);
    reader_init(&p->reader, h, &poll_transport);
    http_defer(rq, on_gone, p);
    reader_hello(&p->reader, &params->filter, &params->resume);
    if (!p->rq) {
        return;
    }
    int64_t wait_ms = (params->wait_s >= 0 ? params->wait_s : LONGPOLL_WAIT_DEFAULT_S) * 1000;
    if (p->reader.state == READER_LIVE && wait_ms == 0) {
        answer(p);
        return;
    }
    /* Not live yet means that the log is being read for it, which takes its time. */
    bool live = p->reader.state == READER_LIVE;
    wheel_set(h->wheel, &p->reader.timer, live || wait_ms > LOG_WAIT_MS ? wait_ms : LOG_WAIT_MS);
}

void longpoll_open(const struct longpoll_options *options, struct http_request *rq) {
    struct hub *h = options->hub;
    struct params params;
    bool is_poll = http_query(rq, "after").p != NULL;
    params_init(&params, h->taxonomy,
                PARAM_TOKEN | (is_poll ? PARAM_AFTER | PARAM_WAIT : PARAM_LIMIT));
    params.wait_max_s = options->wait_max_s;
    http_reply_params(rq, &params);
    int64_t expires_ms; /* a poll is over soon enough: not looked at */
    if (!admission_http(&h->options.admission, rq, &params, &expires_ms)) {
        params_finish(&params);
        return;
    }
    if (!is_poll) {
        ticker_answer(h, rq, &params);
    } else if (h->draining || h->counts[FRAME_JSON] >= options->readers_max) {
        http_reply_busy(rq, h->draining ? "this server is going away"
                                        : "too many requests are waiting");
    } else {
        begin(h, rq, &params);
    }
    params_finish(&params);
}

/* The pool. It grows while callers find no credit: one opening at a time more than connections
 * that have proven themselves, open_interval_ms apart, so that growth doubles at most and a
 * provider never sees a burst of handshakes, and only while that helps (http2_demand.h). It shrinks
 * by one a tick when it was more than large enough for idle_close_ms, or when a connection was not
 * used for so long. Failures (no 2xx between
 * opening and loss) are answered with full-jitter back-off, 1 s doubling to 60 s; the first 2xx
 * resets it. */
#include "net/http2_client.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/http2_conn.h"
#include "net/http2_origin.h"
#include "net/http2_request.h"

enum {
    BACKOFF_MIN_MS = 1000,
    BACKOFF_MAX_MS = 60000,
    TICK_BUSY_MS = 50,
    TICK_IDLE_MS = 1000,
    /* Posts in a row on one connection before the choice is made again: fills records and spares
     * a walk over the pool per request. */
    STICKY_POSTS = 32,
};

struct http2_pool {
    struct http2_conn_shared shared;
    struct list conns; /* of http2_conn links, closed ones until the end of the turn */
    struct http2_conn *current;
    unsigned current_left;
    bool is_scattered; /* in this turn no connection takes a run of requests any more */
    uv_prepare_t turn; /* running only when there is something to do before the loop waits */
    uv_timer_t tick;
    int handles;
    uint32_t opened; /* ever; spreads over addresses */
    int failures;    /* since the last 2xx */
    int64_t open_after_ms;
    size_t body_hint; /* size of the last body asked for */
    bool is_starved;  /* somebody found no credit and waits for on_credit */
    bool is_closing;
    void (*on_credit)(void *user);
    void *on_credit_user;
};

struct pool_count {
    int open;
    int opening; /* or open and not proven */
    size_t in_flight;
    size_t credit;
};

static void on_turn(uv_prepare_t *turn);
static void on_tick(uv_timer_t *timer);

static struct pool_count count(const struct http2_pool *p) {
    struct pool_count total = {0};
    LIST_EACH(it, &p->conns) {
        struct http2_conn *c = http2_conn_of_link(it);
        enum http2_conn_state state = http2_conn_state(c);
        total.open += state == HTTP2_CONN_OPEN;
        total.opening +=
            state == HTTP2_CONN_OPENING || (state == HTTP2_CONN_OPEN && !http2_conn_is_proven(c));
        if (state != HTTP2_CONN_CLOSED) {
            total.in_flight += http2_conn_in_flight(c);
            total.credit += http2_conn_credit(c, p->body_hint);
        }
    }
    return total;
}

static int count_alive(const struct http2_pool *p) {
    int alive = 0;
    LIST_EACH(it, &p->conns) {
        enum http2_conn_state state = http2_conn_state(http2_conn_of_link(it));
        alive += state == HTTP2_CONN_OPEN || state == HTTP2_CONN_OPENING;
    }
    return alive;
}

static void want_turn(struct http2_pool *p) {
    if (!uv_is_active((uv_handle_t *)&p->turn) && !uv_is_closing((uv_handle_t *)&p->turn)) {
        (void)uv_prepare_start(&p->turn, on_turn);
    }
}

/* Arms the timer; an earlier wake-up stands. */
static void want_tick(struct http2_pool *p, uint64_t delay_ms) {
    if (p->is_closing ||
        (uv_is_active((uv_handle_t *)&p->tick) && uv_timer_get_due_in(&p->tick) <= delay_ms)) {
        return;
    }
    (void)uv_timer_start(&p->tick, on_tick, delay_ms, 0);
}

static void open_one(struct http2_pool *p, int64_t now_ms) {
    struct http2_conn *c = http2_conn_open(&p->shared, p->opened++);
    list_push_back(&p->conns, http2_conn_link(c));
    p->open_after_ms = now_ms + p->shared.options.open_interval_ms;
}

static void grow(struct http2_pool *p) {
    const struct http2_options *options = &p->shared.options;
    int alive = count_alive(p);
    bool is_wanted = p->is_starved || alive < options->connections_min;
    if (p->is_closing || !is_wanted || alive >= options->connections_max) {
        return;
    }
    struct pool_count now = count(p);
    int64_t now_ms = clock_mono_ms();
    want_tick(p, TICK_BUSY_MS);
    if (now_ms < p->open_after_ms || now.opening > alive - now.opening) {
        return;
    }
    if (alive < options->connections_min || !now.open ||
        http2_demand_grows(&p->shared.demand, now_ms)) {
        open_one(p, now_ms);
    } else {
        p->open_after_ms = now_ms + options->open_interval_ms; /* look again then */
    }
}

static void back_off(struct http2_pool *p) {
    int shift = p->failures < 6 ? p->failures : 6;
    int64_t most = (int64_t)BACKOFF_MIN_MS << shift;
    most = most < BACKOFF_MAX_MS ? most : BACKOFF_MAX_MS;
    p->failures++;
    p->open_after_ms = clock_mono_ms() + (int64_t)codec_random_below((uint64_t)most + 1);
}

static void on_conn_change(void *pool) {
    want_turn(pool);
}

static void on_conn_closed(void *pool, struct http2_conn *c, const char *why) {
    struct http2_pool *p = pool;
    metrics_add(M_HTTP2_CLOSED, 1);
    if (p->current == c) {
        p->current = NULL;
    }
    if (p->is_closing) {
        return;
    }
    if (http2_conn_has_failed(c)) {
        back_off(p);
        metrics_add(M_HTTP2_FAILURES, 1);
        log_warn("http2_connection_failed",
                 LOG_S("origin", http2_origin_authority(p->shared.origin)), LOG_S("reason", why),
                 LOG_I("retry_in_ms", p->open_after_ms - clock_mono_ms()));
    } else {
        log_info("http2_connection_closed",
                 LOG_S("origin", http2_origin_authority(p->shared.origin)), LOG_S("reason", why));
    }
    want_turn(p);
    want_tick(p, TICK_BUSY_MS);
}

/* The end of a loop turn: bytes out, answers up, closed connections gone, credit announced. */
static void on_turn(uv_prepare_t *turn) {
    struct http2_pool *p = turn->data;
    (void)uv_prepare_stop(turn);
    p->is_scattered = false;
    http2_pool_flush(p);
    http2_conn_deliver(&p->shared);
    LIST_EACH_SAFE(it, &p->conns) {
        struct http2_conn *c = http2_conn_of_link(it);
        if (http2_conn_state(c) == HTTP2_CONN_CLOSED) {
            list_remove(it);
            http2_conn_unref(c);
        } else if (http2_conn_is_proven(c)) {
            p->failures = 0;
        }
    }
    if (p->is_closing) {
        return;
    }
    if (p->is_starved && count(p).credit > 0) {
        p->is_starved = false;
        if (p->on_credit) {
            p->on_credit(p->on_credit_user);
        }
    }
    grow(p);
}

/* The one with the least to do, and the least in flight. */
static struct http2_conn *find_spare(struct http2_pool *p) {
    struct http2_conn *spare = NULL;
    LIST_EACH(it, &p->conns) {
        struct http2_conn *c = http2_conn_of_link(it);
        if (http2_conn_state(c) == HTTP2_CONN_OPEN &&
            (!spare || http2_conn_in_flight(c) < http2_conn_in_flight(spare))) {
            spare = c;
        }
    }
    return spare;
}

static void shrink(struct http2_pool *p, int64_t now_ms) {
    const struct http2_options *options = &p->shared.options;
    int64_t idle_ms = options->idle_close_ms;
    struct http2_conn *spare = find_spare(p);
    if (!idle_ms || !spare || count_alive(p) <= options->connections_min) {
        return;
    }
    size_t streams_left = 0;
    LIST_EACH(it, &p->conns) {
        streams_left += http2_conn_streams(http2_conn_of_link(it));
    }
    streams_left -= http2_conn_streams(spare);
    bool is_surplus =
        streams_left > 0 && http2_demand_shrinks(&p->shared.demand, now_ms, idle_ms, streams_left);
    int64_t quiet_since_ms = http2_conn_quiet_since(spare);
    if (is_surplus || (quiet_since_ms <= now_ms && now_ms - quiet_since_ms >= idle_ms)) {
        http2_conn_leave(spare);
    }
}

static void on_tick(uv_timer_t *timer) {
    struct http2_pool *p = timer->data;
    int64_t now_ms = p->shared.now_ms = clock_mono_ms();
    LIST_EACH(it, &p->conns) {
        http2_conn_tick(http2_conn_of_link(it), now_ms);
    }
    http2_conn_deliver(&p->shared);
    if (p->is_closing) {
        return;
    }
    shrink(p, now_ms);
    grow(p);
    want_turn(p);
    if (!list_is_empty(&p->conns)) {
        want_tick(p, count(p).in_flight || p->is_starved ? TICK_BUSY_MS : TICK_IDLE_MS);
    }
}

enum err http2_pool_create(uv_loop_t *loop, const struct http2_options *options,
                           struct http2_pool **out_pool) {
    struct http2_origin *origin = NULL;
    enum err err = http2_origin_create(options->url, options->ca_file, &origin);
    if (err) {
        return err;
    }
    struct http2_pool *p = mem_zalloc(1, sizeof(*p));
    p->shared = (struct http2_conn_shared){
        .loop = loop,
        .origin = origin,
        .options = *options,
        .events = {.on_change = on_conn_change, .on_closed = on_conn_closed},
        .pool = p,
    };
    p->shared.options.url = NULL;
    p->shared.options.ca_file = NULL;
    p->body_hint = 1;
    list_init(&p->shared.finished);
    list_init(&p->shared.reset);
    list_init(&p->shared.spare);
    http2_memory_init(&p->shared.memory);
    list_init(&p->conns);
    (void)uv_prepare_init(loop, &p->turn);
    (void)uv_timer_init(loop, &p->tick);
    p->handles = 2;
    p->turn.data = p->tick.data = p;
    if (options->connections_min > 0) {
        want_tick(p, 0);
    }
    *out_pool = p;
    return ERR_OK;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct http2_pool *p = handle->data;
    if (--p->handles > 0) {
        return;
    }
    LIST_EACH_SAFE(it, &p->conns) {
        list_remove(it);
        http2_conn_unref(http2_conn_of_link(it));
    }
    http2_request_free_spare(&p->shared);
    http2_memory_finish(&p->shared.memory);
    http2_origin_destroy(p->shared.origin);
    free(p);
}

void http2_pool_destroy(struct http2_pool *p) {
    if (!p || p->is_closing) {
        return;
    }
    p->is_closing = true;
    p->on_credit = NULL;
    LIST_EACH(it, &p->conns) {
        http2_conn_close(http2_conn_of_link(it), "shut down");
    }
    http2_conn_deliver(&p->shared);
    uv_close((uv_handle_t *)&p->turn, on_handle_closed);
    uv_close((uv_handle_t *)&p->tick, on_handle_closed);
}

size_t http2_pool_credit(struct http2_pool *p) {
    size_t credit = p->is_closing ? 0 : count(p).credit;
    if (credit == 0) {
        p->is_starved = true;
        grow(p);
    }
    return credit;
}

void http2_pool_on_credit(struct http2_pool *p, void (*on_credit)(void *user), void *user) {
    p->on_credit = on_credit;
    p->on_credit_user = user;
}

/* The oldest that takes a run of requests: a fast provider then needs few connections, in full
 * records, and the others may go. */
static struct http2_conn *find_run(struct http2_pool *p, size_t body_bytes) {
    LIST_EACH(it, &p->conns) {
        struct http2_conn *c = http2_conn_of_link(it);
        if (http2_conn_credit(c, body_bytes) >= STICKY_POSTS) {
            return c;
        }
    }
    return NULL;
}

/* Anyone with credit, in turn. */
static struct http2_conn *find_next(struct http2_pool *p, size_t body_bytes) {
    struct list *start = p->current ? http2_conn_link(p->current) : &p->conns;
    struct list *it = start;
    do {
        it = it->next;
        if (it != &p->conns && http2_conn_credit(http2_conn_of_link(it), body_bytes)) {
            return http2_conn_of_link(it);
        }
    } while (it != start);
    return NULL;
}

static struct http2_conn *choose(struct http2_pool *p, size_t body_bytes) {
    if (p->current && p->current_left > 0 && http2_conn_credit(p->current, body_bytes)) {
        p->current_left--;
        return p->current;
    }
    struct http2_conn *next = p->is_scattered ? NULL : find_run(p, body_bytes);
    if (!next) {
        p->is_scattered = true;
        next = find_next(p, body_bytes);
    }
    p->current = next ? next : p->current;
    p->current_left = STICKY_POSTS - 1;
    return next;
}

enum err http2_pool_post(struct http2_pool *p, const struct http2_post *post) {
    size_t body_bytes = 0;
    for (int i = 0; i < HTTP2_BODY_PARTS; i++) {
        body_bytes += post->body[i].n;
    }
    p->body_hint = body_bytes ? body_bytes : 1;
    if (!uv_is_active((uv_handle_t *)&p->turn)) {
        p->shared.now_ms = clock_mono_ms(); /* the first of this turn */
    }
    struct http2_conn *c = p->is_closing ? NULL : choose(p, body_bytes);
    enum err err = c ? http2_conn_post(c, post) : ERR_FULL;
    if (err) {
        p->is_starved = true;
        grow(p);
        return count_alive(p) ? err : ERR_UNAVAILABLE;
    }
    want_turn(p);
    want_tick(p, TICK_BUSY_MS);
    return ERR_OK;
}

void http2_pool_retire(struct http2_pool *p, void *connection, bool expired) {
    LIST_EACH(it, &p->conns) {
        struct http2_conn *c = http2_conn_of_link(it);
        if (!connection || c == connection) {
            http2_conn_retire(c, expired);
        }
    }
}

void http2_pool_flush(struct http2_pool *p) {
    LIST_EACH(it, &p->conns) {
        http2_conn_flush(http2_conn_of_link(it));
    }
}

int http2_pool_connections(const struct http2_pool *p) {
    return count(p).open;
}

/* States: down --timer--> opening --socket--> greeting --PONG--> up; any loss --> down, and the
 * timer waits with jitter before the next try. Commands are collected during a loop turn and
 * written together by the idle handle `turn`, which also delivers failures and state changes, so
 * that no callback ever runs inside a call of the owner. */
#include "store/redis_conn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/redis_socket.h"
#include "store/redis_url.h"
#include "store/reply.h"

enum {
    OUT_BYTES_MAX = 64 << 20,  /* unsent commands; above, they fail as unavailable */
    CONNECT_TIMEOUT_MS = 5000, /* resolve, connect and greeting together, at most */
    PING_MS = 2000,
    BACKOFF_MIN_MS = 20,
    GRACE_MS = 20, /* a loop that was held up reads first what arrived meanwhile */
};

enum conn_state { CONN_DOWN, CONN_OPENING, CONN_GREETING, CONN_UP };

struct pending {
    struct list link; /* conn->waiting, failed or delivering */
    redis_reply_fn *on_reply;
    void *user;
    uint64_t sent_at_ms;
    uint64_t batch; /* sent when below conn->batch */
    enum err err;
};

struct redis_conn {
    uv_loop_t *loop;
    struct redis_url url;
    int64_t timeout_ms;
    int64_t reconnect_max_ms;
    redis_state_fn *on_state;
    redis_push_fn *on_push;
    void *user;
    enum conn_state state;
    bool closing;
    bool reported_up;
    bool was_up;
    bool overdue;      /* the oldest command had no answer when last looked */
    unsigned failures; /* in a row */
    struct redis_socket *socket;
    struct list waiting; /* written or about to be, oldest first */
    struct list failed;
    struct list delivering; /* the failed ones whose turn it is */
    struct buf out;
    uint64_t batch;
    uv_idle_t turn;
    uv_timer_t timer; /* next try, or the deadline of this one */
    uv_timer_t watch; /* deadline of the oldest command */
    uv_timer_t ping;
    int handles; /* open */
};

static void open_socket(struct redis_conn *conn);
static void on_turn(uv_idle_t *turn);

static void want_turn(struct redis_conn *conn) {
    if (!conn->closing) {
        (void)uv_idle_start(&conn->turn, on_turn);
    }
}

/* Everything waiting fails: unsent commands did nothing, the outcome of the others is unknown. */
static void fail_waiting(struct redis_conn *conn, enum err sent_err) {
    LIST_EACH_SAFE(link, &conn->waiting) {
        struct pending *p = LIST_ENTRY(link, struct pending, link);
        p->err = p->batch < conn->batch || conn->closing ? sent_err : ERR_UNAVAILABLE;
        list_remove(link);
        list_push_back(&conn->failed, link);
    }
    buf_clear(&conn->out);
}

static void on_retry(uv_timer_t *timer) {
    open_socket(timer->data);
}

static void drop_socket(struct redis_conn *conn) {
    if (conn->socket) {
        redis_socket_close(conn->socket);
        conn->socket = NULL;
    }
    (void)uv_timer_stop(&conn->watch);
    (void)uv_timer_stop(&conn->ping);
    conn->overdue = false;
}

static void lose(struct redis_conn *conn, const char *why, enum err err) {
    int64_t delay = BACKOFF_MIN_MS;
    for (unsigned i = 0; i < conn->failures && delay < conn->reconnect_max_ms; i++) {
        delay *= 2;
    }
    delay = delay < conn->reconnect_max_ms ? delay : conn->reconnect_max_ms;
    uint64_t wait_ms = (uint64_t)delay / 2 + codec_random_below((uint64_t)delay / 2 + 1);
    log_warn(conn->state == CONN_UP ? "redis_lost" : "redis_connect_failed",
             LOG_S("host", conn->url.path ? conn->url.path : conn->url.host), LOG_S("reason", why),
             LOG_I("retry_ms", wait_ms));
    conn->failures++;
    drop_socket(conn);
    conn->state = CONN_DOWN;
    fail_waiting(conn, err);
    (void)uv_timer_start(&conn->timer, on_retry, wait_ms, 0);
    want_turn(conn);
}

static void call(struct pending *p, enum err err, const struct redisReply *reply) {
    if (err) {
        metrics_add(M_REDIS_ERRORS, 1);
    }
    p->on_reply(p->user, err, reply);
    free(p);
}

/* Only what was there at the start: a callback that tries again at once waits for the next turn. */
static void deliver_failures(struct redis_conn *conn) {
    LIST_EACH_SAFE(link, &conn->failed) {
        list_remove(link);
        list_push_back(&conn->delivering, link);
    }
    while (!list_is_empty(&conn->delivering)) {
        struct pending *p = LIST_ENTRY(conn->delivering.next, struct pending, link);
        list_remove(&p->link);
        call(p, conn->closing ? ERR_CLOSED : p->err, NULL);
    }
}

static void on_watch(uv_timer_t *timer) {
    struct redis_conn *conn = timer->data;
    if (list_is_empty(&conn->waiting)) {
        return;
    }
    struct pending *oldest = LIST_ENTRY(conn->waiting.next, struct pending, link);
    uint64_t deadline = oldest->sent_at_ms + (uint64_t)conn->timeout_ms;
    uint64_t now = uv_now(conn->loop);
    if (now < deadline) {
        conn->overdue = false;
        (void)uv_timer_start(timer, on_watch, deadline - now, 0);
    } else if (!conn->overdue) {
        conn->overdue = true;
        (void)uv_timer_start(timer, on_watch, GRACE_MS, 0);
    } else {
        lose(conn, "no answer in time", ERR_TIMEOUT);
    }
}

static void flush(struct redis_conn *conn) {
    if (conn->socket && conn->out.n && redis_socket_write(conn->socket, &conn->out)) {
        conn->batch++;
    }
}

static void on_turn(uv_idle_t *turn) {
    struct redis_conn *conn = turn->data;
    (void)uv_idle_stop(turn);
    flush(conn);
    bool up = conn->state == CONN_UP;
    if (up != conn->reported_up) {
        conn->reported_up = up;
        if (conn->on_state) {
            conn->on_state(conn->user, up);
        }
    }
    if (!conn->closing) {
        deliver_failures(conn);
    }
}

/* "*3\r\n", "$12\r\n" */
static void put_count(struct buf *out, char kind, size_t count) {
    char text[24];
    size_t at = sizeof(text);
    text[--at] = '\n';
    text[--at] = '\r';
    do {
        text[--at] = (char)('0' + count % 10);
        count /= 10;
    } while (count);
    text[--at] = kind;
    buf_put(out, text + at, sizeof(text) - at);
}

static void put_command(struct buf *out, const struct str *argv, size_t argc) {
    put_count(out, '*', argc);
    for (size_t i = 0; i < argc; i++) {
        put_count(out, '$', argv[i].n);
        buf_put_str(out, argv[i]);
        buf_put(out, "\r\n", 2);
    }
}

static bool has_room(const struct redis_conn *conn, const struct str *argv, size_t argc) {
    size_t size = conn->out.n + 32;
    for (size_t i = 0; i < argc; i++) {
        size += argv[i].n + 32;
    }
    return size <= OUT_BYTES_MAX;
}

static void enqueue(struct redis_conn *conn, bool can_send, const struct str *argv, size_t argc,
                    redis_reply_fn *on_reply, void *user) {
    struct pending *p = mem_zalloc(1, sizeof(*p));
    p->on_reply = on_reply;
    p->user = user;
    list_init(&p->link);
    if (can_send && has_room(conn, argv, argc)) {
        put_command(&conn->out, argv, argc);
        p->sent_at_ms = uv_now(conn->loop);
        p->batch = conn->batch;
        list_push_back(&conn->waiting, &p->link);
        if (conn->timeout_ms && !uv_is_active((uv_handle_t *)&conn->watch)) {
            (void)uv_timer_start(&conn->watch, on_watch, (uint64_t)conn->timeout_ms, 0);
        }
        metrics_add(M_REDIS_COMMANDS, 1);
    } else {
        p->err = ERR_UNAVAILABLE;
        list_push_back(&conn->failed, &p->link);
    }
    want_turn(conn);
}

void redis_conn_command(struct redis_conn *conn, const struct str *argv, size_t argc,
                        redis_reply_fn *on_reply, void *user) {
    assert(argc > 0 && !conn->on_push);
    enqueue(conn, conn->state == CONN_UP, argv, argc, on_reply, user);
}

void redis_conn_subscribe(struct redis_conn *conn, const struct str *channels, size_t count) {
    assert(conn->on_push);
    struct str argv[8] = {STR("SUBSCRIBE")};
    assert(count < sizeof(argv) / sizeof(argv[0]));
    if (conn->state == CONN_UP && count) {
        memcpy(argv + 1, channels, count * sizeof(*channels));
        put_command(&conn->out, argv, count + 1);
        want_turn(conn);
    }
}

/* Replies that say this server cannot serve now; the command was not done. */
static bool is_unavailable(const struct redisReply *reply, bool *out_wrong_server) {
    static const struct {
        struct str prefix;
        bool wrong_server; /* connect again: perhaps to the new master */
    } table[] = {
        {STR("READONLY"), true},    {STR("LOADING"), true}, {STR("MASTERDOWN"), true},
        {STR("CLUSTERDOWN"), true}, {STR("OOM "), false},   {STR("MISCONF"), false},
        {STR("NOREPLICAS"), false}, {STR("BUSY "), false},  {STR("NOAUTH"), true},
    };
    if (!reply_is_error(reply)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (str_starts(reply_str(reply), table[i].prefix)) {
            *out_wrong_server = table[i].wrong_server;
            return true;
        }
    }
    return false;
}

static void on_ping_reply(void *user, enum err err, const struct redisReply *reply) {
    (void)user;
    (void)err;
    (void)reply;
}

static void on_reply(void *user, const struct redisReply *reply) {
    struct redis_conn *conn = user;
    conn->overdue = false;
    if (conn->on_push && conn->state == CONN_UP) {
        conn->on_push(conn->user, reply);
        return;
    }
    if (list_is_empty(&conn->waiting)) {
        lose(conn, "a reply to no command", ERR_CLOSED);
        return;
    }
    struct pending *p = LIST_ENTRY(conn->waiting.next, struct pending, link);
    list_remove(&p->link);
    bool wrong_server = false;
    if (conn->state != CONN_UP || !is_unavailable(reply, &wrong_server)) {
        if (conn->state == CONN_UP && p->on_reply != on_ping_reply) {
            conn->failures = 0;
        }
        call(p, ERR_OK, reply);
        return;
    }
    log_warn("redis_refused", LOG_STR("reply", reply_str(reply)));
    p->err = ERR_UNAVAILABLE;
    list_push_back(&conn->failed, &p->link);
    if (wrong_server) {
        lose(conn, "cannot serve", ERR_CLOSED);
    } else {
        want_turn(conn);
    }
}

static void on_ping(uv_timer_t *timer) {
    struct redis_conn *conn = timer->data;
    const struct str argv[] = {STR("PING")};
    if (list_is_empty(&conn->waiting)) {
        enqueue(conn, true, argv, 1, on_ping_reply, conn);
    }
}

/* A step of the greeting before the last: AUTH or SELECT. */
static void on_greeting(void *user, enum err err, const struct redisReply *reply) {
    (void)user;
    if (!err && reply_is_error(reply)) {
        log_error("redis_greeting_refused", LOG_STR("reply", reply_str(reply)));
    }
}

static void on_pong(void *user, enum err err, const struct redisReply *reply) {
    struct redis_conn *conn = user;
    if (err) {
        return; /* lose() is at work */
    }
    if (!str_eq(reply_str(reply), STR("PONG"))) {
        log_warn("redis_not_ready", LOG_STR("reply", reply_str(reply)));
        lose(conn, "not ready", ERR_CLOSED);
        return;
    }
    log_info("redis_connected", LOG_S("host", conn->url.path ? conn->url.path : conn->url.host));
    metrics_add(M_REDIS_RECONNECTS, conn->was_up ? 1 : 0);
    conn->was_up = true;
    conn->state = CONN_UP;
    (void)uv_timer_stop(&conn->timer);
    if (!conn->on_push && conn->timeout_ms) {
        (void)uv_timer_start(&conn->ping, on_ping, PING_MS, PING_MS);
    }
    want_turn(conn);
}

static void on_open(void *user) {
    struct redis_conn *conn = user;
    char db[16];
    struct buf number;
    conn->state = CONN_GREETING;
    if (conn->url.password) {
        struct str argv[] = {STR("AUTH"), str_of(conn->url.user), str_of(conn->url.password)};
        if (!conn->url.user) {
            argv[1] = argv[2];
        }
        enqueue(conn, true, argv, conn->url.user ? 3 : 2, on_greeting, conn);
    }
    if (conn->url.db) {
        buf_init(&number, sizeof(db));
        buf_printf(&number, "%u", conn->url.db);
        const struct str argv[] = {STR("SELECT"), buf_str(&number)};
        enqueue(conn, true, argv, 2, on_greeting, conn);
        buf_finish(&number);
    }
    const struct str ping[] = {STR("PING")};
    enqueue(conn, true, ping, 1, on_pong, conn);
}

static void on_lost(void *user, const char *why) {
    lose(user, why, ERR_CLOSED);
}

static void on_drain(void *user) {
    flush(user);
}

static void on_connect_timeout(uv_timer_t *timer) {
    lose(timer->data, "no connection in time", ERR_TIMEOUT);
}

static void open_socket(struct redis_conn *conn) {
    static const struct redis_socket_handlers handlers = {on_open, on_reply, on_drain, on_lost};
    int64_t limit = conn->timeout_ms && conn->timeout_ms < CONNECT_TIMEOUT_MS ? conn->timeout_ms
                                                                              : CONNECT_TIMEOUT_MS;
    conn->state = CONN_OPENING;
    conn->socket = redis_socket_open(conn->loop, &conn->url, &handlers, conn);
    if (conn->socket) {
        (void)uv_timer_start(&conn->timer, on_connect_timeout, (uint64_t)limit, 0);
    } else {
        lose(conn, "no socket", ERR_UNAVAILABLE);
    }
}

static void init_handles(struct redis_conn *conn) {
    (void)uv_idle_init(conn->loop, &conn->turn);
    (void)uv_timer_init(conn->loop, &conn->timer);
    (void)uv_timer_init(conn->loop, &conn->watch);
    (void)uv_timer_init(conn->loop, &conn->ping);
    conn->turn.data = conn->timer.data = conn->watch.data = conn->ping.data = conn;
    conn->handles = 4;
}

enum err redis_conn_create(uv_loop_t *loop, const struct redis_options *options,
                           redis_state_fn *on_state, void *user, struct redis_conn **out_conn) {
    struct redis_url url;
    enum err err = redis_url_parse(options->url, &url);
    if (err) {
        return err;
    }
    if (options->password && options->password[0]) {
        free(url.password);
        url.password = mem_strdup(options->password);
    }
    struct redis_conn *conn = mem_zalloc(1, sizeof(*conn));
    conn->loop = loop;
    conn->url = url;
    conn->timeout_ms = options->timeout_ms;
    conn->reconnect_max_ms = options->reconnect_max_ms;
    conn->on_state = on_state;
    conn->on_push = options->on_push;
    conn->user = user;
    conn->batch = 1;
    list_init(&conn->waiting);
    list_init(&conn->failed);
    list_init(&conn->delivering);
    buf_init(&conn->out, OUT_BYTES_MAX);
    init_handles(conn);
    (void)uv_timer_start(&conn->timer, on_retry, 0, 0);
    *out_conn = conn;
    return ERR_OK;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct redis_conn *conn = handle->data;
    if (--conn->handles > 0) {
        return;
    }
    redis_url_finish(&conn->url);
    buf_finish(&conn->out);
    free(conn);
}

void redis_conn_destroy(struct redis_conn *conn) {
    if (!conn || conn->closing) {
        return;
    }
    conn->closing = true;
    drop_socket(conn);
    conn->state = CONN_DOWN;
    fail_waiting(conn, ERR_CLOSED);
    while (!list_is_empty(&conn->failed) || !list_is_empty(&conn->delivering)) {
        deliver_failures(conn);
    }
    uv_close((uv_handle_t *)&conn->turn, on_handle_closed);
    uv_close((uv_handle_t *)&conn->timer, on_handle_closed);
    uv_close((uv_handle_t *)&conn->watch, on_handle_closed);
    uv_close((uv_handle_t *)&conn->ping, on_handle_closed);
}

bool redis_conn_is_up(const struct redis_conn *conn) {
    return conn->state == CONN_UP;
}

void redis_conn_reset(struct redis_conn *conn) {
    if (!conn->closing && conn->state != CONN_DOWN) {
        lose(conn, "reset", ERR_CLOSED);
    }
}

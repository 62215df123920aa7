#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "http_internal.h"

/* Closing a socket with unread input makes the kernel send RST, which can destroy the answer on
 * its way (RFC 9112 section 9.6). When we answer before having read the body, a duplicate of the
 * descriptor stays behind with its sending side shut down, reads and forgets what comes, and
 * closes after the peer or after HTTP_LINGER_MS. */
struct http_linger {
    struct list link; /* http_server.lingering */
    struct http_server *server;
    uv_poll_t poll;
    uv_timer_t timer;
    int fd;
    int open_handles;
};

/* --- lingering --- */

static void linger_handle_closed(uv_handle_t *handle) {
    struct http_linger *g = handle->data;
    struct http_server *server = g->server;
    if (--g->open_handles == 0) {
        close(g->fd);
        free(g);
    }
    http_server_handle_closed(server);
}

static void linger_end(struct http_linger *g) {
    if (uv_is_closing((uv_handle_t *)&g->poll)) {
        return;
    }
    list_remove(&g->link);
    g->server->linger_count--;
    uv_close((uv_handle_t *)&g->poll, linger_handle_closed);
    uv_close((uv_handle_t *)&g->timer, linger_handle_closed);
}

static void on_linger_input(uv_poll_t *poll, int status, int events) {
    struct http_linger *g = poll->data;
    (void)events;
    char waste[16384];
    if (status < 0 || recv(g->fd, waste, sizeof(waste), MSG_DONTWAIT) <= 0) {
        linger_end(g);
    }
}

static void on_linger_timer(uv_timer_t *timer) {
    linger_end(timer->data);
}

static void linger_start(struct http_conn *conn) {
    struct http_server *server = conn->server;
    if (server->linger_count >= HTTP_LINGER_MAX || server->closing) {
        return;
    }
    int fd = dup(conn->fd);
    if (fd < 0) {
        return;
    }
    struct http_linger *g = mem_zalloc(1, sizeof(*g));
    *g = (struct http_linger){.server = server, .fd = fd};
    if (uv_poll_init(server->loop, &g->poll, fd) != 0) {
        close(fd);
        free(g);
        return;
    }
    uv_timer_init(server->loop, &g->timer);
    g->poll.data = g->timer.data = g;
    g->open_handles = 2;
    server->open_handles += 2;
    server->linger_count++;
    list_push_back(&server->lingering, &g->link);
    uv_poll_start(&g->poll, UV_READABLE, on_linger_input);
    uv_timer_start(&g->timer, on_linger_timer, HTTP_LINGER_MS, 0);
}

void http_server_end_lingering(struct http_server *server) {
    LIST_EACH_SAFE(it, &server->lingering) {
        linger_end(LIST_ENTRY(it, struct http_linger, link));
    }
}

/* --- deadlines --- */

static uint64_t sooner(uint64_t a_ms, uint64_t b_ms) {
    return a_ms < b_ms ? a_ms : b_ms;
}

static uint64_t first_deadline(const struct list *conns) {
    return list_is_empty(conns) ? UINT64_MAX
                                : LIST_ENTRY(conns->next, struct http_conn, timed)->deadline_ms;
}

static void arm_deadline_timer(struct http_server *server) {
    if (server->destroying) {
        return; /* the timer then ends the flushing */
    }
    uint64_t first_ms = sooner(first_deadline(&server->timed), first_deadline(&server->young));
    if (first_ms == UINT64_MAX) {
        uv_timer_stop(&server->deadline_timer);
        return;
    }
    uint64_t now = uv_now(server->loop);
    uv_timer_start(&server->deadline_timer, http_server_on_deadline,
                   first_ms > now ? first_ms - now : 0, 0);
}

static void kill_late(struct http_server *server, struct list *conns) {
    LIST_EACH_SAFE(it, conns) {
        struct http_conn *conn = LIST_ENTRY(it, struct http_conn, timed);
        if (conn->deadline_ms > uv_now(server->loop)) {
            break;
        }
        http_conn_clear_deadline(conn);
        http_conn_kill(conn);
    }
}

void http_server_on_deadline(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    kill_late(server, &server->timed);
    kill_late(server, &server->young);
    arm_deadline_timer(server);
}

static void set_deadline(struct http_conn *conn, struct list *conns, int64_t timeout_s) {
    struct http_server *server = conn->server;
    bool was_empty = list_is_empty(conns);
    list_remove(&conn->timed);
    list_push_back(conns, &conn->timed);
    conn->deadline_ms = uv_now(server->loop) + (uint64_t)timeout_s * 1000;
    if (was_empty) {
        arm_deadline_timer(server);
    }
}

void http_conn_set_deadline(struct http_conn *conn) {
    set_deadline(conn, &conn->server->timed, conn->server->options.request_timeout_s);
}

void http_conn_clear_deadline(struct http_conn *conn) {
    /* The timer may come early for it and arms itself anew. */
    list_remove(&conn->timed);
}

/* --- the peer leaves --- */

static void on_peer_left(uv_poll_t *watch, int status, int events) {
    struct http_conn *conn = watch->data;
    (void)status;
    (void)events;
    uv_poll_stop(watch);
    if (conn->rq) {
        http_request_gone(conn->rq);
    }
}

void http_conn_watch(struct http_conn *conn) {
    if (!conn->watch_ready) {
        if (uv_poll_init(conn->server->loop, &conn->watch, conn->fd) != 0) {
            return; /* then a leaver is noticed when its answer cannot be sent */
        }
        conn->watch.data = conn;
        conn->watch_ready = true;
        conn->server->open_handles++;
    }
    uv_poll_start(&conn->watch, UV_DISCONNECT, on_peer_left);
}

void http_conn_unwatch(struct http_conn *conn) {
    if (conn->watch_ready) {
        uv_poll_stop(&conn->watch);
    }
}

void http_conn_kill(struct http_conn *conn) {
    (void)shutdown(conn->fd, SHUT_RDWR);
}

static bool may_stall(const struct http_request *rq, uint64_t now_ms) {
    return rq && rq->phase == HTTP_READING && rq->head == HTTP_HEAD_DONE && rq->has_body &&
           !rq->length_known && now_ms - rq->body_moved_ms >= HTTP_STALL_MS;
}

void http_server_end_stalled(struct http_server *server) {
    uint64_t now_ms = uv_now(server->loop);
    if (now_ms < server->stall_check_ms) {
        return; /* there may be many connections */
    }
    server->stall_check_ms = now_ms + HTTP_STALL_MS / 10;
    LIST_EACH(it, &server->conns) {
        struct http_conn *conn = LIST_ENTRY(it, struct http_conn, link);
        if (may_stall(conn->rq, now_ms)) {
            http_conn_kill(conn);
        }
    }
}

/* --- the first moments of a TLS connection --- */

static void conn_begin_tls(struct http_conn *conn) {
    struct http_server *server = conn->server;
    if (server->young_count >= server->options.handshakes_max && !list_is_empty(&server->young)) {
        /* Honest clients finish at once, so the one that takes longest goes. */
        struct http_conn *oldest = LIST_ENTRY(server->young.next, struct http_conn, timed);
        metrics_add(M_CONNECTIONS_REFUSED_PENDING, 1);
        http_conn_grown(oldest);
        http_conn_clear_deadline(oldest);
        http_conn_kill(oldest);
    }
    conn->young = true;
    server->young_count++;
    set_deadline(conn, &server->young, server->options.handshake_timeout_s);
    http_tls_begin(conn);
}

void http_conn_grown(struct http_conn *conn) {
    conn->server->young_count -= conn->young;
    conn->young = false;
}

/* --- life --- */

struct http_conn *http_conn_create(struct http_server *server, struct MHD_Connection *mhd) {
    struct http_conn *conn = mem_zalloc(1, sizeof(*conn));
    conn->server = server;
    conn->mhd = mhd;
    list_init(&conn->timed);
    list_push_back(&server->conns, &conn->link);
    server->conn_count++;
    metrics_set(M_HTTP_CONNECTIONS, server->conn_count);
    conn->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *addr =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    if (addr && (addr->sa_family == AF_INET || addr->sa_family == AF_INET6)) {
        memcpy(&conn->addr, addr,
               addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
                                          : sizeof(struct sockaddr_in6));
    }
    address_format(&conn->addr, conn->peer);
    if (server->options.tls) {
        conn_begin_tls(conn);
    } else {
        http_conn_set_deadline(conn);
    }
    return conn;
}

static void watch_closed(uv_handle_t *handle) {
    struct http_conn *conn = handle->data;
    struct http_server *server = conn->server;
    free(conn);
    http_server_handle_closed(server);
}

void http_conn_destroy(struct http_conn *conn) {
    struct http_server *server = conn->server;
    list_remove(&conn->link);
    list_remove(&conn->timed);
    server->conn_count--;
    metrics_set(M_HTTP_CONNECTIONS, server->conn_count);
    if (conn->young) {
        metrics_add(M_CONNECTIONS_REFUSED_TLS, 1);
        http_conn_grown(conn);
    }
    tls_identity_unref(conn->identity);
    if (conn->linger) {
        linger_start(conn);
    }
    if (!server->destroying && server->options.on_closed) {
        server->options.on_closed(server->options.closed_user, &conn->addr);
    }
    if (conn->watch_ready) {
        uv_close((uv_handle_t *)&conn->watch, watch_closed);
    } else {
        free(conn);
    }
}

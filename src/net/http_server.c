#include "net/http_server.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "http_internal.h"

/* libmicrohttpd runs with its own epoll set and no thread. We poll that set's descriptor on the
 * loop, and keep one timer at what MHD_get_timeout asks for. */

enum {
    RUNS_PER_TURN = 8, /* MHD_run calls in one loop turn while it says that it has more to do */
    /* Skipping an empty line before a request takes one run, and so many may come. */
    BUSY_TURNS_MAX = 250,
    STALLED_MS = 10, /* pause between turns then */
    HANDLES = 4      /* poll, run_idle, run_timer, deadline_timer */
};

/* --- the loop --- */

static void on_run_idle(uv_idle_t *idle);
static void on_run_timer(uv_timer_t *timer);

/* When the library runs next. Not a timer of 0 ms for "at once": started from a timer's callback
 * it comes in the same pass over the timers (libuv 1.44), and nobody else ever gets a turn. An
 * idle handle comes once in each turn of the loop.
 *
 * With a buffer full of a chunk's endless size line 0.9.75 asks to be run again and again without
 * taking another byte. When it has not come to rest for long, it pauses in between (what really
 * happens wakes us through `poll`), and the culprit is looked for. */
static void schedule(struct http_server *server, bool waits, uint64_t wait_ms) {
    bool is_busy = waits && !wait_ms;
    server->busy_turns = is_busy ? server->busy_turns + 1 : 0;
    bool is_stalled = server->busy_turns > BUSY_TURNS_MAX;
    if (is_busy && (server->moved || !is_stalled)) {
        uv_idle_start(&server->run_idle, on_run_idle);
    } else if (waits) {
        uv_timer_start(&server->run_timer, on_run_timer, is_busy ? STALLED_MS : wait_ms, 0);
    }
    if (is_stalled) {
        http_server_end_stalled(server);
    }
}

static void pump(struct http_server *server) {
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    bool waits = true;
    uv_idle_stop(&server->run_idle);
    uv_timer_stop(&server->run_timer);
    server->pumping = true;
    server->moved = false;
    for (int i = 0; i < RUNS_PER_TURN && !server->closing; i++) {
        server->woken = false;
        (void)MHD_run(server->daemon);
        waits = server->woken || MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES;
        wait_ms = server->woken ? 0 : wait_ms;
        if (!waits || wait_ms > 0) {
            break;
        }
    }
    server->pumping = false;
    if (!server->closing) {
        schedule(server, waits, wait_ms);
    }
}

void http_server_wake(struct http_server *server) {
    if (!server->woken && !server->pumping && !server->closing) {
        uv_idle_start(&server->run_idle, on_run_idle);
    }
    server->woken = true;
    server->moved = true;
}

static void on_run_idle(uv_idle_t *idle) {
    pump(idle->data);
}

static void on_run_timer(uv_timer_t *timer) {
    pump(timer->data);
}

static void on_epoll(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    pump(poll->data);
}

/* --- callbacks of libmicrohttpd --- */

static struct http_conn *conn_of(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code) {
    struct http_server *server = cls;
    server->moved = true;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = http_conn_create(server, mhd);
    } else {
        http_conn_destroy(*context);
        *context = NULL;
    }
}

/* The request line is there. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd) {
    struct http_server *server = cls;
    server->moved = true;
    struct http_request *rq = http_request_create(conn_of(mhd), target ? target : "");
    /* The library would now store each query parameter as a header in the connection's memory,
     * and when that runs out the client never gets an answer (0.9.75, a query of "&&&&…"). We
     * have parsed the query; the line lies in the library's own buffer, where it is about to cut
     * it at the '?' itself: cutting one byte later hides the parameters from it. */
    char *query = target ? strchr((char *)(uintptr_t)target, '?') : NULL;
    if (query && query[1]) {
        query[1] = '\0';
    }
    return rq;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context) {
    struct http_server *server = cls;
    struct http_request *rq = *context;
    (void)mhd;
    (void)url;
    server->moved = true;
    if (!rq) {
        return MHD_NO;
    }
    if (rq->head != HTTP_HEAD_DONE) {
        return http_request_on_head(rq, method, version);
    }
    if (*upload_size > 0) {
        return http_request_on_body(rq, upload, upload_size);
    }
    return http_request_on_complete(rq);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode code) {
    struct http_server *server = cls;
    (void)mhd;
    (void)code;
    server->moved = true;
    if (*context) {
        http_request_completed(*context);
        *context = NULL;
    }
}

/* We decode targets ourselves. */
static size_t leave_escaped(void *cls, struct MHD_Connection *mhd, char *text) {
    (void)cls;
    (void)mhd;
    return strlen(text);
}

/* --- life --- */

static enum err start_daemon(struct http_server *server) {
    /* Memory of one connection: the head as received, its cookies copied, a node of 56 bytes per
     * field, and room that is always left for a piece of a body and the head of the answer.
     * Without that room 0.9.75 can stall, so http_request.c refuses heads that would use it up. */
    size_t memory = 2 * (size_t)server->options.header_max_bytes + 16384;
    unsigned tls_flag = server->options.tls ? MHD_USE_TLS : 0;
    struct MHD_OptionItem tls_options[HTTP_TLS_OPTIONS];
    http_tls_fill_options(server, tls_options);
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | tls_flag, 0, NULL,
        NULL, on_request, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_URI_LOG_CALLBACK, on_target,
        server, MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_CONNECTION_LIMIT,
        server->options.connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)server->options.request_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory,
        MHD_OPTION_ARRAY, tls_options, MHD_OPTION_END);
    if (!server->daemon) {
        log_error("http_server_failed", LOG_S("error", strerror(errno)));
        return ERR_IO;
    }
    return ERR_OK;
}

static enum err start_handles(struct http_server *server) {
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || uv_poll_init(server->loop, &server->poll, info->epoll_fd) != 0) {
        return ERR_IO;
    }
    uv_idle_init(server->loop, &server->run_idle);
    uv_timer_init(server->loop, &server->run_timer);
    uv_timer_init(server->loop, &server->deadline_timer);
    server->poll.data = server->run_idle.data = server;
    server->run_timer.data = server->deadline_timer.data = server;
    server->open_handles = HANDLES;
    uv_poll_start(&server->poll, UV_READABLE, on_epoll);
    return ERR_OK;
}

static void server_free(struct http_server *server) {
    free(server->routes);
    free(server);
}

enum err http_server_create(uv_loop_t *loop, const struct http_server_options *options,
                            const struct http_route *routes, size_t route_count, void *user,
                            struct http_server **out_server) {
    struct http_server *server = mem_zalloc(1, sizeof(*server));
    *server = (struct http_server){
        .loop = loop, .options = *options, .route_count = route_count, .user = user};
    server->routes = mem_zalloc(route_count ? route_count : 1, sizeof(*routes));
    memcpy(server->routes, routes, route_count * sizeof(*routes));
    list_init(&server->conns);
    list_init(&server->timed);
    list_init(&server->young);
    list_init(&server->lingering);
    enum err err = start_daemon(server);
    if (err == ERR_OK) {
        err = start_handles(server);
    }
    if (err != ERR_OK) {
        if (server->daemon) {
            MHD_stop_daemon(server->daemon);
        }
        server_free(server);
        return err;
    }
    *out_server = server;
    return ERR_OK;
}

enum err http_server_adopt(struct http_server *server, int take_fd, const struct sockaddr *peer,
                           socklen_t peer_size) {
    if (server->destroying || server->conn_count >= server->options.connections_max) {
        close(take_fd);
        return server->destroying ? ERR_CLOSED : ERR_FULL;
    }
    /* Closes the socket when it fails. */
    return MHD_add_connection(server->daemon, take_fd, peer, peer_size) == MHD_YES ? ERR_OK
                                                                                   : ERR_IO;
}

void http_server_drain(struct http_server *server) {
    server->draining = true;
}

void http_server_wind_down(struct http_server *server) {
    server->winding_down = true;
}

unsigned http_server_connection_count(const struct http_server *server) {
    return server->conn_count;
}

unsigned http_server_request_count(const struct http_server *server) {
    return server->request_count;
}

void http_server_handle_closed(struct http_server *server) {
    if (--server->open_handles > 0) {
        return;
    }
    void (*on_gone)(void *user) = server->on_gone;
    void *gone_user = server->gone_user;
    server_free(server);
    if (on_gone) {
        on_gone(gone_user);
    }
}

/* The last of our own handles is closed, so nothing of the library is on the stack. */
static void on_handle_closed(uv_handle_t *handle) {
    struct http_server *server = handle->data;
    if (handle == (uv_handle_t *)&server->deadline_timer) {
        /* Closes all connections; all that were suspended have been resumed before. */
        MHD_stop_daemon(server->daemon);
        http_server_end_lingering(server);
    }
    http_server_handle_closed(server);
}

static void close_handles(struct http_server *server) {
    if (server->closing) {
        return;
    }
    server->closing = true;
    uv_close((uv_handle_t *)&server->poll, on_handle_closed);
    uv_close((uv_handle_t *)&server->run_idle, on_handle_closed);
    uv_close((uv_handle_t *)&server->run_timer, on_handle_closed);
    uv_close((uv_handle_t *)&server->deadline_timer, on_handle_closed);
}

static void on_flush_over(uv_timer_t *timer) {
    close_handles(timer->data);
}

void http_server_check_flushed(struct http_server *server) {
    if (!server->destroying) {
        return;
    }
    LIST_EACH(it, &server->conns) {
        const struct http_conn *conn = LIST_ENTRY(it, struct http_conn, link);
        const struct http_request *rq = conn->rq;
        if (rq && (rq->phase == HTTP_ANSWERED || rq->in_handler)) {
            return;
        }
    }
    close_handles(server);
}

void http_server_destroy(struct http_server *server, void (*on_gone)(void *user), void *user) {
    if (!server) {
        return;
    }
    assert(!server->destroying);
    server->on_gone = on_gone;
    server->gone_user = user;
    server->draining = true;
    server->destroying = true;
    LIST_EACH(it, &server->conns) {
        struct http_conn *conn = LIST_ENTRY(it, struct http_conn, link);
        if (conn->rq) {
            http_request_gone(conn->rq);
        }
    }
    uv_timer_start(&server->deadline_timer, on_flush_over, HTTP_FLUSH_MS, 0);
    http_server_check_flushed(server);
}

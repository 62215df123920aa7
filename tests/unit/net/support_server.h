#pragma once
/* A listener and an HTTP server with a handful of routes, for the tests of net. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/http_server.h"
#include "net/listener.h"
#include "support_http.h"

enum { WAITING_MAX = 64 };

struct server_fixture {
    uv_loop_t loop;
    struct listener *listener;
    struct http_server *server;
    int port;
    int handled;
    int gone_count;
    int drained_count;
    int closed_count;
    bool server_gone;
    struct http_request *waiting[WAITING_MAX]; /* deferred or streaming, in order */
    int waiting_count;
};

static inline void fx_on_gone(void *user) {
    struct server_fixture *f = user;
    f->gone_count++;
}

static inline void fx_on_drained(void *user) {
    struct server_fixture *f = user;
    f->drained_count++;
}

static inline void fx_echo(void *user, struct http_request *rq) {
    struct server_fixture *f = user;
    struct buf b;
    buf_init(&b, 4 * 1024 * 1024);
    f->handled++;
    buf_put_str(&b, http_method(rq));
    buf_puts(&b, " id=");
    buf_put_str(&b, http_path_param(rq, 0));
    buf_puts(&b, " q=");
    buf_puts(&b, http_query(rq, "q").p ? "[" : "-");
    buf_put_str(&b, http_query(rq, "q"));
    buf_puts(&b, " h=");
    buf_put_str(&b, http_header(rq, "x-test"));
    buf_puts(&b, " peer=");
    buf_puts(&b, http_peer(rq));
    buf_puts(&b, " body=");
    buf_put_str(&b, http_body(rq));
    http_add_header(rq, "X-Echo", "yes");
    http_answer(rq, 200, "text/plain", buf_str(&b));
    buf_finish(&b);
}

static inline void fx_problem(void *user, struct http_request *rq) {
    (void)user;
    struct problem *p = problem_create();
    problem_add(p, "/a", "required", "a is missing");
    http_problem(rq, 422, "Unprocessable Content", "", p);
    problem_destroy(p);
}

static inline void fx_defer(void *user, struct http_request *rq) {
    struct server_fixture *f = user;
    f->handled++;
    f->waiting[f->waiting_count++] = rq;
    http_defer(rq, http_query(rq, "deaf").p ? NULL : fx_on_gone, f);
}

static inline void fx_stream(void *user, struct http_request *rq) {
    struct server_fixture *f = user;
    f->handled++;
    f->waiting[f->waiting_count++] = rq;
    http_stream_begin(rq, "text/event-stream", fx_on_drained, fx_on_gone, f);
}

static inline void fx_silent(void *user, struct http_request *rq) {
    (void)user;
    (void)rq;
}

/* on_head of /guarded: X-Test: no = 401, later = wait, else go on. */
static inline void fx_guard(void *user, struct http_request *rq) {
    struct server_fixture *f = user;
    struct str test = http_header(rq, "X-Test");
    http_keep(rq, mem_strdup("kept from the head"));
    if (str_eq(test, STR("no"))) {
        http_problem(rq, 401, "Unauthorized", "No.", NULL);
    } else if (str_eq(test, STR("later"))) {
        f->waiting[f->waiting_count++] = rq;
        http_defer(rq, fx_on_gone, f);
    } else {
        http_continue(rq);
    }
}

static inline void fx_guarded(void *user, struct http_request *rq) {
    struct server_fixture *f = user;
    f->handled++;
    http_add_header(rq, "X-Kept", http_kept(rq));
    http_answer(rq, 200, "text/plain", http_body(rq));
}

static inline void fx_on_closed(void *user, const struct sockaddr_storage *peer) {
    struct server_fixture *f = user;
    f->closed_count++;
    listener_closed(f->listener, peer);
}

static inline void fx_on_socket(void *user, int take_fd, const struct sockaddr_storage *peer,
                                socklen_t peer_size, struct str line) {
    struct server_fixture *f = user;
    (void)line;
    if (http_server_adopt(f->server, take_fd, (const struct sockaddr *)peer, peer_size) != ERR_OK) {
        listener_closed(f->listener, peer);
    }
}

static inline void fx_server_gone(void *user) {
    struct server_fixture *f = user;
    f->server_gone = true;
}

/* A server with the routes given. */
static inline struct server_fixture *fx_start_routes(struct http_server_options options,
                                                     const struct http_route *routes,
                                                     size_t route_count) {
    struct server_fixture *f = mem_zalloc(1, sizeof(*f));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    options.header_max_bytes = options.header_max_bytes ? options.header_max_bytes : 8192;
    options.request_timeout_s = options.request_timeout_s ? options.request_timeout_s : 10;
    options.connections_max = options.connections_max ? options.connections_max : 300;
    options.on_closed = fx_on_closed;
    options.closed_user = f;
    assert_int_equal(http_server_create(&f->loop, &options, routes, route_count, f, &f->server),
                     ERR_OK);
    struct listener_options door = {.address = "127.0.0.1:0", .per_ip_max = 1000};
    assert_int_equal(listener_create(&f->loop, &door, fx_on_socket, f, &f->listener), ERR_OK);
    f->port = listener_port(f->listener);
    return f;
}

static inline struct server_fixture *fx_start(struct http_server_options options) {
    static const struct http_route routes[] = {
        {"GET", "/", fx_echo, 0, false, NULL},
        {"GET", "/things", fx_echo, 0, true, NULL},
        {"POST", "/things", fx_echo, 1000, true, NULL},
        {"POST", "/big", fx_echo, 2000000, false, NULL},
        {"GET", "/things/{id}", fx_echo, 0, false, NULL},
        {"PUT", "/things/{id}", fx_echo, 1000, false, NULL},
        {"POST", "/things/{id}:stop", fx_echo, 1000, false, NULL},
        {"POST", "/things:check", fx_echo, 1000, false, NULL},
        {"GET", "/things/{id}/parts/{part}", fx_echo, 0, false, NULL},
        {"GET", "/problem", fx_problem, 0, false, NULL},
        {"GET", "/defer", fx_defer, 0, false, NULL},
        {"POST", "/defer", fx_defer, 1000, false, NULL},
        {"GET", "/stream", fx_stream, 0, true, NULL},
        {"GET", "/silent", fx_silent, 0, false, NULL},
        {"POST", "/guarded", fx_guarded, 1000, false, fx_guard},
    };
    return fx_start_routes(options, routes, sizeof(routes) / sizeof(*routes));
}

static inline void fx_stop(struct server_fixture *f) {
    listener_destroy(f->listener);
    http_server_destroy(f->server, fx_server_gone, f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->server_gone);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
}

static inline bool fx_wait(struct server_fixture *f, const int *counter, int value) {
    for (int i = 0; i < 4000 && *counter < value; i++) {
        loop_turn(&f->loop);
    }
    return *counter >= value;
}

#define HOST "Host: test\r\n"

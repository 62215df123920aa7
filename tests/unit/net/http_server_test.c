/* Routing, limits, bodies, pipelines and broken input, over a real socket. */
#include "support_server.h"

#include <stdio.h>

static int ask(struct server_fixture *f, struct client *c, const char *request) {
    client_open(c, &f->loop, f->port);
    return client_ask(c, request, false);
}

/* One request on its own connection; checks status and a text in the answer. */
static void expect(struct server_fixture *f, const char *request, int status, const char *text) {
    struct client c;
    int got = ask(f, &c, request);
    if (got != status || (text && !strstr(c.in.p, text))) {
        print_error("request: %s\nanswer: %s\n", request, c.in.n ? c.in.p : "(none)");
    }
    assert_int_equal(got, status);
    assert_true(!text || strstr(c.in.p, text));
    client_close(&c);
}

static void routes_and_params(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    expect(f, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, "GET id= q=-");
    expect(f, "GET /things/a%2Fb HTTP/1.1\r\n" HOST "\r\n", 200, "GET id=a/b q=-");
    expect(f, "GET /things/x/parts/y?q=1 HTTP/1.1\r\n" HOST "\r\n", 200, "GET id=x q=[1");
    expect(f, "GET /things?q=a+b%26c&q=2 HTTP/1.1\r\n" HOST "X-Test: v w\r\n\r\n", 200,
           "id= q=[a b&c h=v w peer=127.0.0.1");
    expect(f, "GET /things?q HTTP/1.1\r\n" HOST "\r\n", 200, "q=[ h=");
    expect(f, "POST /things/7:stop HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", 200,
           "POST id=7 q=- h= peer=127.0.0.1 body=hi");
    expect(f, "POST /things:check HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", 200, "body=hi");
    expect(f, "PUT /things/%D8%A7 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200,
           "PUT id=\xD8\xA7");
    expect(f, "GET http://test/things HTTP/1.1\r\n" HOST "\r\n", 200, "GET id=");
    expect(f, "GET http://test?q=/nothing HTTP/1.1\r\n" HOST "\r\n", 200, "GET id= q=-");
    expect(f, "GET /things/7:stop HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: POST, OPTIONS");
    fx_stop(f);
}

static void unknown_paths_and_methods(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    expect(f, "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "\"status\":404");
    expect(f, "GET /things/ HTTP/1.1\r\n" HOST "\r\n", 404, "application/problem+json");
    expect(f, "GET /things//parts/1 HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
    expect(f, "GET /a/b/c/d/e/f/g/h/i/j HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
    expect(f, "GET /things/x:go HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
    expect(f, "DELETE /things HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: GET, HEAD, POST, OPTIONS");
    expect(f, "BREW /things HTTP/1.1\r\n" HOST "\r\n", 405, NULL);
    expect(f, "POST /nothing HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 404, NULL);
    expect(f, "GET /silent HTTP/1.1\r\n" HOST "\r\n", 500, NULL);
    expect(f, "GET /problem HTTP/1.1\r\n" HOST "\r\n", 422, "\"pointer\":\"/a\"");
    assert_int_equal(f->handled, 0);
    fx_stop(f);
}

static void answers_carry_safe_headers(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    assert_int_equal(ask(f, &c, "GET /things HTTP/1.1\r\n" HOST "\r\n"), 200);
    assert_non_null(strstr(c.in.p, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(c.in.p, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(c.in.p, "Access-Control-Allow-Origin: *\r\n"));
    assert_non_null(strstr(c.in.p, "X-Echo: yes\r\n"));
    assert_int_equal(client_ask(&c, "GET / HTTP/1.1\r\n" HOST "\r\n", false), 200);
    assert_null(strstr(c.in.p, "Access-Control"));
    client_close(&c);
    fx_stop(f);
}

static void cors_preflight(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    client_open(&c, &f->loop, f->port);
    client_puts(&c, "OPTIONS /things HTTP/1.1\r\n" HOST
                    "Access-Control-Request-Headers: last-event-id\r\n\r\n");
    assert_true(client_wait_for(&c, "\r\n\r\n", 2000));
    assert_non_null(strstr(c.in.p, "HTTP/1.1 204"));
    assert_non_null(strstr(c.in.p, "Access-Control-Allow-Methods: GET, HEAD, POST, OPTIONS"));
    assert_non_null(strstr(c.in.p, "Access-Control-Allow-Headers: last-event-id"));
    assert_non_null(strstr(c.in.p, "Access-Control-Allow-Origin: *"));
    buf_clear(&c.in);
    client_puts(&c, "OPTIONS /things/7 HTTP/1.1\r\n" HOST "\r\n");
    assert_true(client_wait_for(&c, "\r\n\r\n", 2000));
    assert_non_null(strstr(c.in.p, "HTTP/1.1 204"));
    assert_non_null(strstr(c.in.p, "Allow: GET, HEAD, PUT, OPTIONS"));
    assert_null(strstr(c.in.p, "Access-Control"));
    client_close(&c);
    fx_stop(f);
}

static void head_is_get_without_body(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    client_open(&c, &f->loop, f->port);
    assert_int_equal(client_ask(&c, "HEAD /things HTTP/1.1\r\n" HOST "\r\n", true), 200);
    assert_string_equal(strstr(c.in.p, "\r\n\r\n"), "\r\n\r\n");
    assert_non_null(strstr(c.in.p, "Content-Length: "));
    assert_int_equal(client_ask(&c, "GET /things HTTP/1.1\r\n" HOST "\r\n", false), 200);
    assert_int_equal(client_ask(&c, "HEAD /nothing HTTP/1.1\r\n" HOST "\r\n", true), 404);
    assert_int_equal(client_ask(&c, "HEAD /stream HTTP/1.1\r\n" HOST "\r\n", true), 200);
    assert_true(fx_wait(f, &f->gone_count, 1));
    client_close(&c);
    fx_stop(f);
}

static void bad_targets_are_400(void **state) {
    (void)state;
    static const char *const bad[] = {
        "/things/%00",   "/things/%",   "/things/%1",          "/things/%zz", "/things/%ff",
        "/things?q=%00", "/things?%=1", "/things?q=%ED%A0%80", "things",      "/things/%C0%AF"};
    struct server_fixture *f = fx_start((struct http_server_options){0});
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char request[256];
        (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "\r\n", bad[i]);
        expect(f, request, 400, "\"status\":400");
    }
    assert_int_equal(f->handled, 0);
    fx_stop(f);
}

static void ambiguous_heads_are_400(void **state) {
    (void)state;
    static const char *const bad[] = {
        "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip\r\n\r\nhi",
        "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length : 2\r\n\r\nhi",
        "Content-Length: -2\r\n\r\nhi",
        "Content-Length: 2x\r\n\r\nhi",
        "Content-Length: +2\r\n\r\nhi",
        "X Y: 2\r\n\r\n",
        "Host: again\r\n\r\n",
    };
    struct server_fixture *f = fx_start((struct http_server_options){0});
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char request[512];
        (void)snprintf(request, sizeof(request), "POST /things HTTP/1.1\r\n" HOST "%s", bad[i]);
        struct client c;
        int status = ask(f, &c, request);
        if (status != 400) {
            print_error("%s -> %s\n", bad[i], c.in.n ? c.in.p : "(none)");
        }
        assert_int_equal(status, 400);
        client_close(&c);
    }
    expect(f, "GET / HTTP/1.1\r\n\r\n", 400, "Host");
    expect(f, "GET / HTTP/1.0\r\n\r\n", 200, NULL);
    assert_int_equal(f->handled, 1);
    fx_stop(f);
}

/* Nothing may make the server spin, and the next client is served within a second. */
static void expect_calm(struct server_fixture *f) {
    int64_t used = loop_idle_cpu_ms(&f->loop, 500);
    if (used >= 250) {
        print_error("%d ms of processor time in 500 ms\n", (int)used);
    }
    assert_true(used < 250);
    expect(f, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
}

static void send_flood(struct server_fixture *f, const char *start, const char *unit, size_t size,
                       const char *end, struct client *c) {
    struct buf b;
    buf_init(&b, 8 * 1024 * 1024);
    buf_puts(&b, start);
    while (b.n < size) {
        buf_puts(&b, unit);
    }
    buf_puts(&b, end);
    client_open(c, &f->loop, f->port);
    client_send(c, b.p, b.n);
    buf_finish(&b);
    for (int i = 0; i < 50; i++) {
        client_poll(c);
    }
}

static void too_large_heads_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *start, *unit, *end;
        size_t size;
        int status; /* 0 = any refusal, or a close */
    } floods[] = {
        {"GET /", "a", " HTTP/1.1\r\n" HOST "\r\n", 10000, 431},
        {"GET /", "a", " HTTP/1.1\r\n" HOST "\r\n", 100000, 0},
        {"GET / HTTP/1.1\r\n" HOST "X: ", "a", "\r\n\r\n", 10000, 431},
        {"GET / HTTP/1.1\r\n" HOST "X: ", "a", "\r\n\r\n", 100000, 0},
        {"GET / HTTP/1.1\r\n" HOST, "a: b\r\n", "\r\n", 2000, 431},
        {"GET / HTTP/1.1\r\n" HOST, "a:\r\n", "\r\n", 100000, 0},
        {"GET / HTTP/1.1\r\n" HOST "Cookie: ", "a=b;", "\r\n\r\n", 5000, 0},
        {"GET / HTTP/1.1\r\n" HOST "Cookie: ", ";a", "\r\n\r\n", 32000, 0},
        {"GET /things?", "&", " HTTP/1.1\r\n" HOST "\r\n", 8000, 200},
        {"GET /things?", "&", " HTTP/1.1\r\n" HOST "\r\n", 30000, 0},
        {"GET /things?", "a&", " HTTP/1.1\r\n" HOST "\r\n", 1000, 400},
        {"GET /things?", "%41=%42&", " HTTP/1.1\r\n" HOST "\r\n", 30000, 0},
        {"GET / HTTP/1.1\r\n" HOST "X: a\r\n", " folded\r\n", "\r\n", 30000, 0},
        {"\r\n", "\r\n", "GET / HTTP/1.1\r\n" HOST "\r\n", 3000, 200},
        {"", "a", "", 200000, 0},
        {"POST /things HTTP/1.1\r\n" HOST "Content-Length: 5\r\n", "a: b\r\n", "\r\nhello", 30000,
         0},
    };
    struct server_fixture *f = fx_start((struct http_server_options){0});
    for (size_t i = 0; i < sizeof(floods) / sizeof(*floods); i++) {
        struct client c;
        send_flood(f, floods[i].start, floods[i].unit, floods[i].size, floods[i].end, &c);
        int status = c.in.n > 12 ? (int)strtol(c.in.p + 9, NULL, 10) : 0;
        bool good = floods[i].status ? status == floods[i].status
                                     : c.closed || (status >= 400 && status < 500);
        if (!good) {
            print_error("flood %d: %s\n", (int)i, c.in.n ? c.in.p : "(none)");
        }
        assert_true(good);
        expect_calm(f);
        client_close(&c);
    }
    fx_stop(f);
}

static void bodies_over_the_limit_are_413(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    /* Before a byte of the body was sent. */
    expect(f, "POST /things HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n\r\n", 413,
           "\"status\":413");
    expect(f,
           "POST /things HTTP/1.1\r\n" HOST "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
           413, "close");
    expect(f, "GET /things HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 413, NULL);
    expect(f, "POST /things HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n",
           413, NULL);
    expect(f, "GET /things HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413,
           NULL);
    /* While it streams in; the client gets its answer although it has not stopped sending. */
    struct client c;
    send_flood(f, "POST /things HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
               "100\r\n"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
               500000, "", &c);
    assert_true(client_wait_closed(&c, 4000));
    assert_non_null(strstr(c.in.p, "HTTP/1.1 413 "));
    size_t size = 0;
    assert_non_null(client_body(&c, &size));
    client_close(&c);
    send_flood(f, "POST /things HTTP/1.1\r\n" HOST "Content-Length: 3000000\r\n\r\n", "aaaa",
               3000000, "", &c);
    assert_true(client_wait_closed(&c, 4000));
    assert_non_null(strstr(c.in.p, "HTTP/1.1 413 "));
    assert_non_null(client_body(&c, &size));
    client_close(&c);
    assert_int_equal(f->handled, 0);
    expect_calm(f);
    fx_stop(f);
}

/* The library's buffer full of a size line that does not end: nobody else may notice, the
 * processor stays free, and the connection ends long before its deadline of ten seconds. */
static void an_endless_chunk_line_stops_nobody(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    client_open(&c, &f->loop, f->port);
    client_puts(&c, "POST /things HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3;");
    static char line[60000];
    memset(line, 'a', sizeof(line));
    client_send(&c, line, sizeof(line));
    assert_true(loop_idle_cpu_ms(&f->loop, 500) < 250);
    expect(f, "GET /things HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
    assert_true(client_wait_closed(&c, 4000));
    client_close(&c);
    assert_int_equal(f->handled, 1);
    expect_calm(f);
    fx_stop(f);
}

static void bodies_arrive_whole(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    expect(f,
           "POST /things HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
           "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
           200, "body=abcde");
    expect(f, "POST /things HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
           NULL);
    struct client c;
    client_open(&c, &f->loop, f->port);
    client_puts(&c, "POST /things HTTP/1.1\r\n" HOST
                    "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_true(client_wait_for(&c, "HTTP/1.1 100 ", 2000));
    assert_int_equal(client_ask(&c, "abcd", false), 200);
    client_close(&c);
    /* Larger than the library's buffers. */
    send_flood(f, "POST /big HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n", "0123456789",
               sizeof("POST /big HTTP/1.1\r\n" HOST "Content-Length: 1000000\r\n\r\n") - 1 +
                   1000000,
               "", &c);
    assert_true(client_wait_for(&c, "body=0123456789", 4000));
    size_t size = 0;
    for (int i = 0; i < 2000 && !client_body(&c, &size); i++) {
        client_poll(&c);
    }
    assert_true(size > 1000000);
    client_close(&c);
    /* A byte at a time. */
    client_open(&c, &f->loop, f->port);
    static const char slow[] = "POST /things HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nxyz";
    for (size_t i = 0; i < sizeof(slow) - 1; i++) {
        client_send(&c, slow + i, 1);
    }
    assert_true(client_wait_for(&c, "body=xyz", 2000));
    client_close(&c);
    fx_stop(f);
}

static int count_text(const char *text, const char *part) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        count++;
    }
    return count;
}

static void pipelined_requests_are_answered(void **state) {
    (void)state;
    static const char *const pairs[] = {
        "GET /things HTTP/1.1\r\n" HOST "\r\n"
        "POST /things HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nlast!",
        "POST /things HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi"
        "POST /things HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nlast!",
        "POST /things HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
        "POST /things HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\n\r\n5\r\nlast!\r\n0\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        struct server_fixture *f = fx_start((struct http_server_options){0});
        struct client c;
        client_open(&c, &f->loop, f->port);
        client_puts(&c, pairs[i]);
        assert_true(client_wait_for(&c, "body=last!", 1000));
        assert_int_equal(count_text(c.in.p, "HTTP/1.1 200 "), 2);
        assert_int_equal(f->handled, 2);
        expect_calm(f);
        client_close(&c);
        fx_stop(f);
    }
}

static void connections_are_kept_and_limited(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){.connections_max = 3});
    struct client c[4];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask(f, &c[i], "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    }
    assert_int_equal(http_server_connection_count(f->server), 3);
    client_open(&c[3], &f->loop, f->port);
    assert_true(client_wait_closed(&c[3], 2000));
    assert_int_equal(client_ask(&c[0], "GET / HTTP/1.1\r\n" HOST "\r\n", false), 200);
    client_close(&c[0]);
    assert_true(fx_wait(f, &f->closed_count, 1));
    struct client again;
    assert_int_equal(ask(f, &again, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"), 200);
    assert_true(client_wait_closed(&again, 2000));
    client_close(&again);
    for (int i = 1; i < 4; i++) {
        client_close(&c[i]);
    }
    fx_stop(f);
}

static void slow_requests_and_idle_connections_are_closed(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){.request_timeout_s = 1});
    struct client silent;
    struct client idle;
    struct client dripping;
    client_open(&silent, &f->loop, f->port);
    assert_int_equal(ask(f, &idle, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    client_open(&dripping, &f->loop, f->port);
    client_puts(&dripping, "POST /things HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n");
    bool closed = false;
    for (int i = 0; i < 50 && !closed; i++) {
        client_puts(&dripping, "x"); /* activity all the time, but no request */
        closed = client_wait_closed(&dripping, 100);
    }
    assert_true(closed);
    assert_true(client_wait_closed(&silent, 3000));
    assert_true(client_wait_closed(&idle, 3000));
    expect_calm(f);
    client_close(&silent);
    client_close(&idle);
    client_close(&dripping);
    fx_stop(f);
}

static void a_head_can_be_refused_before_the_body(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    expect(f, "POST /guarded HTTP/1.1\r\n" HOST "X-Test: no\r\nContent-Length: 5000\r\n\r\n", 401,
           "Connection: close");
    expect(f, "POST /guarded HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n", 413, NULL);
    expect(f, "POST /guarded HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi", 200,
           "X-Kept: kept from the head");
    expect(f, "POST /guarded HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, NULL);
    expect(f, "GET /guarded HTTP/1.1\r\n" HOST "\r\n", 405, NULL);
    assert_int_equal(f->handled, 2);
    fx_stop(f);
}

static void a_head_can_be_judged_later(void **state) {
    (void)state;
    static const char head[] =
        "POST /guarded HTTP/1.1\r\n" HOST "X-Test: later\r\nContent-Length: 2\r\n\r\nhi";
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    client_open(&c, &f->loop, f->port);
    client_puts(&c, head);
    assert_true(fx_wait(f, &f->waiting_count, 1));
    expect_calm(f);
    assert_int_equal(f->handled, 1); /* by expect_calm */
    http_continue(f->waiting[0]);
    assert_true(client_wait_for(&c, "\r\n\r\nhi", 2000));
    assert_int_equal(http_server_request_count(f->server), 0);
    /* Kept alive; now refused at last. */
    buf_clear(&c.in);
    client_puts(&c, head);
    assert_true(fx_wait(f, &f->waiting_count, 2));
    assert_int_equal(http_server_request_count(f->server), 1);
    http_problem(f->waiting[1], 401, "Unauthorized", "No.", NULL);
    assert_true(client_wait_for(&c, "\"status\":401", 2000));
    assert_true(client_wait_closed(&c, 2000));
    client_close(&c);
    /* Left while waiting. */
    client_open(&c, &f->loop, f->port);
    client_puts(&c, head);
    assert_true(fx_wait(f, &f->waiting_count, 3));
    client_close(&c);
    assert_true(fx_wait(f, &f->gone_count, 1));
    expect_calm(f);
    /* The server ends while one waits. */
    client_open(&c, &f->loop, f->port);
    client_puts(&c, head);
    assert_true(fx_wait(f, &f->waiting_count, 4));
    client_close(&c);
    fx_stop(f);
}

static void draining_refuses_new_requests(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    struct client waiting;
    assert_int_equal(ask(f, &c, "GET / HTTP/1.1\r\n" HOST "\r\n"), 200);
    client_open(&waiting, &f->loop, f->port);
    client_puts(&waiting, "GET /defer HTTP/1.1\r\n" HOST "\r\n");
    assert_true(fx_wait(f, &f->waiting_count, 1));
    http_server_drain(f->server);
    assert_int_equal(client_ask(&c, "GET / HTTP/1.1\r\n" HOST "\r\n", false), 503);
    assert_non_null(strstr(c.in.p, "Connection: close"));
    assert_non_null(strstr(c.in.p, "Retry-After: 1"));
    assert_true(client_wait_closed(&c, 2000));
    http_answer(f->waiting[0], 200, "text/plain", STR("late"));
    assert_true(client_wait_for(&waiting, "late", 2000));
    client_close(&waiting);
    client_close(&c);
    fx_stop(f);
}

static void garbage_never_hangs_the_server(void **state) {
    (void)state;
    static const char *const garbage[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n: empty\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
        "GET /stream HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "POST /things HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "ffffffffffffffffff\r\n",
        "GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n folded: x\r\n\r\n",
        "POST /things HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhalf",
    };
    struct server_fixture *f = fx_start((struct http_server_options){0});
    for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
        struct client c;
        client_open(&c, &f->loop, f->port);
        client_puts(&c, garbage[i]);
        for (int k = 0; k < 20; k++) {
            client_poll(&c);
        }
        expect_calm(f);
        shutdown(c.fd, SHUT_WR);
        expect_calm(f);
        client_close(&c);
    }
    fx_stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_and_params),
        cmocka_unit_test(unknown_paths_and_methods),
        cmocka_unit_test(answers_carry_safe_headers),
        cmocka_unit_test(cors_preflight),
        cmocka_unit_test(head_is_get_without_body),
        cmocka_unit_test(bad_targets_are_400),
        cmocka_unit_test(ambiguous_heads_are_400),
        cmocka_unit_test(too_large_heads_are_refused),
        cmocka_unit_test(bodies_over_the_limit_are_413),
        cmocka_unit_test(an_endless_chunk_line_stops_nobody),
        cmocka_unit_test(bodies_arrive_whole),
        cmocka_unit_test(pipelined_requests_are_answered),
        cmocka_unit_test(connections_are_kept_and_limited),
        cmocka_unit_test(slow_requests_and_idle_connections_are_closed),
        cmocka_unit_test(a_head_can_be_refused_before_the_body),
        cmocka_unit_test(a_head_can_be_judged_later),
        cmocka_unit_test(draining_refuses_new_requests),
        cmocka_unit_test(garbage_never_hangs_the_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Answers that come later and endless answers: leavers are noticed and cost nothing. */
#include "support_server.h"

static void expect_calm(struct server_fixture *f) {
    int64_t used = loop_idle_cpu_ms(&f->loop, 1000);
    if (used >= 500) {
        print_error("%d ms of processor time in 1000 ms\n", (int)used);
    }
    assert_true(used < 500);
    struct client c;
    client_open(&c, &f->loop, f->port);
    assert_int_equal(client_ask(&c, "GET / HTTP/1.1\r\n" HOST "\r\n", false), 200);
    client_close(&c);
}

static void open_and_wait(struct server_fixture *f, struct client *c, const char *request) {
    int before = f->waiting_count;
    client_open(c, &f->loop, f->port);
    client_puts(c, request);
    assert_true(fx_wait(f, &f->waiting_count, before + 1));
}

static void later_answers_arrive(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){.request_timeout_s = 1});
    struct client c;
    open_and_wait(f, &c, "POST /defer HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc");
    expect_calm(f); /* a waiting handler has no time limit */
    assert_true(str_eq(http_body(f->waiting[0]), STR("abc")));
    http_add_header(f->waiting[0], "X-Late", "1");
    http_problem(f->waiting[0], 409, "Conflict", "Too \"late\".", NULL);
    assert_true(client_wait_for(&c, "\"detail\":\"Too \\\"late\\\".\"}", 2000));
    assert_non_null(strstr(c.in.p, "X-Late: 1"));
    /* The connection goes on. */
    assert_int_equal(client_ask(&c, "GET / HTTP/1.1\r\n" HOST "\r\n", false), 200);
    assert_int_equal(f->gone_count, 0);
    client_close(&c);
    fx_stop(f);
}

static void a_leaver_is_reported_once(void **state) {
    (void)state;
    static const bool resets[] = {false, true};
    for (size_t i = 0; i < 2; i++) {
        struct server_fixture *f = fx_start((struct http_server_options){0});
        struct client c;
        open_and_wait(f, &c, "GET /defer HTTP/1.1\r\n" HOST "\r\n");
        struct linger hard = {.l_onoff = resets[i]};
        setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        client_close(&c);
        assert_true(fx_wait(f, &f->gone_count, 1));
        assert_true(fx_wait(f, &f->closed_count, 1));
        expect_calm(f);
        assert_int_equal(f->gone_count, 1);
        fx_stop(f);
    }
}

static void pipelined_junk_and_half_close_do_not_spin(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    open_and_wait(f, &c,
                  "GET /defer HTTP/1.1\r\n" HOST "\r\nGET /things HTTP/1.1\r\n" HOST "\r\njunk");
    expect_calm(f);
    shutdown(c.fd, SHUT_WR);
    assert_true(fx_wait(f, &f->gone_count, 1));
    expect_calm(f);
    client_close(&c);
    fx_stop(f);
}

static void without_on_gone_the_handler_may_still_answer(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    open_and_wait(f, &c, "GET /defer?deaf HTTP/1.1\r\n" HOST "\r\n");
    client_close(&c);
    expect_calm(f);
    http_answer(f->waiting[0], 200, "text/plain", STR("nobody hears"));
    assert_true(fx_wait(f, &f->closed_count, 2));
    assert_int_equal(f->gone_count, 0);
    /* Even after the server itself is gone. */
    open_and_wait(f, &c, "GET /defer?deaf HTTP/1.1\r\n" HOST "\r\n");
    open_and_wait(f, &c, "GET /defer?deaf HTTP/1.1\r\n" HOST "\r\n");
    struct http_request *late = f->waiting[1];
    struct http_request *later = f->waiting[2];
    listener_destroy(f->listener);
    http_server_destroy(f->server, fx_server_gone, f);
    http_answer(late, 200, "text/plain", STR("between"));
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->server_gone);
    assert_true(http_header(later, "Host").p == NULL);
    http_answer(later, 200, "text/plain", STR("after"));
    assert_int_equal(uv_loop_close(&f->loop), 0);
    client_close(&c);
    free(f);
}

static void streams_flow_and_end(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){.request_timeout_s = 1});
    struct client c;
    open_and_wait(f, &c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    assert_true(client_wait_for(&c, "\r\n\r\n", 2000));
    assert_non_null(strstr(c.in.p, "Content-Type: text/event-stream"));
    expect_calm(f); /* longer than request_timeout_s */
    assert_int_equal(http_stream_write(f->waiting[0], STR("data: one\n\n"), 1000), ERR_OK);
    assert_int_equal(http_stream_write(f->waiting[0], STR("data: two\n\n"), 1000), ERR_OK);
    assert_true(client_wait_for(&c, "data: two", 2000));
    assert_true(fx_wait(f, &f->drained_count, 1));
    assert_int_equal(http_stream_queued(f->waiting[0]), 0);
    assert_int_equal(http_stream_write(f->waiting[0], STR("data: bye\n\n"), 1000), ERR_OK);
    http_stream_end(f->waiting[0]);
    assert_true(client_wait_for(&c, "\r\n0\r\n\r\n", 2000));
    assert_non_null(strstr(c.in.p, "data: bye"));
    assert_int_equal(f->gone_count, 0);
    assert_int_equal(client_ask(&c, "GET / HTTP/1.1\r\n" HOST "\r\n", false), 200);
    client_close(&c);
    fx_stop(f);
}

static void http10_clients_get_streams_unchunked(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    open_and_wait(f, &c, "GET /stream HTTP/1.0\r\n\r\n");
    assert_int_equal(http_stream_write(f->waiting[0], STR("data: one\n\n"), 1000), ERR_OK);
    assert_true(client_wait_for(&c, "\r\n\r\ndata: one\n\n", 2000));
    http_stream_end(f->waiting[0]);
    assert_true(client_wait_closed(&c, 2000));
    client_close(&c);
    fx_stop(f);
}

static void a_stream_leaver_costs_nothing(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c[20];
    for (int i = 0; i < 20; i++) {
        open_and_wait(f, &c[i], "GET /stream HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(http_stream_write(f->waiting[i], STR(": hi\n\n"), 1000), ERR_OK);
        assert_true(client_wait_for(&c[i], ": hi", 2000));
    }
    expect_calm(f);
    for (int i = 0; i < 20; i++) {
        client_close(&c[i]);
    }
    assert_true(fx_wait(f, &f->gone_count, 20));
    expect_calm(f);
    assert_int_equal(f->gone_count, 20);
    assert_true(fx_wait(f, &f->closed_count, 22)); /* with the two that checked for calm */
    assert_int_equal(http_server_connection_count(f->server), 0);
    fx_stop(f);
}

static void the_queue_has_a_cap(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    open_and_wait(f, &c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    static char block[65536];
    memset(block, 'x', sizeof(block));
    struct str piece = {block, sizeof(block)};
    size_t accepted = 0;
    enum err err = ERR_OK;
    for (int i = 0; i < 2000 && err == ERR_OK; i++) { /* the client reads nothing */
        err = http_stream_write(f->waiting[0], piece, 200000);
        accepted += err == ERR_OK ? piece.n : 0;
        loop_turn(&f->loop);
    }
    assert_int_equal(err, ERR_FULL);
    size_t queued = http_stream_queued(f->waiting[0]);
    assert_true(queued <= 200000 && queued > 200000 - piece.n);
    expect_calm(f);
    /* It reads at last: everything accepted arrives, then on_drained. */
    int drained = f->drained_count;
    for (int i = 0; i < 4000 && c.in.n < accepted; i++) {
        client_poll(&c);
    }
    assert_true(c.in.n >= accepted);
    assert_true(fx_wait(f, &f->drained_count, drained + 1));
    assert_int_equal(http_stream_queued(f->waiting[0]), 0);
    client_close(&c);
    assert_true(fx_wait(f, &f->gone_count, 1));
    fx_stop(f);
}

static void a_choked_stream_whose_client_dies_is_reported(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c;
    open_and_wait(f, &c, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    static char block[65536];
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 2000; i++) {
        if (http_stream_write(f->waiting[0], (struct str){block, sizeof(block)}, 200000) !=
            ERR_OK) {
            break;
        }
        loop_turn(&f->loop);
    }
    client_close(&c);
    assert_true(fx_wait(f, &f->gone_count, 1));
    assert_true(fx_wait(f, &f->closed_count, 1));
    expect_calm(f);
    assert_int_equal(f->gone_count, 1);
    fx_stop(f);
}

static void destroy_flushes_the_last_words(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client stream;
    struct client answered;
    struct client waiting;
    open_and_wait(f, &stream, "GET /stream HTTP/1.1\r\n" HOST "\r\n");
    open_and_wait(f, &answered, "GET /defer HTTP/1.1\r\n" HOST "\r\n");
    open_and_wait(f, &waiting, "GET /defer HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(http_stream_write(f->waiting[0], STR("event: bye\n\n"), 1000), ERR_OK);
    http_stream_end(f->waiting[0]);
    http_answer(f->waiting[1], 200, "text/plain", STR("last answer"));
    listener_destroy(f->listener);
    http_server_destroy(f->server, fx_server_gone, f);
    assert_int_equal(f->gone_count, 1);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->server_gone);
    assert_true(client_wait_for(&stream, "event: bye", 1000));
    assert_true(client_wait_for(&answered, "last answer", 1000));
    assert_true(client_wait_closed(&waiting, 1000));
    client_close(&stream);
    client_close(&answered);
    client_close(&waiting);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
}

static void a_server_that_ends_tells_streams(void **state) {
    (void)state;
    struct server_fixture *f = fx_start((struct http_server_options){0});
    struct client c[10];
    for (int i = 0; i < 10; i++) {
        open_and_wait(f, &c[i],
                      i % 2 ? "GET /stream HTTP/1.1\r\n" HOST "\r\n"
                            : "GET /defer HTTP/1.1\r\n" HOST "\r\n");
    }
    listener_destroy(f->listener);
    http_server_destroy(f->server, fx_server_gone, f);
    assert_int_equal(f->gone_count, 10);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(f->gone_count, 10);
    for (int i = 0; i < 10; i++) {
        assert_true(client_wait_closed(&c[i], 1000));
        client_close(&c[i]);
    }
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_answers_arrive),
        cmocka_unit_test(a_leaver_is_reported_once),
        cmocka_unit_test(pipelined_junk_and_half_close_do_not_spin),
        cmocka_unit_test(without_on_gone_the_handler_may_still_answer),
        cmocka_unit_test(streams_flow_and_end),
        cmocka_unit_test(http10_clients_get_streams_unchunked),
        cmocka_unit_test(a_stream_leaver_costs_nothing),
        cmocka_unit_test(the_queue_has_a_cap),
        cmocka_unit_test(a_choked_stream_whose_client_dies_is_reported),
        cmocka_unit_test(destroy_flushes_the_last_words),
        cmocka_unit_test(a_server_that_ends_tells_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

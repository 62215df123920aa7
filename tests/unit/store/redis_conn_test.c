#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "store/redis_url.h"
#include "support_store.h"

struct client {
    struct redis_conn *conn;
    int ups;
    int downs;
    int replies;
    int errors[ERR_COUNT];
    char last[64];
    bool destroy_on_reply;
    bool command_on_reply;
};

static const struct str ping[] = {STR("PING")};

static void on_state(void *user, bool up) {
    struct client *c = user;
    c->ups += up;
    c->downs += !up;
}

static void on_reply(void *user, enum err err, const struct redisReply *reply) {
    struct client *c = user;
    c->replies++;
    c->errors[err]++;
    assert_true((err == ERR_OK) == (reply != NULL));
    if (!err) {
        (void)snprintf(c->last, sizeof(c->last), "%.*s", STR_ARG(reply_str(reply)));
    }
    if (c->command_on_reply) {
        c->command_on_reply = false;
        redis_conn_command(c->conn, ping, 1, on_reply, c);
    }
    if (c->destroy_on_reply) {
        redis_conn_destroy(c->conn);
        c->conn = NULL;
    }
}

static void client_start(uv_loop_t *loop, struct client *c, const char *url) {
    const struct redis_options options = {.url = url, .timeout_ms = 300, .reconnect_max_ms = 100};
    memset(c, 0, sizeof(*c));
    assert_int_equal(redis_conn_create(loop, &options, on_state, c, &c->conn), ERR_OK);
}

static void loop_finish(uv_loop_t *loop) {
    run_for(loop, 5);
    assert_int_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void command(struct client *c, const char *text) {
    struct str words[8];
    struct str rest = str_of(text);
    size_t n = 0;
    while (n < 8 && str_split(&rest, ' ', &words[n])) {
        n++;
    }
    redis_conn_command(c->conn, words, n, on_reply, c);
}

/* ---- URLs ---- */

static void test_urls(void **state) {
    static const struct {
        const char *text;
        enum err err;
        const char *host;
        const char *port;
        const char *path;
        const char *user;
        const char *password;
        unsigned db;
    } rows[] = {
        {"redis://localhost", ERR_OK, "localhost", "6379", NULL, NULL, NULL, 0},
        {"redis://10.0.0.1:7000/3", ERR_OK, "10.0.0.1", "7000", NULL, NULL, NULL, 3},
        {"redis://10.0.0.1:7000/", ERR_OK, "10.0.0.1", "7000", NULL, NULL, NULL, 0},
        {"redis://[::1]:7000", ERR_OK, "::1", "7000", NULL, NULL, NULL, 0},
        {"redis://[fe80::2]", ERR_OK, "fe80::2", "6379", NULL, NULL, NULL, 0},
        {"redis://:pass@h", ERR_OK, "h", "6379", NULL, NULL, "pass", 0},
        {"redis://me:p%40ss%3A@h:1/2", ERR_OK, "h", "1", NULL, "me", "p@ss:", 2},
        {"unix:///run/redis.sock", ERR_OK, NULL, NULL, "/run/redis.sock", NULL, NULL, 0},
        {"unix:///run/redis.sock?db=4", ERR_OK, NULL, NULL, "/run/redis.sock", NULL, NULL, 4},
        {"unix://state/redis.sock", ERR_OK, NULL, NULL, "state/redis.sock", NULL, NULL, 0},
        {"redis://", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"redis://h:0", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"redis://h:65536", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"redis://h:x", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"redis://h/x", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"redis://[::1", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"redis://[::1]7000", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"redis://a%4:b@h", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"unix://", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"unix:///s?db=", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"http://h", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
        {"", ERR_INVALID, NULL, NULL, NULL, NULL, NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_url url = {0};
        enum err err = redis_url_parse(rows[i].text, &url);
        if (err != rows[i].err) {
            fail_msg("%s: %s", rows[i].text, err_name(err));
        }
        assert_true(str_eq(str_of(url.host), str_of(rows[i].host)));
        assert_true(str_eq(str_of(url.port), str_of(rows[i].port)));
        assert_true(str_eq(str_of(url.path), str_of(rows[i].path)));
        assert_true(str_eq(str_of(url.user), str_of(rows[i].user)));
        assert_true(str_eq(str_of(url.password), str_of(rows[i].password)));
        assert_int_equal(url.db, rows[i].db);
        redis_url_finish(&url);
    }
    char long_path[256] = "unix:///";
    memset(long_path + 8, 'a', 120);
    struct redis_url url;
    assert_int_equal(redis_url_parse(long_path, &url), ERR_INVALID);
}

/* ---- life ---- */

static void test_answers_in_order_and_never_inside_the_call(void **state) {
    struct test_redis redis;
    struct client c;
    uv_loop_t loop;
    (void)state;
    test_redis_start(&redis, false);
    assert_int_equal(uv_loop_init(&loop), 0);
    client_start(&loop, &c, redis.url);
    command(&c, "PING"); /* not connected yet: fails, later */
    assert_int_equal(c.replies, 0);
    RUN_UNTIL(&loop, 1000, c.ups == 1);
    assert_int_equal(c.errors[ERR_UNAVAILABLE], 1);
    for (int i = 0; i < 1000; i++) {
        command(&c, "INCR counter");
    }
    assert_int_equal(c.replies, 1);
    RUN_UNTIL(&loop, 1000, c.replies == 1001);
    command(&c, "GET counter");
    RUN_UNTIL(&loop, 1000, c.replies == 1002);
    assert_string_equal(c.last, "1000");
    command(&c, "NONSENSE");
    RUN_UNTIL(&loop, 1000, c.replies == 1003);
    assert_int_equal(strncmp(c.last, "ERR unknown command", 19), 0);
    assert_int_equal(c.errors[ERR_OK], 1002);
    redis_conn_destroy(c.conn);
    loop_finish(&loop);
    test_redis_stop(&redis);
}

static void test_reconnects_after_refused_and_kill(void **state) {
    struct test_redis redis;
    struct client c;
    uv_loop_t loop;
    (void)state;
    test_redis_start(&redis, false);
    test_redis_kill(&redis);
    assert_int_equal(uv_loop_init(&loop), 0);
    client_start(&loop, &c, redis.url);
    run_for(&loop, 200);
    assert_int_equal(c.ups, 0);
    for (int round = 1; round <= 3; round++) {
        test_redis_launch(&redis);
        RUN_UNTIL(&loop, 2000, c.ups == round);
        command(&c, "PING");
        RUN_UNTIL(&loop, 1000, c.errors[ERR_OK] == round);
        test_redis_kill(&redis);
        RUN_UNTIL(&loop, 1000, c.downs == round);
        assert_false(redis_conn_is_up(c.conn));
    }
    redis_conn_destroy(c.conn);
    loop_finish(&loop);
    test_redis_stop(&redis);
}

static void test_closed_by_the_server(void **state) {
    struct test_redis redis;
    struct client c;
    uv_loop_t loop;
    (void)state;
    test_redis_start(&redis, false);
    assert_int_equal(uv_loop_init(&loop), 0);
    client_start(&loop, &c, redis.url);
    RUN_UNTIL(&loop, 1000, c.ups == 1);
    (void)test_redis_raw(&redis, "CLIENT KILL TYPE normal SKIPME yes"); /* an orderly FIN */
    RUN_UNTIL(&loop, 1000, c.downs == 1 && c.ups == 2);
    redis_conn_destroy(c.conn);
    loop_finish(&loop);
    test_redis_stop(&redis);
}

static void test_silence_is_a_timeout(void **state) {
    struct test_redis redis;
    struct client c;
    uv_loop_t loop;
    (void)state;
    test_redis_start(&redis, false);
    assert_int_equal(uv_loop_init(&loop), 0);
    client_start(&loop, &c, redis.url);
    RUN_UNTIL(&loop, 1000, c.ups == 1);
    test_redis_signal(&redis, SIGSTOP);
    command(&c, "PING");
    command(&c, "PING");
    RUN_UNTIL(&loop, 2000, c.replies == 2);
    assert_int_equal(c.errors[ERR_TIMEOUT], 2);
    assert_int_equal(c.downs, 1);
    test_redis_signal(&redis, SIGCONT);
    RUN_UNTIL(&loop, 3000, c.ups == 2);
    /* Without any command the periodic PING finds it. */
    test_redis_signal(&redis, SIGSTOP);
    RUN_UNTIL(&loop, 5000, c.downs == 2);
    test_redis_signal(&redis, SIGCONT);
    redis_conn_destroy(c.conn);
    loop_finish(&loop);
    test_redis_stop(&redis);
}

/* A loop that was held up by other work must not take its own absence for Redis' silence. */
static void test_a_slow_loop_is_no_timeout(void **state) {
    struct test_redis redis;
    struct client c;
    uv_loop_t loop;
    (void)state;
    test_redis_start(&redis, false);
    assert_int_equal(uv_loop_init(&loop), 0);
    client_start(&loop, &c, redis.url);
    RUN_UNTIL(&loop, 1000, c.ups == 1);
    command(&c, "PING");
    (void)uv_run(&loop, UV_RUN_NOWAIT); /* sent */
    (void)usleep(600000);
    RUN_UNTIL(&loop, 1000, c.replies == 1);
    assert_int_equal(c.errors[ERR_OK], 1);
    assert_int_equal(c.downs, 0);
    redis_conn_destroy(c.conn);
    loop_finish(&loop);
    test_redis_stop(&redis);
}

static void test_pending_fail_once_when_the_socket_goes(void **state) {
    struct test_redis redis;
    struct client c;
    uv_loop_t loop;
    (void)state;
    test_redis_start(&redis, false);
    assert_int_equal(uv_loop_init(&loop), 0);
    client_start(&loop, &c, redis.url);
    RUN_UNTIL(&loop, 1000, c.ups == 1);
    command(&c, "BLPOP nothing 0");
    run_for(&loop, 20);
    command(&c, "PING"); /* never written: nothing can have been done */
    redis_conn_reset(c.conn);
    assert_int_equal(c.replies, 0);
    RUN_UNTIL(&loop, 1000, c.replies == 2);
    assert_int_equal(c.errors[ERR_CLOSED], 1);
    assert_int_equal(c.errors[ERR_UNAVAILABLE], 1);
    RUN_UNTIL(&loop, 1000, c.ups == 2);
    redis_conn_destroy(c.conn);
    loop_finish(&loop);
    test_redis_stop(&redis);
}

static void test_destroy_inside_callbacks(void **state) {
    struct test_redis redis;
    struct client c;
    uv_loop_t loop;
    (void)state;
    test_redis_start(&redis, false);
    assert_int_equal(uv_loop_init(&loop), 0);
    client_start(&loop, &c, redis.url);
    RUN_UNTIL(&loop, 1000, c.ups == 1);
    for (int i = 0; i < 10; i++) {
        command(&c, "PING");
    }
    c.destroy_on_reply = true;
    RUN_UNTIL(&loop, 1000, c.conn == NULL);
    assert_int_equal(c.replies, 10);
    assert_int_equal(c.errors[ERR_CLOSED], 9);

    /* Inside a failure, too, with others waiting behind it. */
    client_start(&loop, &c, redis.url);
    for (int i = 0; i < 10; i++) {
        command(&c, "PING");
    }
    c.destroy_on_reply = true;
    RUN_UNTIL(&loop, 1000, c.conn == NULL);
    assert_int_equal(c.replies, 10);
    run_for(&loop, 20);
    assert_int_equal(c.replies, 10);
    loop_finish(&loop);
    test_redis_stop(&redis);
}

static void test_destroy_at_any_time(void **state) {
    struct test_redis redis;
    struct client c;
    uv_loop_t loop;
    (void)state;
    test_redis_start(&redis, false);
    assert_int_equal(uv_loop_init(&loop), 0);
    for (int turns = 0; turns < 10; turns++) {
        client_start(&loop, &c, turns % 2 ? redis.url : "redis://localhost:1");
        command(&c, "PING");
        for (int i = 0; i < turns; i++) {
            (void)uv_run(&loop, UV_RUN_NOWAIT);
        }
        redis_conn_destroy(c.conn);
        assert_int_equal(c.replies, 1); /* nothing comes later */
    }
    run_for(&loop, 200);
    loop_finish(&loop);
    test_redis_stop(&redis);
}

static void test_a_command_inside_a_failure(void **state) {
    struct client c;
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    client_start(&loop, &c, "unix:///nowhere/at/all");
    c.command_on_reply = true;
    command(&c, "PING");
    RUN_UNTIL(&loop, 1000, c.replies == 2);
    assert_int_equal(c.errors[ERR_UNAVAILABLE], 2);
    redis_conn_destroy(c.conn);
    loop_finish(&loop);
}

/* ---- a fake server, for what a real one does rarely ---- */

struct fake {
    uv_tcp_t listener;
    uv_tcp_t peer;
    bool has_peer;
    int accepted;
    int commands;
    const char *replies[4]; /* by number of command on a connection; the last stays */
    bool reset;             /* RST instead of an answer */
    char url[64];
    char in[4096];
    uv_write_t write;
};

static void on_peer_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
    struct fake *fake = handle->data;
    (void)size;
    *buf = uv_buf_init(fake->in, sizeof(fake->in) - 1);
}

static void on_peer_closed(uv_handle_t *handle) {
    struct fake *fake = handle->data;
    fake->has_peer = false;
}

static void on_peer_read(uv_stream_t *peer, ssize_t size, const uv_buf_t *buf) {
    struct fake *fake = peer->data;
    (void)buf;
    if (size <= 0) {
        if (size < 0 && !uv_is_closing((uv_handle_t *)peer)) {
            uv_close((uv_handle_t *)peer, on_peer_closed);
        }
        return;
    }
    fake->in[size] = '\0';
    if (fake->reset) {
        (void)uv_tcp_close_reset(&fake->peer, on_peer_closed);
        return;
    }
    for (const char *at = fake->in; (at = strchr(at, '*')) != NULL; at++) {
        const char *reply = fake->replies[fake->commands < 3 ? fake->commands : 3];
        fake->commands++;
        uv_buf_t out = uv_buf_init((char *)(uintptr_t)reply, (unsigned)strlen(reply));
        (void)uv_try_write(peer, &out, 1);
    }
}

static void on_peer(uv_stream_t *listener, int status) {
    struct fake *fake = listener->data;
    if (status < 0 || fake->has_peer) {
        return;
    }
    (void)uv_tcp_init(listener->loop, &fake->peer);
    fake->peer.data = fake;
    fake->has_peer = uv_accept(listener, (uv_stream_t *)&fake->peer) == 0;
    fake->accepted++;
    fake->commands = 0;
    (void)uv_read_start((uv_stream_t *)&fake->peer, on_peer_alloc, on_peer_read);
}

static void fake_start(uv_loop_t *loop, struct fake *fake, const char *first, const char *second) {
    struct sockaddr_in address;
    int size = sizeof(address);
    memset(fake, 0, sizeof(*fake));
    fake->replies[0] = first;
    fake->replies[1] = fake->replies[2] = fake->replies[3] = second;
    (void)uv_ip4_addr("127.0.0.1", 0, &address);
    (void)uv_tcp_init(loop, &fake->listener);
    fake->listener.data = fake;
    assert_int_equal(uv_tcp_bind(&fake->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&fake->listener, 8, on_peer), 0);
    assert_int_equal(uv_tcp_getsockname(&fake->listener, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(fake->url, sizeof(fake->url), "redis://localhost:%d", ntohs(address.sin_port));
}

static void fake_stop(uv_loop_t *loop, struct fake *fake) {
    uv_close((uv_handle_t *)&fake->listener, NULL);
    RUN_UNTIL(loop, 1000, !fake->has_peer);
}

static void test_loading_is_not_up(void **state) {
    struct fake fake;
    struct client c;
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_start(&loop, &fake, "-LOADING Redis is loading the dataset in memory\r\n", "+PONG\r\n");
    client_start(&loop, &c, fake.url);
    RUN_UNTIL(&loop, 3000, fake.accepted >= 3);
    assert_int_equal(c.ups, 0);
    fake.replies[0] = "+PONG\r\n";
    RUN_UNTIL(&loop, 3000, c.ups == 1);
    redis_conn_destroy(c.conn);
    fake_stop(&loop, &fake);
    loop_finish(&loop);
}

/* A fail-over: the old master came back as a replica. The command was not done, and the next
 * connection may lead to the new master. */
static void test_readonly_connects_again(void **state) {
    struct fake fake;
    struct client c;
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_start(&loop, &fake, "+PONG\r\n",
               "-READONLY You can't write against a read only replica.\r\n");
    client_start(&loop, &c, fake.url);
    RUN_UNTIL(&loop, 3000, c.ups == 1);
    command(&c, "SET a b");
    RUN_UNTIL(&loop, 1000, c.replies == 1);
    assert_int_equal(c.errors[ERR_UNAVAILABLE], 1);
    RUN_UNTIL(&loop, 3000, c.downs == 1 && c.ups == 2);
    redis_conn_destroy(c.conn);
    fake_stop(&loop, &fake);
    loop_finish(&loop);
}

static void test_reset_by_peer_and_garbage(void **state) {
    struct fake fake;
    struct client c;
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_start(&loop, &fake, "+PONG\r\n", "?not redis\r\n");
    client_start(&loop, &c, fake.url);
    RUN_UNTIL(&loop, 3000, c.ups == 1);
    command(&c, "GET a");
    RUN_UNTIL(&loop, 3000, c.downs == 1 && c.ups == 2);
    assert_int_equal(c.errors[ERR_CLOSED], 1);
    fake.reset = true;
    command(&c, "GET a");
    RUN_UNTIL(&loop, 3000, c.downs == 2);
    assert_int_equal(c.errors[ERR_CLOSED], 2);
    fake.reset = false;
    RUN_UNTIL(&loop, 3000, c.ups == 3);
    redis_conn_destroy(c.conn);
    fake_stop(&loop, &fake);
    loop_finish(&loop);
}

/* A password and a database are set before the connection counts as up. */
static void test_greeting(void **state) {
    struct test_redis redis;
    struct client c;
    uv_loop_t loop;
    char url[160];
    (void)state;
    test_redis_start(&redis, false);
    (void)test_redis_raw(&redis, "CONFIG SET requirepass secret");
    assert_int_equal(uv_loop_init(&loop), 0);
    (void)snprintf(url, sizeof(url), "%s?db=5", redis.url);
    const struct redis_options options = {
        .url = url, .password = "secret", .timeout_ms = 300, .reconnect_max_ms = 100};
    memset(&c, 0, sizeof(c));
    assert_int_equal(redis_conn_create(&loop, &options, on_state, &c, &c.conn), ERR_OK);
    RUN_UNTIL(&loop, 1000, c.ups == 1);
    command(&c, "CLIENT INFO");
    RUN_UNTIL(&loop, 1000, c.replies == 1);
    command(&c, "SET here yes");
    RUN_UNTIL(&loop, 1000, c.replies == 2);
    assert_string_equal(c.last, "OK");
    redis_conn_destroy(c.conn);

    client_start(&loop, &c, redis.url); /* without the password */
    run_for(&loop, 200);
    assert_int_equal(c.ups, 0);
    redis_conn_destroy(c.conn);
    loop_finish(&loop);
    test_redis_stop(&redis);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls),
        cmocka_unit_test(test_answers_in_order_and_never_inside_the_call),
        cmocka_unit_test(test_reconnects_after_refused_and_kill),
        cmocka_unit_test(test_closed_by_the_server),
        cmocka_unit_test(test_silence_is_a_timeout),
        cmocka_unit_test(test_a_slow_loop_is_no_timeout),
        cmocka_unit_test(test_pending_fail_once_when_the_socket_goes),
        cmocka_unit_test(test_destroy_inside_callbacks),
        cmocka_unit_test(test_destroy_at_any_time),
        cmocka_unit_test(test_a_command_inside_a_failure),
        cmocka_unit_test(test_loading_is_not_up),
        cmocka_unit_test(test_readonly_connects_again),
        cmocka_unit_test(test_reset_by_peer_and_garbage),
        cmocka_unit_test(test_greeting),
    };
    log_setup(LOG_FORMAT_KV, getenv("TEST_VERBOSE") ? LOG_DEBUG : LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

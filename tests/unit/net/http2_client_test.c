/* The HTTP/2 client against a real TLS server of another process that can misbehave in every way
 * the providers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_sim.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/http2_client.h"

struct fixture {
    struct test_sim sim;
    uv_loop_t loop;
    struct http2_pool *pool;
    size_t posted;
    size_t answered[3]; /* by enum http2_result */
    size_t by_status[600];
    bool is_credit_seen;
    bool retire_first; /* retire as expired the connection of the first answer */
    char body[256];    /* of the last answer */
};

static struct test_sim shared_sim; /* started once for all tests */

static struct http2_options options_for(const char *url) {
    return (struct http2_options){
        .url = url,
        .ca_file = shared_sim.ca_file,
        .first_streams = 100,
        .connections_max = 1,
        .open_interval_ms = 10,
        .connect_timeout_ms = 2000,
        .response_timeout_ms = 5000,
        .ping_timeout_ms = 300,
    };
}

static void open_pool(struct fixture *f, const struct http2_options *options) {
    assert_int_equal(http2_pool_create(&f->loop, options, &f->pool), ERR_OK);
}

static int setup(void **state) {
    struct fixture *f = mem_zalloc(1, sizeof(*f));
    f->sim = shared_sim;
    test_sim_post(&f->sim, "/reset", "");
    test_sim_post(&f->sim, "/faults", "{\"oauth\":{\"answer\":{\"status\":200}}}");
    assert_int_equal(uv_loop_init(&f->loop), 0);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    http2_pool_destroy(f->pool);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
    return 0;
}

static void wake(uv_timer_t *timer) {
    (void)timer;
}

/* Runs the loop until `is_done` or for `limit_ms`. */
static bool run_until(struct fixture *f, bool (*is_done)(struct fixture *f), int limit_ms) {
    uv_timer_t timer;
    (void)uv_timer_init(&f->loop, &timer);
    (void)uv_timer_start(&timer, wake, 5, 5);
    uint64_t end = uv_hrtime() + (uint64_t)limit_ms * 1000000;
    bool is_over = is_done(f);
    while (!is_over && uv_hrtime() < end) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
        is_over = is_done(f);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    return is_over;
}

static bool never(struct fixture *f) {
    (void)f;
    return false;
}

static bool has_credit(struct fixture *f) {
    return http2_pool_credit(f->pool) > 0;
}

static size_t total(const struct fixture *f) {
    return f->answered[0] + f->answered[1] + f->answered[2];
}

static bool all_ended(struct fixture *f) {
    return total(f) == f->posted;
}

static void on_answer(void *user, const struct http2_answer *answer) {
    struct fixture *f = user;
    f->answered[answer->result]++;
    if (answer->result == HTTP2_ANSWERED) {
        f->by_status[answer->status]++;
        (void)snprintf(f->body, sizeof(f->body), "%.*s", STR_ARG(answer->body));
    }
    if (f->retire_first) {
        f->retire_first = false;
        http2_pool_retire(f->pool, answer->connection, true);
    }
}

static enum err post(struct fixture *f, size_t body_bytes) {
    static const struct http2_header headers[] = {
        {.name = {"x-test", 6}, .value = {"value", 5}},
        {.name = {"apns-id", 7},
         .value = {"0197a1b2-0000-7000-8000-000000000001", 36},
         .is_unique = true},
    };
    static char body[65536];
    memset(body, 'b', sizeof(body));
    const struct http2_post post = {
        .path = STR("/token"),
        .headers = headers,
        .header_count = 2,
        .body = {{body, body_bytes / 3}, {NULL, 0}, {body, body_bytes - body_bytes / 3}},
        .done = on_answer,
        .user = f,
    };
    enum err err = http2_pool_post(f->pool, &post);
    f->posted += err == ERR_OK;
    return err;
}

/* Posts as many as there is credit for, at most `most`. */
static size_t burst(struct fixture *f, size_t most, size_t body_bytes) {
    size_t n = 0;
    while (n < most && post(f, body_bytes) == ERR_OK) {
        n++;
    }
    return n;
}

static void faults(struct fixture *f, const char *json) {
    test_sim_post(&f->sim, "/faults", json);
}

static void requests_are_answered(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    assert_int_equal(post(f, 10), ERR_FULL); /* still connecting */
    assert_true(run_until(f, has_credit, 3000));
    for (int round = 0; round < 200; round++) {
        assert_true(burst(f, 100, 100) > 0);
        assert_true(run_until(f, all_ended, 3000));
    }
    assert_int_equal(f->by_status[200], f->posted);
    assert_int_equal(http2_pool_connections(f->pool), 1);
    assert_true(test_sim_stat(&f->sim, "oauth", "max_streams") <= 100);
    assert_int_equal(test_sim_stat(&f->sim, "oauth", "streams_excess"), 0);
    assert_int_equal(test_sim_stat(&f->sim, "oauth", "protocol_errors"), 0);
}

static void nothing_bursts_before_the_first_settings(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    options.first_streams = 1;
    faults(f, "{\"oauth\":{\"settings_delay\":{\"ms\":300}}}");
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    assert_int_equal(burst(f, 50, 100), 1);
    assert_true(run_until(f, all_ended, 3000));
    assert_true(burst(f, 50, 100) > 1); /* the peer has spoken */
    assert_true(run_until(f, all_ended, 3000));
}

static void one_request_goes_ahead_until_accepted(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    options.one_until_accepted = true;
    faults(f, "{\"oauth\":{\"answer\":{\"status\":503,\"count\":2},\"latency\":{\"ms\":20}}}");
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    (void)run_until(f, never, 100);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(burst(f, 50, 100), 1);
        assert_true(run_until(f, all_ended, 3000));
    }
    faults(f, "{\"oauth\":{\"answer\":{\"status\":200}}}");
    assert_int_equal(burst(f, 50, 100), 1);
    assert_true(run_until(f, all_ended, 3000));
    assert_int_equal(burst(f, 50, 100), 50);
    assert_true(run_until(f, all_ended, 3000));
}

static void the_peers_live_limit_counts(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    faults(f, "{\"oauth\":{\"streams\":{\"value\":7},\"latency\":{\"ms\":100}}}");
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    (void)run_until(f, never, 100);
    assert_int_equal(burst(f, 50, 100), 7);
    (void)run_until(f, never, 30);
    faults(f, "{\"oauth\":{\"mcs_lower\":{\"value\":2,\"now\":true,\"count\":1}}}");
    assert_true(run_until(f, all_ended, 3000));
    assert_int_equal(burst(f, 50, 100), 2);
    assert_true(run_until(f, all_ended, 3000));
    assert_int_equal(f->by_status[200], 9);
    assert_int_equal(test_sim_stat(&f->sim, "oauth", "streams_excess"), 0);
}

static void bad_certificates_get_no_request(void **state) {
    struct fixture *f = *state;
    static const char *const modes[] = {"expired", "wrong_name", "untrusted", "fail", "no_alpn"};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        char fault[96];
        struct http2_options options = options_for(f->sim.oauth);
        (void)snprintf(fault, sizeof(fault), "{\"oauth\":{\"tls\":{\"mode\":\"%s\"}}}", modes[i]);
        faults(f, fault);
        open_pool(f, &options);
        if (run_until(f, has_credit, 300)) {
            fail_msg("a connection in spite of %s", modes[i]);
        }
        http2_pool_destroy(f->pool);
        f->pool = NULL;
    }
    assert_int_equal(test_sim_stat(&f->sim, "oauth", "requests"), 0);
}

static void the_system_store_does_not_know_the_simulator(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    options.ca_file = "";
    open_pool(f, &options);
    assert_false(run_until(f, has_credit, 300));
}

static void useless_settings_are_refused(void **state) {
    struct fixture *f = *state;
    static const char *const urls[] = {
        "http://127.0.0.1:1", "https://",     "https://:443", "https://h:0",
        "https://h:99999",    "https://[::1", "h:1"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct http2_options options = options_for(urls[i]);
        assert_int_equal(http2_pool_create(&f->loop, &options, &f->pool), ERR_INVALID);
    }
    struct http2_options options = options_for("https://127.0.0.1:1");
    options.ca_file = "/does/not/exist.pem";
    assert_int_equal(http2_pool_create(&f->loop, &options, &f->pool), ERR_INVALID);
}

static bool is_unavailable(struct fixture *f) {
    return post(f, 1) == ERR_UNAVAILABLE;
}

static void nobody_there_is_unavailable(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for("https://127.0.0.1:1");
    open_pool(f, &options);
    assert_true(run_until(f, is_unavailable, 1000));
    assert_int_equal(f->posted, 0);
}

static void on_credit(void *user) {
    ((struct fixture *)user)->is_credit_seen = true;
}

static bool credit_was_announced(struct fixture *f) {
    return f->is_credit_seen;
}

static void credit_is_announced(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    faults(f, "{\"oauth\":{\"streams\":{\"value\":3}}}");
    open_pool(f, &options);
    http2_pool_on_credit(f->pool, on_credit, f);
    assert_int_equal(http2_pool_credit(f->pool), 0);
    assert_true(run_until(f, credit_was_announced, 3000));
    (void)run_until(f, never, 100);
    f->is_credit_seen = false;
    (void)run_until(f, never, 50);
    assert_false(f->is_credit_seen); /* nobody asked for more */
    assert_int_equal(burst(f, 10, 10), 3);
    assert_true(run_until(f, credit_was_announced, 3000));
}

/* A GOAWAY with requests in flight. */
static void goaway_leaves(struct fixture *f, const char *mode, bool wants_unsent) {
    char fault[256];
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    assert_int_equal(burst(f, 1, 100), 1);
    assert_true(run_until(f, all_ended, 3000));
    (void)snprintf(fault, sizeof(fault),
                   "{\"oauth\":{\"latency\":{\"ms\":20,\"max_ms\":400},"
                   "\"goaway\":{\"mode\":\"%s\",\"count\":1}}}",
                   mode);
    faults(f, fault);
    assert_int_equal(burst(f, 80, 100), 80);
    assert_true(run_until(f, all_ended, 6000));
    assert_int_equal(total(f), 81);
    assert_int_equal(f->answered[HTTP2_UNKNOWN], 0);
    if (wants_unsent != (f->answered[HTTP2_NOT_SENT] > 0)) {
        fail_msg("%s: %zu not sent", mode, f->answered[HTTP2_NOT_SENT]);
    }
    /* A new connection takes over. */
    assert_true(run_until(f, has_credit, 3000));
    assert_int_equal(burst(f, 5, 100), 5);
    assert_true(run_until(f, all_ended, 3000));
}

static void goaway_graceful_loses_nothing(void **state) {
    goaway_leaves(*state, "graceful", false);
}

static void goaway_in_the_middle_gives_back_the_rest(void **state) {
    goaway_leaves(*state, "middle", true);
}

static void goaway_zero_gives_back_all(void **state) {
    goaway_leaves(*state, "zero", true);
}

struct reset_row {
    const char *fault;
    enum http2_result result;
};

static void resets_are_classified(void **state) {
    struct fixture *f = *state;
    static const struct reset_row rows[] = {
        {"\"mode\":\"refused\"", HTTP2_NOT_SENT},
        {"\"mode\":\"cancel\"", HTTP2_UNKNOWN},
        {"\"mode\":\"internal\"", HTTP2_UNKNOWN},
        {"\"mode\":\"closed\"", HTTP2_UNKNOWN},
        {"\"mode\":\"cancel\",\"stage\":\"after_headers\"", HTTP2_ANSWERED},
    };
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char fault[160];
        (void)snprintf(fault, sizeof(fault), "{\"oauth\":{\"rst_stream\":{%s,\"count\":3}}}",
                       rows[i].fault);
        faults(f, fault);
        memset(f->answered, 0, sizeof(f->answered));
        f->posted = 0;
        assert_int_equal(burst(f, 3, 100), 3);
        assert_true(run_until(f, all_ended, 3000));
        if (f->answered[rows[i].result] != 3) {
            fail_msg("%s: answered %zu, not sent %zu, unknown %zu", rows[i].fault, f->answered[0],
                     f->answered[1], f->answered[2]);
        }
    }
    assert_int_equal(http2_pool_connections(f->pool), 1);
}

static void stream_closed_after_expiry_was_not_processed(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    faults(f, "{\"oauth\":{\"rst_stream\":{\"mode\":\"closed\",\"after\":1}}}");
    f->retire_first = true;
    assert_int_equal(burst(f, 4, 100), 4);
    assert_true(run_until(f, all_ended, 3000));
    assert_int_equal(f->answered[HTTP2_ANSWERED], 1);
    assert_int_equal(f->answered[HTTP2_NOT_SENT], 3);
}

static void silence_ends_at_the_deadline(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    faults(f, "{\"oauth\":{\"never_answer\":{\"count\":3}}}");
    assert_int_equal(burst(f, 10, 100), 10);
    (void)run_until(f, never, 300);
    assert_int_equal(total(f), 7);
    clock_advance_for_test(4000);
    assert_int_equal(burst(f, 1, 100), 1); /* the peer is heard of */
    (void)run_until(f, never, 100);
    assert_int_equal(total(f), 8);
    clock_advance_for_test(1000);
    assert_true(run_until(f, all_ended, 2000));
    assert_int_equal(f->answered[HTTP2_UNKNOWN], 3);
    (void)run_until(f, never, 50);
    assert_int_equal(test_sim_stat(&f->sim, "oauth", "streams_cancelled"), 3);
    assert_int_equal(burst(f, 100, 100), 100); /* the slots are free again */
    assert_true(run_until(f, all_ended, 3000));
    assert_int_equal(http2_pool_connections(f->pool), 1);
}

static void a_connection_that_says_nothing_gets_no_more(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    assert_int_equal(burst(f, 1, 100), 1);
    assert_true(run_until(f, all_ended, 3000));
    faults(f, "{\"oauth\":{\"cut\":{\"mode\":\"black_hole\",\"count\":1}}}");
    assert_int_equal(burst(f, 5, 100), 5);
    (void)run_until(f, never, 100);
    clock_advance_for_test(5000);
    assert_true(run_until(f, all_ended, 2000));
    assert_int_equal(f->answered[HTTP2_UNKNOWN], 5);
    assert_true(run_until(f, has_credit, 3000)); /* elsewhere: what is sent now is answered */
    assert_int_equal(burst(f, 5, 100), 5);
    assert_true(run_until(f, all_ended, 3000));
    assert_int_equal(f->answered[HTTP2_ANSWERED], 6);
}

static void lost_connections_leave_the_unknown(void **state) {
    struct fixture *f = *state;
    static const char *const modes[] = {"rst", "fin", "close_notify"};
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        char fault[160];
        assert_true(run_until(f, has_credit, 3000));
        assert_int_equal(burst(f, 1, 100), 1); /* proves the connection: no back-off afterwards */
        assert_true(run_until(f, all_ended, 3000));
        memset(f->answered, 0, sizeof(f->answered));
        f->posted = 0;
        (void)snprintf(
            fault, sizeof(fault),
            "{\"oauth\":{\"latency\":{\"ms\":30},\"cut\":{\"mode\":\"%s\",\"count\":1}}}",
            modes[i]);
        faults(f, fault);
        assert_int_equal(burst(f, 20, 100), 20);
        assert_true(run_until(f, all_ended, 3000));
        assert_int_equal(f->answered[HTTP2_UNKNOWN] + f->answered[HTTP2_ANSWERED], 20);
        assert_true(f->answered[HTTP2_UNKNOWN] > 0);
    }
}

static void a_black_hole_is_found_by_ping(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    options.idle_ping_ms = 200;
    options.response_timeout_ms = 60000;
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    (void)run_until(f, never, 2500); /* PING is answered: the connection stays */
    assert_int_equal(http2_pool_connections(f->pool), 1);
    assert_true(test_sim_stat(&f->sim, "oauth", "pings") > 0);
    faults(f, "{\"oauth\":{\"cut\":{\"mode\":\"black_hole\",\"count\":1}}}");
    assert_int_equal(burst(f, 5, 100), 5);
    assert_true(run_until(f, all_ended, 3000));
    assert_int_equal(f->answered[HTTP2_UNKNOWN], 5);
}

static void the_window_is_admission(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    faults(f, "{\"oauth\":{\"small_window\":{\"value\":70000},\"hold_window\":{\"ms\":200}}}");
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    (void)run_until(f, never, 50);
    size_t first = burst(f, 100, 10000);
    assert_true(first >= 6 && first <= 7); /* 65,535 or 70,000 bytes of window */
    for (int i = 0; i < 5; i++) {
        assert_true(run_until(f, has_credit, 3000));
        assert_true(burst(f, 100, 10000) > 0);
        assert_true(run_until(f, all_ended, 3000));
    }
    assert_int_equal(f->by_status[200], f->posted);
    assert_int_equal(test_sim_stat(&f->sim, "oauth", "protocol_errors"), 0);
}

static void a_small_stream_window_only_delays(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    faults(f, "{\"oauth\":{\"small_window\":{\"value\":1000}}}");
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    (void)run_until(f, never, 50);
    assert_true(burst(f, 20, 9000) > 0);
    assert_true(run_until(f, all_ended, 5000));
    assert_int_equal(f->by_status[200], f->posted);
}

static void split_and_padded_answers_are_whole(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    faults(f, "{\"oauth\":{\"answer\":{\"status\":400,\"reason\":\"invalid_grant\"}}}");
    assert_int_equal(burst(f, 1, 10), 1);
    assert_true(run_until(f, all_ended, 3000));
    char plain[sizeof(f->body)];
    memcpy(plain, f->body, sizeof(plain));
    assert_non_null(strstr(plain, "invalid_grant"));
    static const char *const odd[] = {
        "{\"oauth\":{\"split_body\":{\"mode\":\"bytes\"}}}",
        "{\"oauth\":{\"split_body\":{\"mode\":\"segment\"}}}",
        "{\"oauth\":{\"extra_headers\":true,\"header_table_zero\":true}}"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        faults(f, odd[i]);
        f->body[0] = '\0';
        assert_int_equal(burst(f, 1, 10), 1);
        assert_true(run_until(f, all_ended, 3000));
        assert_string_equal(f->body, plain);
    }
    assert_int_equal(f->by_status[400], 4);
}

static bool has_four(struct fixture *f) {
    (void)burst(f, 1000, 100);
    return http2_pool_connections(f->pool) == 4;
}

static bool has_none(struct fixture *f) {
    return http2_pool_connections(f->pool) == 0;
}

static void grow_to_four(struct fixture *f, int connections_min) {
    struct http2_options options = options_for(f->sim.oauth);
    options.connections_min = connections_min;
    options.connections_max = 4;
    options.first_streams = 1;
    options.idle_close_ms = 60000;
    faults(f, "{\"oauth\":{\"latency\":{\"ms\":50},\"streams\":{\"value\":5}}}");
    open_pool(f, &options);
    assert_true(run_until(f, has_four, 5000));
}

static void the_pool_grows_on_demand_and_closes_when_idle(void **state) {
    struct fixture *f = *state;
    grow_to_four(f, 0);
    (void)run_until(f, has_four, 5000);
    assert_true(run_until(f, all_ended, 5000));
    assert_int_equal(f->by_status[200], f->posted);
    assert_int_equal(http2_pool_connections(f->pool), 4);
    assert_int_equal(test_sim_stat(&f->sim, "oauth", "streams_excess"), 0);
    clock_advance_for_test(60000);
    assert_true(run_until(f, has_none, 3000));
    assert_true(run_until(f, has_credit, 3000)); /* and opens again, without back-off */
}

static bool has_one(struct fixture *f) {
    return http2_pool_connections(f->pool) == 1;
}

static void the_pool_shrinks_to_its_least(void **state) {
    struct fixture *f = *state;
    grow_to_four(f, 1);
    assert_true(run_until(f, all_ended, 5000));
    clock_advance_for_test(60000);
    assert_true(run_until(f, has_one, 5000));
    clock_advance_for_test(60000);
    assert_false(run_until(f, has_none, 1200)); /* longer than an idle pool's tick */
    assert_int_equal(burst(f, 5, 100), 5);
    assert_true(run_until(f, all_ended, 5000));
    assert_int_equal(f->by_status[200], f->posted);
}

/* The peer's table size counts from its first SETTINGS on, with requests under way. */
static void a_peer_without_a_header_table_understands(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    faults(f, "{\"oauth\":{\"header_table_zero\":true,\"settings_delay\":{\"ms\":100}}}");
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    assert_int_equal(burst(f, 20, 100), 20); /* before its SETTINGS */
    (void)run_until(f, all_ended, 3000);
    for (int round = 0; round < 5; round++) {
        assert_true(run_until(f, has_credit, 3000));
        assert_int_equal(burst(f, 20, 100), 20);
        assert_true(run_until(f, all_ended, 3000));
    }
    assert_int_equal(f->by_status[200], f->posted);
    assert_int_equal(test_sim_stat(&f->sim, "oauth", "protocol_errors"), 0);
}

static void failures_are_answered_with_patience(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    long before = test_sim_stat(&f->sim, "oauth", "connections");
    faults(f, "{\"oauth\":{\"refuse\":{\"mode\":\"rst\"}}}");
    open_pool(f, &options);
    assert_false(run_until(f, has_credit, 1500));
    long tries = test_sim_stat(&f->sim, "oauth", "connections_refused") +
                 test_sim_stat(&f->sim, "oauth", "connections") - before;
    assert_true(tries >= 1 && tries <= 12);
    faults(f, "{\"oauth\":{\"refuse\":null}}");
    clock_advance_for_test(60000);
    assert_true(run_until(f, has_credit, 3000));
}

static void destroying_tells_every_request(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    faults(f, "{\"oauth\":{\"never_answer\":true}}");
    assert_int_equal(burst(f, 5, 100), 5);
    (void)run_until(f, never, 50);
    assert_int_equal(burst(f, 5, 100), 5); /* not written yet */
    http2_pool_destroy(f->pool);
    f->pool = NULL;
    assert_int_equal(f->answered[HTTP2_UNKNOWN], 5);
    assert_int_equal(f->answered[HTTP2_NOT_SENT], 5);
}

static void on_answer_destroys(void *user, const struct http2_answer *answer) {
    struct fixture *f = user;
    on_answer(f, answer);
    http2_pool_destroy(f->pool);
    f->pool = NULL;
}

static void a_pool_may_go_while_an_answer_is_handled(void **state) {
    struct fixture *f = *state;
    struct http2_options options = options_for(f->sim.oauth);
    open_pool(f, &options);
    assert_true(run_until(f, has_credit, 3000));
    const struct http2_post last = {
        .path = STR("/token"), .body = {STR("x")}, .done = on_answer_destroys, .user = f};
    assert_int_equal(http2_pool_post(f->pool, &last), ERR_OK);
    f->posted++;
    assert_int_equal(burst(f, 10, 100), 10);
    assert_true(run_until(f, all_ended, 3000));
}

static int start_sim(void **state) {
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* as every worker does */
    test_sim_start(&shared_sim);
    return 0;
}

static int stop_sim(void **state) {
    (void)state;
    test_sim_stop(&shared_sim);
    return 0;
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(requests_are_answered),
        TEST(nothing_bursts_before_the_first_settings),
        TEST(one_request_goes_ahead_until_accepted),
        TEST(the_peers_live_limit_counts),
        TEST(bad_certificates_get_no_request),
        TEST(the_system_store_does_not_know_the_simulator),
        TEST(useless_settings_are_refused),
        TEST(nobody_there_is_unavailable),
        TEST(credit_is_announced),
        TEST(goaway_graceful_loses_nothing),
        TEST(goaway_in_the_middle_gives_back_the_rest),
        TEST(goaway_zero_gives_back_all),
        TEST(resets_are_classified),
        TEST(stream_closed_after_expiry_was_not_processed),
        TEST(silence_ends_at_the_deadline),
        TEST(a_connection_that_says_nothing_gets_no_more),
        TEST(lost_connections_leave_the_unknown),
        TEST(a_black_hole_is_found_by_ping),
        TEST(the_window_is_admission),
        TEST(a_small_stream_window_only_delays),
        TEST(split_and_padded_answers_are_whole),
        TEST(the_pool_grows_on_demand_and_closes_when_idle),
        TEST(the_pool_shrinks_to_its_least),
        TEST(a_peer_without_a_header_table_understands),
        TEST(failures_are_answered_with_patience),
        TEST(destroying_tells_every_request),
        TEST(a_pool_may_go_while_an_answer_is_handled),
    };
    return cmocka_run_group_tests(tests, start_sim, stop_sim);
}

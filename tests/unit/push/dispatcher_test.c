/* The dispatcher from plan to phone: real Redis, simulated providers that misbehave. */
#include "support_push.h"

#include "base/metrics.h"

static struct test_sim sim; /* started once for all tests */

static int setup(void **state) {
    struct fixture *f = mem_alloc(sizeof(*f));
    push_setup(f, &sim, false);
    *state = f;
    return 0;
}

static int setup_persistent(void **state) {
    struct fixture *f = mem_alloc(sizeof(*f));
    push_setup(f, &sim, true);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    push_teardown(*state);
    free(*state);
    return 0;
}

static void faults(const char *json) {
    test_sim_post(&sim, "/faults", json);
}

/* Gives device `i` of a platform a behaviour; `more` is further members or "". */
static void behave(enum platform platform, int i, const char *behaviour, const char *more) {
    char token[80];
    char line[256];
    token_of(platform, i, token);
    (void)snprintf(line, sizeof(line),
                   "{\"platform\":\"%s\",\"token\":\"%s\",\"behaviour\":\"%s\"%s}",
                   platform_names[platform], token, behaviour, more);
    test_sim_post(&sim, "/tokens", line);
}

static void every_phone_gets_it_once(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 600);
    push_register(f, PLATFORM_FCM, 0, 450);
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 1050, 20000);
    assert_int_equal(total_of(f, "accepted"), 1050);
    assert_int_equal(count_of(f, "platforms", "apns", "accepted"), 600);
    assert_int_equal(count_of(f, "platforms", "fcm", "accepted"), 450);
    assert_int_equal(count_of(f, "editions", "ar", "accepted"), 350);
    assert_int_equal(ledger_of(f, "tokens"), 1050);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
    assert_int_equal(test_sim_stat(&sim, "oauth", "grants"), 1);
    assert_int_equal(test_sim_stat(&sim, "apns", "authorizations"), 1);
    assert_int_equal(test_sim_stat(&sim, "apns", "streams_excess"), 0);
    assert_int_equal(test_sim_stat(&sim, "fcm", "streams_excess"), 0);
}

static void each_edition_has_its_language(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 3);
    push_register(f, PLATFORM_FCM, 0, 3);
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 6, 20000);
    static const char *const names[] = {"apns", "fcm"};
    for (int p = 0; p < 2; p++) {
        for (int i = 0; i < 3; i++) {
            char token[80];
            char path[160];
            char want[64];
            token_of(p ? PLATFORM_FCM : PLATFORM_APNS, i, token);
            (void)snprintf(path, sizeof(path), "/ledger?platform=%s&token=%s", names[p], token);
            (void)snprintf(want, sizeof(want), "Headline %s", taxonomy_name(f->t, DIM_EDITION, i));
            char *line = test_sim_call(&sim, "GET", path, NULL);
            assert_non_null(strstr(line, want));
            assert_non_null(strstr(line, f->alert_id));
            free(line);
        }
    }
}

static void an_update_and_a_cancel_replace(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 2);
    push_register(f, PLATFORM_FCM, 0, 2);
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 4, 20000);
    for (int i = 0; i < 2; i++) {
        struct alert *a = alert_create();
        a->msg_type = i ? MSG_CANCEL : MSG_UPDATE;
        a->reference = mem_strdup(f->alert_id);
        a->sent_ms = clock_wall_ms();
        a->created_by = mem_strdup("key1");
        a->fallback_edition = -1;
        push_publish(f, a);
        push_finish(f, 4, 20000);
        assert_int_equal(total_of(f, "accepted"), 4);
    }
    assert_int_equal(ledger_of(f, "accepted"), 12);
    assert_int_equal(ledger_of(f, "places"), 4); /* each replaced the one before */
}

static void dead_tokens_are_counted_and_removed(void **state) {
    struct fixture *f = *state;
    char later[64];
    push_register(f, PLATFORM_APNS, 0, 100);
    push_register(f, PLATFORM_FCM, 0, 100);
    (void)snprintf(later, sizeof(later), ",\"timestamp_ms\":%lld",
                   (long long)clock_wall_ms() + 1000);
    behave(PLATFORM_APNS, 3, "bad", "");
    behave(PLATFORM_APNS, 4, "unregistered", later);
    behave(PLATFORM_APNS, 5, "unregistered", ",\"timestamp_ms\":1600000000000");
    behave(PLATFORM_FCM, 6, "unregistered", "");
    behave(PLATFORM_FCM, 7, "wrong_sender", "");
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 200, 20000);
    assert_int_equal(total_of(f, "token_dead"), 5);
    assert_int_equal(total_of(f, "accepted"), 195);
    /* The one whose 410 is older than its registration stays. */
    RUN_UNTIL(f, 5000, push_registered(f) == 196);
    run_for(f, 300);
    assert_int_equal(push_registered(f), 196);
}

static void a_storm_of_dead_tokens_removes_nobody(void **state) {
    struct fixture *f = *state;
    f->cfg->dispatcher_quarantine_min = 20;
    push_register(f, PLATFORM_APNS, 0, 100);
    for (int i = 0; i < 60; i++) {
        behave(PLATFORM_APNS, i, "wrong_environment", "");
    }
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 100, 20000);
    assert_int_equal(total_of(f, "token_dead"), 60);
    run_for(f, 500);
    assert_int_equal(push_registered(f), 100);
}

static void an_oversized_alert_deletes_no_token(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 50);
    push_register(f, PLATFORM_FCM, 0, 50);
    faults("{\"apns\":{\"answer\":{\"status\":413,\"reason\":\"PayloadTooLarge\"}},"
           "\"fcm\":{\"answer\":{\"status\":400,\"reason\":\"invalid_argument\"}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 100, 20000);
    assert_int_equal(total_of(f, "payload_rejected"), 100);
    /* One refusal per edition and stream in flight is enough. */
    assert_true(test_sim_stat(&sim, "apns", "requests") < 50);
    run_for(f, 300);
    assert_int_equal(push_registered(f), 100);
}

static void refusals_of_the_moment_are_tried_again(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 60);
    push_register(f, PLATFORM_FCM, 0, 60);
    for (int i = 0; i < 5; i++) {
        behave(PLATFORM_APNS, i, "internal", ",\"times\":1");
        behave(PLATFORM_APNS, 10 + i, "unavailable", ",\"times\":1");
        behave(PLATFORM_APNS, 20 + i, "too_many", ",\"times\":1,\"retry_after\":30");
        behave(PLATFORM_FCM, i, "unavailable", ",\"times\":1");
        behave(PLATFORM_FCM, 10 + i, "too_many", ",\"times\":1");
    }
    push_start(f);
    push_publish(f, push_alert(f));
    RUN_UNTIL(f, 10000, ledger_of(f, "accepted") >= 60 - 5 + 60 - 10);
    run_for(f, 1500); /* APNs' 5xx come back within a second, the others not so soon */
    assert_int_equal(ledger_of(f, "accepted"), 60 - 5 + 60 - 10);
    push_advance(&sim, 80000);
    push_finish(f, 120, 20000);
    assert_int_equal(total_of(f, "accepted"), 120);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
}

static void connections_that_end_lose_and_double_nothing(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 400);
    push_register(f, PLATFORM_FCM, 0, 400);
    faults("{\"apns\":{\"latency\":{\"ms\":5,\"max_ms\":60},"
           "\"goaway\":{\"mode\":\"graceful\",\"count\":3,\"probability\":0.05},"
           "\"rst_stream\":{\"mode\":\"refused\",\"count\":30,\"probability\":0.2}},"
           "\"fcm\":{\"latency\":{\"ms\":5,\"max_ms\":60},"
           "\"goaway\":{\"mode\":\"graceful\",\"count\":2,\"probability\":0.02},"
           "\"mcs_lower\":{\"value\":10,\"count\":1},"
           "\"rst_stream\":{\"mode\":\"refused\",\"count\":30,\"probability\":0.2}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 800, 30000);
    assert_int_equal(total_of(f, "accepted"), 800);
    assert_int_equal(ledger_of(f, "tokens"), 800);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
}

static void goaway_in_the_middle_of_a_send_loses_nothing(void **state) {
    struct fixture *f = *state;
    int64_t unknown = metrics_read(M_PUSH_REPLAYED_UNKNOWN);
    int64_t safe = metrics_read(M_PUSH_REPLAYED_SAFE);
    push_register(f, PLATFORM_APNS, 0, 400);
    faults("{\"apns\":{\"latency\":{\"ms\":5,\"max_ms\":60},"
           "\"goaway\":{\"mode\":\"middle\",\"count\":3,\"probability\":0.05}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 400, 30000);
    assert_int_equal(total_of(f, "accepted"), 400);
    assert_int_equal(ledger_of(f, "tokens"), 400);
    /* What lay above the last stream id was known to be unprocessed. */
    assert_true(metrics_read(M_PUSH_REPLAYED_SAFE) > safe);
    assert_int_equal(metrics_read(M_PUSH_REPLAYED_UNKNOWN), unknown);
}

static void an_expired_jwt_costs_a_connection_not_a_push(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 300);
    faults("{\"apns\":{\"latency\":{\"ms\":5,\"max_ms\":40},"
           "\"jwt_expired\":{\"count\":1,\"after\":60}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 300, 20000);
    assert_int_equal(total_of(f, "accepted"), 300);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
    assert_int_equal(test_sim_stat(&sim, "apns", "authorizations"), 2);
}

static void an_expired_bearer_is_renewed_once(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_FCM, 0, 300);
    faults("{\"fcm\":{\"latency\":{\"ms\":20,\"max_ms\":40}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    RUN_UNTIL(f, 10000, ledger_of(f, "accepted") > 20);
    faults("{\"fcm\":{\"expire_bearers\":true}}");
    push_finish(f, 300, 20000);
    assert_int_equal(total_of(f, "accepted"), 300);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
    assert_int_equal(test_sim_stat(&sim, "oauth", "grants"), 2);
}

static void refused_credentials_stop_the_lane_and_keep_the_tokens(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 100);
    push_register(f, PLATFORM_FCM, 0, 10);
    faults("{\"apns\":{\"answer\":{\"status\":403,\"reason\":\"InvalidProviderToken\"}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    RUN_UNTIL(f, 10000, ledger_of(f, "accepted") == 10); /* Android is served meanwhile */
    run_for(f, 500);
    long tried = test_sim_stat(&sim, "apns", "requests");
    assert_true(tried >= 1 && tried <= 3);
    assert_false(is_done(f));
    assert_int_equal(total_of(f, "to_go"), 100);
    faults("{\"apns\":{\"answer\":null}}");
    run_for(f, 300);
    assert_int_equal(test_sim_stat(&sim, "apns", "requests"), tried);
    push_advance(&sim, f->cfg->dispatcher_credentials_retry_s * 1000);
    push_finish(f, 110, 20000);
    assert_int_equal(total_of(f, "accepted"), 110);
    assert_int_equal(push_registered(f), 110);
}

static void a_platform_without_credentials_is_suppressed(void **state) {
    struct fixture *f = *state;
    set_text(&f->cfg->fcm_service_account_file, "");
    push_register(f, PLATFORM_APNS, 0, 10);
    push_register(f, PLATFORM_FCM, 0, 30);
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 40, 20000);
    assert_int_equal(count_of(f, "platforms", "fcm", "suppressed"), 30);
    assert_int_equal(count_of(f, "platforms", "apns", "accepted"), 10);
}

static void the_time_to_live_ends_waiting(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 50);
    faults("{\"apns\":{\"refuse\":{\"mode\":\"rst\"}}}");
    push_start(f);
    struct alert *a = push_alert(f);
    a->ttl_s = 120;
    push_publish(f, a);
    run_for(f, 500);
    assert_false(is_done(f));
    push_advance(&sim, 121000);
    push_finish(f, 50, 20000);
    assert_int_equal(total_of(f, "expired"), 50);
}

static void unknown_fates_are_replayed_under_the_collapse_id(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 200);
    faults("{\"apns\":{\"latency\":{\"ms\":10,\"max_ms\":50},"
           "\"cut\":{\"mode\":\"rst\",\"count\":1,\"after\":50,\"accepted\":true}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 200, 20000);
    assert_int_equal(total_of(f, "accepted"), 200);
    assert_int_equal(ledger_of(f, "tokens"), 200);
    assert_int_equal(ledger_of(f, "places"), 200); /* doubles, if any, replace each other */
}

static void without_replay_the_unknown_is_said(void **state) {
    struct fixture *f = *state;
    f->cfg->dispatcher_replay_unknown = false;
    push_register(f, PLATFORM_APNS, 0, 200);
    faults("{\"apns\":{\"latency\":{\"ms\":10,\"max_ms\":50},"
           "\"cut\":{\"mode\":\"rst\",\"count\":1,\"after\":50}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 200, 20000);
    assert_true(total_of(f, "unknown") > 0);
    assert_int_equal(total_of(f, "accepted") + total_of(f, "unknown"), 200);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
}

static void project_quota_slows_the_project(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_FCM, 0, 100);
    faults("{\"fcm\":{\"quota\":{\"value\":40,\"ms\":60000,\"count\":60,\"retry_after\":30}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    RUN_UNTIL(f, 10000, ledger_of(f, "accepted") >= 40);
    run_for(f, 500);
    long asked = test_sim_stat(&sim, "fcm", "requests");
    run_for(f, 500);
    assert_int_equal(test_sim_stat(&sim, "fcm", "requests"), asked); /* silence */
    faults("{\"fcm\":{\"quota\":null}}");
    for (int i = 0; i < 4 && !is_done(f); i++) {
        push_advance(&sim, 80000);
        run_for(f, 500);
    }
    push_finish(f, 100, 20000);
    assert_int_equal(total_of(f, "accepted"), 100);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
}

/* A thousand answers of one bad moment are one bad moment: the lane pauses about a second, not
 * longer and longer for each fifty of them. */
static void a_burst_of_503_is_one_pause(void **state) {
    struct fixture *f = *state;
    int64_t cuts = metrics_read(M_PUSH_CUTS_APNS);
    push_register(f, PLATFORM_APNS, 0, 700);
    faults("{\"apns\":{\"latency\":{\"ms\":50},"
           "\"answer\":{\"status\":503,\"reason\":\"ServiceUnavailable\",\"after\":10,"
           "\"count\":500}}}");
    push_start(f);
    push_publish(f, push_alert(f));
    push_finish(f, 700, 20000);
    assert_int_equal(total_of(f, "accepted"), 700);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
    assert_true(metrics_read(M_PUSH_CUTS_APNS) > cuts);
}

static void the_rate_of_the_project_is_kept(void **state) {
    struct fixture *f = *state;
    f->cfg->fcm_rate_per_min = 600;
    f->cfg->fcm_ramp_s = 0;
    push_register(f, PLATFORM_FCM, 0, 60);
    push_start(f);
    int64_t began_ms = clock_mono_ms();
    push_publish(f, push_alert(f));
    RUN_UNTIL(f, 10000, ledger_of(f, "accepted") >= 10);
    while (!is_done(f)) {
        int64_t sent = test_sim_stat(&sim, "fcm", "requests");
        assert_true(sent <= 10 + (clock_mono_ms() - began_ms) / 100);
        push_advance(&sim, 500);
        run_for(f, 50);
    }
    push_finish(f, 60, 20000);
    assert_int_equal(total_of(f, "accepted"), 60);
}

static void on_stopped(void *user) {
    ((struct fixture *)user)->is_stopped = true;
}

static void a_stop_leaves_the_rest_to_another(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 500);
    push_register(f, PLATFORM_FCM, 0, 500);
    faults("{\"apns\":{\"latency\":{\"ms\":30},\"streams\":{\"value\":20}},"
           "\"fcm\":{\"latency\":{\"ms\":30},\"streams\":{\"value\":20}}}");
    f->cfg->apns_connections_max = f->cfg->fcm_connections_max = 1;
    push_start(f);
    push_publish(f, push_alert(f));
    RUN_UNTIL(f, 10000, ledger_of(f, "accepted") > 100);
    dispatcher_stop(f->dispatcher, on_stopped, f);
    RUN_UNTIL(f, 5000, f->is_stopped);
    dispatcher_destroy(f->dispatcher);
    f->dispatcher = NULL;
    run_for(f, 100);
    read_stats(f);
    assert_int_equal(total_of(f, "accepted"), ledger_of(f, "accepted")); /* nothing unsaid */
    assert_true(total_of(f, "to_go") > 0);
    faults("{\"apns\":{\"latency\":null},\"fcm\":{\"latency\":null}}");
    push_start(f);
    push_finish(f, 1000, 20000);
    assert_int_equal(total_of(f, "accepted"), 1000);
    assert_int_equal(ledger_of(f, "tokens"), 1000);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
}

static void a_killed_redis_only_delays(void **state) {
    struct fixture *f = *state;
    push_register(f, PLATFORM_APNS, 0, 500);
    push_register(f, PLATFORM_FCM, 0, 500);
    faults("{\"apns\":{\"latency\":{\"ms\":30},\"streams\":{\"value\":20}},"
           "\"fcm\":{\"latency\":{\"ms\":30},\"streams\":{\"value\":20}}}");
    f->cfg->apns_connections_max = f->cfg->fcm_connections_max = 1;
    push_start(f);
    push_publish(f, push_alert(f));
    RUN_UNTIL(f, 10000, ledger_of(f, "accepted") > 100);
    test_redis_kill(&f->redis);
    run_for(f, 700);
    test_redis_launch(&f->redis);
    RUN_UNTIL(f, 10000, store_is_up(f->store));
    push_finish(f, 1000, 30000);
    assert_int_equal(total_of(f, "accepted"), 1000);
    assert_int_equal(ledger_of(f, "tokens"), 1000);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
}

static void useless_credentials_are_refused_at_start(void **state) {
    struct fixture *f = *state;
    struct dispatcher *d = NULL;
    set_text(&f->cfg->apns_key_file, f->sim->ca_file);
    assert_int_equal(dispatcher_create(&f->loop, f->cfg, f->t, &d), ERR_INVALID);
    set_text(&f->cfg->apns_key_file, f->sim->apns_key);
    set_text(&f->cfg->fcm_service_account_file, f->sim->ca_file);
    assert_int_equal(dispatcher_create(&f->loop, f->cfg, f->t, &d), ERR_INVALID);
}

static int start_sim(void **state) {
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* as every worker does */
    test_sim_start(&sim);
    return 0;
}

static int stop_sim(void **state) {
    (void)state;
    test_sim_stop(&sim);
    return 0;
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_phone_gets_it_once),
        TEST(each_edition_has_its_language),
        TEST(an_update_and_a_cancel_replace),
        TEST(dead_tokens_are_counted_and_removed),
        TEST(a_storm_of_dead_tokens_removes_nobody),
        TEST(an_oversized_alert_deletes_no_token),
        TEST(refusals_of_the_moment_are_tried_again),
        TEST(connections_that_end_lose_and_double_nothing),
        TEST(goaway_in_the_middle_of_a_send_loses_nothing),
        TEST(an_expired_jwt_costs_a_connection_not_a_push),
        TEST(an_expired_bearer_is_renewed_once),
        TEST(refused_credentials_stop_the_lane_and_keep_the_tokens),
        TEST(a_platform_without_credentials_is_suppressed),
        TEST(the_time_to_live_ends_waiting),
        TEST(unknown_fates_are_replayed_under_the_collapse_id),
        TEST(without_replay_the_unknown_is_said),
        TEST(project_quota_slows_the_project),
        TEST(a_burst_of_503_is_one_pause),
        TEST(the_rate_of_the_project_is_kept),
        TEST(a_stop_leaves_the_rest_to_another),
        cmocka_unit_test_setup_teardown(a_killed_redis_only_delays, setup_persistent, teardown),
        TEST(useless_credentials_are_refused_at_start),
    };
    return cmocka_run_group_tests(tests, start_sim, stop_sim);
}

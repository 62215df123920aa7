#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_push_queue.h"

#include "store/push_control.h"

static void test_targeted_equals_the_naive_model(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    worker_start(&f, &w, "planner", 0); /* plans, takes no job */
    for (unsigned i = 0; i < 60; i++) {
        struct alert *a = random_alert(&f, i * 104729 + 3);
        struct expected e = expect(&f, &r, a);
        publish(&f, a);
        RUN_UNTIL(&f.loop, 5000, w.planned == (int)i + 1);
        check_targeted(&f, &e, a);
        alert_destroy(a);
    }
    assert_true(w.targeted > 1000);
    assert_int_equal(w.jobs, 0);
    push_queue_destroy(w.queue);
    registry_finish(&r);
    fixture_stop(&f);
}

static void test_two_planners_plan_once(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker a_worker;
    struct worker b_worker;
    (void)state;
    fixture_start(&f, false);
    f.cfg->queue_claim_ms = 200;
    registry_fill(&f, &r);
    worker_start(&f, &a_worker, "a", 0);
    worker_start(&f, &b_worker, "b", 0);
    uint64_t total = 0;
    for (unsigned i = 0; i < 30; i++) {
        struct alert *a = random_alert(&f, i + 77);
        total += expect(&f, &r, a).total;
        publish(&f, a);
        alert_destroy(a);
    }
    RUN_UNTIL(&f.loop, 10000, a_worker.planned + b_worker.planned == 30);
    run_for(&f.loop, 500);
    assert_int_equal(a_worker.planned + b_worker.planned, 30);
    assert_int_equal(a_worker.targeted + b_worker.targeted, total);
    push_queue_destroy(a_worker.queue);
    push_queue_destroy(b_worker.queue);
    registry_finish(&r);
    fixture_stop(&f);
}

/* A planner that committed but died before it heard of it, or one that was slow while another took
 * over: the entry comes up again. */
static void test_an_entry_planned_before_changes_nothing(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    char command[128];
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    worker_start(&f, &w, "planner", 0);
    struct alert *a = alert_to_all(&f, URGENCY_FLASH);
    struct expected e = expect(&f, &r, a);
    publish(&f, a);
    RUN_UNTIL(&f.loop, 5000, w.planned == 1);
    (void)snprintf(command, sizeof(command), "XADD {t}:plan * id %s rev 1", a->id);
    assert_int_equal(test_redis_raw(&f.redis, command)[0], '$');
    RUN_UNTIL(&f.loop, 5000, test_redis_raw(&f.redis, "XLEN {t}:plan")[1] == '0');
    run_for(&f.loop, 20);
    assert_int_equal(w.planned, 1);
    assert_string_equal(test_redis_raw(&f.redis, "XLEN {t}:jobs:apns:flash"), ":2\r\n");
    check_targeted(&f, &e, a);

    /* An entry whose alert is gone holds nobody up. */
    (void)test_redis_raw(&f.redis, "XADD {t}:plan * id nothing rev 1");
    RUN_UNTIL(&f.loop, 5000, test_redis_raw(&f.redis, "XLEN {t}:plan")[1] == '0');
    push_queue_destroy(w.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

static void on_abort(void *user, enum err err, int64_t stopped) {
    *(int64_t *)user = err == ERR_NOT_FOUND ? -1 : stopped;
}

static int64_t abort_alert(struct fixture *f, const char *id) {
    int64_t stopped = INT64_MIN;
    const struct audit_event event = {.action = "alert.aborted", .alert_id = id};
    push_control_abort(f->store, str_of(id), &event, on_abort, &stopped);
    RUN_UNTIL(&f->loop, 5000, stopped != INT64_MIN);
    return stopped;
}

/* Aborted before anybody planned it: everybody counts, nobody is sent to. */
static void test_an_abort_before_the_plan(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    struct alert *a = alert_to_all(&f, URGENCY_FLASH);
    struct expected e = expect(&f, &r, a);
    publish(&f, a);
    assert_int_equal(abort_alert(&f, a->id), 1);
    assert_int_equal(abort_alert(&f, a->id), 0);
    assert_int_equal(abort_alert(&f, "01890000-0000-7000-8000-000000000000"), -1);
    char *json = read_stats(&f, a->id);
    assert_non_null(strstr(json, "\"state\":\"aborting\""));
    free(json);
    worker_start(&f, &w, "planner", 4);
    RUN_UNTIL(&f.loop, 5000, w.planned == 1);
    json = read_stats(&f, a->id);
    assert_non_null(strstr(json, "\"state\":\"aborted\""));
    assert_int_equal(number_at(json, "total/aborted"), e.total);
    assert_int_equal(number_at(json, "total/to_go"), 0);
    free(json);
    run_for(&f.loop, 50);
    assert_int_equal(w.jobs, 0);
    push_queue_destroy(w.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

/* Aborted between the plan and the work: who takes a job is told. */
static void test_an_abort_of_jobs_not_yet_taken(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    the_registry = &r;
    worker_start(&f, &w, "planner", 0);
    struct alert *a = alert_to_all(&f, URGENCY_FLASH);
    struct alert *b = alert_to_all(&f, URGENCY_FLASH);
    publish(&f, a);
    publish(&f, b);
    RUN_UNTIL(&f.loop, 5000, w.planned == 2);
    assert_int_equal(abort_alert(&f, a->id), 1);
    push_queue_allow(w.queue, PLATFORM_APNS, 4);
    push_queue_allow(w.queue, PLATFORM_FCM, 4);
    RUN_UNTIL(&f.loop, 5000, is_settled(&f, b->id) && w.jobs == w.jobs_done);
    assert_true(w.jobs > 0);
    assert_int_equal(w.jobs_aborted, w.jobs / 2);
    /* This worker heeds nothing; the mark is what is tested. Over, it is too late. */
    assert_int_equal(abort_alert(&f, b->id), 0);
    push_queue_destroy(w.queue);
    alert_destroy(a);
    alert_destroy(b);
    registry_finish(&r);
    fixture_stop(&f);
}

/* A planner died between its snapshots and the commit. Meanwhile a device went: who was counted in
 * the snapshot stays counted, or the sums would not fit the recipients. */
static void test_a_repeated_plan_finds_the_first_snapshot(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    char command[128];
    int done = 0;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    worker_start(&f, &w, "planner", 0);
    struct alert *a = alert_to_all(&f, URGENCY_FLASH);
    struct expected e = expect(&f, &r, a);
    publish(&f, a);
    RUN_UNTIL(&f.loop, 5000, w.planned == 1);
    const struct dead_token dead = {15400, str_of(r.devices[0]->token), INT64_MAX};
    device_store_remove_dead(f.store, f.t, &dead, 1, on_done, &done);
    RUN_UNTIL(&f.loop, 5000, done);
    (void)snprintf(command, sizeof(command), "DEL {t}:stats:%s:1", a->id);
    assert_string_equal(test_redis_raw(&f.redis, command), ":1\r\n");
    (void)snprintf(command, sizeof(command), "XADD {t}:plan * id %s rev 1", a->id);
    (void)test_redis_raw(&f.redis, command);
    RUN_UNTIL(&f.loop, 5000, w.planned == 2);
    check_targeted(&f, &e, a);
    push_queue_destroy(w.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

/* Between planning and pushing a device goes and another comes: the newcomer must not get the
 * number of the former, or it would be pushed what was meant for that one. The worker knows the
 * tokens of the registry only, and asserts so. */
static void test_a_newcomer_is_not_pushed_what_was_planned_for_the_former(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker planner;
    struct worker pusher;
    int done = 0;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    worker_start(&f, &planner, "planner", 0);
    struct alert *a = alert_to_all(&f, URGENCY_FLASH);
    struct expected e = expect(&f, &r, a);
    publish(&f, a);
    RUN_UNTIL(&f.loop, 5000, planner.planned == 1);
    const struct dead_token dead = {15400, str_of(r.devices[0]->token), INT64_MAX};
    device_store_remove_dead(f.store, f.t, &dead, 1, on_done, &done);
    RUN_UNTIL(&f.loop, 5000, done);
    struct device *newcomer = make_device("newcomer", r.devices[0]->platform, 1000000);
    newcomer->edition = r.devices[0]->edition;
    assert_int_equal(put_device(&f, newcomer, "s", false).status, DEVICE_PUT_CREATED);

    the_registry = &r;
    worker_start(&f, &pusher, "pusher", 8);
    RUN_UNTIL(&f.loop, 10000, is_settled(&f, a->id));
    assert_int_equal(pusher.pushed[0], 0);
    check_sums(&f, &r, a, &e);
    push_queue_destroy(planner.queue);
    push_queue_destroy(pusher.queue);
    device_destroy(newcomer);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

static void test_stats_of_what_is_not_there(void **state) {
    struct fixture f;
    struct stats stats = {0};
    (void)state;
    fixture_start(&f, false);
    alert_store_stats(f.store, f.t, STR("nothing"), 0, on_stats, &stats);
    RUN_UNTIL(&f.loop, 5000, stats.done);
    assert_int_equal(stats.err, ERR_NOT_FOUND);
    free(stats.json);
    struct alert *a = alert_to_all(&f, URGENCY_LOW);
    publish(&f, a);
    char *json = read_stats(&f, a->id);
    assert_non_null(strstr(json, "\"state\":\"planning\""));
    free(json);
    stats = (struct stats){0};
    alert_store_stats(f.store, f.t, str_of(a->id), 2, on_stats, &stats);
    RUN_UNTIL(&f.loop, 5000, stats.done);
    assert_int_equal(stats.err, ERR_NOT_FOUND);
    free(stats.json);
    alert_destroy(a);
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targeted_equals_the_naive_model),
        cmocka_unit_test(test_two_planners_plan_once),
        cmocka_unit_test(test_an_abort_before_the_plan),
        cmocka_unit_test(test_an_abort_of_jobs_not_yet_taken),
        cmocka_unit_test(test_an_entry_planned_before_changes_nothing),
        cmocka_unit_test(test_a_repeated_plan_finds_the_first_snapshot),
        cmocka_unit_test(test_a_newcomer_is_not_pushed_what_was_planned_for_the_former),
        cmocka_unit_test(test_stats_of_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

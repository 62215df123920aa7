#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_push_queue.h"

#include "store/took.h"

static void test_each_device_ends_in_one_outcome(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    the_registry = &r;
    worker_start(&f, &w, "only", 2);
    struct alert *a = alert_to_all(&f, URGENCY_FLASH);
    struct expected e = expect(&f, &r, a);
    assert_int_equal(e.total, DEVICES);
    publish(&f, a);
    RUN_UNTIL(&f.loop, 10000, w.jobs_done == 4); /* two blocks, two platforms */
    assert_true(is_settled(&f, a->id));
    check_sums(&f, &r, a, &e);
    for (int i = 0; i < DEVICES; i++) {
        assert_int_equal(w.pushed[i], 1);
    }
    char *json = read_stats(&f, a->id);
    /* Accepted by region is a part of targeted by region, and of the right size. */
    for (int region = 0; region < taxonomy_count(f.t, DIM_REGION); region++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "regions/%s/accepted",
                       taxonomy_name(f.t, DIM_REGION, region));
        uint64_t accepted = number_at(json, path);
        assert_in_range(accepted, e.by_region[region] * 80 / 100, e.by_region[region]);
    }
    free(json);
    assert_string_equal(test_redis_raw(&f.redis, "XLEN {t}:plan"), ":0\r\n");
    assert_string_equal(test_redis_raw(&f.redis, "XLEN {t}:jobs:apns:flash"), ":0\r\n");
    push_queue_destroy(w.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

static void test_another_consumer_resumes_a_killed_ones_job(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker dying;
    struct worker heir;
    (void)state;
    fixture_start(&f, false);
    f.cfg->queue_claim_ms = 300;
    registry_fill(&f, &r);
    the_registry = &r;
    struct alert *a = alert_to_all(&f, URGENCY_FLASH);
    struct expected e = expect(&f, &r, a);
    worker_start(&f, &dying, "dying", 1);
    dying.die_after_pages = 5;
    publish(&f, a);
    RUN_UNTIL(&f.loop, 5000, dying.is_dead);
    push_queue_destroy(dying.queue); /* as a kill: nothing is given back */
    run_for(&f.loop, 20);
    char *json = read_stats(&f, a->id);
    uint64_t before = number_at(json, "total/to_go");
    assert_in_range(before, 1, DEVICES - 1);
    free(json);

    worker_start(&f, &heir, "heir", 4);
    RUN_UNTIL(&f.loop, 10000, is_settled(&f, a->id));
    check_sums(&f, &r, a, &e);
    uint64_t by_heir = 0;
    for (int i = 0; i < DEVICES; i++) {
        by_heir += (uint64_t)heir.pushed[i];
        assert_true(dying.pushed[i] + heir.pushed[i] >= 1);
    }
    assert_int_equal(by_heir, before); /* only what was not done */
    push_queue_destroy(heir.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

static void test_a_slow_consumer_keeps_its_job(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker slow;
    struct worker eager;
    (void)state;
    fixture_start(&f, false);
    f.cfg->queue_claim_ms = 300;
    registry_fill(&f, &r);
    the_registry = &r;
    struct alert *a = alert_to_all(&f, URGENCY_HIGH);
    worker_start(&f, &slow, "slow", 2);
    slow.is_dead = true; /* holds its jobs and does nothing, but its process lives */
    publish(&f, a);
    RUN_UNTIL(&f.loop, 5000, slow.jobs == 4);
    worker_start(&f, &eager, "eager", 4);
    run_for(&f.loop, 1500);
    assert_int_equal(eager.jobs, 0);
    push_queue_destroy(slow.queue);
    RUN_UNTIL(&f.loop, 5000, eager.jobs_done == 4);
    push_queue_destroy(eager.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

static void test_what_was_not_flushed_is_found_again(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    f.cfg->queue_claim_ms = 300;
    registry_fill(&f, &r);
    the_registry = &r;
    struct alert *a = alert_to_all(&f, URGENCY_LOW);
    struct expected e = expect(&f, &r, a);
    worker_start(&f, &w, "once", 1);
    w.forget_flushes = 3; /* these devices stay to go, although their jobs were finished */
    publish(&f, a);
    RUN_UNTIL(&f.loop, 5000, w.jobs_done == 4);
    char *json = read_stats(&f, a->id);
    uint64_t to_go = number_at(json, "total/to_go");
    assert_in_range(to_go, 1, 300);
    assert_non_null(strstr(json, "\"state\":\"sending\""));
    free(json);

    /* Everything again: only what was forgotten is still there to be sent. */
    for (int p = PLATFORM_APNS; p <= PLATFORM_FCM; p++) {
        for (uint32_t block = 0; block < 2; block++) {
            struct work *work = mem_zalloc(1, sizeof(*work));
            *work = (struct work){.w = &w, .is_repeat = true};
            work->job =
                (struct push_job){.platform = (enum platform)p, .revision = 1, .block = block};
            memcpy(work->job.alert_id, a->id, UUID_BYTES);
            next_page(work);
        }
    }
    RUN_UNTIL(&f.loop, 5000, w.jobs_done == 8);
    check_sums(&f, &r, a, &e);
    push_queue_destroy(w.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

static void test_outcomes_are_idempotent_per_slot(void **state) {
    struct fixture f;
    struct worker w;
    int done = 0;
    (void)state;
    fixture_start(&f, false);
    worker_create(&f, &w, "flusher");
    struct alert *a = alert_to_all(&f, URGENCY_LOW);
    a->audience.platforms = 1u << PLATFORM_STREAM;
    publish(&f, a); /* so that there are statistics to read */
    struct push_job job = {.platform = PLATFORM_APNS, .revision = 1, .block = 3};
    memcpy(job.alert_id, a->id, UUID_BYTES);
    const struct push_outcome first[] = {{0, OUTCOME_ACCEPTED, 0, TOOK_30_S},
                                         {7, OUTCOME_ACCEPTED, 0, TOOK_30_S + 1},
                                         {8, OUTCOME_FAILED, 0, 0},
                                         {16383, OUTCOME_ACCEPTED, 1, TOOK_120_S}};
    const struct push_outcome second[] = {
        {0, OUTCOME_FAILED, 0, 0},  {7, OUTCOME_ACCEPTED, 0, 5}, {8, OUTCOME_ACCEPTED, 0, 5},
        {9, OUTCOME_EXPIRED, 0, 0}, {9, OUTCOME_UNKNOWN, 0, 0},  {16383, OUTCOME_ABORTED, 1, 0}};
    push_queue_flush(w.queue, &job, first, 4, on_done, &done);
    push_queue_flush(w.queue, &job, second, 6, on_done, &done);
    push_queue_flush(w.queue, &job, first, 4, on_done, &done);
    RUN_UNTIL(&f.loop, 5000, done == 3);
    char *json = read_stats(&f, a->id);
    assert_int_equal(number_at(json, "total/accepted"), 3);
    assert_int_equal(number_at(json, "total/failed"), 1);
    assert_int_equal(number_at(json, "total/expired"), 1);
    assert_int_equal(number_at(json, "total/unknown"), 0);
    assert_int_equal(number_at(json, "total/aborted"), 0);
    /* How long it took is counted where the outcome is, and as often. */
    assert_int_equal(number_at(json, "total/latency/within_30_s"), 1);
    assert_int_equal(number_at(json, "total/latency/within_60_s"), 2);
    assert_int_equal(number_at(json, "platforms/apns/latency/within_120_s"), 3);
    assert_int_equal(number_at(json, "total/latency/p50_ms"), took_ms(TOOK_30_S + 1));
    assert_int_equal(number_at(json, "platforms/apns/latency/p99_ms"), 120000);
    free(json);
    push_queue_destroy(w.queue);
    alert_destroy(a);
    fixture_stop(&f);
}

static void test_urgent_lanes_come_first(void **state) {
    static const enum urgency posted[] = {URGENCY_LOW, URGENCY_NORMAL, URGENCY_FLASH, URGENCY_HIGH};
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    the_registry = &r;
    worker_start(&f, &w, "urgent", 0);
    for (int i = 0; i < 4; i++) {
        struct alert *a = alert_to_all(&f, posted[i]);
        a->audience.platforms = 1u << PLATFORM_APNS;
        publish(&f, a);
        RUN_UNTIL(&f.loop, 5000, w.planned == i + 1);
        alert_destroy(a);
    }
    push_queue_allow(w.queue, PLATFORM_APNS, 1);
    RUN_UNTIL(&f.loop, 5000, w.jobs_done == 8);
    for (int i = 1; i < 8; i++) {
        assert_true(w.urgencies[i] >= w.urgencies[i - 1]);
    }
    assert_int_equal(w.urgencies[0], URGENCY_FLASH);
    assert_int_equal(w.urgencies[7], URGENCY_LOW);
    push_queue_destroy(w.queue);
    registry_finish(&r);
    fixture_stop(&f);
}

static void test_credit_is_respected(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    the_registry = &r;
    worker_start(&f, &w, "credit", 0);
    w.is_dead = true; /* keeps what it is given */
    struct alert *a = alert_to_all(&f, URGENCY_HIGH);
    publish(&f, a);
    RUN_UNTIL(&f.loop, 5000, w.planned == 1);
    run_for(&f.loop, 50);
    assert_int_equal(w.jobs, 0);
    push_queue_allow(w.queue, PLATFORM_FCM, 1);
    run_for(&f.loop, 100);
    assert_int_equal(w.jobs, 1);
    push_queue_allow(w.queue, PLATFORM_FCM, 5);
    run_for(&f.loop, 100);
    assert_int_equal(w.jobs, 2);
    push_queue_destroy(w.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

static void test_more_urgent_jobs_have_credit_of_their_own(void **state) {
    static const enum urgency posted[] = {URGENCY_LOW, URGENCY_HIGH, URGENCY_NORMAL, URGENCY_FLASH};
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    the_registry = &r;
    worker_start(&f, &w, "urgent", 2);
    w.is_dead = true; /* keeps what it is given */
    for (int i = 0; i < 4; i++) {
        struct alert *a = alert_to_all(&f, posted[i]);
        a->audience.platforms = 1u << PLATFORM_APNS;
        publish(&f, a);
        RUN_UNTIL(&f.loop, 5000, w.planned == i + 1);
        run_for(&f.loop, 100);
        alert_destroy(a);
    }
    /* Two of each, but for the normal ones: the high ones held count against those. */
    assert_int_equal(w.jobs, 6);
    assert_int_equal(w.urgencies[1], URGENCY_LOW);
    assert_int_equal(w.urgencies[3], URGENCY_HIGH);
    assert_int_equal(w.urgencies[5], URGENCY_FLASH);
    push_queue_destroy(w.queue);
    registry_finish(&r);
    fixture_stop(&f);
}

/* Two blocks each: the second alert's first job comes before the first one's second, but after what
 * was handed out already. */
static void test_alerts_of_one_lane_take_turns(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    the_registry = &r;
    worker_start(&f, &w, "fair", 0);
    w.is_dead = true;
    char ids[3][UUID_BYTES];
    for (int i = 0; i < 3; i++) {
        struct alert *a = alert_to_all(&f, URGENCY_NORMAL);
        a->audience.platforms = 1u << PLATFORM_APNS;
        memcpy(ids[i], a->id, UUID_BYTES);
        publish(&f, a);
        RUN_UNTIL(&f.loop, 5000, w.planned == i + 1);
        alert_destroy(a);
        if (i == 0) {
            push_queue_allow(w.queue, PLATFORM_APNS, 1);
            RUN_UNTIL(&f.loop, 5000, w.jobs == 1);
        }
    }
    static const int turns[] = {0, 0, 1, 2, 1, 2};
    for (int i = 1; i < 6; i++) {
        push_queue_allow(w.queue, PLATFORM_APNS, 1);
        RUN_UNTIL(&f.loop, 5000, w.jobs == i + 1);
        assert_string_equal(w.alerts[i], ids[turns[i]]);
    }
    push_queue_destroy(w.queue);
    registry_finish(&r);
    fixture_stop(&f);
}

static void test_devices_gone_since_planning_have_no_token(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    uint64_t removed = 0;
    (void)state;
    fixture_start(&f, false);
    registry_fill(&f, &r);
    the_registry = &r;
    worker_start(&f, &w, "gone", 0);
    struct alert *a = alert_to_all(&f, URGENCY_FLASH);
    struct expected e = expect(&f, &r, a);
    publish(&f, a);
    RUN_UNTIL(&f.loop, 5000, w.planned == 1);
    for (uint32_t number = 15400; number < 15400 + 400; number += 4) {
        const struct device *d = r.devices[number - 15400];
        const struct dead_token dead = {number, str_of(d->token), INT64_MAX};
        int done = 0;
        device_store_remove_dead(f.store, f.t, &dead, 1, on_done, &done);
        RUN_UNTIL(&f.loop, 5000, done);
        removed++;
    }
    push_queue_allow(w.queue, PLATFORM_APNS, 2);
    push_queue_allow(w.queue, PLATFORM_FCM, 2);
    RUN_UNTIL(&f.loop, 10000, w.jobs_done == 4);
    check_sums(&f, &r, a, &e);
    char *json = read_stats(&f, a->id);
    assert_int_equal(number_at(json, "total/token_dead"), removed);
    free(json);
    push_queue_destroy(w.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

/* Redis dies again and again while alerts are planned and pushed: it comes back from its file. */
static void test_redis_killed_while_sending(void **state) {
    struct fixture f;
    struct registry r = {0};
    struct worker w;
    (void)state;
    fixture_start(&f, true);
    f.cfg->queue_claim_ms = 400;
    registry_fill(&f, &r);
    the_registry = &r;
    worker_start(&f, &w, "planner", 0);
    struct alert *a = alert_to_all(&f, URGENCY_HIGH);
    struct expected e = expect(&f, &r, a);
    publish(&f, a);
    for (int i = 0; i < 6; i++) {
        run_for(&f.loop, 3);
        test_redis_restart(&f.redis);
    }
    RUN_UNTIL(&f.loop, 15000,
              w.planned == 1 || strstr(test_redis_raw(&f.redis, "XLEN {t}:plan"), ":0"));
    RUN_UNTIL(&f.loop, 15000, store_is_up(f.store));
    check_targeted(&f, &e, a);
    push_queue_allow(w.queue, PLATFORM_APNS, 2);
    push_queue_allow(w.queue, PLATFORM_FCM, 2);
    RUN_UNTIL(&f.loop, 15000, is_settled(&f, a->id));
    check_sums(&f, &r, a, &e);
    push_queue_destroy(w.queue);
    alert_destroy(a);
    registry_finish(&r);
    fixture_stop(&f);
}

/* An update comes before the first revision was planned: only the update is sent. */
static void test_an_update_before_the_plan(void **state) {
    struct fixture f;
    struct worker w;
    (void)state;
    fixture_start(&f, false);
    struct device *d = make_device("device-one", PLATFORM_APNS, 1);
    (void)put_device(&f, d, "s", false);
    struct alert *a = alert_to_all(&f, URGENCY_HIGH);
    publish(&f, a);
    struct alert *update = alert_create();
    update->msg_type = MSG_UPDATE;
    update->reference = mem_strdup(a->id);
    update->content[0].headline = mem_strdup("Corrected");
    update->created_by = mem_strdup("key");
    codec_uuid7(update->id); /* only for the Idempotency-Key of this test */
    publish(&f, update);
    worker_start(&f, &w, "late", 4);
    w.is_dead = true;
    RUN_UNTIL(&f.loop, 5000, w.jobs == 1);
    assert_int_equal(w.planned, 2);
    assert_non_null(strstr(w.texts[0], "Corrected"));
    assert_non_null(strstr(w.texts[0], "\"revision\":2"));
    struct stats stats = {0};
    alert_store_stats(f.store, f.t, str_of(a->id), 1, on_stats, &stats);
    RUN_UNTIL(&f.loop, 5000, stats.done);
    assert_int_equal(number_at(stats.json, "total/superseded"), 1);
    assert_int_equal(number_at(stats.json, "total/targeted"), 1);
    free(stats.json);
    push_queue_destroy(w.queue);
    alert_destroy(update);
    alert_destroy(a);
    device_destroy(d);
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_device_ends_in_one_outcome),
        cmocka_unit_test(test_another_consumer_resumes_a_killed_ones_job),
        cmocka_unit_test(test_a_slow_consumer_keeps_its_job),
        cmocka_unit_test(test_what_was_not_flushed_is_found_again),
        cmocka_unit_test(test_outcomes_are_idempotent_per_slot),
        cmocka_unit_test(test_urgent_lanes_come_first),
        cmocka_unit_test(test_credit_is_respected),
        cmocka_unit_test(test_more_urgent_jobs_have_credit_of_their_own),
        cmocka_unit_test(test_alerts_of_one_lane_take_turns),
        cmocka_unit_test(test_devices_gone_since_planning_have_no_token),
        cmocka_unit_test(test_redis_killed_while_sending),
        cmocka_unit_test(test_an_update_before_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

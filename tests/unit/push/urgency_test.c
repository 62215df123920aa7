/* What is urgent goes before what is being sent: real Redis, simulated providers. */
#include "support_push.h"

enum { PHONES = 300, STREAMS = 10, STRAY_MAX = 60 };

static struct test_sim sim;

static int setup(void **state) {
    struct fixture *f = mem_alloc(sizeof(*f));
    push_setup(f, &sim, false);
    f->cfg->dispatcher_jobs = 1;
    f->cfg->dispatcher_urgent_hold_ms = 3600000;
    f->cfg->apns_connections_max = f->cfg->fcm_connections_max = 1;
    test_sim_post(&sim, "/faults",
                  "{\"apns\":{\"latency\":{\"ms\":20},\"streams\":{\"value\":10}},"
                  "\"fcm\":{\"latency\":{\"ms\":20},\"streams\":{\"value\":10}}}");
    *state = f;
    return 0;
}

static int teardown(void **state) {
    push_teardown(*state);
    free(*state);
    return 0;
}

static void publish(struct fixture *f, enum urgency urgency, enum platform platform,
                    char out_id[UUID_BYTES]) {
    struct alert *a = push_alert(f);
    a->urgency = urgency;
    a->audience.platforms = 1u << platform;
    memcpy(out_id, a->id, UUID_BYTES);
    push_publish(f, a);
}

static void finish(struct fixture *f, const char *id) {
    memcpy(f->alert_id, id, UUID_BYTES);
    push_finish(f, PHONES, 60000);
    assert_int_equal(total_of(f, "accepted"), PHONES);
}

/* Number in the ledger of an alert's push after the first `skip`. */
static int row_of(const char *id, int skip) {
    char path[160];
    (void)snprintf(path, sizeof(path), "/ledger?alert_id=%s&skip=%d&limit=1", id, skip);
    char *line = test_sim_call(&sim, "GET", path, NULL);
    const char *found = strstr(line, "{\"n\":"); /* after the size of the chunk */
    assert_non_null(found);
    int number = atoi(found + 5);
    free(line);
    assert_in_range(number, 1, 2 * PHONES);
    return number;
}

/* A flash to one platform while the only job of a normal alert to another (or the same) is being
 * sent: from its first push on, little else comes than what was under way. */
static void overtake(struct fixture *f, enum platform normal_to, enum platform flash_to) {
    char normal[UUID_BYTES];
    char flash[UUID_BYTES];
    push_register(f, normal_to, 0, PHONES);
    if (flash_to != normal_to) {
        push_register(f, flash_to, 0, PHONES);
    }
    push_start(f);
    publish(f, URGENCY_NORMAL, normal_to, normal);
    RUN_UNTIL(f, 20000, ledger_of(f, "accepted") >= STREAMS);
    publish(f, URGENCY_FLASH, flash_to, flash);
    finish(f, flash);
    finish(f, normal);
    int first = row_of(flash, 0);
    int last = row_of(flash, PHONES - 1);
    assert_in_range(last - first + 1 - PHONES, 0, STRAY_MAX);
    assert_true(row_of(normal, PHONES - 1) > last);
    assert_int_equal(ledger_of(f, "duplicates"), 0);
}

static void a_flash_overtakes_a_job_taken(void **state) {
    overtake(*state, PLATFORM_APNS, PLATFORM_APNS);
}

static void a_flash_has_the_dispatcher_to_itself(void **state) {
    overtake(*state, PLATFORM_FCM, PLATFORM_APNS);
}

/* A flash that cannot be sent holds nobody up. */
static void a_platform_in_trouble_holds_nobody(void **state) {
    struct fixture *f = *state;
    char normal[UUID_BYTES];
    char flash[UUID_BYTES];
    push_register(f, PLATFORM_FCM, 0, PHONES);
    push_register(f, PLATFORM_APNS, 0, PHONES);
    test_sim_post(&sim, "/faults",
                  "{\"apns\":{\"answer\":{\"status\":403,\"reason\":\"InvalidProviderToken\"}}}");
    push_start(f);
    publish(f, URGENCY_FLASH, PLATFORM_APNS, flash);
    RUN_UNTIL(f, 20000, test_sim_stat(&sim, "apns", "requests") > 0);
    publish(f, URGENCY_NORMAL, PLATFORM_FCM, normal);
    finish(f, normal);
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
        TEST(a_flash_overtakes_a_job_taken),
        TEST(a_flash_has_the_dispatcher_to_itself),
        TEST(a_platform_in_trouble_holds_nobody),
    };
    return cmocka_run_group_tests(tests, start_sim, stop_sim);
}

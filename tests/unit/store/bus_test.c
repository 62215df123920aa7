#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/alert_store.h"
#include "store/bus.h"
#include "support_store.h"

enum { SEQ_MAX = 4096 };

/* What one listener was told. Order and gaps are judged as it happens. */
struct listener {
    struct bus *bus;
    uint64_t last; /* seq */
    char epoch[EPOCH_BYTES];
    int resets;
    int epochs;
    int entries;
    int live_changes;
    bool live;
    uint64_t oldest;
    struct epoch_past past[EPOCH_PAST_MAX];
    int past_count;
    bool seen[SEQ_MAX];
    bool destroy_on_entry;
};

static void on_entry(void *user, const struct log_entry *entry) {
    struct listener *l = user;
    assert_int_equal(entry->position.seq, l->last + 1);
    assert_string_equal(entry->position.epoch, l->epoch);
    assert_true(entry->json.n > 2 && entry->json.p[0] == '{');
    assert_true(entry->position.seq < SEQ_MAX);
    l->last = entry->position.seq;
    l->entries++;
    l->seen[l->last] = true;
    if (l->destroy_on_entry) {
        bus_destroy(l->bus);
        l->bus = NULL;
    }
}

static void on_reset(void *user, const struct position *head, uint64_t oldest_seq,
                     const struct epoch_past *past, int past_count) {
    struct listener *l = user;
    assert_false(l->live);
    l->resets++;
    l->last = head->seq;
    memcpy(l->epoch, head->epoch, EPOCH_BYTES);
    l->oldest = oldest_seq;
    l->past_count = past_count;
    memcpy(l->past, past, (size_t)past_count * sizeof(*past));
}

static void on_epoch(void *user, const struct position *head, const struct epoch_past *past,
                     int past_count) {
    struct listener *l = user;
    assert_int_equal(head->seq, l->last);
    l->epochs++;
    memcpy(l->epoch, head->epoch, EPOCH_BYTES);
    l->past_count = past_count;
    memcpy(l->past, past, (size_t)past_count * sizeof(*past));
}

static void on_live(void *user, bool live) {
    struct listener *l = user;
    assert_true(live != l->live);
    l->live = live;
    l->live_changes++;
}

static const struct bus_handlers handlers = {
    .on_entry = on_entry, .on_reset = on_reset, .on_epoch = on_epoch, .on_live = on_live};

static void listener_start(struct fixture *f, struct listener *l, uint64_t preload) {
    const struct bus_options options = {.preload = preload};
    memset(l, 0, sizeof(*l));
    assert_int_equal(bus_create(&f->loop, f->store, f->cfg, &options, &handlers, l, &l->bus),
                     ERR_OK);
}

static void on_publish(void *user, const struct publish_result *result) {
    *(struct publish_result *)user = *result;
}

static struct publish_result publish_once(struct fixture *f, const char *key) {
    struct publish_result result = {.status = (enum publish_status) - 1};
    struct alert *a = alert_create();
    codec_uuid7(a->id);
    a->audience.regions_all = true;
    a->audience.platforms = 1u << PLATFORM_STREAM;
    a->content[0].headline = mem_strdup("Headline");
    a->created_by = mem_strdup("key");
    a->sent_ms = clock_wall_ms();
    const struct publish_request request = {
        .alert = a, .idempotency_key = str_of(key), .fingerprint = STR("f")};
    alert_store_publish(f->store, f->t, &request, on_publish, &result);
    RUN_UNTIL(&f->loop, 10000, result.status != (enum publish_status) - 1);
    alert_destroy(a);
    return result;
}

/* As a newsroom does: the same key until it is answered. */
static uint64_t publish(struct fixture *f) {
    char key[UUID_BYTES];
    codec_uuid7(key);
    for (int i = 0; i < 500; i++) {
        struct publish_result result = publish_once(f, key);
        if (result.status == PUBLISH_ACCEPTED || result.status == PUBLISH_REPLAYED) {
            return result.position.seq;
        }
        run_for(&f->loop, 20);
    }
    fail_msg("Redis did not come back");
    return 0;
}

static void test_starts_at_the_head_and_hears(void **state) {
    struct fixture f;
    struct listener l;
    (void)state;
    fixture_start(&f, false);
    (void)publish(&f);
    (void)publish(&f);
    listener_start(&f, &l, 0);
    RUN_UNTIL(&f.loop, 5000, l.live);
    assert_int_equal(l.resets, 1);
    assert_int_equal(l.last, 2);
    assert_int_equal(l.oldest, 1);
    assert_int_equal(l.entries, 0);
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 500, l.last == 3);
    bus_destroy(l.bus);
    fixture_stop(&f);
}

static void test_preloads_the_newest(void **state) {
    struct fixture f;
    struct listener l;
    (void)state;
    fixture_start(&f, false);
    f.cfg->log_window_entries = 600;
    for (int i = 0; i < 700; i++) {
        (void)publish(&f);
    }
    listener_start(&f, &l, 400); /* more than one page of the log */
    RUN_UNTIL(&f.loop, 5000, l.live);
    assert_int_equal(l.entries, 400);
    assert_int_equal(l.last, 700);
    assert_int_equal(l.oldest, 101);
    bus_destroy(l.bus);
    listener_start(&f, &l, 5000); /* more than there is */
    RUN_UNTIL(&f.loop, 5000, l.live);
    assert_int_equal(l.entries, 600);
    bus_destroy(l.bus);
    fixture_stop(&f);
}

/* A log entry without its bell: what a lossy pub/sub does. */
static void append_silently(struct fixture *f, uint64_t seq) {
    char command[256];
    (void)snprintf(command, sizeof(command), "XADD {t}:log %d-1 e old j {silent}", (int)seq);
    assert_int_equal(test_redis_raw(&f->redis, command)[0], '$');
    (void)snprintf(command, sizeof(command), "HSET {t}:epoch seq %d", (int)seq);
    assert_string_equal(test_redis_raw(&f->redis, command), ":0\r\n");
}

static void test_lost_bells_are_repaired(void **state) {
    struct fixture f;
    struct listener l;
    (void)state;
    fixture_start(&f, false);
    listener_start(&f, &l, 0);
    RUN_UNTIL(&f.loop, 5000, l.live);
    (void)publish(&f);
    append_silently(&f, 2);
    append_silently(&f, 3);
    /* The next bell shows the hole: it is filled before anything after it is delivered. */
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 500, l.last == 4);
    assert_int_equal(l.entries, 4);
    /* And without any bell the watchdog finds it. */
    append_silently(&f, 5);
    RUN_UNTIL(&f.loop, 2500, l.last == 5);
    assert_int_equal(l.resets, 1);
    assert_int_equal(l.live_changes, 1); /* readers never saw a failure */
    bus_destroy(l.bus);
    fixture_stop(&f);
}

static void test_everything_once_while_redis_is_killed(void **state) {
    struct fixture f;
    struct listener early;
    struct listener late;
    uint64_t last = 0;
    (void)state;
    fixture_start(&f, true);
    listener_start(&f, &early, 0);
    listener_start(&f, &late, 0);
    RUN_UNTIL(&f.loop, 5000, early.live && late.live);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 20; i++) {
            last = publish(&f);
        }
        test_redis_kill(&f.redis);
        run_for(&f.loop, round % 2 ? 300 : 5);
        test_redis_launch(&f.redis);
    }
    last = publish(&f);
    assert_int_equal(last, 101);
    RUN_UNTIL(&f.loop, 10000, early.last == last && late.last == last);
    assert_int_equal(early.entries, 101);
    assert_int_equal(late.entries, 101);
    assert_int_equal(early.resets, 1);   /* nothing was lost, so no reader needs to know */
    assert_in_range(early.epochs, 1, 5); /* a short life may be skipped, its end is in the past */
    assert_int_equal(early.past_count, 5);
    assert_int_equal(early.past[0].survived, 100);
    RUN_UNTIL(&f.loop, 10000, early.live && late.live);
    bus_destroy(early.bus);
    bus_destroy(late.bus);
    fixture_stop(&f);
}

static void test_emptied_redis_is_a_reset(void **state) {
    struct fixture f;
    struct listener l;
    char epoch[EPOCH_BYTES];
    (void)state;
    fixture_start(&f, false);
    listener_start(&f, &l, 0);
    RUN_UNTIL(&f.loop, 5000, l.live);
    (void)publish(&f);
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 1000, l.last == 2);
    memcpy(epoch, l.epoch, sizeof(epoch));

    (void)test_redis_raw(&f.redis, "FLUSHALL"); /* found by the watchdog */
    RUN_UNTIL(&f.loop, 3000, l.resets == 2 && l.live);
    assert_int_equal(l.last, 0);
    assert_string_not_equal(l.epoch, epoch);
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 1000, l.last == 1);

    test_redis_restart(&f.redis); /* not persistent: comes back empty */
    RUN_UNTIL(&f.loop, 5000, l.resets == 3 && l.live);
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 1000, l.last == 1);
    bus_destroy(l.bus);
    fixture_stop(&f);
}

/* A fail-over that lost the newest entry: an older copy of the data set comes back. */
static void test_lost_entries_are_a_reset_with_the_past(void **state) {
    struct fixture f;
    struct listener l;
    char command[512];
    char epoch[EPOCH_BYTES];
    (void)state;
    fixture_start(&f, true);
    listener_start(&f, &l, 0);
    RUN_UNTIL(&f.loop, 5000, l.live);
    (void)publish(&f);
    (void)publish(&f);
    (void)snprintf(command, sizeof(command), "cp -r %s/appendonlydir %s/before", f.redis.dir,
                   f.redis.dir);
    assert_int_equal(system(command), 0);
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 1000, l.last == 3);
    memcpy(epoch, l.epoch, sizeof(epoch));

    test_redis_kill(&f.redis);
    (void)snprintf(command, sizeof(command),
                   "rm -r %s/appendonlydir && mv %s/before %s/appendonlydir", f.redis.dir,
                   f.redis.dir, f.redis.dir);
    assert_int_equal(system(command), 0);
    test_redis_launch(&f.redis);
    RUN_UNTIL(&f.loop, 5000, l.resets == 2 && l.live);
    assert_int_equal(l.epochs, 0); /* at no time was it told that all is well */
    assert_int_equal(l.last, 2);
    assert_int_equal(l.past_count, 1);
    assert_string_equal(l.past[0].epoch, epoch);
    assert_int_equal(l.past[0].survived, 2);
    assert_int_equal(publish(&f), 3);
    RUN_UNTIL(&f.loop, 1000, l.last == 3);
    assert_string_not_equal(l.epoch, epoch); /* seq 3 again, but never the same position */
    bus_destroy(l.bus);
    fixture_stop(&f);
}

static void test_a_log_trimmed_past_us_is_a_reset(void **state) {
    struct fixture f;
    struct listener l;
    (void)state;
    fixture_start(&f, false);
    listener_start(&f, &l, 0);
    RUN_UNTIL(&f.loop, 5000, l.live);
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 1000, l.last == 1);
    for (uint64_t seq = 2; seq <= 9; seq++) {
        append_silently(&f, seq);
    }
    (void)test_redis_raw(&f.redis, "XTRIM {t}:log MINID 6");
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 3000, l.last == 10 && l.live);
    assert_int_equal(l.resets, 2);
    bus_destroy(l.bus);
    fixture_stop(&f);
}

static void test_a_silent_redis_turns_it_off(void **state) {
    struct fixture f;
    struct listener l;
    (void)state;
    fixture_start(&f, false);
    f.cfg->redis_timeout_ms = 1000;
    listener_start(&f, &l, 0);
    RUN_UNTIL(&f.loop, 5000, l.live);
    test_redis_signal(&f.redis, SIGSTOP);
    RUN_UNTIL(&f.loop, 6000, !l.live);
    test_redis_signal(&f.redis, SIGCONT);
    RUN_UNTIL(&f.loop, 6000, l.live);
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 1000, l.last == 1);
    assert_int_equal(l.resets, 1);
    bus_destroy(l.bus);
    fixture_stop(&f);
}

/* Subscribed as far as the socket knows, but nothing arrives: another client killed the
 * subscription on the server's side of a half-open connection. */
static void test_a_killed_subscription_is_rebuilt(void **state) {
    struct fixture f;
    struct listener l;
    (void)state;
    fixture_start(&f, false);
    listener_start(&f, &l, 0);
    RUN_UNTIL(&f.loop, 5000, l.live);
    for (int i = 0; i < 3; i++) {
        (void)test_redis_raw(&f.redis, "CLIENT KILL TYPE pubsub");
        (void)publish(&f);
    }
    RUN_UNTIL(&f.loop, 5000, l.last == 3 && l.live);
    assert_int_equal(l.entries, 3);
    assert_int_equal(l.resets, 1);
    bus_destroy(l.bus);
    fixture_stop(&f);
}

static void test_destroy_inside_a_handler(void **state) {
    struct fixture f;
    struct listener l;
    (void)state;
    fixture_start(&f, false);
    listener_start(&f, &l, 0);
    RUN_UNTIL(&f.loop, 5000, l.live);
    l.destroy_on_entry = true;
    (void)publish(&f);
    RUN_UNTIL(&f.loop, 1000, l.bus == NULL);
    (void)publish(&f);
    run_for(&f.loop, 50);
    assert_int_equal(l.entries, 1);
    fixture_stop(&f);
}

static void test_destroy_while_starting(void **state) {
    struct fixture f;
    struct listener l;
    (void)state;
    fixture_start(&f, false);
    for (int turns = 0; turns < 12; turns++) {
        listener_start(&f, &l, 10);
        for (int i = 0; i < turns; i++) {
            (void)uv_run(&f.loop, UV_RUN_NOWAIT);
        }
        bus_destroy(l.bus);
    }
    run_for(&f.loop, 50);
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_at_the_head_and_hears),
        cmocka_unit_test(test_preloads_the_newest),
        cmocka_unit_test(test_lost_bells_are_repaired),
        cmocka_unit_test(test_everything_once_while_redis_is_killed),
        cmocka_unit_test(test_emptied_redis_is_a_reset),
        cmocka_unit_test(test_lost_entries_are_a_reset_with_the_past),
        cmocka_unit_test(test_a_log_trimmed_past_us_is_a_reset),
        cmocka_unit_test(test_a_silent_redis_turns_it_off),
        cmocka_unit_test(test_a_killed_subscription_is_rebuilt),
        cmocka_unit_test(test_destroy_inside_a_handler),
        cmocka_unit_test(test_destroy_while_starting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Receipts against a real Redis, beside a plain model: who counts, once each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_push_queue.h"

#include "store/receipt_store.h"

enum { PHONES = 40, SECRET_BYTES = 48, PATIENCE_MS = 5000 };

struct phone {
    struct device *device;
    char secret_sha256[SHA256_HEX_BYTES];
};

struct answers {
    bool done;
    enum err err;
    struct receipt_answer of[8];
    char fates[8][64];
};

static void on_answers(void *user, enum err err, const struct receipt_answer *answers,
                       size_t count) {
    struct answers *a = user;
    a->done = true;
    a->err = err;
    for (size_t i = 0; answers && i < count; i++) {
        a->of[i].err = answers[i].err;
        (void)snprintf(a->fates[i], sizeof(a->fates[i]), "%.*s", STR_ARG(answers[i].fates));
    }
}

static void tell(struct fixture *f, const struct receipt_post *posts, size_t count,
                 struct answers *out) {
    memset(out, 0, sizeof(*out));
    receipt_store_devices(f->store, f->t, posts, count, on_answers, out);
    RUN_UNTIL(&f->loop, PATIENCE_MS, out->done);
    assert_int_equal(out->err, ERR_OK);
}

/* The fates of receipts that one device tells. */
static const char *tell_one(struct fixture *f, const struct phone *p,
                            const struct receipt *receipts, size_t count, struct answers *out) {
    const struct receipt_post post = {str_of(p->device->id), str_of(p->secret_sha256), receipts,
                                      count};
    tell(f, &post, 1, out);
    assert_int_equal(out->of[0].err, ERR_OK);
    return out->fates[0];
}

static void register_phones(struct fixture *f, struct phone phones[PHONES]) {
    (void)test_redis_raw(&f->redis, "SET {d}:next 16370"); /* so that two blocks are used */
    for (unsigned i = 0; i < PHONES; i++) {
        char id[32];
        char secret[SECRET_BYTES];
        (void)snprintf(id, sizeof(id), "phone-of-test-%u", i);
        (void)snprintf(secret, sizeof(secret), "secret-of-the-phone-with-the-number-%u", i);
        phones[i].device = make_device(id, i % 2 ? PLATFORM_APNS : PLATFORM_FCM, i);
        phones[i].device->edition = (int)i % 3;
        phones[i].device->regions = i % 4 ? 0 : 1; /* one in four follows only the first region */
        codec_sha256_hex(str_of(secret), phones[i].secret_sha256);
        assert_int_equal(put_device(f, phones[i].device, secret, false).status, DEVICE_PUT_CREATED);
    }
}

static struct alert *planned_alert(struct fixture *f, struct worker *w, uint64_t regions) {
    struct alert *a = alert_to_all(f, URGENCY_FLASH);
    int planned = w->planned;
    a->audience.regions = regions;
    a->audience.regions_all = regions == 0;
    a->audience.regions_match = regions;
    publish(f, a);
    RUN_UNTIL(&f->loop, PATIENCE_MS, w->planned == planned + 1);
    return a;
}

static struct receipt receipt_of(const struct alert *a, enum receipt_event event) {
    struct receipt r = {.revision = 1, .event = event};
    (void)snprintf(r.alert_id, sizeof(r.alert_id), "%s", a->id);
    return r;
}

static int64_t counted(struct fixture *f, const struct alert *a, const char *field) {
    char command[160];
    (void)snprintf(command, sizeof(command), "HGET {t}:stats:%s:1 %s", a->id, field);
    const char *reply = test_redis_raw(&f->redis, command);
    const char *line = strchr(reply, '\n');
    return reply[0] == '$' && reply[1] != '-' && line ? strtoll(line + 1, NULL, 10) : 0;
}

struct scene {
    struct fixture f;
    struct phone phones[PHONES];
    struct worker worker;
};

static struct scene *scene_start(void) {
    struct scene *s = mem_zalloc(1, sizeof(*s));
    fixture_start(&s->f, false);
    register_phones(&s->f, s->phones);
    worker_start(&s->f, &s->worker, "planner", 0);
    return s;
}

static void scene_stop(struct scene *s) {
    push_queue_destroy(s->worker.queue);
    for (int i = 0; i < PHONES; i++) {
        device_destroy(s->phones[i].device);
    }
    fixture_stop(&s->f);
    free(s);
}

static void every_receipt_gets_its_fate(void **state) {
    (void)state;
    struct scene *s = scene_start();
    struct answers out;
    struct alert *all = planned_alert(&s->f, &s->worker, 0);
    struct alert *second_region = planned_alert(&s->f, &s->worker, 2);
    struct alert *never = alert_to_all(&s->f, URGENCY_LOW);
    struct receipt later = receipt_of(all, RECEIPT_RECEIVED);
    later.revision = 2;
    const struct receipt receipts[] = {
        receipt_of(all, RECEIPT_RECEIVED),   receipt_of(all, RECEIPT_RECEIVED),
        receipt_of(all, RECEIPT_OPENED),     receipt_of(second_region, RECEIPT_OPENED),
        receipt_of(never, RECEIPT_RECEIVED), later,
    };
    /* Phone 0 follows the first region alone. */
    assert_string_equal(tell_one(&s->f, &s->phones[0], receipts, 6, &out), "ckcnuu");
    assert_int_equal(counted(&s->f, all, "received:fcm"), 1);
    assert_int_equal(counted(&s->f, all, "opened:fcm"), 1);
    assert_int_equal(counted(&s->f, second_region, "opened:fcm"), 0);
    /* Opened alone is received, too. */
    assert_string_equal(tell_one(&s->f, &s->phones[1], &receipts[2], 2, &out), "cc");
    assert_int_equal(counted(&s->f, all, "received:apns"), 1);
    assert_int_equal(counted(&s->f, all, "opened:apns"), 1);
    alert_destroy(all);
    alert_destroy(second_region);
    alert_destroy(never);
    scene_stop(s);
}

static void a_post_needs_its_device_and_its_secret(void **state) {
    (void)state;
    struct scene *s = scene_start();
    struct answers out;
    struct alert *a = planned_alert(&s->f, &s->worker, 0);
    const struct receipt receipt = receipt_of(a, RECEIPT_RECEIVED);
    const struct phone *one = &s->phones[1];
    const struct phone *two = &s->phones[2];
    const struct receipt_post posts[] = {
        {STR("phone-nobody-knows"), str_of(one->secret_sha256), &receipt, 1},
        {str_of(one->device->id), str_of(two->secret_sha256), &receipt, 1},
        {str_of(one->device->id), STR(""), &receipt, 1},
        {str_of(two->device->id), str_of(two->secret_sha256), &receipt, 1},
    };
    tell(&s->f, posts, 4, &out);
    assert_int_equal(out.of[0].err, ERR_NOT_FOUND);
    assert_int_equal(out.of[1].err, ERR_DENIED);
    assert_int_equal(out.of[2].err, ERR_DENIED);
    assert_int_equal(out.of[3].err, ERR_OK);
    assert_string_equal(out.fates[3], "c");
    assert_int_equal(counted(&s->f, a, "received:apns") + counted(&s->f, a, "received:fcm"), 1);
    alert_destroy(a);
    scene_stop(s);
}

/* Random receipts of random phones in random bundles, many of them repeats: the counters are those
 * of a set. */
static void counters_are_those_of_a_set(void **state) {
    (void)state;
    enum { CALLS = 300, BUNDLE = 6 };
    struct scene *s = scene_start();
    struct alert *a = planned_alert(&s->f, &s->worker, 0);
    bool told[PHONES][RECEIPT_EVENT_COUNT] = {{false}};
    int64_t expected[2][RECEIPT_EVENT_COUNT] = {{0}};
    unsigned seed = 11;
    for (int i = 0; i < CALLS; i++) {
        struct receipt_post posts[BUNDLE];
        struct receipt receipts[BUNDLE];
        struct answers out;
        for (int k = 0; k < BUNDLE; k++) {
            int phone = rand_r(&seed) % PHONES;
            receipts[k] = receipt_of(a, rand_r(&seed) % 2 ? RECEIPT_OPENED : RECEIPT_RECEIVED);
            for (int e = 0; e <= (int)receipts[k].event; e++) {
                expected[phone % 2][e] += !told[phone][e];
                told[phone][e] = true;
            }
            posts[k] =
                (struct receipt_post){str_of(s->phones[phone].device->id),
                                      str_of(s->phones[phone].secret_sha256), &receipts[k], 1};
        }
        tell(&s->f, posts, BUNDLE, &out);
    }
    assert_int_equal(counted(&s->f, a, "received:fcm"), expected[0][RECEIPT_RECEIVED]);
    assert_int_equal(counted(&s->f, a, "opened:fcm"), expected[0][RECEIPT_OPENED]);
    assert_int_equal(counted(&s->f, a, "received:apns"), expected[1][RECEIPT_RECEIVED]);
    assert_int_equal(counted(&s->f, a, "opened:apns"), expected[1][RECEIPT_OPENED]);
    assert_true(expected[0][RECEIPT_RECEIVED] > PHONES / 4);
    alert_destroy(a);
    scene_stop(s);
}

static void on_told(void *user, enum err err) {
    *(enum err *)user = err;
}

static void sum_up(struct fixture *f, uint64_t batch, const struct receipt_sum *sums,
                   size_t count) {
    enum err err = ERR_FULL;
    receipt_store_readers(f->store, STR("worker"), batch, sums, count, on_told, &err);
    RUN_UNTIL(&f->loop, PATIENCE_MS, err != ERR_FULL);
    assert_int_equal(err, ERR_OK);
}

static void a_batch_told_twice_counts_once(void **state) {
    (void)state;
    struct scene *s = scene_start();
    struct alert *a = planned_alert(&s->f, &s->worker, 0);
    struct alert *never = alert_to_all(&s->f, URGENCY_LOW);
    struct receipt_sum sums[2] = {{.revision = 1, .counts = {7, 2}},
                                  {.revision = 1, .counts = {5, 5}}};
    (void)snprintf(sums[0].alert_id, UUID_BYTES, "%s", a->id);
    (void)snprintf(sums[1].alert_id, UUID_BYTES, "%s", never->id);
    sum_up(&s->f, 1, sums, 2);
    sum_up(&s->f, 1, sums, 2);
    assert_int_equal(counted(&s->f, a, "received:stream"), 7);
    assert_int_equal(counted(&s->f, a, "opened:stream"), 2);
    sum_up(&s->f, 2, sums, 1);
    assert_int_equal(counted(&s->f, a, "received:stream"), 14);
    assert_int_equal(counted(&s->f, never, "received:stream"), 0);
    alert_destroy(a);
    alert_destroy(never);
    scene_stop(s);
}

/* What is kept for receipts goes when the list of recipients does. */
static void nothing_is_kept_for_ever(void **state) {
    (void)state;
    struct scene *s = scene_start();
    struct answers out;
    struct alert *a = planned_alert(&s->f, &s->worker, 0);
    char command[160];
    const struct receipt receipt = receipt_of(a, RECEIPT_OPENED);
    assert_string_equal(tell_one(&s->f, &s->phones[0], &receipt, 1, &out), "c");
    for (int e = 0; e < RECEIPT_EVENT_COUNT; e++) {
        (void)snprintf(command, sizeof(command), "TTL {b0}:seen:%s:1:%s", a->id,
                       receipt_event_names[e]);
        assert_true(strtoll(test_redis_raw(&s->f.redis, command) + 1, NULL, 10) > 0);
    }
    (void)snprintf(command, sizeof(command), "TTL {t}:stats:%s:1", a->id);
    assert_true(strtoll(test_redis_raw(&s->f.redis, command) + 1, NULL, 10) > 0);
    alert_destroy(a);
    scene_stop(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_receipt_gets_its_fate),
        cmocka_unit_test(a_post_needs_its_device_and_its_secret),
        cmocka_unit_test(counters_are_those_of_a_set),
        cmocka_unit_test(a_batch_told_twice_counts_once),
        cmocka_unit_test(nothing_is_kept_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

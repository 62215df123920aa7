#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/device_record.h"
#include "store/device_store.h"
#include "support_devices.h"

/* ---- helpers ---- */

struct got {
    bool done;
    enum err err;
    struct buf json;
};

static void on_get(void *user, enum err err, const struct device *device) {
    struct got *got = user;
    got->done = true;
    got->err = err;
    assert_true((err == ERR_OK) == (device != NULL));
}

static enum err get(struct fixture *f, const char *id, const char *secret) {
    struct got got = {0};
    char digest[SHA256_HEX_BYTES];
    codec_sha256_hex(str_of(secret), digest);
    device_store_get(f->store, f->t, str_of(id), str_of(digest), on_get, &got);
    RUN_UNTIL(&f->loop, 5000, got.done);
    return got.err;
}

static void on_done(void *user, enum err err) {
    struct got *got = user;
    got->done = true;
    got->err = err;
}

static enum err delete (struct fixture *f, const char *id, const char *secret) {
    struct got got = {0}; char digest[SHA256_HEX_BYTES]; codec_sha256_hex(str_of(secret), digest);
    device_store_delete(f->store, f->t, str_of(id), str_of(digest), on_done, &got);
    RUN_UNTIL(&f->loop, 5000, got.done);
    return got.err;
}

static enum err remove_dead(struct fixture *f, uint32_t number, const char *token,
                            int64_t before_ms) {
    struct got got = {0};
    const struct dead_token dead = {number, str_of(token), before_ms};
    device_store_remove_dead(f->store, f->t, &dead, 1, on_done, &got);
    RUN_UNTIL(&f->loop, 5000, got.done);
    return got.err;
}

struct counted {
    bool done;
    uint32_t blocks;
    uint64_t devices;
};

static void on_blocks(void *user, enum err err, uint32_t blocks, uint64_t devices) {
    struct counted *c = user;
    assert_int_equal(err, ERR_OK);
    c->blocks = blocks;
    c->devices = devices;
    c->done = true;
}

static struct counted count(struct fixture *f) {
    struct counted c = {0};
    device_store_blocks(f->store, on_blocks, &c);
    RUN_UNTIL(&f->loop, 5000, c.done);
    return c;
}

/* ---- single steps ---- */

static void test_register_update_delete(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    struct device *d = make_device("01890000-aaaa-7000-8000-000000000001", PLATFORM_APNS, 1);
    d->regions = 3;
    d->tags[d->tag_count++] = mem_strdup("Gaza");
    d->time_zone = mem_strdup("Asia/Beirut");

    struct device_put_result put = put_device(&f, d, "secret one", false);
    assert_int_equal(put.status, DEVICE_PUT_CREATED);
    assert_false(put.token_moved);
    assert_in_range(clock_wall_ms() - put.registered_ms, 0, 5000);
    assert_int_equal(put_device(&f, d, "secret two", false).status, DEVICE_PUT_DENIED);
    assert_int_equal(get(&f, d->id, "secret one"), ERR_OK);
    assert_int_equal(get(&f, d->id, "secret two"), ERR_DENIED);
    assert_int_equal(get(&f, "nobody-there", "secret one"), ERR_NOT_FOUND);
    assert_string_equal(raw_bit(&f, "{b0}:tag:gaza", 0), ":1\r\n");
    assert_string_equal(raw_bit(&f, "{b0}:region:africa", 0), ":1\r\n");

    d->regions = 4;
    assert_int_equal(put_device(&f, d, "secret one", false).status, DEVICE_PUT_UPDATED);
    assert_string_equal(raw_bit(&f, "{b0}:region:africa", 0), ":0\r\n");
    assert_string_equal(test_redis_raw(&f.redis, "EXISTS {b0}:region:africa"), ":0\r\n");
    assert_int_equal(count(&f).devices, 1);

    assert_int_equal(delete (&f, d->id, "secret two"), ERR_DENIED);
    assert_int_equal(delete (&f, d->id, "secret one"), ERR_OK);
    assert_int_equal(delete (&f, d->id, "secret one"), ERR_NOT_FOUND);
    assert_int_equal(count(&f).devices, 0);
    /* Nothing is left in the block. */
    assert_string_equal(test_redis_raw(&f.redis, "EVAL 'return #redis.call(\"KEYS\",\"{b*\")' 0"),
                        ":0\r\n");
    device_destroy(d);
    fixture_stop(&f);
}

static void test_records_round_trip(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    for (int i = 0; i < 40; i++) {
        struct device *d = random_device(&f, (unsigned)i, (unsigned)i);
        assert_int_equal(put_device(&f, d, "secret", true).status, DEVICE_PUT_CREATED);
        check_stored(&f, d, "secret");
        device_destroy(d);
    }
    fixture_stop(&f);
}

static void test_a_token_moves_to_the_last_who_brings_it(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    struct device *first = make_device("first-device", PLATFORM_APNS, 7);
    struct device *second = make_device("second-device", PLATFORM_APNS, 7);
    (void)put_device(&f, first, "s1", false);
    struct device_put_result put = put_device(&f, second, "s2", false);
    assert_int_equal(put.status, DEVICE_PUT_CREATED);
    assert_true(put.token_moved);
    assert_int_equal(get(&f, "first-device", "s1"), ERR_NOT_FOUND);
    assert_int_equal(get(&f, "second-device", "s2"), ERR_OK);
    assert_int_equal(count(&f).devices, 1);
    /* The same bytes on another platform are another token. */
    free(first->token);
    first->token = mem_strdup(second->token);
    first->platform = PLATFORM_FCM;
    put = put_device(&f, first, "s1", false);
    assert_int_equal(put.status, DEVICE_PUT_CREATED);
    assert_false(put.token_moved);
    device_destroy(first);
    device_destroy(second);
    fixture_stop(&f);
}

static void test_an_old_token_is_free_again(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    struct device *a = make_device("device-aaaa", PLATFORM_APNS, 1);
    struct device *b = make_device("device-bbbb", PLATFORM_APNS, 1);
    (void)put_device(&f, a, "s", false);
    free(a->token);
    a->token = make_token(PLATFORM_APNS, 2);
    assert_int_equal(put_device(&f, a, "s", false).status, DEVICE_PUT_UPDATED);
    struct device_put_result put = put_device(&f, b, "s", false);
    assert_false(put.token_moved);
    assert_int_equal(count(&f).devices, 2);
    device_destroy(a);
    device_destroy(b);
    fixture_stop(&f);
}

static void test_imported_without_a_secret_is_claimed_once(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    struct device *d = make_device("imported-device", PLATFORM_FCM, 1);
    assert_int_equal(put_device(&f, d, NULL, true).status, DEVICE_PUT_CREATED);
    assert_int_equal(get(&f, d->id, ""), ERR_DENIED);
    assert_int_equal(put_device(&f, d, "mine", false).status, DEVICE_PUT_UPDATED);
    assert_int_equal(get(&f, d->id, "mine"), ERR_OK);
    assert_int_equal(put_device(&f, d, "other", false).status, DEVICE_PUT_DENIED);
    /* A second import without a secret keeps the one there is. */
    assert_int_equal(put_device(&f, d, NULL, true).status, DEVICE_PUT_UPDATED);
    assert_int_equal(get(&f, d->id, "mine"), ERR_OK);
    device_destroy(d);
    fixture_stop(&f);
}

static void test_dead_tokens(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    struct device *d = make_device("device-dead", PLATFORM_APNS, 1);
    char *other = make_token(PLATFORM_APNS, 2);
    struct device_put_result put = put_device(&f, d, "s", false);
    assert_int_equal(remove_dead(&f, 0, other, INT64_MAX), ERR_OK); /* another token by now */
    assert_int_equal(get(&f, d->id, "s"), ERR_OK);
    assert_int_equal(remove_dead(&f, 0, d->token, put.registered_ms), ERR_OK); /* came back since */
    assert_int_equal(get(&f, d->id, "s"), ERR_OK);
    assert_int_equal(remove_dead(&f, 5, d->token, INT64_MAX), ERR_OK); /* no such number */
    assert_int_equal(get(&f, d->id, "s"), ERR_OK);
    assert_int_equal(remove_dead(&f, 0, d->token, put.registered_ms + 1), ERR_OK);
    assert_int_equal(get(&f, d->id, "s"), ERR_NOT_FOUND);
    free(other);
    device_destroy(d);
    fixture_stop(&f);
}

static uint64_t next_number(struct fixture *f) {
    uint64_t next = 0;
    const char *reply = test_redis_raw(&f->redis, "GET {d}:next");
    const char *digits = strchr(reply, '\n');
    assert_non_null(digits);
    (void)!str_to_u64(str_trim(str_of(digits)), &next);
    return next;
}

static void test_numbers_are_used_again_late(void **state) {
    struct fixture f;
    const int64_t day_ms = INT64_C(86400) * 1000;
    (void)state;
    fixture_start(&f, false);
    struct device *d = make_device("device-reuse", PLATFORM_APNS, 1);
    (void)put_device(&f, d, "s", false);
    assert_int_equal(delete (&f, d->id, "s"), ERR_OK);
    (void)put_device(&f, d, "s", false);
    assert_int_equal(next_number(&f), 2); /* an alert under way may still count number 0 */
    assert_int_equal(delete (&f, d->id, "s"), ERR_OK);
    clock_advance_for_test(29 * day_ms);
    (void)put_device(&f, d, "s", false);
    assert_int_equal(next_number(&f), 3);
    assert_int_equal(delete (&f, d->id, "s"), ERR_OK);
    clock_advance_for_test(2 * day_ms);
    (void)put_device(&f, d, "s", false);
    assert_int_equal(next_number(&f), 3);
    clock_advance_for_test(-31 * day_ms);
    device_destroy(d);
    fixture_stop(&f);
}

static void test_full_registry_refuses(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    f.cfg->devices_max = 1;
    struct device *a = make_device("device-one", PLATFORM_APNS, 1);
    struct device *b = make_device("device-two", PLATFORM_APNS, 2);
    assert_int_equal(put_device(&f, a, "s", false).status, DEVICE_PUT_CREATED);
    assert_int_equal(put_device(&f, b, "s", false).status, DEVICE_PUT_UNAVAILABLE);
    assert_int_equal(put_device(&f, a, "s", false).status, DEVICE_PUT_UPDATED);
    device_destroy(a);
    device_destroy(b);
    fixture_stop(&f);
}

/* ---- random operations against a naive model ---- */

enum { IDS = 60, TOKENS = 70, STEPS = 3000 };

struct model {
    struct device *device; /* NULL = not registered */
    unsigned secret;
};

static void secret_text(unsigned secret, char out[16]) {
    (void)snprintf(out, 16, "secret-%u", secret);
}

static void model_put(struct fixture *f, struct model *models, unsigned id, unsigned seed) {
    char secret[16];
    struct device *d = random_device(f, id, seed);
    secret_text(models[id].device && seed % 7 ? models[id].secret : seed % 3, secret);
    free(d->token);
    d->token = make_token(d->platform, seed % TOKENS);
    struct device_put_result put = put_device(f, d, secret, false);
    char expected[16];
    secret_text(models[id].secret, expected);
    if (models[id].device && strcmp(secret, expected) != 0) {
        assert_int_equal(put.status, DEVICE_PUT_DENIED);
        device_destroy(d);
        return;
    }
    bool moved = false;
    for (unsigned i = 0; i < IDS; i++) {
        struct device *other = models[i].device;
        if (i != id && other && other->platform == d->platform &&
            strcmp(other->token, d->token) == 0) {
            device_destroy(other);
            models[i].device = NULL;
            moved = true;
        }
    }
    assert_int_equal(put.status, models[id].device ? DEVICE_PUT_UPDATED : DEVICE_PUT_CREATED);
    assert_int_equal(put.token_moved, moved);
    device_destroy(models[id].device);
    d->registered_ms = put.registered_ms;
    models[id].device = d;
    models[id].secret = (unsigned)(secret[7] - '0');
}

static void model_delete(struct fixture *f, struct model *models, unsigned id) {
    char name[32];
    char secret[16];
    (void)snprintf(name, sizeof(name), "random-device-%u", id);
    secret_text(models[id].secret, secret);
    assert_int_equal(delete (f, name, secret), models[id].device ? ERR_OK : ERR_NOT_FOUND);
    device_destroy(models[id].device);
    models[id].device = NULL;
}

static void test_random_operations_match_a_naive_model(void **state) {
    struct fixture f;
    struct model models[IDS] = {0};
    uint64_t expected = 0;
    (void)state;
    fixture_start(&f, false);
    srandom(20);
    for (int step = 0; step < STEPS; step++) {
        unsigned id = (unsigned)random() % IDS;
        if (random() % 4) {
            model_put(&f, models, id, (unsigned)random());
        } else {
            model_delete(&f, models, id);
        }
        if (random() % 50 == 0) {
            clock_advance_for_test(INT64_C(86400) * 1000 * 3); /* numbers come back in time */
        }
    }
    for (unsigned id = 0; id < IDS; id++) {
        if (models[id].device) {
            char secret[16];
            secret_text(models[id].secret, secret);
            check_stored(&f, models[id].device, secret);
            expected++;
        }
    }
    assert_int_equal(count(&f).devices, expected);
    assert_true(next_number(&f) > IDS); /* numbers did move */
    check_bitmaps(&f, 1);
    for (unsigned id = 0; id < IDS; id++) {
        if (models[id].device) {
            model_delete(&f, models, id);
        }
    }
    assert_string_equal(test_redis_raw(&f.redis, "EVAL 'return #redis.call(\"KEYS\",\"{b*\")' 0"),
                        ":0\r\n");
    assert_string_equal(test_redis_raw(&f.redis,
                                       "EVAL 'return #redis.call(\"KEYS\",\"{d}:id:*\") + "
                                       "#redis.call(\"KEYS\",\"{d}:token:*\")' 0"),
                        ":0\r\n");
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_register_update_delete),
        cmocka_unit_test(test_records_round_trip),
        cmocka_unit_test(test_a_token_moves_to_the_last_who_brings_it),
        cmocka_unit_test(test_an_old_token_is_free_again),
        cmocka_unit_test(test_imported_without_a_secret_is_claimed_once),
        cmocka_unit_test(test_dead_tokens),
        cmocka_unit_test(test_numbers_are_used_again_late),
        cmocka_unit_test(test_full_registry_refuses),
        cmocka_unit_test(test_random_operations_match_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

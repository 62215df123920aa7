/* The registry is damaged in every way there is; the check must find it and put it right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/device_check.h"
#include "support_devices.h"

enum { DEVICES = 24, FIRST = 16380 }; /* numbers: over the end of block 0 */

struct checked {
    bool done;
    enum err err;
    uint64_t devices;
    int faults;
    char what[64]; /* of the first */
    int others;    /* of another kind than that */
};

static void on_fault(void *user, const struct device_fault *fault) {
    struct checked *c = user;
    if (!c->faults++) {
        (void)snprintf(c->what, sizeof(c->what), "%.*s", STR_ARG(fault->what));
    } else {
        c->others += !str_eq(fault->what, str_of(c->what));
    }
}

static void on_checked(void *user, enum err err, uint64_t devices) {
    struct checked *c = user;
    c->err = err;
    c->devices = devices;
    c->done = true;
}

static struct checked check(struct fixture *f, bool repair) {
    struct checked c = {0};
    device_store_check(f->store, repair, on_fault, on_checked, &c);
    RUN_UNTIL(&f->loop, 60000, c.done);
    return c;
}

struct filled {
    struct device **devices;
    bool done;
};

static void on_filled(void *user, const struct device_put_result *results, size_t count) {
    struct filled *filled = user;
    assert_int_equal(count, DEVICES);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(results[i].status, DEVICE_PUT_CREATED);
        filled->devices[i]->registered_ms = results[i].registered_ms;
    }
    filled->done = true;
}

static void fill(struct fixture *f, struct device *devices[DEVICES]) {
    struct device_put puts[DEVICES];
    struct filled filled = {devices, false};
    char secret[SHA256_HEX_BYTES];
    char command[64];
    codec_sha256_hex(STR("secret"), secret);
    (void)snprintf(command, sizeof(command), "SET {d}:next %d", FIRST);
    (void)test_redis_raw(&f->redis, command);
    (void)test_redis_raw(&f->redis, "EVAL 'for i=0,16379 do redis.call(\"ZADD\",\"{d}:free\","
                                    "32503680000000,i) end' 0");
    for (int i = 0; i < DEVICES; i++) {
        devices[i] = random_device(f, (unsigned)i, (unsigned)i);
        free(devices[i]->token);
        devices[i]->token = make_token(devices[i]->platform, (unsigned)i);
        puts[i] = (struct device_put){devices[i], str_of(secret)};
    }
    device_store_put_many(f->store, f->t, puts, DEVICES, false, on_filled, &filled);
    RUN_UNTIL(&f->loop, 5000, filled.done);
}

/* Each damage by a script, with numbers counted from FIRST: device 4 is slot 0 of block 1. `lost`
 * devices have to go. */
static const struct {
    const char *script;
    const char *what; /* the first fault found */
    int lost;
} damages[] = {
    {"redis.call('SETBIT','{b1}:region:mena',60,1)", "bit_stray", 0},
    {"redis.call('SETBIT','{b1}:tag:nobody',3,1)", "bit_stray", 0},
    {"redis.call('SETBIT','{b0}:zone:Asia/Beirut',7,1)", "bit_stray", 0},
    {"redis.call('DEL','{b1}:platform:apns')", "bit_missing", 0},
    {"redis.call('DEL','{b1}:edition:en','{b1}:urgency:low')", "bit_missing", 0},
    {"for i=0,7 do redis.call('SETBIT','{b1}:test',i,1-redis.call('GETBIT','{b1}:test',i)) end",
     "bit_*", 0},
    {"for b=0,65535 do redis.call('DEL',string.format('{d}:id:%04x',b)) end", "index_wrong", 0},
    {"for b=0,65535 do redis.call('DEL',string.format('{d}:token:%04x',b)) end", "index_wrong", 0},
    {"redis.call('HSET','{d}:id:abcd','nobody',5)", "index_stray", 0},
    {"redis.call('HSET','{d}:token:abcd','nobody',16390)", "index_stray", 0},
    {"redis.call('HSET','{d}:token:abcd','nobody','x')", "index_stray", 0},
    {"redis.call('ZADD','{d}:free',1,16390)", "number_free_in_use", 0},
    {"redis.call('ZREM','{d}:free',100)", "number_lost", 0},
    {"redis.call('ZADD','{d}:free',1,17000)", "free_never_given", 0},
    {"redis.call('SET','{d}:next',16385)", "number_not_given", 0},
    {"redis.call('SET','{d}:count',7)", "count_wrong", 0},
    {"redis.call('DEL','{d}:count')", "count_wrong", 0},
    {"redis.call('DEL','{d}:values')", "value_number_wrong", 0},
    {"redis.call('HDEL','{d}:names',1)", "value_name_missing", 0},
    {"redis.call('HSET','{b1}:info:0','400','x')", "misplaced_record", 0},
    {"redis.call('HSET','{b1}:fcm:0','60','xxxxxx\\0t')", "endpoint_stray", 0},
    {"for _,p in ipairs({'apns','fcm'}) do redis.call('HDEL','{b1}:'..p..':0','0') end",
     "endpoint_missing", 1},
    {"redis.call('HDEL','{b1}:info:0','0')", "endpoint_stray", 1},
    {"redis.call('HSET','{b1}:info:0','0','')", "record_unreadable", 1},
    {"redis.call('HSET','{b1}:info:0','0','\\1\\16short')", "record_unreadable", 1},
    {"redis.call('HSET','{b1}:info:0','60',redis.call('HGET','{b1}:info:0','0')) "
     "for _,p in ipairs({'apns','fcm'}) do local e=redis.call('HGET','{b1}:'..p..':0','0') "
     "if e then redis.call('HSET','{b1}:'..p..':0','60',e) end end",
     "id_twice", 0},
};

static void damage(struct fixture *f, const char *script) {
    char command[1024];
    (void)snprintf(command, sizeof(command), "EVAL \"%s\" 0", script);
    const char *reply = test_redis_raw(&f->redis, command);
    if (reply[0] != '$') {
        fail_msg("%s: %s", script, reply);
    }
}

static void on_any(void *user, enum err err, const struct device *device) {
    (void)device;
    *(int *)user = (int)err;
}

/* How many of the devices are there, as they were registered; and the rest may come again. */
static int count_whole(struct fixture *f, struct device *devices[DEVICES]) {
    char digest[SHA256_HEX_BYTES];
    int whole = 0;
    codec_sha256_hex(STR("secret"), digest);
    for (int i = 0; i < DEVICES; i++) {
        int err = -1;
        device_store_get(f->store, f->t, str_of(devices[i]->id), str_of(digest), on_any, &err);
        RUN_UNTIL(&f->loop, 5000, err >= 0);
        if (err == ERR_OK) {
            check_stored(f, devices[i], "secret");
            whole++;
        } else {
            assert_int_equal(err, ERR_NOT_FOUND);
            struct device_put_result put = put_device(f, devices[i], "secret", false);
            assert_int_equal(put.status, DEVICE_PUT_CREATED);
            assert_false(put.token_moved);
        }
    }
    return whole;
}

static void test_every_damage_is_found_and_repaired(void **state) {
    struct fixture f;
    struct device *devices[DEVICES];
    (void)state;
    fixture_start(&f, false);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        (void)test_redis_raw(&f.redis, "FLUSHALL");
        fill(&f, devices);
        damage(&f, damages[i].script);
        if (i % 4 == 0) {
            assert_true(check(&f, false).faults > 0); /* looking alone repairs nothing */
        }
        struct checked c = check(&f, true);
        assert_int_equal(c.err, ERR_OK);
        if (!c.faults || strncmp(c.what, damages[i].what, strcspn(damages[i].what, "*")) != 0) {
            fail_msg("%s: %d faults, %s", damages[i].script, c.faults, c.what);
        }
        c = check(&f, false);
        if (c.faults) {
            fail_msg("%s: not repaired: %s", damages[i].script, c.what);
        }
        assert_int_equal(c.devices, DEVICES - damages[i].lost);
        check_bitmaps(&f, 2);
        assert_int_equal(count_whole(&f, devices), DEVICES - damages[i].lost);
        for (int k = 0; k < DEVICES; k++) {
            device_destroy(devices[k]);
        }
    }
    fixture_stop(&f);
}

static void test_without_names_nothing_is_touched(void **state) {
    struct fixture f;
    struct device *devices[DEVICES];
    (void)state;
    fixture_start(&f, false);
    fill(&f, devices);
    damage(&f, "redis.call('RENAME','{d}:values','v') redis.call('RENAME','{d}:names','n')");
    assert_int_equal(check(&f, true).err, ERR_NOT_FOUND);
    damage(&f, "redis.call('RENAME','v','{d}:values') redis.call('RENAME','n','{d}:names')");
    assert_int_equal(check(&f, false).faults, 0);
    for (int k = 0; k < DEVICES; k++) {
        device_destroy(devices[k]);
    }
    fixture_stop(&f);
}

static void test_a_sound_registry_has_no_faults(void **state) {
    struct fixture f;
    struct device *devices[DEVICES];
    (void)state;
    fixture_start(&f, false);
    struct checked c = check(&f, true);
    assert_int_equal(c.err, ERR_OK);
    assert_int_equal(c.faults, 0);
    assert_int_equal(c.devices, 0);
    fill(&f, devices);
    c = check(&f, true);
    assert_int_equal(c.faults, 0);
    assert_int_equal(c.devices, DEVICES);
    for (int k = 0; k < DEVICES; k++) {
        device_destroy(devices[k]);
    }
    test_redis_kill(&f.redis);
    assert_int_not_equal(check(&f, false).err, ERR_OK);
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_damage_is_found_and_repaired),
        cmocka_unit_test(test_without_names_nothing_is_touched),
        cmocka_unit_test(test_a_sound_registry_has_no_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

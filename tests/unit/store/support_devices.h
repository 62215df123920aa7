#pragma once
/* Devices for the tests of the registry and of the push queue, and the checks that compare what is
 * stored with what was registered. */
#include "model/device.h"
#include "store/device_store.h"
#include "support_store.h"

static inline char *make_token(enum platform platform, unsigned seed) {
    char text[128];
    if (platform == PLATFORM_APNS) {
        (void)snprintf(text, sizeof(text), "%064x", seed);
    } else {
        (void)snprintf(text, sizeof(text), "fcm-token-%u:%0*u", seed, (int)(seed % 90) + 1, seed);
    }
    return mem_strdup(text);
}

static inline struct device *make_device(const char *id, enum platform platform, unsigned seed) {
    struct device *d = mem_zalloc(1, sizeof(*d));
    d->id = mem_strdup(id);
    d->platform = platform;
    d->token = make_token(platform, seed);
    d->min_urgency = URGENCY_LOW;
    return d;
}

/* Two values of a dimension at most, now and then any. */
static inline uint64_t random_follows(const struct taxonomy *t, enum dimension dim,
                                      unsigned *seed) {
    int count = taxonomy_count(t, dim);
    if (rand_r(seed) % 5 == 0) {
        return 0;
    }
    return UINT64_C(1) << rand_r(seed) % count | UINT64_C(1) << rand_r(seed) % count;
}

static inline struct device *random_device(const struct fixture *f, unsigned id, unsigned seed) {
    static const char *const tags[] = {"Elections", "football", "وسم", "a", "GAZA"};
    char name[32];
    (void)snprintf(name, sizeof(name), "random-device-%u", id);
    struct device *d = make_device(name, rand_r(&seed) % 3 ? PLATFORM_APNS : PLATFORM_FCM, seed);
    d->edition = rand_r(&seed) % taxonomy_count(f->t, DIM_EDITION);
    d->regions = random_follows(f->t, DIM_REGION, &seed);
    d->sections = random_follows(f->t, DIM_SECTION, &seed);
    d->min_urgency = (enum urgency)(rand_r(&seed) % URGENCY_COUNT);
    d->test = rand_r(&seed) % 8 == 0;
    for (int i = 0; i < 5; i++) {
        if (rand_r(&seed) % 10 == 0) {
            d->tags[d->tag_count++] = mem_strdup(tags[i]);
        }
    }
    if (rand_r(&seed) % 2) {
        d->app = mem_strdup("com.example.app");
        d->time_zone = mem_strdup("America/Argentina/Buenos_Aires");
    }
    return d;
}

static inline void on_device_put(void *user, const struct device_put_result *result) {
    *(struct device_put_result *)user = *result;
}

static inline struct device_put_result put_device(struct fixture *f, const struct device *d,
                                                  const char *secret, bool trusted) {
    struct device_put_result result = {.status = (enum device_put_status)99};
    char digest[SHA256_HEX_BYTES] = "";
    if (secret) {
        codec_sha256_hex(str_of(secret), digest);
    }
    device_store_put(f->store, f->t, d, str_of(digest), trusted, on_device_put, &result);
    RUN_UNTIL(&f->loop, 5000, result.status != (enum device_put_status)99);
    return result;
}

static inline const char *raw_bit(const struct fixture *f, const char *key, unsigned slot) {
    char command[256];
    (void)snprintf(command, sizeof(command), "GETBIT %s %u", key, slot);
    return test_redis_raw(&f->redis, command);
}

struct stored_check {
    struct fixture *f;
    const struct device *expected;
    bool done;
};

static inline void on_stored(void *user, enum err err, const struct device *device) {
    struct stored_check *check = user;
    struct buf expected;
    struct buf stored;
    assert_int_equal(err, ERR_OK);
    buf_init(&expected, 65536);
    buf_init(&stored, 65536);
    device_put_json(check->expected, check->f->t, true, &expected);
    device_put_json(device, check->f->t, true, &stored);
    assert_string_equal(stored.p, expected.p);
    buf_finish(&expected);
    buf_finish(&stored);
    check->done = true;
}

/* The device reads back exactly as it was registered. */
static inline void check_stored(struct fixture *f, const struct device *d, const char *secret) {
    struct stored_check check = {f, d, false};
    char digest[SHA256_HEX_BYTES];
    codec_sha256_hex(str_of(secret), digest);
    device_store_get(f->store, f->t, str_of(d->id), str_of(digest), on_stored, &check);
    RUN_UNTIL(&f->loop, 5000, check.done);
}

/* In every block: each value's bitmap has exactly as many bits as records name it, no bitmap is
 * empty, and no bit belongs to a slot without a record. Done by a script of its own, which knows
 * only the layout of a record and none of the code under test. */
static inline void check_bitmaps(struct fixture *f, uint32_t blocks) {
    static const char script[] =
        "local names = {} local flat = redis.call('HGETALL', '{d}:names') "
        "for i = 1, #flat, 2 do names[tonumber(flat[i])] = flat[i + 1] end "
        "local wanted = {} local prefix = '{b' .. ARGV[1] .. '}:' "
        "for bucket = 0, 255 do "
        "  local infos = redis.call('HGETALL', prefix .. 'info:' .. bucket) "
        "  for i = 1, #infos, 2 do "
        "    local slot, info = infos[i], infos[i + 1] "
        "    local flags, n = info:byte(1, 2) local at = 3 + n "
        "    if flags >= 2 then at = at + 16 end "
        "    local size = info:byte(at) * 256 + info:byte(at + 1) "
        "    for k = at + 2, at + 1 + size do "
        "      wanted[names[info:byte(k)] .. '/' .. slot] = true "
        "    end "
        "    at = at + 2 + size "
        "    while at <= #info do "
        "      local length = info:byte(at) "
        "      wanted['tag:' .. info:sub(at + 1, at + length):lower() .. '/' .. slot] = true "
        "      at = at + 1 + length "
        "    end "
        "  end "
        "end "
        "for _, key in ipairs(redis.call('KEYS', '{b' .. ARGV[1] .. '}:*')) do "
        "  if redis.call('TYPE', key).ok == 'string' then "
        "    local value = key:sub(#prefix + 1) "
        "    if redis.call('BITCOUNT', key) == 0 then return 'empty ' .. value end "
        "    local bits = redis.call('GET', key) "
        "    for at = bits:find('[^%z]'), #bits do "
        "      for bit = 0, 7 do "
        "        if math.floor(bits:byte(at) / 2 ^ (7 - bit)) % 2 == 1 then "
        "          local slot = (at - 1) * 8 + bit "
        "          if not wanted[value .. '/' .. slot] then return 'stray ' .. value .. slot end "
        "          wanted[value .. '/' .. slot] = nil "
        "        end "
        "      end "
        "    end "
        "  end "
        "end "
        "local left = next(wanted) "
        "return left and ('missing ' .. left) or 'consistent'";
    for (uint32_t block = 0; block < blocks; block++) {
        char command[4096];
        (void)snprintf(command, sizeof(command), "EVAL \"%s\" 0 %u", script, block);
        assert_string_equal(test_redis_raw(&f->redis, command), "$10\r\nconsistent\r\n");
    }
}

/* Registrations on their way in: any number in one script call, each whole or not at all. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/device_record.h"
#include "store/device_store.h"
#include "store/script.h"

/* A number must not be given to another device while an alert that counts the old one is alive:
 * four weeks at most (ALERT_TTL_MAX_S), and two days more. */
static const int64_t reuse_delay_ms = (ALERT_TTL_MAX_S + INT64_C(2) * 86400) * 1000;

enum { FOLLOW_BYTES_MAX = 1024 }; /* two for each value of the taxonomy, and some */

struct put_call {
    int64_t *registered_ms; /* by device */
    size_t count;
    device_puts_fn *done;
    void *user;
};

static enum device_put_status status_of(int64_t code) {
    switch (code) { /* device_put.lua */
    case 1:
        return DEVICE_PUT_CREATED;
    case 2:
        return DEVICE_PUT_UPDATED;
    case 3:
        return DEVICE_PUT_DENIED;
    default:
        log_error("device_put_refused", LOG_S("why", "devices.max is reached"));
        return DEVICE_PUT_UNAVAILABLE;
    }
}

static void on_put(void *user, enum err err, const struct redisReply *reply) {
    struct put_call *call = user;
    struct device_put_result *results = mem_zalloc(call->count, sizeof(*results));
    bool failed = store_failed("device_put", err, reply) || reply_count(reply) != 2 * call->count;
    for (size_t i = 0; i < call->count; i++) {
        results[i].registered_ms = call->registered_ms[i];
        results[i].status = DEVICE_PUT_UNAVAILABLE;
        if (!failed) {
            results[i].status = status_of(reply_int_at(reply, 2 * i));
            results[i].token_moved = reply_int_at(reply, 2 * i + 1) == 1;
        }
    }
    call->done(call->user, results, call->count);
    free(results);
    free(call->registered_ms);
    free(call);
}

/* ---- values ---- */

/* The values that the devices of one call follow, each once. */
struct values {
    struct map *index; /* value to its place, from 1 */
    struct args names;
};

static void put_value(struct values *values, struct buf *follows, struct str name) {
    uintptr_t place = (uintptr_t)map_get(values->index, name);
    if (!place) {
        args_put(&values->names, name);
        place = values->names.count;
        (void)map_set(values->index, name, (void *)place);
    }
    buf_putc(follows, (char)(place >> 8));
    buf_putc(follows, (char)(place & 0xFF));
}

static void put_named(struct values *values, struct buf *follows, const char *kind,
                      const char *name) {
    char text[DEVICE_VALUE_BYTES_MAX];
    int size = snprintf(text, sizeof(text), "%s:%s", kind, name);
    put_value(values, follows, (struct str){text, (size_t)size});
}

static void put_mask(struct values *values, struct buf *follows, const struct taxonomy *t,
                     enum dimension dim, const char *kind, uint64_t mask) {
    if (!mask) {
        put_named(values, follows, kind, "*");
    }
    for (int i = 0; i < taxonomy_count(t, dim); i++) {
        if (mask >> i & 1) {
            put_named(values, follows, kind, taxonomy_name(t, dim, i));
        }
    }
}

static void put_follows(struct args *args, struct values *values, const struct taxonomy *t,
                        const struct device *d) {
    struct buf follows;
    buf_init(&follows, FOLLOW_BYTES_MAX);
    put_named(values, &follows, "platform", platform_names[d->platform]);
    put_named(values, &follows, "edition", taxonomy_name(t, DIM_EDITION, d->edition));
    put_named(values, &follows, "urgency", urgency_names[d->min_urgency]);
    if (d->test) {
        put_value(values, &follows, STR("test"));
    }
    if (d->time_zone) {
        put_named(values, &follows, "zone", d->time_zone);
    }
    put_mask(values, &follows, t, DIM_REGION, "region", d->regions);
    put_mask(values, &follows, t, DIM_SECTION, "section", d->sections);
    args_put(args, buf_str(&follows));
    buf_finish(&follows);
    args_put_int(args, d->tag_count);
    for (int i = 0; i < d->tag_count; i++) {
        struct str tag = str_of(d->tags[i]);
        tag.n = tag.n < UINT8_MAX ? tag.n : UINT8_MAX;
        args_put(args, tag);
    }
}

/* ---- one device ---- */

static void put_endpoint(struct args *args, const struct device *d) {
    unsigned char digest[DEVICE_DIGEST_BYTES];
    struct buf bytes;
    buf_init(&bytes, DEVICE_TOKEN_BYTES_MAX + 1024);
    device_pack_token(d->platform, str_of(d->token), &bytes);
    device_digest_token(d->platform, buf_str(&bytes), digest);
    args_put(args, (struct str){(const char *)digest, sizeof(digest)});
    args_put_text(args, platform_names[d->platform]);
    buf_clear(&bytes);
    device_put_endpoint(d, &bytes);
    args_put(args, buf_str(&bytes));
    buf_finish(&bytes);
}

static void put_device(struct args *args, struct values *values, const struct taxonomy *t,
                       const struct device_put *put, int64_t registered_ms) {
    struct device d = *put->device;
    struct buf id;
    d.registered_ms = registered_ms;
    device_args_id_digest(args, str_of(d.id));
    buf_init(&id, DEVICE_ID_BYTES_MAX);
    args_put_int(args, device_pack_id(str_of(d.id), &id));
    args_put(args, buf_str(&id));
    buf_finish(&id);
    device_args_secret(args, put->secret_sha256);
    put_endpoint(args, &d);
    put_follows(args, values, t, &d);
}

void device_store_put_many(struct store *store, const struct taxonomy *t,
                           const struct device_put *puts, size_t count, bool trusted,
                           device_puts_fn *done, void *user) {
    struct put_call *call = mem_zalloc(1, sizeof(*call));
    struct values values = {.index = map_create()};
    struct args args;
    struct args devices;
    int64_t now = clock_wall_ms();
    *call = (struct put_call){.count = count, .done = done, .user = user};
    call->registered_ms = mem_zalloc(count, sizeof(*call->registered_ms));
    args_init(&values.names);
    args_init(&devices);
    for (size_t i = 0; i < count; i++) {
        call->registered_ms[i] = trusted ? puts[i].device->registered_ms : now;
        put_device(&devices, &values, t, &puts[i], call->registered_ms[i]);
    }
    args_init(&args);
    args_put_int(&args, now);
    args_put_int(&args, now - reuse_delay_ms);
    args_put_int(&args, store_config(store)->devices_max);
    args_put_int(&args, trusted);
    args_put_int(&args, (int64_t)values.names.count);
    args_put_all(&args, &values.names);
    args_put_all(&args, &devices);
    store_script(store, SCRIPT_DEVICE_PUT, args_words(&args), args.count, 0, on_put, call);
    args_finish(&args);
    args_finish(&devices);
    args_finish(&values.names);
    map_destroy(values.index);
}

/* ---- a single one ---- */

struct single {
    device_put_fn *done;
    void *user;
};

static void on_single(void *user, const struct device_put_result *results, size_t count) {
    struct single single = *(struct single *)user;
    (void)count;
    free(user);
    single.done(single.user, results);
}

void device_store_put(struct store *store, const struct taxonomy *t, const struct device *device,
                      struct str secret_sha256, bool trusted, device_put_fn *done, void *user) {
    struct single *single = mem_zalloc(1, sizeof(*single));
    const struct device_put put = {device, secret_sha256};
    *single = (struct single){done, user};
    device_store_put_many(store, t, &put, 1, trusted, on_single, single);
}

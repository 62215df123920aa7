/* Walking a block for export: the names of the values once, then WALK_BUCKETS packed hashes at a
 * time, so that one step is a reply of some hundred kilobytes. */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/device_record.h"
#include "store/device_store.h"
#include "store/script.h"

enum { WALK_BUCKETS = 32, BLOCK_BUCKETS = BLOCK_DEVICES / DEVICE_BUCKET };

struct walk {
    struct store *store;
    const struct taxonomy *t;
    uint32_t block;
    uint32_t bucket; /* next */
    struct device_names names;
    device_walk_fn *each;
    void *user;
};

static void finish(struct walk *walk, enum err err) {
    device_walk_fn *each = walk->each;
    void *user = walk->user;
    device_names_finish(&walk->names);
    free(walk);
    each(user, err, NULL, (struct str){NULL, 0});
}

static void step(struct walk *walk);

static void put_one(struct walk *walk, const struct redisReply *reply, size_t i) {
    struct device *device = NULL;
    struct str secret;
    struct buf hex;
    enum err err = device_parse_record(walk->t, &walk->names, reply_str_at(reply, i),
                                       reply_str_at(reply, i + 1), reply_str_at(reply, i + 2),
                                       &device, &secret);
    if (err) {
        log_warn("device_record_skipped", LOG_I("block", walk->block), LOG_ERR(err));
        return;
    }
    buf_init(&hex, 2 * DEVICE_SECRET_BYTES);
    codec_put_hex(&hex, secret);
    walk->each(walk->user, ERR_OK, device, buf_str(&hex));
    buf_finish(&hex);
    device_destroy(device);
}

static void on_step(void *user, enum err err, const struct redisReply *reply) {
    struct walk *walk = user;
    if (store_failed("device_walk", err, reply)) {
        finish(walk, ERR_UNAVAILABLE);
        return;
    }
    for (size_t i = 0; i + 2 < reply_count(reply); i += 3) {
        put_one(walk, reply, i);
    }
    walk->bucket += WALK_BUCKETS;
    if (walk->bucket < BLOCK_BUCKETS) {
        step(walk);
    } else {
        finish(walk, ERR_OK);
    }
}

static void step(struct walk *walk) {
    struct args args;
    args_init(&args);
    args_put_int(&args, walk->block);
    args_put_int(&args, walk->bucket);
    args_put_int(&args, walk->bucket + WALK_BUCKETS - 1);
    for (int p = PLATFORM_STREAM + 1; p < PLATFORM_COUNT; p++) {
        args_put_text(&args, platform_names[p]);
    }
    store_script(walk->store, SCRIPT_DEVICE_WALK, args_words(&args), args.count, 0, on_step, walk);
    args_finish(&args);
}

static void on_names(void *user, enum err err, const struct redisReply *reply) {
    struct walk *walk = user;
    if (store_failed("device_names", err, reply)) {
        finish(walk, ERR_UNAVAILABLE);
        return;
    }
    device_names_add(&walk->names, reply);
    step(walk);
}

void device_store_walk_block(struct store *store, const struct taxonomy *t, uint32_t block,
                             device_walk_fn *each, void *user) {
    struct walk *walk = mem_zalloc(1, sizeof(*walk));
    const struct str argv[] = {STR("HGETALL"), STR("{d}:names")};
    walk->store = store;
    walk->t = t;
    walk->block = block;
    walk->each = each;
    walk->user = user;
    store_command(store, argv, 2, on_names, walk);
}

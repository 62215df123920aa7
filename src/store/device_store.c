#include "store/device_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/device_record.h"
#include "store/script.h"

void device_args_secret(struct args *args, struct str secret_sha256) {
    struct buf secret;
    buf_init(&secret, SHA256_BYTES);
    struct str hex = secret_sha256;
    hex.n = hex.n > 2 * DEVICE_SECRET_BYTES ? 2 * DEVICE_SECRET_BYTES : hex.n;
    if (codec_take_hex(&secret, hex) || secret.n != DEVICE_SECRET_BYTES) {
        buf_clear(&secret);
    }
    args_put(args, buf_str(&secret));
    buf_finish(&secret);
}

void device_args_id_digest(struct args *args, struct str id) {
    unsigned char digest[DEVICE_DIGEST_BYTES];
    device_digest_id(id, digest);
    args_put(args, (struct str){(const char *)digest, sizeof(digest)});
}

/* ---- get, delete ---- */

struct get_call {
    const struct taxonomy *t;
    device_get_fn *done;
    void *user;
};

static enum err status_err(struct str status) {
    return str_eq(status, STR("ok"))        ? ERR_OK
           : str_eq(status, STR("missing")) ? ERR_NOT_FOUND
           : str_eq(status, STR("denied"))  ? ERR_DENIED
                                            : ERR_PROTOCOL;
}

static void on_get(void *user, enum err err, const struct redisReply *reply) {
    struct get_call call = *(struct get_call *)user;
    struct device *device = NULL;
    free(user);
    if (store_failed("device_get", err, reply)) {
        err = ERR_UNAVAILABLE;
    } else {
        err = status_err(reply_str_at(reply, 0));
    }
    if (!err) {
        struct device_names names = {0};
        device_names_add(&names, reply_at(reply, 4));
        err = device_parse_record(call.t, &names, reply_str_at(reply, 1), reply_str_at(reply, 2),
                                  reply_str_at(reply, 3), &device, NULL);
        device_names_finish(&names);
    }
    call.done(call.user, err, device);
    device_destroy(device);
}

void device_store_get(struct store *store, const struct taxonomy *t, struct str id,
                      struct str secret_sha256, device_get_fn *done, void *user) {
    struct get_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct get_call){t, done, user};
    args_init(&args);
    device_args_id_digest(&args, id);
    device_args_secret(&args, secret_sha256);
    store_script(store, SCRIPT_DEVICE_GET, args_words(&args), args.count, 0, on_get, call);
    args_finish(&args);
}

struct done_call {
    store_done_fn *done;
    void *user;
};

static void on_deleted(void *user, enum err err, const struct redisReply *reply) {
    struct done_call call = *(struct done_call *)user;
    free(user);
    if (store_failed("device_delete", err, reply)) {
        err = ERR_UNAVAILABLE;
    } else {
        err = status_err(reply_str_at(reply, 0));
    }
    call.done(call.user, err);
}

void device_store_delete(struct store *store, const struct taxonomy *t, struct str id,
                         struct str secret_sha256, store_done_fn *done, void *user) {
    struct done_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    (void)t;
    *call = (struct done_call){done, user};
    args_init(&args);
    args_put_int(&args, clock_wall_ms());
    args_put_text(&args, "id");
    device_args_id_digest(&args, id);
    device_args_secret(&args, secret_sha256);
    store_script(store, SCRIPT_DEVICE_REMOVE, args_words(&args), args.count, 0, on_deleted, call);
    args_finish(&args);
}

/* ---- dead tokens ---- */

static void on_removed(void *user, enum err err, const struct redisReply *reply) {
    struct done_call call = *(struct done_call *)user;
    free(user);
    if (store_failed("device_remove_dead", err, reply)) {
        err = ERR_UNAVAILABLE;
    } else if (reply_int_at(reply, 0)) {
        log_info("devices_removed", LOG_I("dead_tokens", reply_int_at(reply, 0)));
    }
    call.done(call.user, err);
}

void device_store_remove_dead(struct store *store, const struct taxonomy *t,
                              const struct dead_token *tokens, size_t count, store_done_fn *done,
                              void *user) {
    struct done_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    (void)t;
    *call = (struct done_call){done, user};
    args_init(&args);
    args_put_int(&args, clock_wall_ms());
    args_put_text(&args, "dead");
    for (size_t i = 0; i < count; i++) {
        struct buf packed;
        buf_init(&packed, DEVICE_TOKEN_BYTES_MAX);
        device_pack_token(PLATFORM_APNS, tokens[i].token, &packed);
        args_put_int(&args, tokens[i].number);
        args_put(&args, tokens[i].token);
        args_put(&args, buf_str(&packed));
        args_put_int(&args, tokens[i].before_ms);
        buf_finish(&packed);
    }
    store_script(store, SCRIPT_DEVICE_REMOVE, args_words(&args), args.count, 0, on_removed, call);
    args_finish(&args);
}

/* ---- counting ---- */

struct blocks_call {
    device_blocks_fn *done;
    void *user;
};

static void on_blocks(void *user, enum err err, const struct redisReply *reply) {
    struct blocks_call call = *(struct blocks_call *)user;
    uint64_t next = (uint64_t)reply_int_at(reply, 0);
    free(user);
    if (store_failed("device_blocks", err, reply)) {
        err = ERR_UNAVAILABLE;
        next = 0;
    }
    call.done(call.user, err, (uint32_t)((next + BLOCK_DEVICES - 1) >> BLOCK_BITS),
              (uint64_t)reply_int_at(reply, 1));
}

void device_store_blocks(struct store *store, device_blocks_fn *done, void *user) {
    struct blocks_call *call = mem_zalloc(1, sizeof(*call));
    const struct str argv[] = {STR("MGET"), STR("{d}:next"), STR("{d}:count")};
    *call = (struct blocks_call){done, user};
    store_command(store, argv, 3, on_blocks, call);
}

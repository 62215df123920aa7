#include "store/key_store.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/script.h"

struct put_call {
    store_done_fn *done;
    void *user;
};

static void on_put(void *user, enum err err, const struct redisReply *reply) {
    struct put_call call = *(struct put_call *)user;
    free(user);
    if (store_failed("key_put", err, reply) && !err) {
        err = ERR_PROTOCOL;
    }
    call.done(call.user, err);
}

void key_store_put(struct store *store, struct str key_id, struct str json,
                   const struct audit_event *event, store_done_fn *done, void *user) {
    struct put_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    call->done = done;
    call->user = user;
    args_init(&args);
    args_put_text(&args, KEY_KEYS);
    args_put(&args, key_id);
    args_put(&args, json);
    audit_put_arg(event, &args);
    store_script(store, SCRIPT_KEY_PUT, args_words(&args), args.count, 1, on_put, call);
    args_finish(&args);
}

struct read_call {
    key_get_fn *done; /* the same type as key_list_fn */
    void *user;
};

static void on_get(void *user, enum err err, const struct redisReply *reply) {
    struct read_call call = *(struct read_call *)user;
    struct str json = reply_str(reply);
    free(user);
    if (store_failed("key_get", err, reply)) {
        err = err ? err : ERR_PROTOCOL;
    } else if (!json.n) {
        err = ERR_NOT_FOUND;
    }
    call.done(call.user, err, err ? (struct str){NULL, 0} : json);
}

void key_store_get(struct store *store, struct str key_id, key_get_fn *done, void *user) {
    struct read_call *call = mem_zalloc(1, sizeof(*call));
    const struct str argv[] = {STR("HGET"), STR(KEY_KEYS), key_id};
    call->done = done;
    call->user = user;
    store_command(store, argv, 3, on_get, call);
}

static void on_list(void *user, enum err err, const struct redisReply *reply) {
    struct read_call call = *(struct read_call *)user;
    free(user);
    if (store_failed("key_list", err, reply) && !err) {
        err = ERR_PROTOCOL;
    }
    for (size_t i = 0; !err && i < reply_count(reply); i++) {
        call.done(call.user, ERR_OK, reply_str_at(reply, i));
    }
    call.done(call.user, err, (struct str){NULL, 0});
}

void key_store_list(struct store *store, key_list_fn *done, void *user) {
    struct read_call *call = mem_zalloc(1, sizeof(*call));
    const struct str argv[] = {STR("HVALS"), STR(KEY_KEYS)};
    call->done = done;
    call->user = user;
    store_command(store, argv, 2, on_list, call);
}

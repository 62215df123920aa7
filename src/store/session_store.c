#include "store/session_store.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/script.h"

struct done_call {
    store_done_fn *done;
    void *user;
};

static void on_done(void *user, enum err err, const struct redisReply *reply) {
    struct done_call call = *(struct done_call *)user;
    free(user);
    bool failed = store_failed("session", err, reply);
    call.done(call.user, failed ? ERR_UNAVAILABLE : ERR_OK);
}

static void run(struct store *store, enum script script, struct args *take_args,
                store_done_fn *done, void *user) {
    struct done_call *call = mem_zalloc(1, sizeof(*call));
    *call = (struct done_call){done, user};
    store_script(store, script, args_words(take_args), take_args->count, 1, on_done, call);
    args_finish(take_args);
}

void session_store_open(struct store *store, const char *session_id, const char *key_id,
                        const struct session_life *life, const struct audit_event *event,
                        store_done_fn *done, void *user) {
    struct args args;
    args_init(&args);
    args_printf(&args, KEY_SESSION, session_id);
    args_put_text(&args, key_id);
    args_put_int(&args, (life->idle_s < life->most_s ? life->idle_s : life->most_s) * 1000);
    audit_put_arg(event, &args);
    run(store, SCRIPT_SESSION_OPEN, &args, done, user);
}

void session_store_close(struct store *store, const char *session_id,
                         const struct audit_event *event, store_done_fn *done, void *user) {
    struct args args;
    args_init(&args);
    args_printf(&args, KEY_SESSION, session_id);
    audit_put_arg(event, &args);
    run(store, SCRIPT_SESSION_CLOSE, &args, done, user);
}

struct check_call {
    session_fn *done;
    void *user;
};

static void on_checked(void *user, enum err err, const struct redisReply *reply) {
    struct check_call call = *(struct check_call *)user;
    struct str json = reply_str_at(reply, 0);
    free(user);
    if (store_failed("session_check", err, reply)) {
        err = ERR_UNAVAILABLE;
    } else if (!json.n) {
        err = ERR_NOT_FOUND;
    }
    call.done(call.user, err, err ? (struct str){NULL, 0} : json, reply_int_at(reply, 1));
}

void session_store_check(struct store *store, const char *session_id,
                         const struct session_life *life, session_fn *done, void *user) {
    struct check_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct check_call){done, user};
    args_init(&args);
    args_printf(&args, KEY_SESSION, session_id);
    args_put_text(&args, KEY_KEYS);
    args_put_int(&args, life->idle_s);
    args_put_int(&args, life->most_s);
    store_script(store, SCRIPT_SESSION_CHECK, args_words(&args), args.count, 2, on_checked, call);
    args_finish(&args);
}

static void on_looked(void *user, enum err err, const struct redisReply *reply) {
    struct done_call call = *(struct done_call *)user;
    free(user);
    if (store_failed("session_look", err, reply)) {
        err = ERR_UNAVAILABLE;
    } else if (reply_int(reply) == 0) {
        err = ERR_NOT_FOUND;
    }
    call.done(call.user, err);
}

void session_store_look(struct store *store, const char *session_id, store_done_fn *done,
                        void *user) {
    struct done_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct done_call){done, user};
    args_init(&args);
    args_put_text(&args, "EXISTS");
    args_printf(&args, KEY_SESSION, session_id);
    store_command(store, args_words(&args), args.count, on_looked, call);
    args_finish(&args);
}

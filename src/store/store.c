#include "store/store.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit_internal.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/script.h"
#include "store_scripts.h"

enum { SHA1_HEX = 40, SCRIPT_PARTS = 6, PASSWORD_BYTES_MAX = 1024 };

static const char *const script_parts[SCRIPT_COUNT][SCRIPT_PARTS] = {
    [SCRIPT_EPOCH] = {script_lib_epoch, script_epoch},
    [SCRIPT_PUBLISH] = {script_lib_epoch, script_lib_audit, script_lib_guard, script_lib_publish,
                        script_publish},
    [SCRIPT_ALERT_LIST] = {script_alert_list},
    [SCRIPT_ALERT_REVISIONS] = {script_alert_revisions},
    [SCRIPT_DEVICE_PUT] = {script_lib_device, script_device_put},
    [SCRIPT_DEVICE_GET] = {script_lib_device, script_device_get},
    [SCRIPT_DEVICE_REMOVE] = {script_lib_device, script_device_remove},
    [SCRIPT_DEVICE_WALK] = {script_device_walk},
    [SCRIPT_DEVICE_CHECK] = {script_lib_device, script_lib_check, script_device_check},
    [SCRIPT_DEVICE_CHECK_REST] = {script_lib_device, script_lib_check, script_device_check_rest},
    [SCRIPT_PLAN_TAKE] = {script_lib_group, script_plan_take},
    [SCRIPT_PLAN_BLOCK] = {script_lib_recipients, script_lib_audience, script_plan_block},
    [SCRIPT_AUDIENCE_BLOCK] = {script_lib_recipients, script_lib_audience, script_audience_block},
    [SCRIPT_READERS_TELL] = {script_readers_tell},
    [SCRIPT_READERS_COUNT] = {script_readers_count},
    [SCRIPT_PLAN_COMMIT] = {script_plan_commit},
    [SCRIPT_JOBS_TAKE] = {script_lib_group, script_lib_ending, script_jobs_take},
    [SCRIPT_JOBS_KEEP] = {script_jobs_keep},
    [SCRIPT_JOB_SETTLE] = {script_lib_recipients, script_job_settle},
    [SCRIPT_JOB_FLUSH] = {script_job_flush},
    [SCRIPT_JOB_FINISH] = {script_job_finish},
    [SCRIPT_ALERT_ABORT] = {script_lib_audit, script_alert_abort},
    [SCRIPT_PUSH_CONTROL] = {script_lib_ending, script_push_control},
    [SCRIPT_PUSH_SWITCH] = {script_lib_audit, script_push_switch},
    [SCRIPT_KEY_PUT] = {script_lib_audit, script_key_put},
    [SCRIPT_SESSION_OPEN] = {script_lib_audit, script_session_open},
    [SCRIPT_SESSION_CHECK] = {script_session_check},
    [SCRIPT_SESSION_CLOSE] = {script_lib_audit, script_session_close},
    [SCRIPT_AUDIT_APPEND] = {script_lib_audit, script_audit_append},
    [SCRIPT_RECEIPTS_DEVICES] = {script_lib_device, script_receipts_devices},
    [SCRIPT_RECEIPTS_READERS] = {script_receipts_readers},
    [SCRIPT_AUDIT_TRIM] = {script_lib_audit, script_audit_trim},
    [SCRIPT_BREAKER_RESET] = {script_lib_audit, script_lib_guard, script_breaker_reset},
    [SCRIPT_GUARD_ASK] = {script_lib_audit, script_lib_guard, script_guard_ask},
    [SCRIPT_DRAFT_CREATE] = {script_lib_epoch, script_lib_audit, script_lib_draft,
                             script_draft_create},
    [SCRIPT_DRAFT_MOVE] = {script_lib_epoch, script_lib_audit, script_lib_draft, script_draft_move},
    [SCRIPT_DRAFT_PUBLISH] = {script_lib_epoch, script_lib_audit, script_lib_guard,
                              script_lib_publish, script_lib_draft, script_draft_publish},
    [SCRIPT_DRAFT_LIST] = {script_draft_list},
    [SCRIPT_DRAFT_DUE] = {script_lib_epoch, script_lib_draft, script_draft_due},
};

struct store {
    uv_loop_t *loop;
    const struct config *cfg;
    struct redis_conn *conn;
    char *url;
    char *password; /* from redis.password_file, or NULL */
    char *script_text[SCRIPT_COUNT];
    char script_sha[SCRIPT_COUNT][SHA1_HEX + 1]; /* "" until Redis has told */
    const char *durability;
    struct audit_anchor audit_head; /* as seen last, perhaps no more; seq 0 = not yet */
    bool aof_enabled;
    int greeting_left; /* answers still awaited before the store counts as up */
    bool is_up;
};

/* A script call under way, kept for the case that Redis does not know the script. */
struct script_call {
    struct store *store;
    enum script script;
    struct args args; /* EVALSHA, sha, key count, words */
    redis_reply_fn *on_reply;
    void *user;
};

char *store_url(const struct config *cfg) {
    if (cfg->redis_url[0]) {
        return mem_strdup(cfg->redis_url);
    }
    struct buf url;
    buf_init(&url, 4096);
    buf_printf(&url, "unix://%s/redis.sock", cfg->serve_state_dir);
    return buf_take(&url);
}

static char *read_password(const char *path) {
    char text[PASSWORD_BYTES_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0) {
        (void)close(fd);
    }
    if (size < 0) {
        return NULL;
    }
    struct str trimmed = str_trim((struct str){text, (size_t)size});
    char *password = mem_strndup(trimmed.p, trimmed.n);
    explicit_bzero(text, sizeof(text));
    return password;
}

/* ---- greeting: what kind of Redis is this, and does it know the scripts ---- */

static void greeting_step(struct store *store) {
    if (--store->greeting_left == 0 && redis_conn_is_up(store->conn)) {
        store->is_up = true;
        log_info("store_ready", LOG_S("durability", store->durability));
    }
}

static void on_persistence(void *user, enum err err, const struct redisReply *reply) {
    struct store *store = user;
    static const char enabled[] = "aof_enabled:1";
    struct str info = reply_str(reply);
    store->aof_enabled =
        !err && info.n && memmem(info.p, info.n, enabled, sizeof(enabled) - 1) != NULL;
    greeting_step(store);
}

/* CONFIG may be forbidden by an ACL: then the weaker promise is made. */
static void on_appendfsync(void *user, enum err err, const struct redisReply *reply) {
    struct store *store = user;
    bool always = !err && str_eq(reply_str_at(reply, 1), STR("always"));
    store->durability = always && store->aof_enabled ? "fsync" : "memory";
    greeting_step(store);
}

struct load_call {
    struct store *store;
    enum script script;
};

static void on_loaded(void *user, enum err err, const struct redisReply *reply) {
    struct load_call *call = user;
    struct store *store = call->store;
    struct str sha = reply_str(reply);
    if (!err && !reply_is_error(reply) && sha.n == SHA1_HEX) {
        memcpy(store->script_sha[call->script], sha.p, SHA1_HEX);
    } else if (!err) {
        log_error("redis_script_refused", LOG_I("script", call->script), LOG_STR("reply", sha));
    }
    free(call);
    greeting_step(store);
}

static void greet(struct store *store) {
    const struct str info[] = {STR("INFO"), STR("persistence")};
    const struct str fsync[] = {STR("CONFIG"), STR("GET"), STR("appendfsync")};
    store->greeting_left = 2 + SCRIPT_COUNT;
    redis_conn_command(store->conn, info, 2, on_persistence, store);
    redis_conn_command(store->conn, fsync, 3, on_appendfsync, store);
    for (enum script i = 0; i < SCRIPT_COUNT; i++) {
        struct load_call *call = mem_zalloc(1, sizeof(*call));
        call->store = store;
        call->script = i;
        const struct str load[] = {STR("SCRIPT"), STR("LOAD"), str_of(store->script_text[i])};
        redis_conn_command(store->conn, load, 3, on_loaded, call);
    }
}

static void on_state(void *user, bool up) {
    struct store *store = user;
    if (up) {
        greet(store);
    } else {
        store->is_up = false;
    }
}

/* ---- create, destroy ---- */

enum err store_create(uv_loop_t *loop, const struct config *cfg, struct store **out_store) {
    struct store *store = mem_zalloc(1, sizeof(*store));
    store->loop = loop;
    store->cfg = cfg;
    store->url = store_url(cfg);
    store->durability = "memory";
    for (enum script i = 0; i < SCRIPT_COUNT; i++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        for (int part = 0; part < SCRIPT_PARTS && script_parts[i][part]; part++) {
            buf_puts(&text, script_parts[i][part]);
        }
        store->script_text[i] = buf_take(&text);
    }
    enum err err = ERR_OK;
    if (cfg->redis_password_file[0]) {
        store->password = read_password(cfg->redis_password_file);
        err = store->password ? ERR_OK : ERR_NOT_FOUND;
    }
    if (!err) {
        struct redis_options options = store_redis_options(store);
        err = redis_conn_create(loop, &options, on_state, store, &store->conn);
    }
    if (err) {
        log_error("store_create_failed", LOG_ERR(err));
        store_destroy(store);
        return err;
    }
    *out_store = store;
    return ERR_OK;
}

void store_destroy(struct store *store) {
    if (!store) {
        return;
    }
    store->is_up = false;
    redis_conn_destroy(store->conn);
    for (enum script i = 0; i < SCRIPT_COUNT; i++) {
        free(store->script_text[i]);
    }
    if (store->password) {
        explicit_bzero(store->password, strlen(store->password));
    }
    free(store->password);
    free(store->url);
    free(store);
}

void store_reconnect(struct store *store) {
    redis_conn_reset(store->conn);
}

bool store_is_up(const struct store *store) {
    return store->is_up;
}

static void on_wait_timeout(uv_timer_t *timer) {
    *(bool *)timer->data = true;
}

static void on_timer_closed(uv_handle_t *handle) {
    free(handle);
}

enum err store_wait_up(struct store *store, uv_loop_t *loop, int64_t timeout_ms) {
    bool timed_out = false;
    uv_timer_t *timer = mem_zalloc(1, sizeof(*timer));
    (void)uv_timer_init(loop, timer);
    timer->data = &timed_out;
    (void)uv_timer_start(timer, on_wait_timeout, (uint64_t)timeout_ms, 0);
    while (!store->is_up && !timed_out) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)timer, on_timer_closed);
    return store->is_up ? ERR_OK : ERR_UNAVAILABLE;
}

/* ---- commands and scripts ---- */

void store_command(struct store *store, const struct str *argv, size_t argc,
                   redis_reply_fn *on_reply, void *user) {
    redis_conn_command(store->conn, argv, argc, on_reply, user);
}

static void finish_call(struct script_call *call, enum err err, const struct redisReply *reply) {
    redis_reply_fn *on_reply = call->on_reply;
    void *user = call->user;
    args_finish(&call->args);
    free(call);
    on_reply(user, err, reply);
}

static void on_eval(void *user, enum err err, const struct redisReply *reply) {
    finish_call(user, err, reply);
}

/* EVAL also makes Redis remember the script. */
static void send_whole(struct script_call *call) {
    struct args args;
    args_init(&args);
    const struct str *words = args_words(&call->args);
    args_put_text(&args, "EVAL");
    args_put_text(&args, call->store->script_text[call->script]);
    for (size_t i = 2; i < call->args.count; i++) {
        args_put(&args, words[i]);
    }
    store_command(call->store, args_words(&args), args.count, on_eval, call);
    args_finish(&args);
}

static void on_evalsha(void *user, enum err err, const struct redisReply *reply) {
    struct script_call *call = user;
    if (reply_is_error(reply) && str_starts(reply_str(reply), STR("NOSCRIPT"))) {
        send_whole(call);
        return;
    }
    finish_call(call, err, reply);
}

void store_script(struct store *store, enum script script, const struct str *words, size_t count,
                  size_t key_count, redis_reply_fn *on_reply, void *user) {
    struct script_call *call = mem_zalloc(1, sizeof(*call));
    call->store = store;
    call->script = script;
    call->on_reply = on_reply;
    call->user = user;
    args_init(&call->args);
    args_put_text(&call->args, "EVALSHA");
    args_put_text(&call->args, store->script_sha[script]);
    args_put_int(&call->args, (int64_t)key_count);
    for (size_t i = 0; i < count; i++) {
        args_put(&call->args, words[i]);
    }
    if (store->script_sha[script][0]) {
        store_command(store, args_words(&call->args), call->args.count, on_evalsha, call);
    } else {
        send_whole(call);
    }
}

bool store_failed(const char *what, enum err err, const struct redisReply *reply) {
    if (err) {
        log_warn("redis_call_failed", LOG_S("what", what), LOG_ERR(err));
    } else if (reply_is_error(reply)) {
        log_error("redis_call_refused", LOG_S("what", what), LOG_STR("reply", reply_str(reply)));
    }
    return err || reply_is_error(reply);
}

uv_loop_t *store_loop(struct store *store) {
    return store->loop;
}

struct audit_anchor *store_audit_head(struct store *store) {
    return &store->audit_head;
}

const struct config *store_config(const struct store *store) {
    return store->cfg;
}

const char *store_durability(const struct store *store) {
    return store->durability;
}

struct redis_options store_redis_options(const struct store *store) {
    return (struct redis_options){.url = store->url,
                                  .password = store->password,
                                  .timeout_ms = store->cfg->redis_timeout_ms,
                                  .reconnect_max_ms = store->cfg->redis_reconnect_max_ms};
}

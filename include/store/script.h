#pragma once
/* Commands and Lua scripts on a store's connection; for the stores of this folder. */
#include "store/redis_conn.h"
#include "store/reply.h"
#include "store/store.h"

/* The scripts are src/store/lua/<name>.lua; a lib_ file is put in front of those that use it. */
enum script {
    SCRIPT_EPOCH,
    SCRIPT_PUBLISH,
    SCRIPT_ALERT_LIST,
    SCRIPT_ALERT_REVISIONS,
    SCRIPT_DEVICE_PUT,
    SCRIPT_DEVICE_GET,
    SCRIPT_DEVICE_REMOVE,
    SCRIPT_DEVICE_WALK,
    SCRIPT_DEVICE_CHECK,
    SCRIPT_DEVICE_CHECK_REST,
    SCRIPT_PLAN_TAKE,
    SCRIPT_PLAN_BLOCK,
    SCRIPT_AUDIENCE_BLOCK,
    SCRIPT_READERS_TELL,
    SCRIPT_READERS_COUNT,
    SCRIPT_PLAN_COMMIT,
    SCRIPT_JOBS_TAKE,
    SCRIPT_JOBS_KEEP,
    SCRIPT_JOB_SETTLE,
    SCRIPT_JOB_FLUSH,
    SCRIPT_JOB_FINISH,
    SCRIPT_ALERT_ABORT,
    SCRIPT_PUSH_CONTROL,
    SCRIPT_PUSH_SWITCH,
    SCRIPT_KEY_PUT,
    SCRIPT_SESSION_OPEN,
    SCRIPT_SESSION_CHECK,
    SCRIPT_SESSION_CLOSE,
    SCRIPT_AUDIT_APPEND,
    SCRIPT_AUDIT_TRIM,
    SCRIPT_BREAKER_RESET,
    SCRIPT_GUARD_ASK,
    SCRIPT_DRAFT_CREATE,
    SCRIPT_DRAFT_MOVE,
    SCRIPT_DRAFT_PUBLISH,
    SCRIPT_DRAFT_LIST,
    SCRIPT_DRAFT_DUE,
    SCRIPT_RECEIPTS_DEVICES,
    SCRIPT_RECEIPTS_READERS,
    SCRIPT_COUNT
};

void store_command(struct store *store, const struct str *argv, size_t argc,
                   redis_reply_fn *on_reply, void *user);
/* Runs a script: the first `key_count` words are its KEYS, the rest ARGV. A script that Redis does
 * not know (flushed, restarted) is sent again whole, unseen by the caller. */
void store_script(struct store *store, enum script script, const struct str *words, size_t count,
                  size_t key_count, redis_reply_fn *on_reply, void *user);
/* Logs an error reply or a failed call; true when there was one. `what` names the operation. */
bool store_failed(const char *what, enum err err, const struct redisReply *reply);

uv_loop_t *store_loop(struct store *store);
const struct config *store_config(const struct store *store);
/* "fsync" when Redis writes every change to disk before it answers (appendonly yes, appendfsync
 * always), else "memory". */
const char *store_durability(const struct store *store);
/* Options for another connection to the same server; the texts are valid as long as the store. */
struct redis_options store_redis_options(const struct store *store);

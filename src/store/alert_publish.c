/* Publishing is one script. For an update or cancel the text to store depends on the alert it is
 * about, and JSON is only made here, so: read that alert, complete the request from it, publish
 * provided its revision is still the one read, and start over when it is not. */
#include "store/alert_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "model/json.h"
#include "store/args.h"
#include "store/audit.h"
#include "store/epoch.h"
#include "store/keys.h"
#include "store/publish_guard.h"
#include "store/script.h"

enum {
    PUBLISH_TRIES = 8,                           /* lost races against other updates of one alert */
    STORED_BYTES_MAX = 4 * ALERT_JSON_BYTES_MAX, /* escaping can lengthen the text */
};

struct publish {
    struct store *store;
    const struct taxonomy *t;
    struct alert *request; /* owned copy, for update and cancel */
    char *idempotency_key; /* the Redis key */
    char *fingerprint;
    char *key_name;
    uint32_t about; /* see publish_request */
    bool allow_duplicate;
    bool is_claim;
    struct args claim_keys; /* of the draft, in front of those of the publish; else none */
    struct args claim_values;
    int tries;
    publish_fn *done;
    void *user;
};

static void finish(struct publish *op, const struct publish_result *result) {
    publish_fn *done = op->done;
    void *user = op->user;
    alert_destroy(op->request);
    free(op->idempotency_key);
    free(op->fingerprint);
    free(op->key_name);
    args_finish(&op->claim_keys);
    args_finish(&op->claim_values);
    free(op);
    done(user, result);
}

static void finish_with(struct publish *op, enum publish_status status) {
    const struct publish_result result = {.status = status, .durability = "memory"};
    finish(op, &result);
}

/* "id revision epoch seq sent_ms durability", as lib_publish.lua keeps it for replays, and behind
 * it "forgotten" when nobody can be pushed to. */
static enum err parse_answer(struct str answer, struct publish_result *result) {
    static const char *const levels[] = {"memory", "fsync", "replicated"};
    struct str part[6];
    uint64_t revision;
    for (int i = 0; i < 6; i++) {
        if (!str_split(&answer, ' ', &part[i])) {
            return ERR_PROTOCOL;
        }
    }
    if (part[0].n >= UUID_BYTES || str_to_u64(part[1], &revision) || revision > UINT32_MAX ||
        part[2].n >= EPOCH_BYTES || str_to_u64(part[3], &result->position.seq) ||
        str_to_i64(part[4], &result->sent_ms)) {
        return ERR_PROTOCOL;
    }
    memcpy(result->id, part[0].p, part[0].n);
    memcpy(result->position.epoch, part[2].p, part[2].n);
    result->revision = (uint32_t)revision;
    result->is_forgotten = str_eq(answer, STR("forgotten"));
    result->durability = levels[0];
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (str_eq(part[5], str_of(levels[i]))) {
            result->durability = levels[i];
        }
    }
    return ERR_OK;
}

static void load_reference(struct publish *op);

static void on_published(void *user, enum err err, const struct redisReply *reply) {
    static const struct {
        struct str name;
        enum publish_status status;
    } statuses[] = {
        {STR("accepted"), PUBLISH_ACCEPTED},       {STR("replayed"), PUBLISH_REPLAYED},
        {STR("reused"), PUBLISH_KEY_REUSED},       {STR("unknown"), PUBLISH_REFERENCE_UNKNOWN},
        {STR("ended"), PUBLISH_REFERENCE_ENDED},   {STR("overloaded"), PUBLISH_OVERLOADED},
        {STR("full"), PUBLISH_REVISIONS_FULL},     {STR("duplicate"), PUBLISH_DUPLICATE},
        {STR("tripped"), PUBLISH_BREAKER_TRIPPED}, {STR("broken"), PUBLISH_BREAKER_OPEN},
        {STR("missing"), PUBLISH_NOT_DUE},         {STR("state"), PUBLISH_NOT_DUE},
        {STR("stale"), PUBLISH_NOT_DUE},           {STR("early"), PUBLISH_NOT_DUE},
        {STR("expired"), PUBLISH_EXPIRED},
    };
    struct publish *op = user;
    struct publish_result result = {.status = PUBLISH_UNAVAILABLE, .durability = "memory"};
    if (store_failed("publish", err, reply)) {
        finish(op, &result);
        return;
    }
    struct str name = reply_str_at(reply, 0);
    if (str_eq(name, STR("revised")) && op->request && ++op->tries < PUBLISH_TRIES) {
        load_reference(op);
        return;
    }
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (str_eq(name, statuses[i].name)) {
            result.status = statuses[i].status;
        }
    }
    if ((result.status == PUBLISH_ACCEPTED || result.status == PUBLISH_REPLAYED) &&
        parse_answer(reply_str_at(reply, 1), &result)) {
        log_error("publish_answer_malformed", LOG_STR("answer", reply_str_at(reply, 1)));
        result.status = PUBLISH_UNAVAILABLE;
    }
    if (result.status == PUBLISH_ACCEPTED) {
        audit_look(op->store); /* the next publish can be sealed beforehand again */
    }
    struct str former = reply_str_at(reply, 1);
    if (result.status == PUBLISH_DUPLICATE && former.n < sizeof(result.id)) {
        memcpy(result.id, former.p, former.n);
    }
    finish(op, &result);
}

static bool wants_push(const struct alert *a) {
    uint32_t push = 1u << PLATFORM_APNS | 1u << PLATFORM_FCM | 1u << PLATFORM_WEBPUSH;
    return a->audience.platforms == 0 || (a->audience.platforms & push) != 0;
}

/* What the audit log says of it. The digest of the stored form proves the text when that is gone.
 */
static void put_event(const struct publish *op, const struct alert *alert, struct str json,
                      struct args *args) {
    static const char *const actions[] = {[MSG_ALERT] = "alert.sent",
                                          [MSG_UPDATE] = "alert.updated",
                                          [MSG_CANCEL] = "alert.retracted"};
    char digest[SHA256_HEX_BYTES];
    const char *headline = NULL;
    struct buf detail;
    buf_init(&detail, AUDIT_EVENT_BYTES_MAX);
    codec_sha256_hex(json, digest);
    for (int i = 0; i < TAXONOMY_MAX && !headline; i++) {
        headline = alert->content[i].headline;
    }
    buf_putc(&detail, '{');
    json_put_text(&detail, "headline", headline);
    json_put_text(&detail, "urgency", urgency_names[alert->urgency]);
    json_put_text(&detail, "status", alert_status_names[alert->status]);
    json_put_text(&detail, "sha256", digest);
    buf_putc(&detail, '}');
    const struct audit_event event = {.action = actions[alert->msg_type],
                                      .key_id = alert->created_by,
                                      .key_name = op->key_name,
                                      .alert_id = alert->id,
                                      .revision = alert->revision,
                                      .detail_json = buf_str(&detail)};
    audit_put_sealed_arg(op->store, &event, args);
    buf_finish(&detail);
}

static void put_guard(const struct publish *op, const struct alert *alert, struct args *args) {
    struct buf guard;
    buf_init(&guard, PUBLISH_GUARD_BYTES_MAX);
    publish_guard_put(store_config(op->store), alert, op->key_name, op->allow_duplicate, &guard);
    args_put(args, buf_str(&guard));
    buf_finish(&guard);
}

/* Calls publish.lua. `about` is the revision that `alert` was completed from, 0 for a new alert;
 * without json (the referenced alert is not there) only replay and refusal can come out of it. */
static void run_script(struct publish *op, const struct alert *alert, uint32_t about,
                       struct str json, const char *id) {
    const struct config *cfg = store_config(op->store);
    char epoch[EPOCH_BYTES];
    struct args args;
    args_init(&args);
    args_put_all(&args, &op->claim_keys);
    args_put_text(&args, op->idempotency_key);
    args_put_text(&args, KEY_EPOCH);
    args_put_text(&args, KEY_LOG);
    args_put_text(&args, KEY_PLAN);
    args_printf(&args, KEY_ALERT, id);
    for (int p = PLATFORM_STREAM + 1; p < PLATFORM_COUNT; p++) {
        for (int u = 0; u < URGENCY_COUNT; u++) {
            args_printf(&args, KEY_LANE, platform_names[p], urgency_names[u]);
        }
    }
    size_t key_count = args.count;
    epoch_make(epoch);
    args_put_all(&args, &op->claim_values);
    args_put_text(&args, op->fingerprint);
    if (alert->msg_type == MSG_ALERT) {
        args_put_text(&args, "");
    } else {
        args_put_int(&args, about);
    }
    args_put_text(&args, id);
    args_put_int(&args, alert->revision);
    args_put(&args, json);
    args_put_int(&args, alert->sent_ms);
    args_put_text(&args, store_durability(op->store));
    args_put_text(&args, alert->msg_type == MSG_CANCEL ? "cancelled" : "active");
    args_put_text(&args, epoch);
    args_put_int(&args, cfg->log_window_entries);
    args_put_int(&args, cfg->log_retain_days * 86400);
    args_put_int(&args, cfg->log_idempotency_h * 3600);
    args_put_int(&args, cfg->queue_plan_max);
    args_put_int(&args, cfg->queue_jobs_max);
    args_put_int(&args, wants_push(alert));
    args_put_text(&args, KEY_BELL);
    put_event(op, alert, json, &args);
    args_put_int(&args, cfg->newsroom_revisions_max);
    put_guard(op, alert, &args);
    store_script(op->store, op->is_claim ? SCRIPT_DRAFT_PUBLISH : SCRIPT_PUBLISH, args_words(&args),
                 args.count, key_count, on_published, op);
    args_finish(&args);
}

static void publish_json(struct publish *op, const struct alert *alert, uint32_t about) {
    struct buf json;
    buf_init(&json, STORED_BYTES_MAX);
    alert_put_stored(alert, op->t, &json);
    if (buf_check(&json)) {
        log_error("publish_too_large", LOG_S("alert_id", alert->id));
        buf_finish(&json);
        finish_with(op, PUBLISH_UNAVAILABLE);
        return;
    }
    run_script(op, alert, about, buf_str(&json), alert->id);
    buf_finish(&json);
}

static void on_reference(void *user, enum err err, const struct redisReply *reply) {
    struct publish *op = user;
    struct alert *old = NULL;
    struct str json = reply_str_at(reply, 0);
    if (store_failed("publish_reference", err, reply)) {
        finish_with(op, PUBLISH_UNAVAILABLE);
        return;
    }
    if (!json.n) {
        run_script(op, op->request, 0, json, op->request->reference);
        return;
    }
    err = alert_parse_stored(op->t, json, &old);
    if (err) {
        log_error("stored_alert_malformed", LOG_S("alert_id", op->request->reference));
        finish_with(op, PUBLISH_UNAVAILABLE);
        return;
    }
    if (op->about && old->revision != op->about) {
        alert_destroy(old);
        finish_with(op, PUBLISH_REVISED);
        return;
    }
    struct alert *next = alert_copy(op->request);
    err = alert_inherit(next, old);
    if (err) {
        finish_with(op, err == ERR_CONFLICT ? PUBLISH_STATUS_DIFFERS : PUBLISH_UNAVAILABLE);
    } else {
        publish_json(op, next, old->revision);
    }
    alert_destroy(next);
    alert_destroy(old);
}

static void load_reference(struct publish *op) {
    struct args args;
    args_init(&args);
    args_put_text(&args, "HMGET");
    args_printf(&args, KEY_ALERT, op->request->reference);
    args_put_text(&args, "json");
    store_command(op->store, args_words(&args), args.count, on_reference, op);
    args_finish(&args);
}

static void begin(struct publish *op, const struct alert *alert) {
    if (alert->msg_type == MSG_ALERT) {
        struct alert first = *alert;
        first.revision = 1;
        publish_json(op, &first, 0);
    } else {
        op->request = alert_copy(alert);
        load_reference(op);
    }
}

void alert_store_put_idempotency(struct buf *b, const char *created_by, struct str key) {
    char key_hash[SHA256_HEX_BYTES];
    codec_sha256_hex(key, key_hash);
    buf_printf(b, "{t}:idem:%s:%s", created_by, key_hash);
}

static char *make_key(const struct publish_request *request) {
    struct buf key;
    buf_init(&key, 512);
    alert_store_put_idempotency(&key, request->alert->created_by, request->idempotency_key);
    return buf_take(&key);
}

/* In the order of draft_publish.lua. */
static void put_claim(struct publish *op, const struct draft_claim *claim) {
    const struct config *cfg = store_config(op->store);
    char id[UUID_BYTES] = "";
    memcpy(id, claim->id.p, claim->id.n < sizeof(id) ? claim->id.n : 0);
    op->is_claim = true;
    args_printf(&op->claim_keys, KEY_DRAFT, id);
    args_put_text(&op->claim_keys, KEY_DRAFTS_OPEN);
    args_put_text(&op->claim_keys, KEY_DRAFTS_DUE);
    args_put_text(&op->claim_keys, KEY_DRAFTS_ENDED);
    args_put_text(&op->claim_values, id);
    args_put_int(&op->claim_values, claim->version);
    args_put_int(&op->claim_values, cfg->newsroom_late_max_s * 1000);
    args_put_int(&op->claim_values, cfg->log_retain_days * 86400);
    args_put(&op->claim_values, claim->sent_audit);
    args_put(&op->claim_values, claim->expired_audit);
    args_put(&op->claim_values, claim->failed_audit);
}

void alert_store_publish(struct store *store, const struct taxonomy *t,
                         const struct publish_request *request, publish_fn *done, void *user) {
    struct publish *op = mem_zalloc(1, sizeof(*op));
    op->store = store;
    op->t = t;
    op->fingerprint = mem_strndup(request->fingerprint.p, request->fingerprint.n);
    op->key_name = mem_strdup(request->key_name);
    op->about = request->about;
    op->allow_duplicate = request->allow_duplicate;
    op->done = done;
    op->user = user;
    args_init(&op->claim_keys);
    args_init(&op->claim_values);
    if (request->claim) {
        put_claim(op, request->claim);
    }
    op->idempotency_key = make_key(request);
    begin(op, request->alert);
}

/* --- recalling --- */

struct recall {
    char *fingerprint;
    publish_recall_fn *done;
    void *user;
};

/* "draft <id>", as draft_create.lua keeps it. */
static bool read_draft_id(struct str answer, char out_id[UUID_BYTES]) {
    const struct str prefix = STR("draft ");
    if (!str_starts(answer, prefix) || answer.n - prefix.n >= UUID_BYTES) {
        return false;
    }
    memcpy(out_id, answer.p + prefix.n, answer.n - prefix.n);
    return true;
}

static void on_recalled(void *user, enum err err, const struct redisReply *reply) {
    struct recall *call = user;
    struct publish_result result = {.status = PUBLISH_REPLAYED, .durability = "memory"};
    struct str fingerprint = reply_str_at(reply, 0);
    if (store_failed("publish_recall", err, reply)) {
        err = ERR_UNAVAILABLE;
    } else if (!fingerprint.n) {
        err = ERR_NOT_FOUND;
    } else if (!str_eq(fingerprint, str_of(call->fingerprint))) {
        result.status = PUBLISH_KEY_REUSED;
    } else if (read_draft_id(reply_str_at(reply, 1), result.id)) {
        result.status = PUBLISH_WAITS;
    } else if (parse_answer(reply_str_at(reply, 1), &result)) {
        err = ERR_UNAVAILABLE;
    }
    call->done(call->user, err, &result);
    free(call->fingerprint);
    free(call);
}

void alert_store_recall(struct store *store, const struct publish_request *request,
                        publish_recall_fn *done, void *user) {
    struct recall *call = mem_zalloc(1, sizeof(*call));
    char *key = make_key(request);
    *call = (struct recall){.done = done, .user = user};
    call->fingerprint = mem_strndup(request->fingerprint.p, request->fingerprint.n);
    const struct str argv[] = {STR("HMGET"), str_of(key), STR("fp"), STR("answer")};
    store_command(store, argv, 4, on_recalled, call);
    free(key);
}

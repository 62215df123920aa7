#include "store/draft_store.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/alert_store.h"
#include "store/keys.h"
#include "store/script.h"

enum { DAY_S = 86400, LOOK_MAX = 10000 };

const char *const draft_state_names[DRAFT_STATE_COUNT] = {
    "draft", "awaiting_approval", "scheduled", "held", "sent", "cancelled", "expired", "failed"};

static const char *const move_names[DRAFT_MOVE_COUNT] = {"edit",   "discard", "submit", "approve",
                                                         "reject", "cancel",  "fail"};

/* --- fields --- */

void draft_put_text(struct args *fields, const char *name, struct str value) {
    args_put_text(fields, name);
    args_put(fields, value);
}

void draft_put_number(struct args *fields, const char *name, int64_t value) {
    args_put_text(fields, name);
    args_put_int(fields, value);
}

void draft_put_act(struct args *fields, const char *act, const char *key_id, const char *key_name) {
    args_printf(fields, "%s_by", act);
    args_put_text(fields, key_id);
    args_printf(fields, "%s_name", act);
    args_put_text(fields, key_id ? key_name : NULL);
    args_put_text(fields, act);
    if (key_id) {
        args_put_int(fields, clock_wall_ms());
    } else {
        args_put_text(fields, "");
    }
}

static const struct field {
    const char *name;
    size_t text;   /* where it goes in struct draft: a text … */
    size_t number; /* … or a number; 0 = not there */
} known_fields[] = {
    {.name = "version", .number = offsetof(struct draft, version)},
    {.name = "body", .text = offsetof(struct draft, body)},
    {.name = "canonical", .text = offsetof(struct draft, canonical)},
    {.name = "send_at", .number = offsetof(struct draft, send_ms)},
    {.name = "embargo", .number = offsetof(struct draft, embargo_ms)},
    {.name = "hold_s", .number = offsetof(struct draft, hold_s)},
    {.name = "hold_ms", .number = offsetof(struct draft, hold_ms)},
    {.name = "due", .number = offsetof(struct draft, due_ms)},
    {.name = "created_by", .text = offsetof(struct draft, created.key_id)},
    {.name = "created_name", .text = offsetof(struct draft, created.name)},
    {.name = "created", .number = offsetof(struct draft, created.at_ms)},
    {.name = "edited_by", .text = offsetof(struct draft, edited.key_id)},
    {.name = "edited_name", .text = offsetof(struct draft, edited.name)},
    {.name = "edited", .number = offsetof(struct draft, edited.at_ms)},
    {.name = "editors", .text = offsetof(struct draft, editors)},
    {.name = "submitted_by", .text = offsetof(struct draft, submitted.key_id)},
    {.name = "submitted_name", .text = offsetof(struct draft, submitted.name)},
    {.name = "submitted", .number = offsetof(struct draft, submitted.at_ms)},
    {.name = "by:submit", .number = offsetof(struct draft, submitted_from)},
    {.name = "approved_by", .text = offsetof(struct draft, approved.key_id)},
    {.name = "approved_name", .text = offsetof(struct draft, approved.name)},
    {.name = "approved", .number = offsetof(struct draft, approved.at_ms)},
    {.name = "about", .number = offsetof(struct draft, about)},
    {.name = "allow_duplicate", .number = offsetof(struct draft, allow_duplicate)},
    {.name = "duplicate_of", .text = offsetof(struct draft, duplicate_of)},
    {.name = "reason_code", .text = offsetof(struct draft, reason_code)},
    {.name = "reason", .text = offsetof(struct draft, reason)},
    {.name = "alert_id", .text = offsetof(struct draft, alert_id)},
    {.name = "revision", .number = offsetof(struct draft, revision)},
    {.name = "sent", .number = offsetof(struct draft, sent_ms)},
};

static void set_field(struct draft *d, struct str name, struct str value) {
    for (size_t i = 0; i < sizeof(known_fields) / sizeof(known_fields[0]); i++) {
        const struct field *field = &known_fields[i];
        if (!str_eq(name, str_of(field->name))) {
            continue;
        }
        if (field->text) {
            *(struct str *)(void *)((char *)d + field->text) = value;
        } else if (str_to_i64(value, (int64_t *)(void *)((char *)d + field->number))) {
            log_warn("draft_field_malformed", LOG_STR("draft_id", d->id),
                     LOG_S("field", field->name));
        }
        return;
    }
}

/* False when there is no draft in it. */
static bool read_draft(const struct redisReply *pairs, struct draft *out_draft) {
    struct draft d = {.hold_s = -1};
    int state = -1;
    for (size_t i = 0; i + 1 < reply_count(pairs); i += 2) {
        struct str name = reply_str_at(pairs, i);
        struct str value = reply_str_at(pairs, i + 1);
        if (str_eq(name, STR("id"))) {
            d.id = value;
        } else if (str_eq(name, STR("state"))) {
            state = name_find(draft_state_names, DRAFT_STATE_COUNT, value);
        } else {
            set_field(&d, name, value);
        }
    }
    if (!d.id.n || state < 0) {
        return false;
    }
    d.state = (enum draft_state)state;
    *out_draft = d;
    return true;
}

bool draft_is_own(const struct draft *draft, struct str key_id) {
    bool own = str_eq(draft->created.key_id, key_id) || str_eq(draft->edited.key_id, key_id) ||
               str_eq(draft->submitted.key_id, key_id);
    struct str rest = draft->editors;
    struct str id;
    while (!own && str_split(&rest, ' ', &id)) {
        own = str_eq(id, key_id);
    }
    return own;
}

/* --- calls --- */

struct draft_call {
    draft_fn *done;
    void *user;
};

static struct draft_call *call_of(draft_fn *done, void *user) {
    struct draft_call *call = mem_zalloc(1, sizeof(*call));
    *call = (struct draft_call){done, user};
    return call;
}

/* {result, fields} */
static void on_moved(void *user, enum err err, const struct redisReply *reply) {
    static const struct {
        struct str name;
        enum draft_result result;
    } results[] = {
        {STR("done"), DRAFT_DONE},         {STR("repeated"), DRAFT_REPEATED},
        {STR("replayed"), DRAFT_REPEATED}, {STR("missing"), DRAFT_MISSING},
        {STR("stale"), DRAFT_STALE},       {STR("state"), DRAFT_WRONG},
        {STR("own"), DRAFT_OWN},           {STR("editors"), DRAFT_EDITORS},
        {STR("full"), DRAFT_FULL},         {STR("reused"), DRAFT_KEY_REUSED},
    };
    struct draft_call call = *(struct draft_call *)user;
    enum draft_result result = DRAFT_UNAVAILABLE;
    struct draft draft;
    free(user);
    if (store_failed("draft", err, reply)) {
        call.done(call.user, result, NULL);
        return;
    }
    for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
        if (str_eq(reply_str_at(reply, 0), results[i].name)) {
            result = results[i].result;
        }
    }
    bool is_there = read_draft(reply_at(reply, 1), &draft);
    if (!is_there && (result == DRAFT_DONE || result == DRAFT_REPEATED)) {
        result = DRAFT_MISSING; /* replayed, but kept no longer */
    }
    call.done(call.user, result, is_there ? &draft : NULL);
}

static void put_keys(struct args *args, struct str id) {
    char text[UUID_BYTES] = "";
    memcpy(text, id.p, id.n < sizeof(text) ? id.n : 0);
    args_printf(args, KEY_DRAFT, text);
    args_put_text(args, KEY_DRAFTS_OPEN);
    args_put_text(args, KEY_DRAFTS_DUE);
    args_put_text(args, KEY_DRAFTS_ENDED);
}

void draft_store_create(struct store *store, const struct draft_new *n, draft_fn *done,
                        void *user) {
    const struct config *cfg = store_config(store);
    struct args args;
    struct buf idem;
    args_init(&args);
    put_keys(&args, n->id);
    buf_init(&idem, 512);
    alert_store_put_idempotency(&idem, n->created_by, n->idempotency_key);
    args_put(&args, buf_str(&idem));
    buf_finish(&idem);
    size_t key_count = args.count;
    args_put(&args, n->id);
    args_put(&args, n->idempotency_key.n ? n->fingerprint : STR(""));
    args_put_int(&args, cfg->log_idempotency_h * 3600);
    args_put_int(&args, cfg->newsroom_drafts_max);
    args_put_int(&args, cfg->log_retain_days * DAY_S);
    args_put_int(&args, n->needs_approval);
    args_put(&args, n->audit);
    args_put(&args, n->submit_audit);
    args_put_all(&args, n->fields);
    store_script(store, SCRIPT_DRAFT_CREATE, args_words(&args), args.count, key_count, on_moved,
                 call_of(done, user));
    args_finish(&args);
}

void draft_store_move(struct store *store, const struct draft_wish *wish, draft_fn *done,
                      void *user) {
    struct args args;
    args_init(&args);
    put_keys(&args, wish->id);
    size_t key_count = args.count;
    args_put(&args, wish->id);
    args_put_text(&args, move_names[wish->move]);
    if (wish->version) {
        args_put_int(&args, wish->version);
    } else {
        args_put_text(&args, "");
    }
    args_put_int(&args, store_config(store)->log_retain_days * DAY_S);
    args_put_int(&args, wish->needs_approval);
    args_put(&args, wish->audit);
    if (wish->fields) {
        args_put_all(&args, wish->fields);
    }
    store_script(store, SCRIPT_DRAFT_MOVE, args_words(&args), args.count, key_count, on_moved,
                 call_of(done, user));
    args_finish(&args);
}

static void on_got(void *user, enum err err, const struct redisReply *reply) {
    struct draft_call call = *(struct draft_call *)user;
    struct draft draft;
    free(user);
    if (store_failed("draft_get", err, reply)) {
        call.done(call.user, DRAFT_UNAVAILABLE, NULL);
    } else if (!read_draft(reply, &draft)) {
        call.done(call.user, DRAFT_MISSING, NULL);
    } else {
        call.done(call.user, DRAFT_DONE, &draft);
    }
}

void draft_store_get(struct store *store, struct str id, draft_fn *done, void *user) {
    struct args args;
    args_init(&args);
    args_put_text(&args, "HGETALL");
    put_keys(&args, id);
    store_command(store, args_words(&args), 2, on_got, call_of(done, user));
    args_finish(&args);
}

/* --- lists --- */

struct list_call {
    draft_list_fn *done;
    void *user;
};

static void on_list(void *user, enum err err, const struct redisReply *reply) {
    struct list_call call = *(struct list_call *)user;
    size_t count = 0;
    free(user);
    if (store_failed("draft_list", err, reply) || reply_count(reply) == 0) {
        call.done(call.user, err ? err : ERR_PROTOCOL, NULL, 0, STR(""));
        return;
    }
    struct draft *drafts = mem_zalloc(reply_count(reply), sizeof(*drafts));
    for (size_t i = 1; i < reply_count(reply); i++) {
        count += read_draft(reply_at(reply, i), &drafts[count]);
    }
    call.done(call.user, ERR_OK, drafts, count, reply_str_at(reply, 0));
    free(drafts);
}

enum err draft_store_list(struct store *store, const struct draft_list_wish *wish,
                          draft_list_fn *done, void *user) {
    struct str id = wish->before;
    struct str score = STR("+inf");
    uint64_t at_ms;
    if (wish->before.n &&
        (!str_split(&id, '-', &score) || str_to_u64(score, &at_ms) || !codec_is_uuid(id))) {
        return ERR_INVALID;
    }
    struct list_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct list_call){done, user};
    args_init(&args);
    args_put_text(&args, wish->open ? KEY_DRAFTS_OPEN : KEY_DRAFTS_ENDED);
    args_put_text(&args, wish->state);
    args_put(&args, score);
    args_put(&args, id);
    args_put_int(&args, (int64_t)wish->limit);
    args_put_int(&args, LOOK_MAX);
    store_script(store, SCRIPT_DRAFT_LIST, args_words(&args), args.count, 1, on_list, call);
    args_finish(&args);
    return ERR_OK;
}

/* --- due --- */

struct due_call {
    draft_due_fn *done;
    void *user;
};

static void on_due(void *user, enum err err, const struct redisReply *reply) {
    struct due_call call = *(struct due_call *)user;
    free(user);
    if (store_failed("draft_due", err, reply) || reply_count(reply) == 0) {
        call.done(call.user, err ? err : ERR_PROTOCOL, NULL, 0, -1);
        return;
    }
    size_t count = reply_count(reply) - 1;
    struct str *ids = mem_zalloc(count + 1, sizeof(*ids));
    for (size_t i = 0; i < count; i++) {
        ids[i] = reply_str_at(reply, i + 1);
    }
    call.done(call.user, ERR_OK, ids, count, reply_int_at(reply, 0));
    free(ids);
}

void draft_store_due(struct store *store, size_t limit, draft_due_fn *done, void *user) {
    struct due_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct due_call){done, user};
    args_init(&args);
    args_put_text(&args, KEY_DRAFTS_DUE);
    args_put_int(&args, (int64_t)limit);
    store_script(store, SCRIPT_DRAFT_DUE, args_words(&args), args.count, 1, on_due, call);
    args_finish(&args);
}

#include "newsroom/drafts.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "model/json.h"
#include "newsroom/draft_answer.h"
#include "newsroom/draft_text.h"
#include "newsroom/ingest.h"

enum {
    LIST_DEFAULT = 50,
    LIST_MAX = 100,
    ITEM_OVERHEAD_BYTES = 1 << 17, /* of a draft object beside its body */
};

/* --- what the handlers share --- */

void drafts_head(struct room *room, struct http_request *rq) {
    ingest_head(room, rq);
}

struct str drafts_id_of(struct call *call) {
    struct str id = http_path_param(call->rq, 0);
    if (!codec_is_uuid(id)) {
        draft_refuse_result(call, DRAFT_MISSING, NULL);
        id.p = NULL;
    }
    return id;
}

bool drafts_take_rate(struct call *call) {
    bool may = call_take_rate(call);
    if (!may) {
        draft_refuse_all(call, 429, "This key posts too fast.", NULL);
    }
    return may;
}

bool drafts_parse_version(struct str text, int64_t *out_version) {
    if (text.n >= 2 && text.p[0] == '"' && text.p[text.n - 1] == '"') {
        text = (struct str){text.p + 1, text.n - 2};
    }
    return str_to_i64(text, out_version) == ERR_OK && *out_version > 0;
}

/* True when the key may write drafts; else it was answered. */
static bool check_publish(struct call *call) {
    bool may = call->key.scope.publish;
    if (!may) {
        draft_refuse(call, 403, "", "out_of_scope", "this key may not publish");
    }
    return may;
}

static void on_changed(void *user, enum draft_result result, const struct draft *draft) {
    struct call *call = user;
    if (result == DRAFT_DONE || result == DRAFT_REPEATED) {
        draft_answer(call, 200, draft);
    } else {
        draft_refuse_result(call, result, draft);
    }
}

/* --- making and editing --- */

/* Reads the body into fields; false when the answer was given. */
static bool read_body(struct call *call, struct args *fields) {
    struct problem *lacks = problem_create();
    struct problem *broken = problem_create();
    struct alert *a = NULL;
    struct str body = http_body(call->rq);
    enum err err = draft_text_read(call->room, body, &a, lacks, broken);
    if (err == ERR_OK) {
        draft_text_put_fields(call->room, fields, body, a, problem_is_empty(lacks));
    } else {
        draft_refuse_all(call, err == ERR_PROTOCOL ? 400 : 422, "The draft cannot be kept.",
                         broken);
    }
    alert_destroy(a);
    problem_destroy(broken);
    problem_destroy(lacks);
    return err == ERR_OK;
}

static void on_created(void *user, enum draft_result result, const struct draft *draft) {
    struct call *call = user;
    if (result == DRAFT_DONE) {
        metrics_add(M_DRAFTS_CREATED, 1);
        log_info("draft_created", LOG_STR("draft_id", draft->id), LOG_S("key_id", call->key.id));
    }
    if (result == DRAFT_REPEATED && call->rq) {
        http_add_header(call->rq, "Idempotency-Replayed", "true");
    }
    if (result == DRAFT_DONE || result == DRAFT_REPEATED) {
        draft_answer(call, 201, draft);
    } else {
        draft_refuse_result(call, result, draft);
    }
}

static void create(struct call *call, struct str idempotency_key) {
    struct args fields;
    args_init(&fields);
    if (read_body(call, &fields)) {
        char id[UUID_BYTES];
        char fingerprint[SHA256_HEX_BYTES];
        struct buf audit;
        codec_uuid7(id);
        codec_sha256_hex(http_body(call->rq), fingerprint);
        draft_put_act(&fields, "created", call->key.id, call->key.name);
        draft_text_put_audit("draft.created", &call->key, id, "", &audit);
        const struct draft_new n = {.id = str_of(id),
                                    .created_by = call->key.id,
                                    .idempotency_key = idempotency_key,
                                    .fingerprint = str_of(fingerprint),
                                    .fields = &fields,
                                    .audit = buf_str(&audit)};
        draft_store_create(call->room->store, &n, on_created, call);
        buf_finish(&audit);
    }
    args_finish(&fields);
}

void drafts_post(struct room *room, struct http_request *rq) {
    struct call *call = call_of(room, rq, http_kept(rq));
    struct str key = http_header(rq, "Idempotency-Key");
    if (!check_publish(call) || !drafts_take_rate(call)) {
        return;
    }
    if (key.p && !ingest_is_idempotency_key(key)) {
        draft_refuse(call, 400, "Idempotency-Key", "invalid_value",
                     "must be 1 to 128 visible ASCII characters");
        return;
    }
    create(call, key);
}

static void on_edited(void *user, enum draft_result result, const struct draft *draft) {
    struct call *call = user;
    if (result == DRAFT_DONE) {
        log_info("draft_edited", LOG_STR("draft_id", draft->id), LOG_I("version", draft->version),
                 LOG_S("key_id", call->key.id));
    }
    on_changed(call, result, draft);
}

static void edit(struct call *call, struct str id, int64_t version) {
    struct args fields;
    args_init(&fields);
    if (read_body(call, &fields)) {
        struct buf audit;
        draft_put_act(&fields, "edited", call->key.id, call->key.name);
        /* What was said of the former text. */
        draft_put_act(&fields, "submitted", NULL, NULL);
        draft_put_act(&fields, "approved", NULL, NULL);
        draft_put_text(&fields, "duplicate_of", STR(""));
        draft_put_text(&fields, "reason_code", STR(""));
        draft_put_text(&fields, "reason", STR(""));
        draft_text_put_audit("draft.edited", &call->key, id.p, "", &audit);
        const struct draft_wish wish = {.id = id,
                                        .move = DRAFT_EDIT,
                                        .version = version,
                                        .fields = &fields,
                                        .audit = buf_str(&audit)};
        draft_store_move(call->room->store, &wish, on_edited, call);
        buf_finish(&audit);
    }
    args_finish(&fields);
}

void drafts_put(struct room *room, struct http_request *rq) {
    struct call *call = call_of(room, rq, http_kept(rq));
    struct str match = http_header(rq, "If-Match");
    int64_t version;
    if (!check_publish(call) || !drafts_take_rate(call)) {
        return;
    }
    struct str id = drafts_id_of(call);
    if (!id.p) {
        return;
    }
    if (!match.p) {
        draft_refuse(call, 428, "If-Match", "required",
                     "say which version was edited: If-Match: \"<version>\"");
    } else if (!drafts_parse_version(match, &version)) {
        draft_refuse(call, 400, "If-Match", "invalid_value", "must be one version, as in \"3\"");
    } else {
        edit(call, id, version);
    }
}

/* --- discarding --- */

static void discard_with_key(struct call *call) {
    if (!call->rq) {
        call_end(call);
        return;
    }
    struct str match = http_header(call->rq, "If-Match");
    int64_t version = 0;
    if (!check_publish(call)) {
        return;
    }
    struct str id = drafts_id_of(call);
    if (!id.p) {
        return;
    }
    if (match.p && !drafts_parse_version(match, &version)) {
        draft_refuse(call, 400, "If-Match", "invalid_value", "must be one version, as in \"3\"");
        return;
    }
    struct buf audit;
    draft_text_put_audit("draft.discarded", &call->key, id.p, "", &audit);
    const struct draft_wish wish = {
        .id = id, .move = DRAFT_DISCARD, .version = version, .audit = buf_str(&audit)};
    draft_store_move(call->room->store, &wish, on_changed, call);
    buf_finish(&audit);
}

void drafts_delete(struct room *room, struct http_request *rq) {
    call_begin(room, rq, discard_with_key);
}

/* --- reading --- */

/* Who writes, approves or administers must see them, too. */
static bool check_read(struct call *call) {
    const struct key_scope *scope = &call->key.scope;
    bool may = scope->read || scope->publish || scope->approve || scope->admin;
    if (!may) {
        draft_refuse(call, 403, "", "out_of_scope", "this key may not read");
    }
    return may;
}

static void get_with_key(struct call *call) {
    if (!call->rq) {
        call_end(call);
        return;
    }
    if (!check_read(call)) {
        return;
    }
    struct str id = drafts_id_of(call);
    if (id.p) {
        draft_store_get(call->room->store, id, on_changed, call);
    }
}

void drafts_get(struct room *room, struct http_request *rq) {
    call_begin(room, rq, get_with_key);
}

static void on_list(void *user, enum err err, const struct draft *drafts, size_t count,
                    struct str next) {
    struct call *call = user;
    if (err != ERR_OK) {
        draft_unavailable(call, "The store cannot be reached; try again.");
        return;
    }
    size_t bytes = ITEM_OVERHEAD_BYTES;
    for (size_t i = 0; i < count; i++) {
        bytes += drafts[i].body.n + ITEM_OVERHEAD_BYTES;
    }
    struct buf b;
    buf_init(&b, bytes);
    buf_puts(&b, "{\"drafts\":[");
    for (size_t i = 0; i < count; i++) {
        buf_puts(&b, i ? "," : "");
        draft_text_put_json(call->room, &drafts[i], &b);
    }
    buf_puts(&b, "],\"next\":");
    if (next.n) {
        buf_put_json(&b, next);
    } else {
        buf_puts(&b, "null");
    }
    buf_putc(&b, '}');
    call_answer(call, buf_str(&b));
    buf_finish(&b);
}

struct list_params {
    struct draft_list_wish wish;
    struct problem *problems;
};

static void set_state(struct list_params *params, struct str value) {
    int state = name_find(draft_state_names, DRAFT_STATE_COUNT, value);
    bool is_open = str_eq(value, STR("open"));
    if (state < 0 && !is_open && !str_eq(value, STR("ended"))) {
        problem_add(params->problems, "?state", "unknown_value",
                    "must be open, ended, or the name of a state");
        return;
    }
    params->wish.state = state < 0 ? NULL : draft_state_names[state];
    params->wish.open = state < 0 ? is_open : state < DRAFT_STATE_SENT;
}

static void set_param(void *user, struct str name, struct str value) {
    struct list_params *params = user;
    uint64_t limit;
    if (str_eq(name, STR("state"))) {
        set_state(params, value);
    } else if (str_eq(name, STR("before"))) {
        params->wish.before = value;
    } else if (!str_eq(name, STR("limit"))) {
        problem_add(params->problems, "?", "unknown_field", "known: state, limit and before");
    } else if (str_to_u64(value, &limit) || limit < 1 || limit > LIST_MAX) {
        problem_add(params->problems, "?limit", "invalid_value", "a number from 1 to %d", LIST_MAX);
    } else {
        params->wish.limit = limit;
    }
}

static void list_with_key(struct call *call) {
    if (!call->rq) {
        call_end(call);
        return;
    }
    if (!check_read(call)) {
        return;
    }
    struct list_params params = {{.open = true, .limit = LIST_DEFAULT}, problem_create()};
    http_query_each(call->rq, set_param, &params);
    if (problem_is_empty(params.problems) &&
        draft_store_list(call->room->store, &params.wish, on_list, call) != ERR_OK) {
        problem_add(params.problems, "?before", "invalid_value", "a cursor, as in \"next\"");
    }
    if (!problem_is_empty(params.problems)) {
        draft_refuse_all(call, 422, "The query has faults.", params.problems);
    }
    problem_destroy(params.problems);
}

void drafts_list(struct room *room, struct http_request *rq) {
    call_begin(room, rq, list_with_key);
}

#include "newsroom/draft_moves.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "model/json.h"
#include "newsroom/clearance.h"
#include "newsroom/control.h"
#include "newsroom/draft_answer.h"
#include "newsroom/draft_publish.h"
#include "newsroom/draft_text.h"
#include "newsroom/drafts.h"

enum { REASON_BYTES_MAX = 512 };
static const int64_t version_max = INT64_C(1) << 53; /* exact in JSON's doubles */

struct move {
    struct call *call;
    enum draft_move kind;
    char id[UUID_BYTES];
    int64_t version; /* 0 = whichever */
    char *reason;
    char *token;
    bool allow_duplicate;
    struct alert *alert; /* what is sent */
};

/* Ends the move; the call is the caller's again. */
static struct call *move_end(struct move *m) {
    struct call *call = m->call;
    free(m->reason);
    free(m->token);
    alert_destroy(m->alert);
    free(m);
    return call;
}

static void refuse(struct move *m, int status, const char *pointer, const char *code,
                   const char *detail) {
    draft_refuse(move_end(m), status, pointer, code, detail);
}

/* --- the request --- */

/* Reads the members that the move knows; false when the answer was given. */
static bool read_wish(struct move *m) {
    static const char *const members[DRAFT_MOVE_COUNT][3] = {
        [DRAFT_SUBMIT] = {"version", "confirm_token", "allow_duplicate"},
        [DRAFT_APPROVE] = {"version"},
        [DRAFT_REJECT] = {"version", "reason"},
        [DRAFT_CANCEL] = {"version"},
    };
    struct str body = http_body(m->call->rq);
    struct problem *p = problem_create();
    struct cJSON *root = NULL;
    enum err err = body.n ? json_parse(body, "", &root, p) : ERR_OK;
    const struct json_reader r = {.object = root, .pointer = "", .problems = p};
    size_t count = 0;
    while (count < 3 && members[m->kind][count]) {
        count++;
    }
    if (root && json_is_object(&r)) {
        struct str token;
        json_allow(&r, members[m->kind], count);
        (void)json_read_int(&r, "version", 1, version_max, &m->version);
        (void)json_read_text(&r, "reason", REASON_BYTES_MAX, &m->reason);
        (void)json_read_bool(&r, "allow_duplicate", &m->allow_duplicate);
        if (json_read_string(&r, "confirm_token", &token)) {
            m->token = mem_strndup(token.p, token.n);
        }
    }
    if (!m->version && problem_is_empty(p) && m->kind != DRAFT_CANCEL) {
        problem_add(p, "/version", "required", "say which version this is about");
    }
    bool fine = problem_is_empty(p);
    if (!fine) {
        draft_refuse_all(move_end(m), err ? 400 : 422, "The body has faults.", p);
    }
    json_destroy(root);
    problem_destroy(p);
    return fine;
}

/* NULL when the answer was given. */
static struct move *begin(struct room *room, struct http_request *rq, enum draft_move kind,
                          bool may(const struct key_scope *scope), const char *why_not) {
    struct call *call = call_of(room, rq, http_kept(rq));
    if (!may(&call->key.scope)) {
        draft_refuse(call, 403, "", "out_of_scope", why_not);
        return NULL;
    }
    struct str id = drafts_id_of(call);
    if (!id.p) {
        return NULL;
    }
    struct move *m = mem_zalloc(1, sizeof(*m));
    *m = (struct move){.call = call, .kind = kind};
    memcpy(m->id, id.p, id.n);
    return read_wish(m) ? m : NULL;
}

static bool may_publish(const struct key_scope *scope) {
    return scope->publish;
}

static bool may_approve(const struct key_scope *scope) {
    return scope->approve || scope->admin;
}

static bool may_stop(const struct key_scope *scope) {
    return scope->publish || scope->approve || scope->admin;
}

void draft_moves_head(struct room *room, struct http_request *rq) {
    control_head(room, rq);
}

/* --- the move itself --- */

static void on_settled(void *user, enum draft_result result, const struct draft *draft) {
    struct call *call = user;
    if (!draft_refuse_if_failed(call, result, draft)) {
        draft_answer(call, 202, draft);
    }
}

static void on_moved(void *user, enum draft_result result, const struct draft *draft) {
    static const char *const events[DRAFT_MOVE_COUNT] = {[DRAFT_SUBMIT] = "draft_submitted",
                                                         [DRAFT_APPROVE] = "draft_approved",
                                                         [DRAFT_REJECT] = "draft_rejected",
                                                         [DRAFT_CANCEL] = "draft_cancelled"};
    struct move *m = user;
    enum draft_move kind = m->kind;
    struct call *call = move_end(m);
    if (result == DRAFT_DONE) {
        metrics_add(M_DRAFTS_MOVED, 1);
        log_info(events[kind], LOG_STR("draft_id", draft->id), LOG_I("version", draft->version),
                 LOG_S("state", draft_state_names[draft->state]), LOG_S("key_id", call->key.id));
    }
    if (result != DRAFT_DONE && result != DRAFT_REPEATED) {
        draft_refuse_result(call, result, draft);
    } else if (kind == DRAFT_SUBMIT || kind == DRAFT_APPROVE) {
        draft_moves_settle(call->room, draft, on_settled, call);
    } else {
        draft_answer(call, 200, draft);
    }
}

static void make(struct move *m, struct args *fields, const char *action, const char *detail,
                 bool needs_approval) {
    struct buf audit;
    draft_text_put_audit(action, &m->call->key, m->id, detail, &audit);
    const struct draft_wish wish = {.id = str_of(m->id),
                                    .move = m->kind,
                                    .version = m->version,
                                    .needs_approval = needs_approval,
                                    .fields = fields,
                                    .audit = buf_str(&audit)};
    draft_store_move(m->call->room->store, &wish, on_moved, m);
    buf_finish(&audit);
}

/* --- sent at once --- */

struct settling {
    struct room *room;
    char id[UUID_BYTES];
    draft_fn *done;
    void *user;
};

static void on_tried(void *user, enum draft_fate fate) {
    struct settling s = *(struct settling *)user;
    (void)fate; /* the draft says it */
    free(user);
    draft_store_get(s.room->store, str_of(s.id), s.done, s.user);
}

void draft_moves_settle(struct room *room, const struct draft *draft, draft_fn *done, void *user) {
    bool waits = draft->state != DRAFT_STATE_HELD || draft->hold_ms > 0;
    if (waits) {
        done(user, DRAFT_DONE, draft);
        return;
    }
    struct settling *s = mem_zalloc(1, sizeof(*s));
    *s = (struct settling){.room = room, .done = done, .user = user};
    memcpy(s->id, draft->id.p, draft->id.n < sizeof(s->id) ? draft->id.n : 0);
    draft_publish(room, str_of(s->id), on_tried, s);
}

/* --- send --- */

/* True when it may go on; else it was answered and `m` is gone. */
static bool is_cleared(struct move *m, const struct clearance *clearance) {
    if (clearance->status == 503) {
        draft_unavailable(move_end(m), "The store cannot be reached; try again.");
    } else if (clearance->status) {
        draft_refuse_all(move_end(m), clearance->status, "This key may not do that.",
                         clearance->problems);
    }
    return clearance->status == 0;
}

static void on_cleared(void *user, struct clearance *clearance) {
    struct move *m = user;
    if (!is_cleared(m, clearance)) {
        return;
    }
    struct args fields;
    struct buf canonical;
    args_init(&fields);
    draft_put_act(&fields, "submitted", m->call->key.id, m->call->key.name);
    draft_put_number(&fields, "hold_ms", draft_text_hold_ms(m->call->room, m->alert, true));
    draft_text_put_canonical(m->call->room, m->alert, &canonical);
    draft_put_text(&fields, "canonical", buf_str(&canonical));
    buf_finish(&canonical);
    draft_put_act(&fields, "approved", NULL, NULL);
    draft_put_number(&fields, "about", clearance->about);
    draft_put_number(&fields, "allow_duplicate", m->allow_duplicate);
    draft_put_text(&fields, "reason", STR(""));
    make(m, &fields, "draft.submitted", "", clearance->needs_approval);
    args_finish(&fields);
}

/* What is sent is this version, whole and with times that can be. */
static void send_draft(struct move *m, const struct draft *d) {
    const struct room *room = m->call->room;
    struct problem *p = problem_create();
    bool whole = alert_parse_request(room->t, d->body, &m->alert, p) == ERR_OK;
    if (whole) {
        draft_text_check_times(room, m->alert, p);
    }
    if (!problem_is_empty(p)) {
        draft_refuse_all(move_end(m), 422, "The draft cannot be sent like that.", p);
    } else if (!drafts_take_rate(m->call)) {
        (void)move_end(m);
    } else {
        clearance_ask(
            m->call->room, &m->call->key, m->alert,
            &(struct clearance_wish){.token = str_of(m->token), .token_pointer = "/confirm_token"},
            on_cleared, m);
    }
    problem_destroy(p);
}

static void on_draft_to_send(void *user, enum draft_result result, const struct draft *d) {
    struct move *m = user;
    bool is_there = result == DRAFT_DONE;
    if (is_there && d->state == DRAFT_STATE_DRAFT && d->version == m->version) {
        send_draft(m, d);
    } else if (is_there && d->submitted_from == m->version) {
        struct call *call = move_end(m); /* a repeat */
        draft_moves_settle(call->room, d, on_settled, call);
    } else if (is_there) {
        bool is_over = d->state >= DRAFT_STATE_SENT || d->version == m->version;
        draft_refuse_result(move_end(m), is_over ? DRAFT_WRONG : DRAFT_STALE, d);
    } else {
        draft_refuse_result(move_end(m), result, d);
    }
}

void draft_moves_send(struct room *room, struct http_request *rq) {
    struct move *m = begin(room, rq, DRAFT_SUBMIT, may_publish, "this key may not publish");
    if (m) {
        draft_store_get(room->store, str_of(m->id), on_draft_to_send, m);
    }
}

/* --- approve --- */

static void approve(struct move *m) {
    struct args fields;
    args_init(&fields);
    draft_put_act(&fields, "approved", m->call->key.id, m->call->key.name);
    make(m, &fields, "draft.approved", "", false);
    args_finish(&fields);
}

static void on_approver_scope(void *user, struct clearance *clearance) {
    struct move *m = user;
    if (is_cleared(m, clearance)) {
        approve(m);
    }
}

/* Who approves stands for the same audience; an admin for any. */
static void check_approver(struct move *m, const struct draft *d) {
    struct problem *ignored = problem_create();
    struct api_key key = m->call->key;
    key.scope.publish = true;
    if (key.scope.admin) {
        approve(m);
    } else if (alert_parse_request(m->call->room->t, d->body, &m->alert, ignored) == ERR_OK) {
        clearance_ask_scope(m->call->room, &key, m->alert, on_approver_scope, m);
    } else {
        refuse(m, 409, "", "faulty", draft_text_reason(STR("faulty")));
    }
    problem_destroy(ignored);
}

static void on_draft_to_approve(void *user, enum draft_result result, const struct draft *d) {
    struct move *m = user;
    if (result != DRAFT_DONE) {
        draft_refuse_result(move_end(m), result, d);
        return;
    }
    if (draft_is_own(d, str_of(m->call->key.id))) {
        draft_refuse_result(move_end(m), DRAFT_OWN, d);
    } else {
        check_approver(m, d);
    }
}

void draft_moves_approve(struct room *room, struct http_request *rq) {
    struct move *m = begin(room, rq, DRAFT_APPROVE, may_approve, "this key may not approve");
    if (m) {
        draft_store_get(room->store, str_of(m->id), on_draft_to_approve, m);
    }
}

/* --- back --- */

void draft_moves_reject(struct room *room, struct http_request *rq) {
    struct move *m = begin(room, rq, DRAFT_REJECT, may_approve, "this key may not approve");
    if (!m) {
        return;
    }
    struct args fields;
    struct buf detail;
    args_init(&fields);
    buf_init(&detail, 8 * REASON_BYTES_MAX);
    draft_put_act(&fields, "submitted", NULL, NULL);
    draft_put_text(&fields, "reason", str_of(m->reason));
    if (m->reason) {
        buf_puts(&detail, "\"reason\":");
        buf_put_json(&detail, str_of(m->reason));
    }
    make(m, &fields, "draft.rejected", detail.n ? detail.p : "", false);
    buf_finish(&detail);
    args_finish(&fields);
}

void draft_moves_cancel(struct room *room, struct http_request *rq) {
    struct move *m = begin(room, rq, DRAFT_CANCEL, may_stop, "this key may not publish");
    if (!m) {
        return;
    }
    struct args fields;
    args_init(&fields);
    draft_put_act(&fields, "submitted", NULL, NULL);
    draft_put_act(&fields, "approved", NULL, NULL);
    make(m, &fields, "draft.cancelled", "", false);
    args_finish(&fields);
}

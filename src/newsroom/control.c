#include "newsroom/control.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "model/alert.h"
#include "model/json.h"
#include "store/alert_store.h"
#include "store/push_control.h"

enum { WHICH_COUNT = 3 };

/* What a request may name; the first is meant when it names none. */
static const char *const which_names[WHICH_COUNT] = {"all", "apns", "fcm"};

static void refuse(struct call *call, int status, const char *detail, const struct problem *p) {
    metrics_add(M_CONTROL_REFUSED, 1);
    call_problem(call, status, detail, p);
}

static void answer_error(struct call *call, enum err err) {
    if (err == ERR_NOT_FOUND) {
        refuse(call, 404, "There is no such alert, or it is no longer kept.", NULL);
    } else {
        metrics_add(M_CONTROL_UNAVAILABLE, 1);
        call_unavailable(call, "The store cannot be reached; try again.");
    }
}

/* --- the head --- */

static void on_head_key(struct call *call) {
    if (call->rq) {
        struct api_key *key = mem_alloc(sizeof(*key));
        *key = call->key;
        http_keep(call->rq, key);
        http_continue(call->rq);
    }
    call_end(call);
}

void control_head(struct room *room, struct http_request *rq) {
    call_begin(room, rq, on_head_key);
}

/* --- the body --- */

struct wish {
    int which; /* of which_names */
    char *reason;
};

/* Reads an object of those members; false when the answer was given. */
static bool read_wish(struct call *call, const char *const *names, size_t count,
                      struct wish *out_wish) {
    struct str body = http_body(call->rq);
    struct problem *p = problem_create();
    struct cJSON *root = NULL;
    *out_wish = (struct wish){0};
    if (body.n && json_parse(body, "", &root, p) == ERR_OK) {
        const struct json_reader r = {.object = root, .pointer = "", .problems = p};
        if (json_is_object(&r)) {
            json_allow(&r, names, count);
            (void)json_read_name(&r, "platform", which_names, WHICH_COUNT, &out_wish->which);
            (void)json_read_text(&r, "reason", PUSH_REASON_BYTES_MAX, &out_wish->reason);
        }
    }
    bool fine = problem_is_empty(p);
    if (!fine) {
        free(out_wish->reason);
        refuse(call, body.n && !root ? 400 : 422, "The body has faults.", p);
    }
    json_destroy(root);
    problem_destroy(p);
    return fine;
}

/* --- abort --- */

struct abort_call {
    struct call *call;
    char id[UUID_BYTES];
};

static void on_stats(void *user, enum err err, struct str json) {
    struct call *call = user;
    if (err) {
        answer_error(call, err);
    } else {
        call_answer(call, json);
    }
}

static void on_aborted(void *user, enum err err, int64_t stopped) {
    struct abort_call a = *(struct abort_call *)user;
    struct call *call = a.call;
    free(user);
    if (err) {
        answer_error(call, err);
        return;
    }
    metrics_add(M_ALERTS_ABORTED, (uint64_t)(stopped > 0));
    log_info(stopped ? "alert_aborted" : "alert_abort_too_late", LOG_S("alert_id", a.id),
             LOG_S("key_id", call->key.id), LOG_I("revisions", stopped));
    alert_store_stats(call->room->store, call->room->t, str_of(a.id), 0, on_stats, call);
}

/* True when the key may; else the answer was given. */
static bool check_scope(struct call *call, struct str json) {
    struct problem *p = problem_create();
    struct alert *alert = NULL;
    if (!call->key.scope.admin) {
        if (alert_parse_stored(call->room->t, json, &alert)) {
            problem_add(p, "", "out_of_scope", "an alert that only an admin key can judge");
        } else {
            api_key_check_alert(&call->key.scope, call->room->t, alert, p);
        }
    }
    bool may = problem_is_empty(p);
    if (!may) {
        refuse(call, 403, "This key may not do that.", p);
    }
    alert_destroy(alert);
    problem_destroy(p);
    return may;
}

static void on_alert(void *user, enum err err, struct str json, struct position position) {
    struct abort_call *a = user;
    (void)position;
    if (err) {
        answer_error(a->call, err);
        free(a);
    } else if (!check_scope(a->call, json)) {
        free(a);
    } else {
        const struct audit_event event = call_event(a->call, "alert.aborted", a->id);
        push_control_abort(a->call->room->store, str_of(a->id), &event, on_aborted, a);
    }
}

void control_abort(struct room *room, struct http_request *rq) {
    struct call *call = call_of(room, rq, http_kept(rq));
    struct str id = http_path_param(rq, 0);
    struct wish wish;
    if (!read_wish(call, NULL, 0, &wish)) {
        return;
    }
    free(wish.reason);
    if (!codec_is_uuid(id)) {
        answer_error(call, ERR_NOT_FOUND);
        return;
    }
    struct abort_call *a = mem_zalloc(1, sizeof(*a));
    a->call = call;
    memcpy(a->id, id.p, id.n);
    alert_store_get(room->store, id, on_alert, a);
}

/* --- the switch --- */

static void on_switch(void *user, enum err err, struct str json) {
    struct call *call = user;
    if (err) {
        answer_error(call, err);
    } else {
        call_answer(call, json);
    }
}

static void read_with_key(struct call *call) {
    if (!call->key.scope.read && !call->key.scope.admin) {
        refuse(call, 403, "This key may not read.", NULL);
        return;
    }
    push_control_read(call->room->store, on_switch, call);
}

void control_read(struct room *room, struct http_request *rq) {
    call_begin(room, rq, read_with_key);
}

static void turn(struct room *room, struct http_request *rq, bool is_pause) {
    static const char *const names[] = {"platform", "reason"};
    struct call *call = call_of(room, rq, http_kept(rq));
    struct wish wish;
    if (!call->key.scope.admin) {
        refuse(call, 403, "Only a key with the scope admin may pause and resume pushes.", NULL);
        return;
    }
    if (!read_wish(call, names, sizeof(names) / sizeof(names[0]), &wish)) {
        return;
    }
    const char *which = which_names[wish.which];
    log_warn(is_pause ? "push_paused" : "push_resumed", LOG_S("platform", which),
             LOG_S("key_id", call->key.id), LOG_S("reason", wish.reason ? wish.reason : ""));
    const struct str reason = str_of(wish.reason ? wish.reason : "");
    const struct audit_event event =
        call_event(call, is_pause ? "push.paused" : "push.resumed", NULL);
    if (is_pause) {
        push_control_pause(room->store, which, reason, &event, on_switch, call);
    } else {
        push_control_resume(room->store, which, reason, &event, on_switch, call);
    }
    free(wish.reason);
}

void control_pause(struct room *room, struct http_request *rq) {
    turn(room, rq, true);
}

void control_resume(struct room *room, struct http_request *rq) {
    turn(room, rq, false);
}

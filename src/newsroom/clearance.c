#include "newsroom/clearance.h"

#include <stdlib.h>

#include "base/mem.h"
#include "newsroom/confirm.h"
#include "store/alert_store.h"

struct asking {
    struct room *room;
    struct api_key key;
    struct alert *alert; /* with all that it inherits */
    char *token;
    const char *token_pointer; /* NULL: only the scope is asked for */
    bool is_by_path;
    clearance_fn *done;
    void *user;
};

static void finish(struct asking *a, int status, struct problem *take_problems,
                   bool needs_approval) {
    /* What was shown is the next revision of one. */
    bool is_shown = a->alert->msg_type != MSG_ALERT && a->token && *a->token;
    struct clearance clearance = {.status = status,
                                  .problems = take_problems,
                                  .needs_approval = needs_approval,
                                  .about = is_shown ? a->alert->revision - 1 : 0};
    struct asking over = *a;
    free(a);
    over.done(over.user, &clearance);
    problem_destroy(clearance.problems);
    alert_destroy(over.alert);
    free(over.token);
}

static void refuse(struct asking *a, int status, const char *pointer, const char *code,
                   const char *detail) {
    struct problem *p = problem_create();
    problem_add(p, pointer, code, "%s", detail);
    finish(a, status, p, false);
}

static void on_confirmed(void *user, const struct confirm_verdict *verdict) {
    struct asking *a = user;
    if (verdict->status == 503) {
        finish(a, 503, NULL, false);
    } else if (verdict->status) {
        refuse(a, verdict->status, a->token_pointer, verdict->code, verdict->detail);
    } else {
        finish(a, 0, NULL, confirm_needs_approval(a->room, &a->key, a->alert, verdict->audience));
    }
}

static void check_scope(struct asking *a) {
    struct problem *p = problem_create();
    api_key_check_alert(&a->key.scope, a->room->t, a->alert, p);
    if (!problem_is_empty(p)) {
        finish(a, 403, p, false);
        return;
    }
    problem_destroy(p);
    if (a->token_pointer) {
        confirm_check(a->room, &a->key, a->alert, str_of(a->token), on_confirmed, a);
    } else {
        finish(a, 0, NULL, false);
    }
}

static void on_reference(void *user, enum err err, struct str json, struct position position) {
    struct asking *a = user;
    const char *pointer = a->is_by_path ? "{id}" : "/references/0";
    struct alert *previous = NULL;
    (void)position;
    if (err == ERR_OK) {
        err = alert_parse_stored(a->room->t, json, &previous);
    }
    if (err == ERR_NOT_FOUND) {
        refuse(a, a->is_by_path ? 404 : 422, pointer, "unknown_alert",
               "There is no such alert, or it is no longer kept.");
    } else if (err != ERR_OK) {
        finish(a, 503, NULL, false);
    } else if (previous->msg_type == MSG_CANCEL) {
        refuse(a, 409, pointer, "cancelled", "That alert is cancelled already.");
    } else if (alert_inherit(a->alert, previous) != ERR_OK) {
        refuse(a, 409, "/status", "status_differs",
               "The status must stay that of the alert referred to.");
    } else {
        check_scope(a);
    }
    alert_destroy(previous);
}

static void ask(struct asking *a) {
    if (a->alert->msg_type == MSG_ALERT) {
        check_scope(a);
    } else {
        alert_store_get(a->room->store, str_of(a->alert->reference), on_reference, a);
    }
}

static struct asking *asking_of(struct room *room, const struct api_key *key,
                                const struct alert *alert, clearance_fn *done, void *user) {
    struct asking *a = mem_zalloc(1, sizeof(*a));
    *a = (struct asking){
        .room = room, .key = *key, .alert = alert_copy(alert), .done = done, .user = user};
    return a;
}

void clearance_ask(struct room *room, const struct api_key *key, const struct alert *alert,
                   const struct clearance_wish *wish, clearance_fn *done, void *user) {
    struct asking *a = asking_of(room, key, alert, done, user);
    a->token = mem_strndup(wish->token.n ? wish->token.p : "", wish->token.n);
    a->token_pointer = wish->token_pointer;
    a->is_by_path = wish->is_by_path;
    ask(a);
}

void clearance_ask_scope(struct room *room, const struct api_key *key, const struct alert *alert,
                         clearance_fn *done, void *user) {
    ask(asking_of(room, key, alert, done, user));
}

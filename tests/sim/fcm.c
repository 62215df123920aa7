#include "fcm.h"

#include <stdlib.h>

#include "authorization.h"
#include "base/clock.h"
#include "base/mem.h"
#include "fcm_error.h"
#include "fcm_message.h"
#include "ledger.h"
#include "oauth.h"
#include "registry.h"

enum { QUOTA_RETRY_S = 60 };

static const char path_start[] = "/v1/projects/";
static const char path_end[] = "/messages:send";
static const char project_number[] = "100000000000";

struct fcm {
    struct sim *sim;
    struct fcm_messages *messages;
    struct rate_window quota;
};

struct fcm *fcm_create(struct sim *s) {
    struct fcm *f = mem_zalloc(1, sizeof(*f));
    f->sim = s;
    f->messages = fcm_messages_create(s->ledger);
    return f;
}

void fcm_destroy(struct fcm *f) {
    if (f) {
        fcm_messages_destroy(f->messages);
        free(f);
    }
}

void fcm_reset(struct fcm *f) {
    fcm_messages_destroy(f->messages);
    f->messages = fcm_messages_create(f->sim->ledger);
    f->quota = (struct rate_window){0};
}

void fcm_answer_named(struct stream *st, int status, const char *name) {
    enum fcm_kind kind = fcm_find_kind(str_of(name));
    fcm_error_answer(st, kind == FCM_KIND_COUNT ? FCM_UNAVAILABLE : kind, status, NULL);
}

/* The project of the path; p == NULL when it is another path. */
static struct str project_of(struct str path) {
    struct str start = {path_start, sizeof(path_start) - 1};
    struct str end = {path_end, sizeof(path_end) - 1};
    if (path.n <= start.n + end.n || !str_starts(path, start) ||
        !str_eq((struct str){path.p + path.n - end.n, end.n}, end)) {
        return (struct str){NULL, 0};
    }
    return (struct str){path.p + start.n, path.n - start.n - end.n};
}

static bool check_bearer(struct fcm *f, struct stream *st) {
    struct authorization *auth = st->request.authorization;
    if (!auth) {
        fcm_error_answer(st, FCM_BEARER_MISSING, 0, NULL);
        return false;
    }
    if (!auth->token) {
        auth->token = oauth_find_token(f->sim->oauth, auth->text);
    }
    if (!auth->token) {
        fcm_error_answer(st, FCM_UNAUTHENTICATED, 0, NULL);
        return false;
    }
    if (auth->token->expires_ms <= sim_clock_ms(f->sim)) {
        fcm_error_answer(st, FCM_BEARER_EXPIRED, 0, NULL);
        return false;
    }
    if (!auth->token->may_send) {
        fcm_error_answer(st, FCM_PERMISSION_DENIED, 0, NULL);
        return false;
    }
    return true;
}

/* Path, method, bearer, project, content type, quota, in this order. */
static bool check_request(struct fcm *f, struct stream *st) {
    const struct str *h = st->request.header;
    struct str project = project_of(h[H_PATH]);
    struct fault *quota = &st->conn->listener->faults[F_QUOTA];
    if (!project.p || !str_eq(h[H_METHOD], STR("POST"))) {
        fcm_error_answer(st, FCM_HTML_404, 0, NULL);
        return false;
    }
    if (!check_bearer(f, st)) {
        return false;
    }
    if (!str_eq(project, STR(SIM_PROJECT)) && !str_eq(project, str_of(project_number))) {
        fcm_error_answer(st, FCM_NOT_FOUND, 0, NULL);
        return false;
    }
    if (!str_starts(h[H_CONTENT_TYPE], STR("application/json"))) {
        static const struct fcm_violation type = {"",
                                                  "Invalid content type; want application/json."};
        fcm_error_answer(st, FCM_PARSE, 0, &type);
        return false;
    }
    if (fault_is_on(quota) && fault_over_rate(quota, &f->quota, clock_mono_ms())) {
        fault_count(quota);
        fcm_error_answer(st, FCM_PROJECT_QUOTA, 0, NULL);
        st->answer.retry_after = quota->retry_after >= 0 ? quota->retry_after : QUOTA_RETRY_S;
        return false;
    }
    return true;
}

/* What the token's registration brings: FCM_KIND_COUNT = good. `out_deliver` is also set for an
 * error that comes after delivery. */
static enum fcm_kind judge_token(struct fcm *f, struct stream *st, struct str token,
                                 struct fcm_violation *out, bool *out_deliver) {
    struct token_rule rule = registry_take(f->sim->registry, PROVIDER_FCM, token);
    st->answer.retry_after = rule.retry_after;
    *out_deliver = false;
    switch (rule.behaviour) {
    case TOKEN_UNREGISTERED:
        return FCM_UNREGISTERED;
    case TOKEN_BAD:
        *out = (struct fcm_violation){
            "message.token", "The registration token is not a valid FCM registration token"};
        return FCM_INVALID_ARGUMENT;
    case TOKEN_WRONG_SENDER:
        return FCM_SENDER_ID_MISMATCH;
    case TOKEN_APNS_UNREGISTERED:
        return FCM_APNS;
    case TOKEN_THIRD_PARTY_AUTH:
        return FCM_THIRD_PARTY_AUTH;
    case TOKEN_TOO_MANY:
        return FCM_QUOTA;
    case TOKEN_INTERNAL:
        return FCM_INTERNAL;
    case TOKEN_UNAVAILABLE:
        return FCM_UNAVAILABLE;
    case TOKEN_ACCEPTED_UNAVAILABLE:
        *out_deliver = true;
        return FCM_UNAVAILABLE;
    case TOKEN_SILENT:
        st->answer.silent = true;
        return FCM_KIND_COUNT;
    case TOKEN_OK:
    case TOKEN_EXPIRED:
    case TOKEN_WRONG_TOPIC:
    case TOKEN_WRONG_ENVIRONMENT:
    case TOKEN_BEHAVIOUR_COUNT:
        break;
    }
    *out_deliver = true;
    if (fault_fires(&st->conn->listener->faults[F_ACCEPT_THEN_503], &f->sim->rng)) {
        return FCM_UNAVAILABLE;
    }
    return FCM_KIND_COUNT;
}

static void deliver(struct fcm *f, struct stream *st, const struct fcm_form *form,
                    struct str target, int status) {
    const struct ledger_entry entry = {
        .provider = PROVIDER_FCM,
        .token = target,
        .collapse_id = form->collapse_key,
        .topic = STR(SIM_PROJECT),
        .push_type = STR(""),
        .priority = str_of(form->priority),
        .payload = form->payload,
        .expiration = form->ttl_s,
        .status = status,
        .connection = st->conn->id,
    };
    ledger_add(f->sim->ledger, &entry);
    st->answer.accepted = true;
}

static void answer_name(struct fcm *f, struct stream *st, bool validate_only) {
    struct answer *a = &st->answer;
    a->status = 200;
    a->content_type = "application/json; charset=UTF-8";
    buf_clear(&a->body);
    if (validate_only) {
        buf_puts(&a->body,
                 "{\n  \"name\": \"projects/" SIM_PROJECT "/messages/fake_message_id\"\n}\n");
        return;
    }
    buf_printf(&a->body,
               "{\n  \"name\": \"projects/" SIM_PROJECT "/messages/0:%lld%%%016llx\"\n}\n",
               (long long)clock_wall_ms() * 1000, (unsigned long long)rng_next(&f->sim->rng));
}

void fcm_handle(struct fcm *f, struct stream *st) {
    struct fcm_violation violation;
    enum fcm_kind kind;
    struct str target;
    bool deliver_it;
    if (!check_request(f, st)) {
        return;
    }
    if (st->request.body.overflow) {
        violation = (struct fcm_violation){"", "Request payload size exceeds the limit."};
        fcm_error_answer(st, FCM_PARSE, 0, &violation);
        return;
    }
    const struct fcm_form *form =
        fcm_message_read(f->messages, buf_str(&st->request.body), &target, &kind, &violation);
    if (!form) {
        fcm_error_answer(st, kind, 0, &violation);
        return;
    }
    violation.text[0] = '\0';
    kind = judge_token(f, st, target, &violation, &deliver_it);
    bool dry = form->validate_only;
    if (deliver_it && !dry) {
        deliver(f, st, form, target, kind == FCM_KIND_COUNT ? 200 : 503);
    }
    st->conn->listener->stats.validated_only += dry;
    if (kind != FCM_KIND_COUNT) {
        fcm_error_answer(st, kind, 0, &violation);
    } else {
        answer_name(f, st, dry);
    }
}

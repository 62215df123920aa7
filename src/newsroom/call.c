#include "newsroom/call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"

struct opening {
    struct call *call;
    call_fn *then;
    bool needs_read;
};

static void on_client_gone(void *user) {
    struct call *call = user;
    call->rq = NULL;
}

struct call *call_of(struct room *room, struct http_request *rq, const struct api_key *key) {
    struct call *call = mem_zalloc(1, sizeof(*call));
    *call = (struct call){.room = room, .rq = rq, .started_us = clock_mono_us()};
    if (key) {
        call->key = *key;
    }
    http_defer(rq, on_client_gone, call);
    return call;
}

struct audit_event call_event(const struct call *call, const char *action, const char *alert_id) {
    return (struct audit_event){
        .action = action, .key_id = call->key.id, .key_name = call->key.name, .alert_id = alert_id};
}

bool call_is_json(const struct http_request *rq) {
    struct str rest = http_header(rq, "Content-Type");
    struct str type;
    return str_split(&rest, ';', &type) && str_ieq(str_trim(type), STR("application/json"));
}

bool call_take_rate(struct call *call) {
    int64_t wait_ms = key_rate_take(call->room->rate, str_of(call->key.id), clock_mono_ms());
    if (wait_ms > 0 && call->rq) {
        char seconds[24];
        (void)snprintf(seconds, sizeof(seconds), "%" PRId64, (wait_ms + 999) / 1000);
        http_add_header(call->rq, "Retry-After", seconds);
    }
    return wait_ms <= 0;
}

void call_end(struct call *call) {
    free(call);
}

void call_answer(struct call *call, struct str json) {
    if (call->rq) {
        http_answer(call->rq, 200, "application/json", json);
    }
    call_end(call);
}

void call_problem(struct call *call, int status, const char *detail, const struct problem *p) {
    if (call->rq) {
        http_problem(call->rq, status, NULL, detail, p);
    }
    call_end(call);
}

void call_problem_at(struct call *call, int status, const char *pointer, const char *code,
                     const char *detail) {
    struct problem *p = problem_create();
    problem_add(p, pointer, code, "%s", detail);
    call_problem(call, status, detail, p);
    problem_destroy(p);
}

void call_unavailable(struct call *call, const char *detail) {
    if (call->rq) {
        http_add_header(call->rq, "Retry-After", "1");
    }
    call_problem(call, 503, detail, NULL);
}

static void refuse_key(struct call *call) {
    metrics_add(M_KEYS_REFUSED, 1);
    if (call->rq) {
        http_add_header(call->rq, "WWW-Authenticate", "Bearer");
    }
    call_problem(call, 401, "A valid key is needed: Authorization: Bearer tcn_...", NULL);
}

/* The key is good. */
static void proceed(const struct opening *opening, const struct api_key *key) {
    struct call *call = opening->call;
    if (opening->needs_read && !key->scope.read) {
        call_problem(call, 403, "This key may not read.", NULL);
    } else {
        call->key = *key;
        opening->then(call);
    }
}

static void on_key(void *user, enum err err, const struct api_key *key) {
    struct opening opening = *(struct opening *)user;
    free(user);
    if (err == ERR_DENIED) {
        refuse_key(opening.call);
    } else if (err != ERR_OK) {
        call_unavailable(opening.call, "The key cannot be checked right now; try again.");
    } else {
        proceed(&opening, key);
    }
}

/* --- sessions --- */

struct session_life call_session_life(const struct room *room) {
    return (struct session_life){room->cfg->newsroom_session_idle_s,
                                 room->cfg->newsroom_session_max_s};
}

static void refuse_session(struct call *call) {
    metrics_add(M_SESSIONS_REFUSED, 1);
    if (call->rq) {
        browser_set_session(call->rq, NULL);
    }
    call_problem_at(call, 401, "Cookie", "no_session", "The session is over; sign in again.");
}

static void on_closed(void *user, enum err err) {
    struct call *call = user;
    (void)err; /* its key is revoked, so it is good for nothing even if it could not be removed */
    refuse_session(call);
}

static void close_for_good(struct call *call) {
    struct audit_event event = call_event(call, "session.closed", NULL);
    event.detail_json = STR("{\"why\":\"key_revoked\"}");
    session_store_close(call->room->store, call->session.id, &event, on_closed, call);
}

static void on_session(void *user, enum err err, struct str key_json, int64_t expires_ms) {
    struct opening opening = *(struct opening *)user;
    struct call *call = opening.call;
    struct api_key key;
    free(user);
    if (err == ERR_NOT_FOUND || (!err && api_key_parse_json(call->room->t, key_json, &key))) {
        refuse_session(call);
    } else if (err) {
        call_unavailable(call, "The session cannot be checked right now; try again.");
    } else if (key.revoked || !key.scope.person) {
        call->key = key;
        close_for_good(call);
    } else {
        call->session.expires_ms = expires_ms;
        proceed(&opening, &key);
    }
}

static void begin_session(struct opening *take_opening, struct str token) {
    struct call *call = take_opening->call;
    if (!browser_may_call(call->rq, token)) {
        free(take_opening);
        metrics_add(M_CSRF_REFUSED, 1);
        call_problem_at(call, 403, "X-CSRF-Token", "csrf",
                        "With the session's cookie this call needs the header X-CSRF-Token, and "
                        "must come from a page of this address.");
        return;
    }
    const struct session_life life = call_session_life(call->room);
    codec_sha256_hex(token, call->session.id);
    browser_make_csrf(token, call->session.csrf);
    session_store_check(call->room->store, call->session.id, &life, on_session, take_opening);
}

/* --- beginning --- */

/* The token of "Bearer <token>" (RFC 6750 section 2.1), else empty. */
static struct str bearer_of(const struct http_request *rq) {
    struct str rest = http_header(rq, "Authorization");
    struct str scheme;
    if (!str_split(&rest, ' ', &scheme) || !str_ieq(scheme, STR("Bearer"))) {
        return (struct str){"", 0};
    }
    return str_trim(rest);
}

static void begin(struct room *room, struct http_request *rq, bool needs_read, call_fn *then) {
    struct opening *opening = mem_zalloc(1, sizeof(*opening));
    *opening = (struct opening){call_of(room, rq, NULL), then, needs_read};
    struct str session = browser_session(rq);
    if (session.p && !http_header(rq, "Authorization").p) {
        begin_session(opening, session);
    } else {
        key_cache_check(room->keys, bearer_of(rq), on_key, opening);
    }
}

void call_begin(struct room *room, struct http_request *rq, call_fn *then) {
    begin(room, rq, false, then);
}

void call_begin_read(struct room *room, struct http_request *rq, call_fn *then) {
    begin(room, rq, true, then);
}

#pragma once
/* One request of the newsroom API with the key it came with. The client may leave while Redis
 * works: `rq` is NULL from then on and the answers below are dropped. */
#include <stdbool.h>
#include <stdint.h>

#include "auth/api_key.h"
#include "base/config.h"
#include "model/problem.h"
#include "model/taxonomy.h"
#include "net/http_server.h"
#include "newsroom/browser.h"
#include "newsroom/key_cache.h"
#include "newsroom/key_rate.h"
#include "store/audit.h"
#include "store/session_store.h"
#include "store/store.h"

struct stats_streams;

/* The session of a call that came with the console's cookie. */
struct call_session {
    char id[SESSION_ID_BYTES]; /* "" = the call came with a key */
    char csrf[BROWSER_TOKEN_BYTES];
    int64_t expires_ms;
};

/* What the handlers share; newsroom.c owns it. */
struct room {
    const struct config *cfg;
    const struct taxonomy *t;
    struct store *store;
    struct key_cache *keys;
    struct key_rate *rate;
    struct key_rate *sign_ins; /* by address */
    struct stats_streams *streams;
    int64_t previews;       /* under way */
    int64_t audit_verifies; /* likewise */
};

struct call {
    struct room *room;
    struct http_request *rq;
    struct api_key key;
    struct call_session session; /* only until the head was judged, not with call_of */
    int64_t started_us;
};

typedef void call_fn(struct call *call);

/* Checks the key of the request, or the session that its cookie names, then calls `then`, which
 * ends the call sooner or later with one of the functions below. Without a good one the answer is
 * 401, without Redis 503. A key in the Authorization header comes first. A session's call that may
 * come from another site's page is answered 403 (browser.h). */
void call_begin(struct room *room, struct http_request *rq, call_fn *then);
/* The same, and 403 for a key without the scope read. */
void call_begin_read(struct room *room, struct http_request *rq, call_fn *then);
/* A call whose key was checked before; defers the request. */
struct call *call_of(struct room *room, struct http_request *rq, const struct api_key *key);

/* An entry of the audit log about what this call does, without detail; `alert_id` may be NULL. Its
 * texts are the call's. */
struct audit_event call_event(const struct call *call, const char *action, const char *alert_id);

/* True when the request says that its body is JSON. */
bool call_is_json(const struct http_request *rq);
struct session_life call_session_life(const struct room *room);

/* True when the key may post or write now; else the answer to come, a 429, says when again. */
bool call_take_rate(struct call *call);

/* Ends without an answer of its own (http_continue was called). */
void call_end(struct call *call);
/* 200 with a JSON body. */
void call_answer(struct call *call, struct str json);
/* `p` may be NULL and stays the caller's. */
void call_problem(struct call *call, int status, const char *detail, const struct problem *p);
/* The same with one fault. */
void call_problem_at(struct call *call, int status, const char *pointer, const char *code,
                     const char *detail);
/* 503 with Retry-After. */
void call_unavailable(struct call *call, const char *detail);

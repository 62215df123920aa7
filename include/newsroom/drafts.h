#pragma once
/* Drafts as the newsroom API keeps them: making, reading, editing, discarding. What takes them on
 * their way is in draft_moves.h. */
#include "newsroom/call.h"

/* on_head of POST and PUT: key and Content-Type. */
void drafts_head(struct room *room, struct http_request *rq);
/* POST /v1/drafts: the members of an alert, any of them missing. Scope publish. An Idempotency-Key
 * is welcome, not required. */
void drafts_post(struct room *room, struct http_request *rq);
/* GET /v1/drafts?state=open&limit=50&before=<next of the former page>, newest first. */
void drafts_list(struct room *room, struct http_request *rq);
/* GET /v1/drafts/{id} */
void drafts_get(struct room *room, struct http_request *rq);
/* PUT /v1/drafts/{id} with If-Match: what was on its way is a draft again. */
void drafts_put(struct room *room, struct http_request *rq);
/* DELETE /v1/drafts/{id}, with If-Match or without. */
void drafts_delete(struct room *room, struct http_request *rq);

/* The {id} of the path; p NULL (and the call ended with 404) when it cannot be one. */
struct str drafts_id_of(struct call *call);
/* True when the key may post now; else 429 was answered. */
bool drafts_take_rate(struct call *call);
/* "5" or 5 → 5; false for anything else. */
bool drafts_parse_version(struct str text, int64_t *out_version);

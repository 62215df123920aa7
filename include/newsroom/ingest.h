#pragma once
/* POST /v1/alerts, /v1/alerts/{id}:update and :retract. In this order: 401, 415, 413, 400, 422,
 * 403, 429, the confirmation (428, 409), then the store decides. */
#include "newsroom/call.h"

/* Key and Content-Type, before the body is read. */
void ingest_head(struct room *room, struct http_request *rq);
/* The rest; the request was through ingest_head. A client that leaves now does not stop it. */
void ingest_post(struct room *room, struct http_request *rq);
/* The same for an update or a cancel of the alert that the path names. */
void ingest_update(struct room *room, struct http_request *rq);
void ingest_retract(struct room *room, struct http_request *rq);
/* True for what may stand in the header Idempotency-Key. */
bool ingest_is_idempotency_key(struct str key);

#pragma once
/* What the newsroom reads: alerts, their statistics, the taxonomy. All but the taxonomy need a
 * key with the scope read. */
#include "newsroom/call.h"

/* GET /v1/alerts?limit=20&before=<position>, newest first; what a later revision replaced or took
 * back says so. */
void reads_list(struct room *room, struct http_request *rq);
/* GET /v1/alerts/{id}: the latest revision. */
void reads_alert(struct room *room, struct http_request *rq);
/* GET /v1/alerts/{id}/revisions, the first first. */
void reads_revisions(struct room *room, struct http_request *rq);
/* GET /v1/alerts/{id}/stats?revision=n */
void reads_stats(struct room *room, struct http_request *rq);
/* The {id} and ?revision (0 = the latest) of a request for statistics; false when the call was
 * ended with an answer. */
bool reads_stats_wish(struct call *call, struct str *out_id, uint32_t *out_revision);
/* Ends a call: 404 for ERR_NOT_FOUND, else 503. */
void reads_answer_error(struct call *call, enum err err);
/* GET /v1/taxonomy, for anybody. */
void reads_taxonomy(struct room *room, struct http_request *rq);

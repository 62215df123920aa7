#pragma once
/* What the audit log says, for keys with the scope read or admin. */
#include "newsroom/call.h"

/* GET /v1/audit?limit=50&before=<seq>&alert=<id>, newest first. With `alert` a page may be short,
 * or empty, and yet name a `before`: so far was looked. */
void audit_api_list(struct room *room, struct http_request *rq);
/* GET /v1/audit:verify?anchor=<seq>:<hash>: computes the chain anew. */
void audit_api_verify(struct room *room, struct http_request *rq);

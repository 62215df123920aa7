#pragma once
/* What takes a draft on its way and back: send, approve, reject, cancel. Each is one atomic move
 * from one version; a repeat from that version is answered as the first time. */
#include "newsroom/call.h"
#include "store/draft_store.h"

/* on_head of these. */
void draft_moves_head(struct room *room, struct http_request *rq);
/* POST /v1/drafts/{id}:send {"version", "confirm_token", "allow_duplicate"}, scope publish: 202
 * with the draft held, scheduled, awaiting approval or, when there is nothing to wait for, sent. */
void draft_moves_send(struct room *room, struct http_request *rq);
/* POST …:approve {"version"}: scope approve or admin, by another than who wrote or sent it. */
void draft_moves_approve(struct room *room, struct http_request *rq);
/* POST …:reject {"version", "reason"}: the same scope. A draft again. */
void draft_moves_reject(struct room *room, struct http_request *rq);
/* POST …:cancel {"version"} (or whichever): undo. A draft again. Scope publish, approve or admin.
 */
void draft_moves_cancel(struct room *room, struct http_request *rq);

/* Sends at once what waits for nothing, then `done` with the draft as it is. `draft` was just
 * submitted or approved; it may come at once. */
void draft_moves_settle(struct room *room, const struct draft *draft, draft_fn *done, void *user);

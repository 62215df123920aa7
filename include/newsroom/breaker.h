#pragma once
/* The breaker of a key. POST /v1/keys/{id}:reset-breaker, scope admin: lets a key that ran away
 * send again. What was sent with it is not looked at. Comes after control_head. */
#include "newsroom/call.h"
#include "store/alert_store.h"

/* Counts and logs a publish that was refused because of the breaker of its key. */
void breaker_note(const struct config *cfg, const char *key_id, enum publish_status status);
void breaker_reset(struct room *room, struct http_request *rq);

#pragma once
/* POST /v1/alerts:preview: whom an alert would reach if it were posted now. Checked like a post,
 * but needs no Idempotency-Key, changes nothing and suits a key that may only read. */
#include "newsroom/call.h"

void preview_post(struct room *room, struct http_request *rq);

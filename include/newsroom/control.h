#pragma once
/* What the newsroom stops: the pushes of one alert, and those of a platform. */
#include "newsroom/call.h"

/* on_head of the POST routes below: refuses what has no key before the body is read. */
void control_head(struct room *room, struct http_request *rq);
/* POST /v1/alerts/{id}:abort, no body or {}: answers the alert's statistics as they are then. For
 * keys that may publish such an alert, or administer. May be repeated. */
void control_abort(struct room *room, struct http_request *rq);
/* GET /v1/push: which platforms are paused, since when, by whom and why. Scope read or admin. */
void control_read(struct room *room, struct http_request *rq);
/* POST /v1/push:pause and /v1/push:resume, {"platform": "apns", "fcm" or "all" (the default),
 * "reason": text}: answers as control_read. Scope admin. */
void control_pause(struct room *room, struct http_request *rq);
void control_resume(struct room *room, struct http_request *rq);

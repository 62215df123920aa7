#pragma once
/* How a person signs in to the console, with a key of his own, and out. */
#include "newsroom/call.h"

/* POST /v1/session {"key": "tcn_…"}: answers as session_get, with the cookie. Only for keys made
 * with
 * --person; attempts are limited by address. */
void session_post(struct room *room, struct http_request *rq);
/* GET /v1/session: who that is, what he may, the CSRF token. */
void session_get(struct room *room, struct http_request *rq);
/* DELETE /v1/session */
void session_delete(struct room *room, struct http_request *rq);

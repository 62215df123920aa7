#pragma once
/* Answers that several HTTP endpoints of the gateway share. */
#include <stdbool.h>

#include "gateway/params.h"
#include "net/http_server.h"

/* 503 with Retry-After. */
void http_reply_busy(struct http_request *rq, const char *detail);
/* The credentials of `Authorization: Bearer` (RFC 6750 section 2.1), p == NULL when the header is
 * absent. False when it is there and something else. */
bool http_reply_bearer(const struct http_request *rq, struct str *out_credentials);
/* Does the request say that its body is JSON? */
bool http_reply_is_json(const struct http_request *rq);
/* Feeds every query parameter of the request to `params`. */
void http_reply_params(const struct http_request *rq, struct params *params);
/* 200 with a JSON body, not to be cached. */
void http_reply_json(struct http_request *rq, struct str json);

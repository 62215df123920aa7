#pragma once
/* GET /v1/events: readers over server-sent events. */
#include <stddef.h>

#include "gateway/hub.h"
#include "net/http_server.h"

struct sse_options {
    struct hub *hub;
    size_t readers_max; /* 503 above */
    size_t queue_bytes; /* unsent bytes kept for one reader */
};

/* Answers the request: problem+json, or an endless stream. */
void sse_open(const struct sse_options *options, struct http_request *rq);

#pragma once
/* GET /v1/alerts: with `after`, a long-poll (one answer with everything since, or a wait for the
 * next); without, the ticker (the newest alerts). */
#include <stddef.h>
#include <stdint.h>

#include "gateway/hub.h"
#include "net/http_server.h"

struct longpoll_options {
    struct hub *hub;
    size_t readers_max; /* 503 above */
    int64_t wait_max_s;
};

/* Answers the request, now or later. */
void longpoll_open(const struct longpoll_options *options, struct http_request *rq);

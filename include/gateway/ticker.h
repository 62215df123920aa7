#pragma once
/* The newest alerts of a filter, from the ring: for pages that show a line of breaking news. */
#include "gateway/hub.h"
#include "gateway/params.h"
#include "net/http_server.h"

/* Latest revision of each alert, cancelled ones left out, newest first, params->limit at most. */
void ticker_answer(struct hub *h, struct http_request *rq, const struct params *params);

#pragma once
/* Handlers of /metrics, /healthz and /readyz for any http_server; `user` is ignored. */
#include "net/http_server.h"

/* The whole metrics page (Prometheus text format 0.0.4), all workers summed. */
void ops_metrics(void *user, struct http_request *rq);
/* 200 while this process runs. */
void ops_healthz(void *user, struct http_request *rq);
/* All workers of this machine: 200 when every one is ready, else 503;
 * {"ready","reasons":[…],"workers":[{"role","worker","pid","ready","reason","restarts"}]}. */
void ops_readyz(void *user, struct http_request *rq);
/* The same of the answering worker alone: a load balancer asks each one behind a shared port. */
void ops_readyz_worker(void *user, struct http_request *rq);

#pragma once
/* POST /v1/receipts: what a device received and opened, counted once each. */
#include "gateway/receipts.h"
#include "net/http_server.h"

struct receipt_api {
    struct receipts *receipts;
    int64_t batch_max;
};

void receipt_api_post(const struct receipt_api *api, struct http_request *rq);
/* Largest body that `batch_max` receipts can need. */
int64_t receipt_api_body_max(int64_t batch_max);

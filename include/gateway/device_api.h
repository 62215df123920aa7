#pragma once
/* PUT, GET and DELETE /v1/devices/{id}. A device is changed with the secret of its first
 * registration; only the secret's SHA-256 is stored. */
#include "model/taxonomy.h"
#include "net/http_server.h"
#include "store/store.h"

struct device_api {
    const struct taxonomy *taxonomy;
    struct store *store;
};

/* All answer later; `api` must live until the store was destroyed. */
void device_api_put(const struct device_api *api, struct http_request *rq);
void device_api_get(const struct device_api *api, struct http_request *rq);
void device_api_delete(const struct device_api *api, struct http_request *rq);

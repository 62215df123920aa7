#pragma once
/* What the public listener serves besides WebSocket, on each of its ports. */
#include "gateway/device_api.h"
#include "gateway/longpoll.h"
#include "gateway/receipt_api.h"
#include "gateway/sse.h"
#include "net/http_server.h"

/* The `user` of the routes' handlers. */
struct routes {
    const struct taxonomy *taxonomy;
    struct sse_options sse;
    struct longpoll_options longpoll;
    struct device_api devices;
    struct receipt_api receipts;
    int64_t device_body_max;
    bool own_pages; /* only pages of origins that were named register devices */
    /* Why the worker is not ready; "" when it is. */
    const char *(*not_ready)(void *user);
    void *user;
};

/* As one array for http_server_create; free() it. */
struct http_route *routes_make(const struct routes *r, size_t *out_count);

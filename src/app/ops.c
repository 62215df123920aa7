#include "app/ops.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "net/http_port.h"
#include "net/ops_routes.h"

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/metrics", .handler = ops_metrics},
    {.method = "GET", .pattern = "/healthz", .handler = ops_healthz},
    {.method = "GET", .pattern = "/readyz", .handler = ops_readyz},
};

struct ops {
    struct http_port *port;
    void (*on_stopped)(void *user);
    void *user;
};

enum err ops_create(uv_loop_t *loop, const struct config *cfg, struct ops **out_ops) {
    struct ops *o = mem_zalloc(1, sizeof(*o));
    struct http_port_options options = {
        .listener = {.address = cfg->ops_listen},
        .server = {.header_max_bytes = cfg->ops_header_max_bytes,
                   .request_timeout_s = cfg->ops_request_timeout_s,
                   .connections_max = (unsigned)cfg->ops_connections_max},
    };
    enum err err =
        http_port_create(loop, &options, routes, sizeof(routes) / sizeof(routes[0]), o, &o->port);
    if (err) {
        ops_destroy(o);
        return err;
    }
    metrics_set_health("");
    *out_ops = o;
    return ERR_OK;
}

static void on_port_gone(void *user) {
    struct ops *o = user;
    o->port = NULL;
    o->on_stopped(o->user);
}

void ops_stop(struct ops *o, void (*on_stopped)(void *user), void *user) {
    o->on_stopped = on_stopped;
    o->user = user;
    metrics_set_health("stopping");
    http_port_destroy(o->port, on_port_gone, o);
}

void ops_destroy(struct ops *o) {
    if (!o) {
        return;
    }
    http_port_destroy(o->port, NULL, NULL);
    free(o);
}

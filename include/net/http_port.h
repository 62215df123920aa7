#pragma once
/* A listener whose connections all go to one HTTP server of its own. */
#include "net/http_server.h"
#include "net/listener.h"

struct http_port;

struct http_port_options {
    struct listener_options listener;  /* `peek` stays off */
    struct http_server_options server; /* on_closed and closed_user are the port's */
};

/* `routes` and `user` as for http_server_create. */
MUST_CHECK enum err http_port_create(uv_loop_t *loop, const struct http_port_options *options,
                                     const struct http_route *routes, size_t route_count,
                                     void *user, struct http_port **out_port);
/* Accepts no more connections and answers new requests 503. Accepts NULL. */
void http_port_drain(struct http_port *port);
/* Accepts no more connections, but serves those it has (http_server_wind_down). Accepts NULL. */
void http_port_wind_down(struct http_port *port);
/* As http_server_destroy, of both. Accepts NULL; then `on_gone` is not called. */
void http_port_destroy(struct http_port *port, void (*on_gone)(void *user), void *user);
/* Requests under way; 0 for NULL. */
unsigned http_port_request_count(const struct http_port *port);

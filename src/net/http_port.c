#include "net/http_port.h"

#include <stdlib.h>

#include "base/mem.h"

struct http_port {
    struct listener *listener;
    struct http_server *server;
    void (*on_gone)(void *user);
    void *gone_user;
};

static void on_closed(void *user, const struct sockaddr_storage *peer) {
    const struct http_port *port = user;
    if (port->listener) {
        listener_closed(port->listener, peer);
    }
}

static void on_socket(void *user, int take_fd, const struct sockaddr_storage *peer,
                      socklen_t peer_size, struct str request_line) {
    struct http_port *port = user;
    (void)request_line;
    /* A full server has closed the socket; the client comes again. */
    if (http_server_adopt(port->server, take_fd, (const struct sockaddr *)peer, peer_size) !=
        ERR_OK) {
        on_closed(port, peer);
    }
}

enum err http_port_create(uv_loop_t *loop, const struct http_port_options *options,
                          const struct http_route *routes, size_t route_count, void *user,
                          struct http_port **out_port) {
    struct http_port *port = mem_zalloc(1, sizeof(*port));
    struct http_server_options server = options->server;
    server.on_closed = on_closed;
    server.closed_user = port;
    enum err err = http_server_create(loop, &server, routes, route_count, user, &port->server);
    if (err == ERR_OK) {
        err = listener_create(loop, &options->listener, on_socket, port, &port->listener);
    }
    if (err != ERR_OK) {
        http_port_destroy(port, NULL, NULL);
        return err;
    }
    *out_port = port;
    return ERR_OK;
}

void http_port_drain(struct http_port *port) {
    if (!port) {
        return;
    }
    listener_destroy(port->listener);
    port->listener = NULL;
    http_server_drain(port->server);
}

void http_port_wind_down(struct http_port *port) {
    if (port) {
        listener_drain(port->listener, 0);
        http_server_wind_down(port->server);
    }
}

static void on_server_gone(void *user) {
    struct http_port *port = user;
    if (port->on_gone) {
        port->on_gone(port->gone_user);
    }
    free(port);
}

void http_port_destroy(struct http_port *port, void (*on_gone)(void *user), void *user) {
    if (!port) {
        return;
    }
    port->on_gone = on_gone;
    port->gone_user = user;
    listener_destroy(port->listener);
    port->listener = NULL;
    if (port->server) {
        http_server_destroy(port->server, on_server_gone, port);
    } else {
        free(port);
    }
}

unsigned http_port_request_count(const struct http_port *port) {
    return port ? http_server_request_count(port->server) : 0;
}

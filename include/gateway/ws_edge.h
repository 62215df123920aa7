#pragma once
/* libwebsockets on the loop: takes sockets whose first request is GET /v1/stream and makes them
 * readers. Only this file and ws_contexts know the library; it parses nothing but WebSocket
 * upgrades, as its HTTP side cannot be trusted with anything else. */
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <uv.h>

#include "base/err.h"
#include "gateway/hub.h"
#include "model/taxonomy.h"
#include "net/origins.h"
#include "net/tls_server.h"

struct ws_edge;

struct ws_edge_options {
    const struct taxonomy *taxonomy;
    struct hub *hub;
    size_t connections_max;
    size_t descriptors_beside; /* that the rest of the process may have open */
    unsigned handshakes_max;
    unsigned handshake_timeout_s;
    size_t message_max_bytes;
    unsigned heartbeat_kb_max;     /* most a reader may send between two heartbeats */
    const struct origins *origins; /* borrowed; NULL = any */
    struct tls_server *tls; /* for sockets adopted as `secure`, borrowed; NULL = there are none */
    /* An adopted connection has ended. */
    void (*on_closed)(void *user, const struct sockaddr_storage *peer, bool secure);
    void *user;
};

MUST_CHECK enum err ws_edge_create(uv_loop_t *loop, const struct ws_edge_options *options,
                                   struct ws_edge **out_edge);
/* Closes everything; `on_gone` comes on a later turn of the loop, when the library let go. */
void ws_edge_destroy(struct ws_edge *edge, void (*on_gone)(void *user), void *user);
/* Takes an accepted socket with nothing read from it. Far over connections_max it is closed.
 * `secure`: TLS comes first. */
void ws_edge_adopt(struct ws_edge *edge, int take_fd, const struct sockaddr_storage *peer,
                   bool secure);

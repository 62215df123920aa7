#pragma once
/* Our own accept loop: SO_REUSEPORT, TCP_NODELAY, accept in bounded batches, EMFILE without
 * spinning, per-address limits, clients' addresses from trusted proxies, and an optional peek at
 * the request line so that one port serves two libraries (the bytes stay unread in the socket). */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <uv.h>

#include "base/err.h"
#include "base/str.h"
#include "net/address_set.h"

struct listener;

struct listener_options {
    const char *address; /* "127.0.0.1:8081", "[::]:8080" (IPv4 as well), ":0" (0.0.0.0, any
                            port); numeric; borrowed for the call */
    bool peek;           /* wait for the request line before handing on */
    int64_t peek_timeout_ms;
    int64_t per_ip_max;  /* connections per address (IPv6: per /64); 0 = no limit. Needs
                            listener_closed from the taker */
    int64_t pending_max; /* sockets waiting for their first line; past it the oldest is closed */
    /* Of a request whose line begins so the whole head is waited for. Borrowed. */
    struct str whole_head;
    /* A second; above it connections wait in the kernel's queue. 0 = no limit. */
    int64_t accept_rate;
    /* Proxies that are believed whom they speak for; needs `peek`. Borrowed; may be NULL. */
    const struct address_set *trusted;
    bool proxy_protocol;   /* their connections must begin with a PROXY header */
    int send_buffer_bytes; /* SO_SNDBUF; 0 = the system's */
};

/* Takes the socket (non-blocking). `request_line` is what was peeked, without CR LF; empty when
 * `peek` is false; cut at 4096 bytes. Valid during the call. */
typedef void listener_socket_fn(void *user, int take_fd, const struct sockaddr_storage *peer,
                                socklen_t peer_size, struct str request_line);

MUST_CHECK enum err listener_create(uv_loop_t *loop, const struct listener_options *options,
                                    listener_socket_fn *on_socket, void *user,
                                    struct listener **out_listener);
/* Takes what the kernel has queued, then accepts no more. Connections whose line has not come yet
 * are waited for, for at most `patience_ms`. Closing the socket resets a connection that is
 * completed between the last accept and the close; with net.ipv4.tcp_migrate_req = 1 the kernel
 * passes it on to the next listener of the port. Accepts NULL. */
void listener_drain(struct listener *l, int64_t patience_ms);
/* Connections waiting for their first line; 0 for NULL. */
int64_t listener_pending_count(const struct listener *l);
/* Stops accepting at once; frees on a later loop turn. Accepts NULL. */
void listener_destroy(struct listener *l);
/* The port bound (for ":0"). */
int listener_port(const struct listener *l);
/* "host:port" → sockaddr; ERR_INVALID. Also used by the configuration check. */
MUST_CHECK enum err listener_parse_address(struct str text, struct sockaddr_storage *out_addr,
                                           socklen_t *out_size);
/* A connection handed on earlier from this peer has ended (for per_ip_max). Not after
 * listener_destroy. */
void listener_closed(struct listener *l, const struct sockaddr_storage *peer);

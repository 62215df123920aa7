#pragma once
/* One TLS connection to an origin on the loop: look-up off the loop's thread, TCP (next address
 * when one refuses), handshake with ALPN h2 and all checks, then non-blocking reads and writes. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "net/http2_origin.h"

struct http2_socket;

/* Called from the loop only, never after http2_socket_close. */
struct http2_socket_handlers {
    void (*on_open)(void *user);
    void (*on_readable)(void *user);
    void (*on_writable)(void *user);                /* only after http2_socket_want_write */
    void (*on_failed)(void *user, const char *why); /* before on_open; close it then */
};

/* Starts connecting. `turn` chooses which of the looked-up addresses comes first, so that the
 * connections of a pool spread over hosts. Look-up, TCP and TLS together may take `timeout_ms`. */
struct http2_socket *http2_socket_open(uv_loop_t *loop, struct http2_origin *origin, uint32_t turn,
                                       int64_t timeout_ms,
                                       const struct http2_socket_handlers *handlers, void *user);
/* Sends close_notify if it can and frees on a later loop turn. Accepts NULL. */
void http2_socket_close(struct http2_socket *s);
/* Bytes read; 0 = nothing now; -1 = the connection is gone. */
ssize_t http2_socket_read(struct http2_socket *s, void *bytes, size_t size);
/* True while bytes taken from the kernel wait inside TLS (it reads ahead): no poll event will tell
 * of them, so a reader that stops early must look here. */
bool http2_socket_has_pending(const struct http2_socket *s);
/* Bytes written, at most one TLS record; 0 = not now; -1 = the connection is gone. */
ssize_t http2_socket_write(struct http2_socket *s, const void *bytes, size_t size);
/* Asks for on_writable, or no longer. */
void http2_socket_want_write(struct http2_socket *s, bool wanted);
/* True when the TLS session was resumed. */
bool http2_socket_is_resumed(const struct http2_socket *s);

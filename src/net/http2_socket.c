#include "net/http2_socket.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "base/mem.h"

/* RESOLVING ─▶ CONNECTING ─▶ HANDSHAKE ─▶ OPEN ─▶ CLOSED; each may go to CLOSED, CONNECTING goes to
 * itself with the next address. Memory lives until the deadline timer's close callback and the
 * look-up's callback have both come. */
enum socket_state {
    SOCKET_RESOLVING,
    SOCKET_CONNECTING,
    SOCKET_HANDSHAKE,
    SOCKET_OPEN,
    SOCKET_CLOSED
};

struct http2_socket {
    struct http2_origin *origin; /* not touched once closed */
    struct http2_socket_handlers handlers;
    void *user;
    enum socket_state state;
    int refs; /* deadline timer, look-up under way */
    uv_timer_t deadline;
    uv_getaddrinfo_t resolve;
    struct addrinfo *addresses;
    const struct addrinfo *next; /* to try, or NULL */
    uint32_t turn;
    size_t tries_left;
    uv_poll_t *poll; /* owned; NULL while there is no descriptor */
    int mask;
    int fd;
    SSL *tls;
};

static void try_next_address(struct http2_socket *s);

static void unref(struct http2_socket *s) {
    if (--s->refs > 0) {
        return;
    }
    if (s->addresses) {
        uv_freeaddrinfo(s->addresses);
    }
    free(s);
}

static void on_timer_closed(uv_handle_t *handle) {
    unref(handle->data);
}

static void on_poll_closed(uv_handle_t *handle) {
    free(handle);
}

static void drop_descriptor(struct http2_socket *s) {
    if (s->poll) {
        s->poll->data = NULL;
        uv_close((uv_handle_t *)s->poll, on_poll_closed);
        s->poll = NULL;
        s->mask = 0;
    }
    SSL_free(s->tls);
    s->tls = NULL;
    if (s->fd >= 0) {
        (void)close(s->fd);
        s->fd = -1;
    }
}

static void fail(struct http2_socket *s, const char *why) {
    if (s->state != SOCKET_CLOSED) {
        s->handlers.on_failed(s->user, why);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void set_mask(struct http2_socket *s, int mask) {
    if (s->mask != mask) {
        s->mask = mask;
        (void)uv_poll_start(s->poll, mask, on_poll);
    }
}

static const char *tls_failure(const SSL *tls) {
    long verdict = SSL_get_verify_result(tls);
    if (verdict != X509_V_OK) {
        return X509_verify_cert_error_string(verdict);
    }
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason ? reason : "the peer closed the connection during the TLS handshake";
}

static void handshake(struct http2_socket *s) {
    ERR_clear_error();
    int rc = SSL_do_handshake(s->tls);
    if (rc == 1) {
        const unsigned char *protocol = NULL;
        unsigned size = 0;
        SSL_get0_alpn_selected(s->tls, &protocol, &size);
        if (size != 2 || memcmp(protocol, "h2", 2) != 0) {
            fail(s, "the peer does not speak HTTP/2 (ALPN)");
            return;
        }
        s->state = SOCKET_OPEN;
        (void)uv_timer_stop(&s->deadline);
        set_mask(s, UV_READABLE);
        s->handlers.on_open(s->user);
        if (s->state == SOCKET_OPEN && http2_socket_has_pending(s)) {
            s->handlers.on_readable(s->user); /* came with the end of the handshake */
        }
        return;
    }
    int why = SSL_get_error(s->tls, rc);
    if (why == SSL_ERROR_WANT_READ) {
        set_mask(s, UV_READABLE);
    } else if (why == SSL_ERROR_WANT_WRITE) {
        set_mask(s, UV_WRITABLE);
    } else {
        fail(s, tls_failure(s->tls));
    }
}

static void on_connected(struct http2_socket *s) {
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 || error) {
        drop_descriptor(s);
        try_next_address(s);
        return;
    }
    s->tls = http2_origin_tls(s->origin);
    if (!s->tls || SSL_set_fd(s->tls, s->fd) != 1) {
        fail(s, "no TLS session could be made");
        return;
    }
    s->state = SOCKET_HANDSHAKE;
    handshake(s);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct http2_socket *s = poll->data;
    if (!s) {
        return;
    }
    if (status < 0) {
        events = s->mask; /* let the next system call name the error */
    }
    switch (s->state) {
    case SOCKET_CONNECTING:
        on_connected(s);
        break;
    case SOCKET_HANDSHAKE:
        handshake(s);
        break;
    case SOCKET_OPEN:
        if (events & UV_READABLE) {
            s->handlers.on_readable(s->user);
        }
        if ((events & UV_WRITABLE) && s->state == SOCKET_OPEN) {
            s->handlers.on_writable(s->user);
        }
        break;
    case SOCKET_RESOLVING:
    case SOCKET_CLOSED:
        break;
    }
}

static bool start_connect(struct http2_socket *s, const struct addrinfo *address) {
    s->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        return false;
    }
    int one = 1;
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(s->fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS) {
        return false;
    }
    s->poll = mem_zalloc(1, sizeof(*s->poll));
    s->poll->data = s;
    if (uv_poll_init(s->deadline.loop, s->poll, s->fd) < 0) {
        free(s->poll);
        s->poll = NULL;
        return false;
    }
    set_mask(s, UV_WRITABLE);
    return true;
}

static void try_next_address(struct http2_socket *s) {
    s->state = SOCKET_CONNECTING;
    while (s->tries_left > 0) {
        const struct addrinfo *address = s->next ? s->next : s->addresses;
        s->next = address->ai_next;
        s->tries_left--;
        if (start_connect(s, address)) {
            return;
        }
        drop_descriptor(s);
    }
    fail(s, "no address accepts connections");
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses) {
    struct http2_socket *s = request->data;
    if (s->state == SOCKET_CLOSED || status < 0) {
        uv_freeaddrinfo(addresses);
        fail(s, "the host name could not be looked up");
        unref(s);
        return;
    }
    s->addresses = addresses;
    for (const struct addrinfo *a = addresses; a; a = a->ai_next) {
        s->tries_left++;
    }
    s->next = addresses;
    for (size_t skip = s->tries_left ? s->turn % s->tries_left : 0; skip > 0; skip--) {
        s->next = s->next->ai_next;
    }
    try_next_address(s);
    unref(s);
}

static void on_deadline(uv_timer_t *timer) {
    fail(timer->data, "connecting took too long");
}

struct http2_socket *http2_socket_open(uv_loop_t *loop, struct http2_origin *origin, uint32_t turn,
                                       int64_t timeout_ms,
                                       const struct http2_socket_handlers *handlers, void *user) {
    struct http2_socket *s = mem_zalloc(1, sizeof(*s));
    s->origin = origin;
    s->handlers = *handlers;
    s->user = user;
    s->turn = turn;
    s->fd = -1;
    s->refs = 1;
    (void)uv_timer_init(loop, &s->deadline);
    s->deadline.data = s;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    s->resolve.data = s;
    if (uv_getaddrinfo(loop, &s->resolve, on_resolved, http2_origin_host(origin),
                       http2_origin_port(origin), &hints) == 0) {
        s->refs++;
    } else {
        timeout_ms = 0; /* fails from the loop, like every other failure */
    }
    (void)uv_timer_start(&s->deadline, on_deadline, (uint64_t)timeout_ms, 0);
    return s;
}

void http2_socket_close(struct http2_socket *s) {
    if (!s) {
        return;
    }
    assert(s->state != SOCKET_CLOSED);
    if (s->state == SOCKET_RESOLVING) {
        (void)uv_cancel((uv_req_t *)&s->resolve);
    }
    if (s->state == SOCKET_OPEN) {
        ERR_clear_error();
        (void)SSL_shutdown(s->tls);
    }
    s->state = SOCKET_CLOSED;
    drop_descriptor(s);
    uv_close((uv_handle_t *)&s->deadline, on_timer_closed);
}

static ssize_t after_io(struct http2_socket *s, int rc, size_t size) {
    if (rc == 1) {
        return (ssize_t)size;
    }
    int why = SSL_get_error(s->tls, rc);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

ssize_t http2_socket_read(struct http2_socket *s, void *bytes, size_t size) {
    size_t done = 0;
    ERR_clear_error();
    int rc = SSL_read_ex(s->tls, bytes, size, &done);
    return after_io(s, rc, done);
}

bool http2_socket_has_pending(const struct http2_socket *s) {
    return s->tls && SSL_has_pending(s->tls) == 1;
}

ssize_t http2_socket_write(struct http2_socket *s, const void *bytes, size_t size) {
    size_t done = 0;
    ERR_clear_error();
    int rc = SSL_write_ex(s->tls, bytes, size, &done);
    return after_io(s, rc, done);
}

void http2_socket_want_write(struct http2_socket *s, bool wanted) {
    set_mask(s, wanted ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

bool http2_socket_is_resumed(const struct http2_socket *s) {
    return s->tls && SSL_session_reused(s->tls);
}

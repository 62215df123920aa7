#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conn.h"

enum { BACKLOG = 1024, ACCEPT_BATCH = 64 };
enum { REFUSE_RST };          /* as in faults_table.h, "refuse" */
enum { DOWN_KEEP, DOWN_CUT }; /* as in faults_table.h, "down" */

/* HTTP/2 or nothing: a client that does not offer "h2" is refused, as by APNs. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                           const unsigned char *offered, unsigned offered_size, void *user) {
    static const unsigned char h2[] = {2, 'h', '2'};
    const struct conn *c = SSL_get_app_data(ssl);
    unsigned char *chosen;
    (void)user;
    if (c && c->no_alpn) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    if (SSL_select_next_proto(&chosen, out_size, h2, sizeof(h2), offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

enum err listener_make_tls(struct sim *s) {
    for (int i = 0; i < TLS_KIND_COUNT; i++) {
        struct certificate *c = &s->credentials.server[i];
        SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
        s->tls[i] = ctx;
        if (!ctx || SSL_CTX_use_certificate(ctx, c->x509) != 1 ||
            SSL_CTX_use_PrivateKey(ctx, c->key) != 1) {
            return ERR_IO;
        }
        (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
        /* No resumption unless by "tickets": every handshake shows the certificate that the faults
         * ask for. */
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
        (void)SSL_CTX_set_num_tickets(ctx, 0);
        (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
        (void)SSL_CTX_set_mode(ctx,
                               SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_read_ahead(ctx, 1);
        SSL_CTX_set_default_read_buffer_len(ctx, 64 << 10);
        SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    }
    return ERR_OK;
}

void listener_free_tls(struct sim *s) {
    for (int i = 0; i < TLS_KIND_COUNT; i++) {
        SSL_CTX_free(s->tls[i]);
    }
}

static bool parse_address(const char *address, char *out_host, struct sockaddr_in *out) {
    const char *colon = strrchr(address, ':');
    uint64_t port;
    if (!colon || colon - address >= ADDRESS_BYTES ||
        str_to_u64(str_of(colon + 1), &port) != ERR_OK || port > 65535) {
        return false;
    }
    memcpy(out_host, address, (size_t)(colon - address));
    out_host[colon - address] = '\0';
    *out = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    return inet_pton(AF_INET, out_host, &out->sin_addr) == 1;
}

int listener_bind(const char *address, char *out_host, int *out_port) {
    struct sockaddr_in at;
    socklen_t size = sizeof(at);
    if (!parse_address(address, out_host, &at)) {
        log_error("sim_bad_address", LOG_S("address", address));
        return -1;
    }
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0) {
        log_error("sim_not_listening", LOG_S("address", address), LOG_S("why", strerror(errno)));
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    *out_port = ntohs(at.sin_port);
    return fd;
}

/* True when a fault says that this connection is not wanted. */
static bool refuses(struct listener *l, bool *out_rst) {
    struct fault *refuse = &l->faults[F_REFUSE];
    struct fault *rate = &l->faults[F_CONNECT_RATE];
    *out_rst = true;
    if (fault_is_on(rate) && fault_over_rate(rate, &l->connects, clock_mono_ms())) {
        fault_count(rate);
        return true;
    }
    bool over = !refuse->value || (int64_t)l->stats.connections_open >= refuse->value;
    if (over && fault_fires(refuse, &l->sim->rng)) {
        *out_rst = refuse->mode == REFUSE_RST;
        return true;
    }
    return false;
}

static void take_connection(struct listener *l, int fd) {
    static const struct linger at_once = {1, 0};
    int one = 1;
    bool rst;
    if (refuses(l, &rst)) {
        l->stats.connections_refused++;
        if (rst) {
            (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        }
        close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    conn_open(l, fd);
}

static void on_connections(uv_poll_t *poll, int status, int events) {
    struct listener *l = poll->data;
    (void)events;
    for (int i = 0; status == 0 && i < ACCEPT_BATCH && l->fd >= 0; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        take_connection(l, fd);
    }
}

static void start(struct listener *l, int fd) {
    l->fd = fd;
    l->poll = mem_zalloc(1, sizeof(*l->poll));
    uv_poll_init(l->sim->loop, l->poll, fd);
    l->poll->data = l;
    uv_poll_start(l->poll, UV_READABLE, on_connections);
}

static void on_poll_closed(uv_handle_t *handle) {
    free(handle);
}

static void stop(struct listener *l) {
    if (l->fd >= 0) {
        uv_poll_stop(l->poll);
        uv_close((uv_handle_t *)l->poll, on_poll_closed);
        close(l->fd);
        l->fd = -1;
    }
}

enum err listener_init(struct listener *l, struct sim *s, enum provider provider,
                       const char *address) {
    *l = (struct listener){.sim = s, .provider = provider, .fd = -1};
    list_init(&l->conns);
    stats_init(&l->stats);
    int fd = listener_bind(address, l->host, &l->port);
    if (fd < 0) {
        return ERR_IO;
    }
    start(l, fd);
    return ERR_OK;
}

static void end_connections(struct listener *l, const char *why) {
    LIST_EACH_SAFE(it, &l->conns) {
        struct conn *c = LIST_ENTRY(it, struct conn, link);
        if (c->state == CONN_OPEN) {
            conn_cut(c, CUT_RST);
        } else {
            conn_close(c, why);
        }
    }
}

void listener_finish(struct listener *l) {
    if (!l->sim) {
        return;
    }
    LIST_EACH_SAFE(it, &l->conns) {
        conn_close(LIST_ENTRY(it, struct conn, link), "stopped");
    }
    stop(l);
    stats_finish(&l->stats);
}

void listener_update(struct listener *l) {
    struct fault *down = &l->faults[F_DOWN];
    bool is_down = fault_is_on(down);
    if (is_down && l->fd >= 0) {
        fault_count(down);
        down->count = -1; /* what fires is the closing; it stays until switched off */
        stop(l);
        if (down->mode == DOWN_CUT) {
            end_connections(l, "down");
        }
    } else if (!is_down && l->fd < 0) {
        char address[ADDRESS_BYTES + 8];
        char host[ADDRESS_BYTES];
        int port;
        (void)snprintf(address, sizeof(address), "%s:%d", l->host, l->port);
        int fd = listener_bind(address, host, &port);
        if (fd >= 0) {
            start(l, fd);
        }
    }
}

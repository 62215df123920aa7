#include "conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/mem.h"
#include "h2.h"

enum {
    READ_BYTES = 64 << 10,
    OUT_BYTES = 128 << 10,
    LINGER_MS = 2000,
};

/* As in faults_table.h, "tls". */
enum { TLS_MODE_FAIL = 3, TLS_MODE_NO_ALPN = 4 };

static void on_poll(uv_poll_t *poll, int status, int events);

static void watch(struct conn *c, int events) {
    if (c->events == events) {
        return;
    }
    c->events = events;
    if (events) {
        uv_poll_start(&c->poll, events, on_poll);
    } else {
        uv_poll_stop(&c->poll);
    }
}

static void on_closed(uv_handle_t *handle) {
    struct conn *c = handle->data;
    SSL_free(c->ssl);
    free(c->out);
    free(c);
}

/* Takes it off every list and timer; the socket goes with it, the memory a turn later. */
void conn_close(struct conn *c, const char *why) {
    struct sim *s = c->listener->sim;
    if (c->state == CONN_CLOSED) {
        return;
    }
    c->state = CONN_CLOSED;
    conn_record(c)->closed_ms = clock_wall_ms();
    conn_record(c)->end = c->end ? c->end : why;
    c->listener->stats.connections_open--;
    list_remove(&c->link);
    list_remove(&c->unflushed_link);
    wheel_remove(&s->wheel, &c->hold);
    h2_finish(c);
    watch(c, 0);
    uv_close((uv_handle_t *)&c->poll, on_closed);
    close(c->fd);
}

void conn_want_flush(struct conn *c) {
    if (c->state == CONN_OPEN && list_is_empty(&c->unflushed_link)) {
        list_push_back(&c->listener->sim->unflushed, &c->unflushed_link);
    }
}

void conn_cut(struct conn *c, enum cut_mode mode) {
    c->cut_wanted = true;
    c->cut = mode;
    conn_want_flush(c);
}

static void on_linger_end(struct wheel_item *item) {
    conn_close(LIST_ENTRY(item, struct conn, hold), "lingered");
}

void conn_linger(struct conn *c, const char *why) {
    c->end = c->end ? c->end : why;
    c->state = CONN_LINGER;
    (void)SSL_shutdown(c->ssl);
    (void)shutdown(c->fd, SHUT_WR);
    wheel_remove(&c->listener->sim->wheel, &c->hold);
    wheel_add(&c->listener->sim->wheel, &c->hold, LINGER_MS, on_linger_end);
    watch(c, UV_READABLE);
}

static void drop_input(struct conn *c) {
    char bytes[4096];
    for (;;) {
        ssize_t n = recv(c->fd, bytes, sizeof(bytes), 0);
        if (n > 0) {
            continue;
        }
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            conn_close(c, "client");
        }
        return;
    }
}

/* What to wait for after an SSL call that did not finish; false when the connection is over. */
static bool wait_for(struct conn *c, int result) {
    switch (SSL_get_error(c->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        watch(c, UV_READABLE);
        return true;
    case SSL_ERROR_WANT_WRITE:
        watch(c, UV_READABLE | UV_WRITABLE);
        return true;
    default:
        return false;
    }
}

static void read_input(struct conn *c) {
    static char bytes[READ_BYTES]; /* one loop, one thread; used only within this call */
    while (c->state == CONN_OPEN && !c->cut_wanted) {
        ERR_clear_error();
        int n = SSL_read(c->ssl, bytes, sizeof(bytes));
        if (n <= 0) {
            if (!wait_for(c, n)) {
                conn_close(c, "client");
                return;
            }
            break;
        }
        if (!h2_receive(c, bytes, (size_t)n)) {
            c->listener->stats.protocol_errors++;
            c->end = "protocol error";
            conn_cut(c, CUT_FIN);
            break;
        }
    }
    conn_want_flush(c);
}

/* The client's first bytes may have come with the end of the handshake and wait in OpenSSL's
 * buffer, where no event tells of them: read at once. */
static void start_http(struct conn *c) {
    c->state = CONN_OPEN;
    h2_start(c);
    watch(c, UV_READABLE);
    read_input(c);
}

static void on_hold_end(struct wheel_item *item) {
    struct conn *c = LIST_ENTRY(item, struct conn, hold);
    if (SSL_is_init_finished(c->ssl)) {
        start_http(c);
    } else {
        watch(c, UV_READABLE);
    }
}

static void shake_hands(struct conn *c) {
    ERR_clear_error();
    int result = SSL_do_handshake(c->ssl);
    if (result != 1) {
        if (!wait_for(c, result)) {
            c->listener->stats.handshakes_failed++;
            conn_close(c, "handshake");
        }
        return;
    }
    c->listener->stats.handshakes_resumed += SSL_session_reused(c->ssl) ? 1 : 0;
    struct fault *delay = &c->listener->faults[F_SETTINGS_DELAY];
    if (fault_fires(delay, &c->listener->sim->rng)) {
        watch(c, 0);
        wheel_add(&c->listener->sim->wheel, &c->hold, delay->ms, on_hold_end);
        return;
    }
    start_http(c);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    struct conn *c = poll->data;
    (void)events;
    if (status < 0 && c->state != CONN_CLOSED) {
        conn_close(c, "socket error");
        return;
    }
    switch (c->state) {
    case CONN_HANDSHAKE:
        shake_hands(c);
        break;
    case CONN_OPEN:
        read_input(c);
        break;
    case CONN_LINGER:
        drop_input(c);
        break;
    case CONN_MUTE:
    case CONN_CLOSED:
        break;
    }
}

/* Moves frames from nghttp2 to the out buffer until it is full or none are left. */
static void fill_out(struct conn *c) {
    if (c->out_sent == c->out_n) {
        c->out_n = c->out_sent = 0;
    }
    while (c->out_n + H2_FRAME_BYTES_MAX <= OUT_BYTES) {
        size_t size = h2_next_frame(c, c->out + c->out_n);
        if (!size) {
            return;
        }
        c->out_n += size;
    }
}

/* False when the connection is over. */
static bool write_out(struct conn *c) {
    for (;;) {
        fill_out(c);
        if (c->out_sent == c->out_n) {
            watch(c, UV_READABLE);
            return true;
        }
        ERR_clear_error();
        int n = SSL_write(c->ssl, c->out + c->out_sent, (int)(c->out_n - c->out_sent));
        if (n <= 0) {
            return wait_for(c, n);
        }
        c->out_sent += (size_t)n;
    }
}

static void cut_now(struct conn *c) {
    static const struct linger at_once = {1, 0};
    switch (c->cut) {
    case CUT_RST:
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        conn_close(c, "cut: rst");
        return;
    case CUT_FIN:
        (void)write_out(c);
        SSL_set_quiet_shutdown(c->ssl, 1);
        conn_linger(c, "cut: fin");
        return;
    case CUT_CLOSE_NOTIFY:
        (void)write_out(c);
        (void)SSL_shutdown(c->ssl);
        c->end = "cut: close_notify";
        c->state = CONN_LINGER;
        watch(c, UV_READABLE);
        return;
    case CUT_BLACK_HOLE:
        c->end = "cut: black_hole";
        c->state = CONN_MUTE;
        watch(c, 0);
        return;
    }
}

static void flush(struct conn *c) {
    if (c->cut_wanted) {
        cut_now(c);
        return;
    }
    if (!write_out(c)) {
        conn_close(c, "client");
        return;
    }
    if (c->out_sent == c->out_n && h2_is_over(c) && !c->keep_open) {
        conn_linger(c, c->goaway_sent ? "goaway" : "protocol error");
    }
}

void conn_flush_all(struct sim *s) {
    struct list batch;
    list_init(&batch);
    while (!list_is_empty(&s->unflushed)) {
        struct list *link = s->unflushed.next;
        list_remove(link);
        list_push_back(&batch, link);
    }
    while (!list_is_empty(&batch)) {
        struct conn *c = LIST_ENTRY(batch.next, struct conn, unflushed_link);
        list_remove(&c->unflushed_link);
        if (c->state == CONN_OPEN) {
            flush(c);
        }
    }
}

/* The certificate to show by the fault "tls"; `out_fail` when the handshake shall break. */
static enum tls_kind choose_tls(struct conn *c, bool *out_fail) {
    struct fault *tls = &c->listener->faults[F_TLS];
    if (!fault_fires(tls, &c->listener->sim->rng)) {
        return TLS_GOOD;
    }
    *out_fail = tls->mode == TLS_MODE_FAIL;
    c->no_alpn = tls->mode == TLS_MODE_NO_ALPN;
    return tls->mode < TLS_MODE_FAIL ? (enum tls_kind)(TLS_EXPIRED + tls->mode) : TLS_GOOD;
}

static struct conn *create(struct listener *l, int fd) {
    struct sim *s = l->sim;
    struct conn *c = mem_zalloc(1, sizeof(*c));
    c->listener = l;
    c->fd = fd;
    c->id = ++s->next_connection_id;
    c->last_request_ms = clock_mono_ms();
    c->out = mem_alloc(OUT_BYTES);
    c->record = stats_connection(&l->stats, c->id, clock_wall_ms());
    list_init(&c->unflushed_link);
    list_init(&c->streams);
    wheel_item_init(&c->hold);
    wheel_item_init(&c->step);
    wheel_item_init(&c->credit);
    list_push_back(&l->conns, &c->link);
    l->stats.connections++;
    l->stats.connections_open++;
    uv_poll_init(s->loop, &c->poll, fd);
    c->poll.data = c;
    return c;
}

void conn_open(struct listener *l, int take_fd) {
    struct sim *s = l->sim;
    struct conn *c = create(l, take_fd);
    bool fail = false;
    enum tls_kind kind = choose_tls(c, &fail);
    if (fail) {
        static const unsigned char alert[] = {21, 3, 3, 0, 2, 2, 40}; /* handshake_failure */
        (void)!write(take_fd, alert, sizeof(alert));
        conn_close(c, "tls fault");
        return;
    }
    c->ssl = SSL_new(s->tls[kind]);
    SSL_set_accept_state(c->ssl);
    (void)SSL_set_fd(c->ssl, take_fd);
    (void)SSL_set_app_data(c->ssl, c);
    if (fault_fires(&l->faults[F_TICKETS], &s->rng)) {
        (void)SSL_clear_options(c->ssl, SSL_OP_NO_TICKET);
        (void)SSL_set_num_tickets(c->ssl, 2);
    }
    struct fault *delay = &l->faults[F_HANDSHAKE_DELAY];
    if (fault_fires(delay, &s->rng)) {
        wheel_add(&s->wheel, &c->hold, delay->ms, on_hold_end);
    } else {
        watch(c, UV_READABLE);
    }
}

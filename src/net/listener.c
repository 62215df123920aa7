#include "net/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/address.h"
#include "net/guest.h"
#include "net/peer_count.h"

/* An accepted socket goes one of three ways: closed at the door (too many from its address),
 * handed on at once (no peek wanted, or the request line is there already), or kept as `pending`
 * until the line is complete, the peer leaves or peek_timeout_ms is over.
 *
 * A pending socket is polled for input while its bytes stay unread, which would wake us for ever.
 * So SO_RCVLOWAT is raised to one byte more than was seen: the kernel (tcp_poll) then calls the
 * socket readable only when something new came or the peer ended. */

enum {
    ACCEPT_BATCH = 64, /* sockets per loop turn, so that a flood leaves room for the others */
    PAUSE_MS = 100,    /* rest after running out of descriptors */
    RATE_REST_MS = 10, /* between looks at the credit when accept_rate is used up */
    BURST_SHARE = 10,  /* of accept_rate may come at once: a tenth of a second's worth */
    BACKLOG = 4096,    /* the kernel lowers it to net.core.somaxconn */
};

struct pending {
    struct list link; /* listener.pending, oldest first */
    struct listener *owner;
    uv_poll_t poll;
    struct guest guest;
    uint64_t deadline_ms;
};

struct listener {
    uv_loop_t *loop;
    struct listener_options options;
    listener_socket_fn *on_socket;
    void *user;
    int fd;       /* -1 after listener_drain */
    int spare_fd; /* given up for a moment to turn a client away when descriptors run out */
    uv_poll_t poll;
    uv_timer_t resume_timer;
    uv_timer_t peek_timer;
    struct list pending;
    int64_t pending_count;
    int64_t credit;     /* accepts allowed, in thousandths; see accept_rate */
    uint64_t credit_ms; /* when it was last added to */
    struct peer_count *counts;
    int open_handles;
    bool closing;
};

void listener_closed(struct listener *l, const struct sockaddr_storage *peer) {
    peer_count_give_back(l->counts, peer);
}

/* --- waiting for the request line --- */

static void handle_closed(struct listener *l) {
    if (--l->open_handles > 0) {
        return;
    }
    peer_count_destroy(l->counts);
    free(l);
}

static void pending_freed(uv_handle_t *handle) {
    struct pending *p = handle->data;
    handle_closed(p->owner);
    free(p);
}

/* Lets go of the waiting socket, which stays open. */
static int pending_release(struct pending *p) {
    int fd = p->guest.fd;
    list_remove(&p->link);
    p->owner->pending_count--;
    uv_close((uv_handle_t *)&p->poll, pending_freed);
    return fd;
}

static void pending_drop(struct pending *p, enum metric reason) {
    listener_closed(p->owner, &p->guest.peer);
    close(pending_release(p));
    metrics_add(reason, 1);
}

static void on_peek_timer(uv_timer_t *timer);

static void peek_timer_arm(struct listener *l) {
    if (list_is_empty(&l->pending)) {
        uv_timer_stop(&l->peek_timer);
        return;
    }
    const struct pending *first = LIST_ENTRY(l->pending.next, struct pending, link);
    uint64_t now = uv_now(l->loop);
    uv_timer_start(&l->peek_timer, on_peek_timer,
                   first->deadline_ms > now ? first->deadline_ms - now : 0, 0);
}

static void on_peek_timer(uv_timer_t *timer) {
    struct listener *l = timer->data;
    LIST_EACH_SAFE(it, &l->pending) {
        struct pending *p = LIST_ENTRY(it, struct pending, link);
        if (p->deadline_ms > uv_now(l->loop)) {
            break;
        }
        pending_drop(p, M_CONNECTIONS_REFUSED_SILENT);
    }
    peek_timer_arm(l);
}

/* --- the first bytes --- */

/* What became of a socket that needs no more waiting. */
static void settle(struct listener *l, const struct guest *g, enum guest_look result,
                   struct str line) {
    char peer[ADDRESS_TEXT_BYTES];
    switch (result) {
    case GUEST_READY:
        l->on_socket(l->user, g->fd, &g->peer, g->peer_size, line);
        return;
    case GUEST_CROWD:
        guest_turn_away(g);
        return;
    case GUEST_BAD:
        address_format(&g->peer, peer);
        log_debug("proxy_header_bad", LOG_S("peer", peer));
        metrics_add(M_CONNECTIONS_REFUSED_PROXY, 1);
        break;
    case GUEST_MORE:
    case GUEST_GONE:
        metrics_add(M_CONNECTIONS_REFUSED_SILENT, 1);
        break;
    }
    listener_closed(l, &g->peer);
    close(g->fd);
}

static bool set_low_water(int fd, int bytes) {
    return setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes)) == 0;
}

static void on_pending(uv_poll_t *poll, int status, int events) {
    struct pending *p = poll->data;
    struct listener *l = p->owner;
    char bytes[GUEST_BUFFER_BYTES];
    struct str line = {NULL, 0};
    bool awaited_proxy = p->guest.awaits_proxy;
    int seen = p->guest.seen_bytes;
    enum guest_look result = guest_look(&p->guest, bytes, &line);
    if (result == GUEST_MORE) {
        /* Readable without anything new means the end came after the part of a line we saw. */
        bool is_news = p->guest.seen_bytes > seen || awaited_proxy != p->guest.awaits_proxy;
        if (status < 0 || (events & UV_DISCONNECT) || !is_news ||
            !set_low_water(p->guest.fd, p->guest.seen_bytes + 1)) {
            result = GUEST_GONE;
        }
    }
    if (result != GUEST_MORE) {
        struct guest guest = p->guest;
        (void)set_low_water(guest.fd, 1);
        (void)pending_release(p);
        settle(l, &guest, result, line);
    }
    if (!l->closing) {
        peek_timer_arm(l);
    }
}

static void pending_add(struct listener *l, const struct guest *guest) {
    if (l->pending_count >= l->options.pending_max && !list_is_empty(&l->pending)) {
        /* Honest clients send their line at once, so the one waiting longest goes. */
        pending_drop(LIST_ENTRY(l->pending.next, struct pending, link),
                     M_CONNECTIONS_REFUSED_PENDING);
    }
    struct pending *p = mem_zalloc(1, sizeof(*p));
    *p = (struct pending){.owner = l, .guest = *guest};
    p->deadline_ms = uv_now(l->loop) + (uint64_t)l->options.peek_timeout_ms;
    if (!set_low_water(guest->fd, guest->seen_bytes + 1) ||
        uv_poll_init(l->loop, &p->poll, guest->fd) != 0) {
        listener_closed(l, &guest->peer);
        close(guest->fd);
        free(p);
        return;
    }
    l->open_handles++;
    p->poll.data = p;
    list_push_back(&l->pending, &p->link);
    l->pending_count++;
    uv_poll_start(&p->poll, UV_READABLE | UV_DISCONNECT, on_pending);
    peek_timer_arm(l);
}

/* --- accepting --- */

static void take_socket(struct listener *l, struct guest *g) {
    if (!peer_count_take(l->counts, &g->peer)) {
        metrics_add(M_CONNECTIONS_REFUSED_IP, 1);
        close(g->fd);
        return;
    }
    metrics_add(M_CONNECTIONS_ACCEPTED, 1);
    g->awaits_proxy = l->options.proxy_protocol && address_set_has(l->options.trusted, &g->peer);
    char bytes[GUEST_BUFFER_BYTES];
    struct str line = {NULL, 0};
    enum guest_look result = l->options.peek ? guest_look(g, bytes, &line) : GUEST_READY;
    if (result == GUEST_MORE) {
        pending_add(l, g);
    } else {
        settle(l, g, result, line);
    }
}

static void on_accept(uv_poll_t *poll, int status, int events);

static void on_resume(uv_timer_t *timer) {
    struct listener *l = timer->data;
    if (l->spare_fd < 0) {
        l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if (l->fd >= 0) {
        uv_poll_start(&l->poll, UV_READABLE, on_accept);
    }
}

static void pause_accepting(struct listener *l, int error) {
    log_warn("accept_paused", LOG_S("error", strerror(error)), LOG_I("pause_ms", PAUSE_MS));
    uv_poll_stop(&l->poll);
    uv_timer_start(&l->resume_timer, on_resume, PAUSE_MS, 0);
}

/* Out of descriptors: the waiting client stays in the backlog and would wake us for ever. The
 * spare descriptor lets us accept and close it, so that it learns at once. */
static void turn_one_away(struct listener *l) {
    if (l->spare_fd < 0) {
        return;
    }
    close(l->spare_fd);
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        metrics_add(M_CONNECTIONS_REFUSED_FILES, 1);
        close(fd);
    }
    l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* What accept4 said: true to go on with the next. */
static bool accept_failed(struct listener *l, int error) {
    switch (error) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
        turn_one_away(l);
        pause_accepting(l, error);
        return false;
    case ENOBUFS:
    case ENOMEM:
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
        pause_accepting(l, error);
        return false;
    default: /* an error of that one connection (accept(2): treat as EAGAIN, by retrying) */
        return true;
    }
}

/* Accepts up to `most` and says how many. */
static int64_t accept_some(struct listener *l, int64_t most) {
    int64_t accepted = 0;
    while (accepted < most && !l->closing) {
        struct guest guest = {.counts = l->counts,
                              .trusted = l->options.trusted,
                              .whole_head = l->options.whole_head,
                              .peer_size = sizeof(guest.peer)};
        guest.fd = accept4(l->fd, (struct sockaddr *)&guest.peer, &guest.peer_size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (guest.fd >= 0) {
            accepted++;
            take_socket(l, &guest);
        } else if (!accept_failed(l, errno)) {
            break;
        }
    }
    return accepted;
}

/* A bucket that fills with accept_rate a second. */
static int64_t accepts_allowed(struct listener *l) {
    int64_t rate = l->options.accept_rate;
    if (rate <= 0) {
        return ACCEPT_BATCH;
    }
    int64_t burst = rate / BURST_SHARE > ACCEPT_BATCH ? rate / BURST_SHARE : ACCEPT_BATCH;
    uint64_t now = uv_now(l->loop);
    uint64_t since_ms = now - l->credit_ms;
    l->credit_ms = now;
    /* rate a second is rate thousandths a millisecond; a full bucket after a minute at most. */
    l->credit += rate * (int64_t)(since_ms < 60000 ? since_ms : 60000);
    l->credit = l->credit < burst * 1000 ? l->credit : burst * 1000;
    int64_t allowed = l->credit / 1000;
    return allowed < ACCEPT_BATCH ? allowed : ACCEPT_BATCH;
}

/* Those who wait stay in the kernel's queue. */
static void rest_for_rate(struct listener *l) {
    metrics_add(M_ACCEPTS_DELAYED, 1);
    uv_poll_stop(&l->poll);
    uv_timer_start(&l->resume_timer, on_resume, RATE_REST_MS, 0);
}

static void on_accept(uv_poll_t *poll, int status, int events) {
    struct listener *l = poll->data;
    (void)events;
    if (status < 0) {
        pause_accepting(l, -status);
        return;
    }
    int64_t allowed = accepts_allowed(l);
    int64_t accepted = accept_some(l, allowed);
    if (l->options.accept_rate > 0) {
        l->credit -= accepted * 1000;
        if (l->credit < 1000 && !l->closing) {
            rest_for_rate(l);
        }
    }
}

/* --- life --- */

/* Accepted sockets inherit both on Linux (tcp(7) and socket(7); checked by the listener's tests): a
 * system call less for each of a crowd. */
static void set_inherited(const struct listener *l) {
    int on = 1;
    int send_bytes = l->options.send_buffer_bytes;
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (send_bytes > 0) {
        (void)setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes));
    }
}

static enum err open_socket(struct listener *l, const struct sockaddr_storage *addr,
                            socklen_t size) {
    int on = 1;
    int off = 0;
    l->fd = socket(addr->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        (addr->ss_family == AF_INET6 &&
         setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) != 0) ||
        bind(l->fd, (const struct sockaddr *)addr, size) != 0 || listen(l->fd, BACKLOG) != 0) {
        log_error("listen_failed", LOG_S("address", l->options.address),
                  LOG_S("error", strerror(errno)));
        return ERR_IO;
    }
    set_inherited(l);
    return ERR_OK;
}

static void listener_init_handle(struct listener *l, uv_handle_t *handle) {
    handle->data = l;
    l->open_handles++;
}

static void log_listening(const struct listener *l) {
    const char *colon = strrchr(l->options.address, ':');
    size_t host = (size_t)(colon - l->options.address);
    char text[INET6_ADDRSTRLEN + 16];
    (void)snprintf(text, sizeof(text), "%.*s:%d", (int)host, host ? l->options.address : "",
                   listener_port(l));
    log_info("listening", LOG_S("address", text));
}

enum err listener_create(uv_loop_t *loop, const struct listener_options *options,
                         listener_socket_fn *on_socket, void *user,
                         struct listener **out_listener) {
    struct sockaddr_storage addr;
    socklen_t size = 0;
    enum err err = listener_parse_address(str_of(options->address), &addr, &size);
    if (err != ERR_OK) {
        return err;
    }
    struct listener *l = mem_zalloc(1, sizeof(*l));
    *l = (struct listener){.loop = loop, .options = *options, .on_socket = on_socket};
    l->user = user;
    l->spare_fd = -1;
    list_init(&l->pending);
    err = open_socket(l, &addr, size);
    if (err == ERR_OK && uv_poll_init(loop, &l->poll, l->fd) != 0) {
        err = ERR_IO;
    }
    if (err != ERR_OK) {
        if (l->fd >= 0) {
            close(l->fd);
        }
        free(l);
        return err;
    }
    listener_init_handle(l, (uv_handle_t *)&l->poll);
    uv_timer_init(loop, &l->resume_timer);
    listener_init_handle(l, (uv_handle_t *)&l->resume_timer);
    uv_timer_init(loop, &l->peek_timer);
    listener_init_handle(l, (uv_handle_t *)&l->peek_timer);
    l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    l->counts = peer_count_create(options->per_ip_max, options->trusted);
    l->credit_ms = uv_now(loop);
    l->credit = options->accept_rate * 1000;
    uv_poll_start(&l->poll, UV_READABLE, on_accept);
    log_listening(l);
    *out_listener = l;
    return ERR_OK;
}

static void own_handle_closed(uv_handle_t *handle) {
    handle_closed(handle->data);
}

static void close_socket(struct listener *l) {
    if (l->fd >= 0) {
        uv_close((uv_handle_t *)&l->poll, own_handle_closed);
        close(l->fd);
        l->fd = -1;
    }
}

void listener_drain(struct listener *l, int64_t patience_ms) {
    if (!l) {
        return;
    }
    uint64_t end_ms = uv_now(l->loop) + (uint64_t)patience_ms;
    (void)accept_some(l, BACKLOG);
    close_socket(l);
    uv_timer_stop(&l->resume_timer);
    LIST_EACH(it, &l->pending) {
        struct pending *p = LIST_ENTRY(it, struct pending, link);
        p->deadline_ms = p->deadline_ms < end_ms ? p->deadline_ms : end_ms;
    }
    peek_timer_arm(l);
}

int64_t listener_pending_count(const struct listener *l) {
    return l ? l->pending_count : 0;
}

void listener_destroy(struct listener *l) {
    if (!l) {
        return;
    }
    assert(!l->closing);
    l->closing = true;
    LIST_EACH_SAFE(it, &l->pending) {
        close(pending_release(LIST_ENTRY(it, struct pending, link)));
    }
    close_socket(l);
    uv_close((uv_handle_t *)&l->resume_timer, own_handle_closed);
    uv_close((uv_handle_t *)&l->peek_timer, own_handle_closed);
    if (l->spare_fd >= 0) {
        close(l->spare_fd);
    }
}

int listener_port(const struct listener *l) {
    struct sockaddr_storage addr;
    socklen_t size = sizeof(addr);
    if (getsockname(l->fd, (struct sockaddr *)&addr, &size) != 0) {
        return 0;
    }
    return addr.ss_family == AF_INET6 ? ntohs(((const struct sockaddr_in6 *)&addr)->sin6_port)
                                      : ntohs(((const struct sockaddr_in *)&addr)->sin_port);
}

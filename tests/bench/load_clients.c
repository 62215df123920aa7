#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

enum { EVENTS = 1024, OPENING_MAX = 256, SOURCES = 16, READ_BYTES = 16384, MARKER_BYTES = 8 };

static void on_message(struct load *l, struct client *c, uint32_t seq) {
    int64_t now = clock_mono_us();
    if (seq == c->last) {
        l->duplicates++;
        return;
    }
    if (seq < c->last) {
        l->reordered++; /* and not received: what came late may have come before as well */
        return;
    }
    c->received++;
    c->last = seq;
    if (seq == l->current) {
        if (l->current_count++ == 0) {
            l->first_us = now;
        }
        l->last_us = now;
        if (l->latency_count < l->latency_max) {
            l->latency_us[l->latency_count++] = (uint32_t)(now - l->posted_us);
        }
    }
}

/* Finds each "#dddddd#"; keeps the end for the next read. */
static void scan(struct load *l, struct client *c, const char *bytes, size_t size) {
    char joined[TAIL_BYTES + READ_BYTES];
    memcpy(joined, c->tail, c->tail_size);
    memcpy(joined + c->tail_size, bytes, size);
    size_t n = c->tail_size + size;
    size_t done = 0;
    const char *hash = memchr(joined, '#', n);
    while (hash) {
        size_t i = (size_t)(hash - joined);
        uint64_t seq;
        if (i + MARKER_BYTES <= n && joined[i + MARKER_BYTES - 1] == '#' &&
            !str_to_u64((struct str){joined + i + 1, MARKER_BYTES - 2}, &seq)) {
            on_message(l, c, (uint32_t)seq);
            i += MARKER_BYTES - 1;
            done = i + 1;
        }
        hash = memchr(joined + i + 1, '#', n - i - 1);
    }
    size_t keep = n - done < MARKER_BYTES - 1 ? n - done : MARKER_BYTES - 1;
    memcpy(c->tail, joined + n - keep, keep);
    c->tail_size = (uint8_t)keep;
}

/* The position in the first welcome: nothing was posted yet, and nobody else posts, so a client
 * that has message N stands N later. */
static void note_position(struct load *l, const char *bytes, size_t size) {
    static const char mark[] = "\"position\":\"";
    const char *at = memmem(bytes, size, mark, sizeof(mark) - 1);
    if (!at) {
        return;
    }
    struct str rest = {at + sizeof(mark) - 1, size - (size_t)(at - bytes) - (sizeof(mark) - 1)};
    struct str epoch, text;
    if (str_split(&rest, ':', &epoch) && str_split(&rest, '"', &text) && epoch.n < EPOCH_MAX &&
        !str_to_u64(text, &l->position_before)) {
        memcpy(l->epoch, epoch.p, epoch.n);
    }
}

static int make_socket(int source) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)source)};
    int on = 1;
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&from, sizeof(from))) {
        perror("load: bind");
        exit(1);
    }
    return fd;
}

static void connect_socket(int fd, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
        perror("load: connect");
        exit(1);
    }
}

int clients_connect(int port, int source) {
    int fd = make_socket(source);
    connect_socket(fd, port);
    return fd;
}

static void put_position(const struct load *l, const struct client *c, struct buf *out) {
    static const char *const names[] = {
        [KIND_WS] = "position", [KIND_SSE] = "position", [KIND_POLL] = "wait=20&after"};
    if (l->resume) {
        buf_printf(out, "&%s=%s:%llu", names[c->kind], l->epoch,
                   (unsigned long long)(l->position_before + c->last));
    }
}

static const char *path_of(const struct load *l, const struct client *c) {
    switch ((enum client_kind)c->kind) {
    case KIND_SSE:
        return "/v1/events?regions=mena&editions=en";
    case KIND_POLL:
        return "/v1/alerts?regions=mena&editions=en";
    case KIND_WS:
        break;
    }
    return c - l->list < l->clients - l->others ? l->path : l->others_path;
}

static void send_request(struct load *l, struct client *c) {
    struct buf rq;
    buf_init(&rq, 4096);
    buf_printf(&rq, "GET %s", path_of(l, c));
    put_position(l, c, &rq);
    if (c->kind == KIND_WS) {
        buf_printf(&rq,
                   " HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                   l->port);
    } else {
        /* Version 1.0: no chunk may cut a marker in two, and the end of an answer is the end. */
        buf_puts(&rq, " HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    }
    wire_send(c, buf_str(&rq));
    buf_finish(&rq);
}

void client_watch(struct load *l, struct client *c, bool read) {
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)(c - l->list)};
    (void)epoll_ctl(l->epoll, read ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, c->fd, &event);
    c->paused = !read;
}

void client_open(struct load *l, struct client *c) {
    if (c->fd == 0) {
        c->fd = make_socket((int)(c - l->list) % SOURCES);
    } else {
        (void)epoll_ctl(l->waiting_room, EPOLL_CTL_DEL, c->fd, NULL);
    }
    if (l->soak_s > 0) {
        /* Small, so that who does not read soon chokes the server; but not the smallest there is:
         * its window is below a segment, and the kernel then sends 311 bytes every 200 ms. */
        int bytes = 8192;
        (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
    connect_socket(c->fd, l->port);
    client_watch(l, c, true);
    c->tail_size = 0;
    wire_begin(l, c);
    bool failed = false;
    if (wire_is_ready(l, c, &failed)) {
        send_request(l, c);
    }
}

void client_close(struct client *c) {
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    wire_finish(c);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    (void)close(c->fd);
    c->fd = 0;
    c->open = false;
}

static void on_ended(struct load *l, struct client *c) {
    if (c->kind != KIND_POLL) {
        l->closed++;
    }
    client_close(c);
    if (l->reopen) {
        client_open(l, c);
    }
}

/* A response begins: a client that is let in counts as open. */
static void on_response(struct load *l, struct client *c, const char *bytes, size_t size) {
    if (memmem(bytes, size, c->kind == KIND_WS ? " 101 " : " 200 ", 5)) {
        c->open = true;
        l->opened++;
    } else {
        (void)fprintf(stderr, "load: refused: %.*s\n", (int)(size < 200 ? size : 200), bytes);
    }
}

static void on_readable(struct load *l, struct client *c) {
    char bytes[READ_BYTES];
    bool failed = false;
    if (c->handshaking) {
        if (wire_is_ready(l, c, &failed)) {
            send_request(l, c);
        } else if (failed) {
            on_ended(l, c);
        }
        return;
    }
    ssize_t n;
    do {
        n = wire_receive(c, bytes, sizeof(bytes));
        if (n == 0) {
            on_ended(l, c);
        }
        if (n <= 0) {
            return;
        }
        l->bytes += (uint64_t)n;
        if (!c->open) {
            on_response(l, c, bytes, (size_t)n);
        }
        if (!l->epoch[0]) {
            note_position(l, bytes, (size_t)n);
        }
        scan(l, c, bytes, (size_t)n);
    } while (c->ssl); /* bytes inside the library wake no epoll */
}

void clients_turn(struct load *l, int wait_ms) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, wait_ms);
    for (int i = 0; i < n; i++) {
        on_readable(l, &l->list[events[i].data.u32]);
    }
}

void clients_prepare(struct load *l) {
    l->waiting_room = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < l->clients; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        l->list[i].fd = make_socket(i % SOURCES);
        (void)epoll_ctl(l->waiting_room, EPOLL_CTL_ADD, l->list[i].fd, &event);
    }
}

/* So many at a time that the server is never idle and its backlog never full. */
bool clients_open(struct load *l) {
    l->opened = 0;
    int64_t deadline = clock_mono_ms() + 20000;
    for (int started = 0; l->opened < l->clients && clock_mono_ms() < deadline;) {
        int opened = l->opened;
        while (started < l->clients && started - l->opened < OPENING_MAX) {
            client_open(l, &l->list[started++]);
        }
        clients_turn(l, 100);
        if (l->opened > opened) {
            deadline = clock_mono_ms() + 20000;
        }
    }
    if (l->opened < l->clients) {
        (void)fprintf(stderr, "load: only %d of %d clients were let in\n", l->opened, l->clients);
    }
    return l->opened >= l->clients;
}

void clients_close(struct load *l) {
    for (int i = 0; i < l->clients; i++) {
        client_close(&l->list[i]);
    }
}

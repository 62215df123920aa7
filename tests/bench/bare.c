/* The yardstick: the least a WebSocket fan-out can cost. Accepts, answers the upgrade, and for
 * each HTTP POST sends the body as one text frame to every client with a plain send() loop. No
 * library, no filters, no recovery; one thread, one epoll.
 *
 *   bare PORT [SHARED]   SHARED: a port that several of them accept clients on (SO_REUSEPORT)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/mem.h"

#include <openssl/evp.h>

enum { FDS_MAX = 32768, REQUEST_MAX = 65536, EVENTS = 512 };

struct bare {
    int epoll;
    int listeners[2]; /* the second shared with others, or -1 */
    int *clients;     /* upgraded sockets */
    size_t client_count;
    struct buf requests[FDS_MAX]; /* by descriptor, until upgraded */
};

static void put_accept(struct buf *out, struct str key) {
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 section 1.3 */
    unsigned char digest[EVP_MAX_MD_SIZE];
    char text[64];
    unsigned size = 0;
    struct buf joined;
    buf_init(&joined, 256);
    buf_put_str(&joined, key);
    buf_puts(&joined, guid);
    (void)EVP_Digest(joined.p, joined.n, digest, &size, EVP_sha1(), NULL);
    (void)EVP_EncodeBlock((unsigned char *)text, digest, (int)size);
    buf_puts(out, text);
    buf_finish(&joined);
}

static struct str header_of(struct str head, const char *name) {
    const char *at = strcasestr(head.p, name);
    if (!at) {
        return (struct str){NULL, 0};
    }
    at += strlen(name);
    const char *end = strstr(at, "\r\n");
    return str_trim((struct str){at, (size_t)(end - at)});
}

static void upgrade(struct bare *b, int fd, struct str head) {
    struct buf out;
    buf_init(&out, 1024);
    buf_puts(&out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                   "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    put_accept(&out, header_of(head, "Sec-WebSocket-Key:"));
    buf_puts(&out, "\r\n\r\n");
    if (send(fd, out.p, out.n, MSG_NOSIGNAL) == (ssize_t)out.n) {
        b->clients[b->client_count++] = fd;
    }
    buf_finish(&out);
}

/* One frame, one send() per client: the loop everything else is compared with. */
static void broadcast(struct bare *b, struct str body) {
    struct buf frame;
    buf_init(&frame, REQUEST_MAX + 16);
    buf_putc(&frame, (char)0x81);
    if (body.n < 126) {
        buf_putc(&frame, (char)body.n);
    } else {
        char size[3] = {126, (char)(body.n >> 8), (char)body.n};
        buf_put(&frame, size, 3);
    }
    buf_put_str(&frame, body);
    for (size_t i = 0; i < b->client_count; i++) {
        (void)!send(b->clients[i], frame.p, frame.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    buf_finish(&frame);
}

/* True when the request was complete and handled. */
static bool handle(struct bare *b, int fd, struct buf *rq) {
    const char *end = rq->n ? memmem(rq->p, rq->n, "\r\n\r\n", 4) : NULL;
    if (!end) {
        return false;
    }
    struct str head = {rq->p, (size_t)(end - rq->p) + 4};
    if (str_starts(head, STR("GET "))) {
        upgrade(b, fd, head);
        return true;
    }
    uint64_t size = 0;
    struct str length = header_of(head, "Content-Length:");
    if (str_to_u64(length, &size) || rq->n < head.n + size) {
        return false;
    }
    static const char answer[] = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
    (void)!send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL);
    broadcast(b, (struct str){rq->p + head.n, size});
    return true;
}

static void on_readable(struct bare *b, int fd) {
    struct buf *rq = &b->requests[fd];
    char chunk[4096];
    ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        (void)epoll_ctl(b->epoll, EPOLL_CTL_DEL, fd, NULL);
        buf_finish(rq);
        return;
    }
    if (n > 0) {
        buf_put(rq, chunk, (size_t)n);
        if (handle(b, fd, rq)) {
            buf_finish(rq);
        }
    }
}

static void on_accept(struct bare *b, int listener) {
    for (int i = 0; i < 64; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        buf_init(&b->requests[fd], REQUEST_MAX);
        (void)epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on(const struct bare *b, int port, bool shared) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)setsockopt(fd, SOL_SOCKET, shared ? SO_REUSEPORT : SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, SOMAXCONN)) {
        perror("bare: listen");
        exit(1);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    (void)epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &event);
    return fd;
}

int main(int argc, char **argv) {
    uint64_t port;
    uint64_t shared = 0;
    if (argc < 2 || argc > 3 || str_to_u64(str_of(argv[1]), &port) ||
        (argc == 3 && str_to_u64(str_of(argv[2]), &shared))) {
        (void)fputs("usage: bare PORT [SHARED]\n", stderr);
        return 2;
    }
    struct bare *b = mem_zalloc(1, sizeof(*b));
    b->clients = mem_zalloc(FDS_MAX, sizeof(int));
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    b->listeners[0] = listen_on(b, (int)port, false);
    b->listeners[1] = shared ? listen_on(b, (int)shared, true) : -1;
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(b->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == b->listeners[0] || fd == b->listeners[1]) {
                on_accept(b, fd);
            } else {
                on_readable(b, fd);
            }
        }
    }
}

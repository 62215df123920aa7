/* tocsin-wsclient: a small WebSocket client (RFC 6455) for the quickstart and for quick checks.
 * Prints every text frame as one line on standard output and what ended the connection on standard
 * error. It is a stranger to the server's code on purpose: it shares no parser with it. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/buf.h"
#include "base/clock.h"

enum {
    FRAME_BYTES_MAX = 1 << 20,
    HANDSHAKE_BYTES_MAX = 16384,
    NONCE_BYTES = 16,
    EXIT_TIMED_OUT = 3,
    EXIT_USAGE = 2,
};

/* RFC 6455 section 5.2 */
enum opcode { OP_MORE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

static const char usage[] =
    "usage: tocsin-wsclient [options] ws://HOST:PORT/PATH[?QUERY]\n"
    "  --count N            end after N text frames\n"
    "  --timeout SECONDS    end after so long (status 3)\n"
    "  --send TEXT          send this text frame first (may be repeated)\n"
    "  --subprotocol NAME   offer this subprotocol\n"
    "  --header 'NAME: V'   add a header to the handshake (may be repeated)\n"
    "Status: 0 count reached or closed by the server, 1 failed, 3 timed out.\n";

enum { REPEATED_MAX = 16 };

struct arguments {
    const char *url;
    const char *subprotocol;
    const char *send[REPEATED_MAX];
    const char *headers[REPEATED_MAX];
    int send_count;
    int header_count;
    long count;     /* 0 = no end */
    long timeout_s; /* 0 = none */
};

struct client {
    const struct arguments *args;
    int fd;
    int64_t deadline_ms; /* monotonic; 0 = none */
    struct buf in;       /* bytes read, not yet parsed */
    struct buf message;  /* fragments of the text message under way */
    long printed;
};

static bool parse_count(const char *text, long *out) {
    char *end = NULL;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *out >= 0;
}

static bool take_option(struct arguments *a, const char *name, const char *value) {
    if (strcmp(name, "--count") == 0) {
        return parse_count(value, &a->count);
    }
    if (strcmp(name, "--timeout") == 0) {
        return parse_count(value, &a->timeout_s);
    }
    if (strcmp(name, "--subprotocol") == 0) {
        a->subprotocol = value;
        return true;
    }
    if (strcmp(name, "--send") == 0 && a->send_count < REPEATED_MAX) {
        a->send[a->send_count++] = value;
        return true;
    }
    if (strcmp(name, "--header") == 0 && a->header_count < REPEATED_MAX) {
        a->headers[a->header_count++] = value;
        return true;
    }
    return false;
}

static bool parse_arguments(int argc, char **argv, struct arguments *a) {
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            if (a->url) {
                return false;
            }
            a->url = argv[i];
        } else if (i + 1 >= argc || !take_option(a, argv[i], argv[i + 1])) {
            return false;
        } else {
            i++;
        }
    }
    return a->url != NULL && strncmp(a->url, "ws://", 5) == 0;
}

static int connect_to(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0) {
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *it = found; it && fd < 0; it = it->ai_next) {
        fd = socket(it->ai_family, it->ai_socktype | SOCK_CLOEXEC, it->ai_protocol);
        if (fd >= 0 && connect(fd, it->ai_addr, it->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

static bool send_all(int fd, const char *p, size_t n) {
    while (n > 0) {
        ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* Reads more into c->in. 1 = got some, 0 = the peer closed, -1 = failed, -2 = time is up. */
static int read_more(struct client *c) {
    int wait_ms = -1;
    if (c->deadline_ms) {
        int64_t left = c->deadline_ms - clock_mono_ms();
        wait_ms = left > 0 ? (int)left : 0;
    }
    struct pollfd pfd = {.fd = c->fd, .events = POLLIN};
    int ready = poll(&pfd, 1, wait_ms);
    if (ready == 0) {
        return -2;
    }
    char chunk[16384];
    ssize_t got = ready < 0 ? -1 : recv(c->fd, chunk, sizeof(chunk), 0);
    if (got < 0 && errno == EINTR) {
        return 1;
    }
    if (got > 0) {
        buf_put(&c->in, chunk, (size_t)got);
    }
    return got > 0 ? 1 : (int)got;
}

/* A client frame: always final, always masked (RFC 6455 section 5.3). */
static bool send_frame(struct client *c, enum opcode opcode, const char *p, size_t n) {
    struct buf b;
    buf_init(&b, FRAME_BYTES_MAX);
    unsigned char mask[4];
    if (RAND_bytes(mask, sizeof(mask)) != 1) {
        return false;
    }
    buf_putc(&b, (char)(0x80 | (int)opcode));
    if (n < 126) {
        buf_putc(&b, (char)(0x80 | n));
    } else {
        uint16_t size = htons((uint16_t)n);
        buf_putc(&b, (char)(0x80 | 126));
        buf_put(&b, &size, sizeof(size));
    }
    buf_put(&b, mask, sizeof(mask));
    for (size_t i = 0; i < n; i++) {
        buf_putc(&b, (char)((unsigned char)p[i] ^ mask[i % 4]));
    }
    bool ok = n <= UINT16_MAX && buf_check(&b) == ERR_OK && send_all(c->fd, b.p, b.n);
    buf_finish(&b);
    return ok;
}

/* The accept value for our nonce (RFC 6455 section 4.2.2). */
static void expected_accept(const char *nonce, char out[64]) {
    struct buf b;
    buf_init(&b, 256);
    buf_printf(&b, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", nonce);
    unsigned char digest[SHA_DIGEST_LENGTH];
    SHA1((const unsigned char *)b.p, b.n, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof(digest));
    buf_finish(&b);
}

static bool send_handshake(struct client *c, const char *authority, const char *path,
                           const char *nonce) {
    struct buf b;
    buf_init(&b, HANDSHAKE_BYTES_MAX);
    buf_printf(&b,
               "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n",
               path, authority, nonce);
    if (c->args->subprotocol) {
        buf_printf(&b, "Sec-WebSocket-Protocol: %s\r\n", c->args->subprotocol);
    }
    for (int i = 0; i < c->args->header_count; i++) {
        buf_printf(&b, "%s\r\n", c->args->headers[i]);
    }
    buf_puts(&b, "\r\n");
    bool ok = buf_check(&b) == ERR_OK && send_all(c->fd, b.p, b.n);
    buf_finish(&b);
    return ok;
}

/* Reads the server's answer up to the empty line; frames may follow in c->in. */
static int read_handshake(struct client *c, const char *nonce) {
    char *end = NULL;
    while (!c->in.p || !(end = strstr(c->in.p, "\r\n\r\n"))) {
        int got = read_more(c);
        if (got == -2) {
            return EXIT_TIMED_OUT;
        }
        if (got <= 0 || c->in.n > HANDSHAKE_BYTES_MAX) {
            fputs("no answer to the handshake\n", stderr);
            return EXIT_FAILURE;
        }
    }
    size_t size = (size_t)(end - c->in.p) + 4;
    char accept[64];
    expected_accept(nonce, accept);
    *end = '\0';
    if (strncmp(c->in.p, "HTTP/1.1 101", 12) != 0 || !strstr(c->in.p, accept)) {
        fprintf(stderr, "refused: %s\n", c->in.p);
        return EXIT_FAILURE;
    }
    buf_consume(&c->in, size);
    return EXIT_SUCCESS;
}

static int open_connection(struct client *c) {
    const char *start = c->args->url + strlen("ws://");
    const char *path = strchr(start, '/');
    char authority[256];
    size_t size = path ? (size_t)(path - start) : strlen(start);
    if (size >= sizeof(authority)) {
        return EXIT_USAGE;
    }
    memcpy(authority, start, size);
    authority[size] = '\0';
    char host[256];
    memcpy(host, authority, size + 1);
    char *colon = strrchr(host, ':');
    if (colon) {
        *colon = '\0';
    }
    c->fd = connect_to(host, colon ? colon + 1 : "80");
    if (c->fd < 0) {
        fprintf(stderr, "cannot connect to %s: %s\n", authority, strerror(errno));
        return EXIT_FAILURE;
    }
    unsigned char random[NONCE_BYTES];
    char nonce[64];
    if (RAND_bytes(random, sizeof(random)) != 1) {
        return EXIT_FAILURE;
    }
    EVP_EncodeBlock((unsigned char *)nonce, random, sizeof(random));
    if (!send_handshake(c, authority, path ? path : "/", nonce)) {
        return EXIT_FAILURE;
    }
    return read_handshake(c, nonce);
}

static void print_message(struct client *c) {
    fwrite(c->message.p, 1, c->message.n, stdout);
    putchar('\n');
    fflush(stdout);
    c->printed++;
    buf_clear(&c->message);
}

/* Acts on one whole frame; true while the connection goes on. */
static bool take_frame(struct client *c, int opcode, bool final, const char *p, size_t n) {
    switch (opcode) {
    case OP_PING:
        return send_frame(c, OP_PONG, p, n);
    case OP_CLOSE: {
        unsigned code =
            n >= 2 ? (unsigned)(((unsigned char)p[0] << 8) | (unsigned char)p[1]) : 1005;
        fprintf(stderr, "closed %u %.*s\n", code, n > 2 ? (int)(n - 2) : 0, n > 2 ? p + 2 : "");
        (void)send_frame(c, OP_CLOSE, p, n >= 2 ? 2 : 0);
        return false;
    }
    case OP_TEXT:
    case OP_MORE:
        buf_put(&c->message, p, n);
        if (final) {
            print_message(c);
        }
        return c->args->count == 0 || c->printed < c->args->count;
    default:
        return true;
    }
}

/* Takes the first whole frame of c->in. 1 = taken, 0 = incomplete, -1 = the end. */
static int parse_frame(struct client *c) {
    if (c->in.n < 2) {
        return 0;
    }
    const unsigned char *p = (const unsigned char *)c->in.p;
    size_t head = 2;
    uint64_t size = p[1] & 0x7f;
    size_t extra = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (c->in.n < head + extra) {
        return 0;
    }
    if (extra) {
        size = 0;
        for (size_t i = 0; i < extra; i++) {
            size = size << 8 | p[head + i];
        }
    }
    head += extra;
    if ((p[1] & 0x80) || (p[0] & 0x70) || size > FRAME_BYTES_MAX) {
        fputs("the server sent a frame that RFC 6455 forbids\n", stderr);
        return -1;
    }
    if (c->in.n < head + size) {
        return 0;
    }
    bool go_on = take_frame(c, p[0] & 0x0f, (p[0] & 0x80) != 0, c->in.p + head, (size_t)size);
    buf_consume(&c->in, head + (size_t)size);
    return go_on ? 1 : -1;
}

static int follow(struct client *c) {
    for (int i = 0; i < c->args->send_count; i++) {
        if (!send_frame(c, OP_TEXT, c->args->send[i], strlen(c->args->send[i]))) {
            return EXIT_FAILURE;
        }
    }
    for (;;) {
        int taken = parse_frame(c);
        if (taken < 0) {
            return EXIT_SUCCESS;
        }
        if (taken > 0) {
            continue;
        }
        int got = read_more(c);
        if (got == -2) {
            return EXIT_TIMED_OUT;
        }
        if (got <= 0) {
            fputs("the connection ended without a close frame\n", stderr);
            return EXIT_FAILURE;
        }
    }
}

int main(int argc, char **argv) {
    struct arguments args = {0};
    if (!parse_arguments(argc, argv, &args)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    struct client c = {.args = &args, .fd = -1};
    buf_init(&c.in, 2 * FRAME_BYTES_MAX);
    buf_init(&c.message, FRAME_BYTES_MAX);
    c.deadline_ms = args.timeout_s ? clock_mono_ms() + args.timeout_s * 1000 : 0;
    int status = open_connection(&c);
    if (status == EXIT_SUCCESS) {
        status = follow(&c);
    }
    if (c.fd >= 0) {
        close(c.fd);
    }
    buf_finish(&c.in);
    buf_finish(&c.message);
    return status;
}

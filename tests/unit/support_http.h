#pragma once
/* A raw HTTP client for unit tests: the server runs on the test's own loop, so the client never
 * blocks; it turns the loop until what it waits for is there or the patience is over. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <uv.h>

#include "base/buf.h"

struct client {
    uv_loop_t *loop;
    int fd;
    bool closed; /* the server ended the connection */
    struct buf in;
};

static inline void loop_turn(uv_loop_t *loop) {
    uv_run(loop, UV_RUN_NOWAIT);
    usleep(500);
}

static inline int connect_loopback(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        abort();
    }
    return fd;
}

static inline void client_open(struct client *c, uv_loop_t *loop, int port) {
    *c = (struct client){.loop = loop, .fd = connect_loopback(port)};
    buf_init(&c->in, 16 * 1024 * 1024);
}

static inline void client_close(struct client *c) {
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
    buf_finish(&c->in);
}

static inline void client_send(struct client *c, const char *bytes, size_t size) {
    while (size) {
        ssize_t n = send(c->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        } else if (n < 0 && errno != EAGAIN) {
            return;
        }
        loop_turn(c->loop);
    }
}

static inline void client_puts(struct client *c, const char *text) {
    client_send(c, text, strlen(text));
}

/* One look at the socket, one turn of the loop. */
static inline void client_poll(struct client *c) {
    char bytes[65536];
    ssize_t n = 1;
    while (!c->closed && (n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        buf_put(&c->in, bytes, (size_t)n);
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        c->closed = true;
    }
    loop_turn(c->loop);
}

/* True once `text` was received. */
static inline bool client_wait_for(struct client *c, const char *text, int patience_ms) {
    uint64_t end = uv_hrtime() + (uint64_t)patience_ms * 1000000;
    while (!c->in.n || !strstr(c->in.p, text)) {
        if (uv_hrtime() > end || c->closed) {
            client_poll(c);
            return c->in.n && strstr(c->in.p, text);
        }
        client_poll(c);
    }
    return true;
}

/* True once the server closed the connection. */
static inline bool client_wait_closed(struct client *c, int patience_ms) {
    uint64_t end = uv_hrtime() + (uint64_t)patience_ms * 1000000;
    while (!c->closed && uv_hrtime() < end) {
        client_poll(c);
    }
    return c->closed;
}

/* Where the body of a complete answer starts, or NULL; needs Content-Length (or 204/304). */
static inline const char *client_body(const struct client *c, size_t *out_size) {
    const char *head_end = c->in.n ? strstr(c->in.p, "\r\n\r\n") : NULL;
    if (!head_end) {
        return NULL;
    }
    const char *length = strcasestr(c->in.p, "\r\nContent-Length:");
    *out_size = length && length < head_end ? strtoul(length + 17, NULL, 10) : 0;
    size_t there = c->in.n - (size_t)(head_end + 4 - c->in.p);
    return there >= *out_size ? head_end + 4 : NULL;
}

/* Sends and waits for one complete answer; gives its status, 0 when none came. The answer stays
 * in c->in. For HEAD pass `no_body`. */
static inline int client_ask(struct client *c, const char *request, bool no_body) {
    buf_clear(&c->in);
    client_puts(c, request);
    uint64_t end = uv_hrtime() + 5000000000U;
    size_t size = 0;
    while (uv_hrtime() < end) {
        client_poll(c);
        bool done =
            no_body ? (c->in.n && strstr(c->in.p, "\r\n\r\n")) : client_body(c, &size) != NULL;
        if (done) {
            break;
        }
        if (c->closed) {
            break;
        }
    }
    return c->in.n > 12 ? (int)strtol(c->in.p + 9, NULL, 10) : 0;
}

/* Processor time of this process in milliseconds. */
static inline int64_t cpu_ms(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 +
           (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
}

static inline void support_stop_loop(uv_timer_t *timer) {
    uv_stop(timer->loop);
}

/* Lets the loop sleep and work for `ms`; gives the processor time it took. */
static inline int64_t loop_idle_cpu_ms(uv_loop_t *loop, uint64_t ms) {
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    uv_update_time(loop);
    uv_timer_start(&timer, support_stop_loop, ms, 0);
    int64_t before = cpu_ms();
    uv_run(loop, UV_RUN_DEFAULT);
    int64_t used = cpu_ms() - before;
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
    return used;
}

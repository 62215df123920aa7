#include "store/redis_socket.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

#include "base/mem.h"

enum { READ_BYTES = 65536, KEEPALIVE_S = 15 };

struct redis_socket {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    const struct redis_socket_handlers *handlers;
    void *user;
    uv_loop_t *loop;
    bool closing;
    bool has_handle; /* uv is initialised */
    bool is_writing;
    bool is_resolving;
    uv_getaddrinfo_t resolve;
    struct addrinfo *addresses; /* owned by libuv */
    struct addrinfo *next;      /* the address to try next */
    uv_connect_t connect;
    uv_write_t write;
    struct buf writing;
    redisReader *reader;
    char in[READ_BYTES];
};

static void try_next_address(struct redis_socket *s);

static void free_socket(struct redis_socket *s) {
    uv_freeaddrinfo(s->addresses);
    redisReaderFree(s->reader);
    buf_finish(&s->writing);
    free(s);
}

static void on_closed(uv_handle_t *handle) {
    free_socket(handle->data);
}

static void lost(struct redis_socket *s, const char *why) {
    if (!s->closing) {
        s->handlers->on_lost(s->user, why);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buf) {
    struct redis_socket *s = handle->data;
    (void)suggested;
    *out_buf = uv_buf_init(s->in, sizeof(s->in));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *bytes) {
    struct redis_socket *s = stream->data;
    if (size < 0) {
        lost(s, uv_strerror((int)size));
        return;
    }
    if (size == 0 || s->closing) {
        return;
    }
    if (redisReaderFeed(s->reader, bytes->base, (size_t)size) != REDIS_OK) {
        lost(s, "reply too large");
        return;
    }
    while (!s->closing) {
        void *reply = NULL;
        if (redisReaderGetReply(s->reader, &reply) != REDIS_OK) {
            lost(s, "not the Redis protocol");
            return;
        }
        if (!reply) {
            return;
        }
        s->handlers->on_reply(s->user, reply);
        freeReplyObject(reply);
    }
}

static void on_connect(uv_connect_t *request, int status) {
    struct redis_socket *s = request->data;
    if (s->closing) {
        return;
    }
    if (status == 0) {
        status = uv_read_start(&s->uv.stream, on_alloc, on_read);
    }
    if (status == 0) {
        s->handlers->on_open(s->user);
    } else if (s->next) {
        try_next_address(s);
    } else {
        lost(s, uv_strerror(status));
    }
}

static void on_failed_try_closed(uv_handle_t *handle) {
    struct redis_socket *s = handle->data;
    s->has_handle = false;
    if (s->closing) {
        free_socket(s);
    } else {
        try_next_address(s);
    }
}

static void try_next_address(struct redis_socket *s) {
    if (s->has_handle) {
        uv_close(&s->uv.handle, on_failed_try_closed);
        return;
    }
    struct addrinfo *address = s->next;
    s->next = address->ai_next;
    int status = uv_tcp_init(s->loop, &s->uv.tcp);
    s->has_handle = true;
    s->uv.handle.data = s;
    if (status == 0) {
        status = uv_tcp_connect(&s->connect, &s->uv.tcp, address->ai_addr, on_connect);
    }
    if (status == 0) {
        (void)uv_tcp_nodelay(&s->uv.tcp, 1);
        (void)uv_tcp_keepalive(&s->uv.tcp, 1, KEEPALIVE_S);
    } else if (s->next) {
        try_next_address(s);
    } else {
        lost(s, uv_strerror(status));
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses) {
    struct redis_socket *s = request->data;
    s->is_resolving = false;
    s->addresses = s->next = addresses;
    if (s->closing) {
        free_socket(s);
    } else if (status != 0) {
        lost(s, uv_strerror(status));
    } else {
        try_next_address(s);
    }
}

/* True when on_resolved or on_connect will be called. */
static int start(struct redis_socket *s, const struct redis_url *url) {
    if (url->path) {
        int status = uv_pipe_init(s->loop, &s->uv.pipe, 0);
        s->has_handle = true;
        s->uv.handle.data = s;
        if (status == 0) {
            uv_pipe_connect(&s->connect, &s->uv.pipe, url->path, on_connect);
        }
        return status;
    }
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int status = uv_getaddrinfo(s->loop, &s->resolve, on_resolved, url->host, url->port, &hints);
    s->is_resolving = status == 0;
    return status;
}

struct redis_socket *redis_socket_open(uv_loop_t *loop, const struct redis_url *url,
                                       const struct redis_socket_handlers *handlers, void *user) {
    struct redis_socket *s = mem_zalloc(1, sizeof(*s));
    s->loop = loop;
    s->handlers = handlers;
    s->user = user;
    s->connect.data = s->write.data = s->resolve.data = s;
    buf_init(&s->writing, SIZE_MAX / 2);
    s->reader = redisReaderCreate();
    if (!s->reader || start(s, url) != 0) {
        redis_socket_close(s);
        return NULL;
    }
    return s;
}

void redis_socket_close(struct redis_socket *s) {
    s->closing = true;
    if (s->is_resolving) {
        (void)uv_cancel((uv_req_t *)&s->resolve); /* on_resolved frees either way */
    } else if (!s->has_handle) {
        free_socket(s);
    } else if (!uv_is_closing(&s->uv.handle)) {
        uv_close(&s->uv.handle, on_closed);
    }
}

static void on_written(uv_write_t *request, int status) {
    struct redis_socket *s = request->data;
    if (s->closing) {
        return;
    }
    s->is_writing = false;
    buf_clear(&s->writing);
    if (status != 0) {
        lost(s, uv_strerror(status));
    } else {
        s->handlers->on_drain(s->user);
    }
}

bool redis_socket_write(struct redis_socket *s, struct buf *out) {
    if (s->is_writing) {
        return false;
    }
    struct buf spare = s->writing;
    s->writing = *out;
    *out = spare;
    out->max = s->writing.max;
    s->is_writing = true;
    uv_buf_t bytes = uv_buf_init(s->writing.p, (unsigned)s->writing.n);
    if (uv_write(&s->write, &s->uv.stream, &bytes, 1, on_written) != 0) {
        s->is_writing = false; /* the read side reports the loss */
        buf_clear(&s->writing);
    }
    return true;
}

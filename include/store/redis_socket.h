#pragma once
/* One socket to Redis: resolves without blocking, tries each address, writes bytes, cuts what
 * arrives into replies. Knows nothing of commands; redis_conn owns it and replaces it after a
 * loss. Only hiredis' parser is used: its asynchronous half (0.14) hides refused and reset
 * connections from libuv and aborts on some pub/sub replies. */
#include <uv.h>

#include "base/buf.h"
#include "store/redis_url.h"

struct redis_socket;
struct redisReply;

struct redis_socket_handlers {
    void (*on_open)(void *user);
    void (*on_reply)(void *user, const struct redisReply *reply);
    /* A write has ended; more may be written. */
    void (*on_drain)(void *user);
    /* The end, before or after on_open; the owner closes now. `why` is for the log. */
    void (*on_lost)(void *user, const char *why);
};

/* Starts connecting; handlers are called from the loop only. `url` is borrowed until the close. */
struct redis_socket *redis_socket_open(uv_loop_t *loop, const struct redis_url *url,
                                       const struct redis_socket_handlers *handlers, void *user);
/* No handler is called any more; frees on a later loop turn. */
void redis_socket_close(struct redis_socket *s);
/* Takes the content of `out` and leaves it empty. False while an earlier write is under way:
 * nothing was taken, call again from on_drain. */
bool redis_socket_write(struct redis_socket *s, struct buf *out);

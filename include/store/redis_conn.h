#pragma once
/* One asynchronous Redis connection on a libuv loop that keeps itself alive: resolves, connects,
 * authenticates, selects, PINGs, reconnects with jitter. hiredis stays behind src/store. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "base/err.h"
#include "base/str.h"

struct redis_conn;
struct redisReply;

/* `reply` is NULL unless err == ERR_OK; an error reply of Redis is ERR_OK with its text in the
 * reply, except those that say that this server cannot serve now (LOADING, READONLY, …): these
 * are ERR_UNAVAILABLE too. ERR_UNAVAILABLE: nothing was done. ERR_TIMEOUT, ERR_CLOSED: outcome
 * unknown. */
typedef void redis_reply_fn(void *user, enum err err, const struct redisReply *reply);
typedef void redis_state_fn(void *user, bool up);
/* One pub/sub message of a subscriber connection: an array whose first element says what it is. */
typedef void redis_push_fn(void *user, const struct redisReply *message);

struct redis_options {
    const char *url;      /* redis://… or unix://…; borrowed for the call */
    const char *password; /* NULL = from the URL or none; borrowed for the call */
    int64_t timeout_ms;   /* 0: commands never time out */
    int64_t reconnect_max_ms;
    redis_push_fn *on_push; /* not NULL: a subscriber, for redis_conn_subscribe only */
};

/* Starts connecting. ERR_INVALID for a malformed URL. `on_state` may be NULL. */
MUST_CHECK enum err redis_conn_create(uv_loop_t *loop, const struct redis_options *options,
                                      redis_state_fn *on_state, void *user,
                                      struct redis_conn **out_conn);
/* Fails what is pending with ERR_CLOSED before it returns (no callback comes later) and frees on
 * a later loop turn. Allowed inside callbacks. Accepts NULL. */
void redis_conn_destroy(struct redis_conn *conn);
bool redis_conn_is_up(const struct redis_conn *conn);
/* Drops the socket and connects again (a watchdog found it silent); pending callbacks get
 * ERR_CLOSED on the next loop turn. */
void redis_conn_reset(struct redis_conn *conn);
/* Sends one command; the callback always comes, never from inside this call. */
void redis_conn_command(struct redis_conn *conn, const struct str *argv, size_t argc,
                        redis_reply_fn *on_reply, void *user);
/* Subscribes to channels by name; the acknowledgements arrive through on_push, as everything
 * else. Nothing happens while down: subscribe from on_state. Subscriptions end with the socket. */
void redis_conn_subscribe(struct redis_conn *conn, const struct str *channels, size_t count);

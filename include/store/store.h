#pragma once
/* The door to Redis for one process: the command connection and the scripts. The stores below
 * (alert_store, key_store, device_store, push_queue, bus) borrow it. All calls are asynchronous
 * on the loop; a callback always comes exactly once and never from inside the call. */
#include <stdbool.h>

#include <uv.h>

#include "base/config.h"
#include "base/err.h"

struct store;

typedef void store_done_fn(void *user, enum err err);

/* The URL the process uses: redis.url, or the embedded server's socket. `out_url` is malloc'ed. */
char *store_url(const struct config *cfg);
/* Starts connecting; commands fail with ERR_UNAVAILABLE until up. */
MUST_CHECK enum err store_create(uv_loop_t *loop, const struct config *cfg,
                                 struct store **out_store);
/* Accepts NULL; frees on a later loop turn. Callbacks pending get ERR_CLOSED. */
void store_destroy(struct store *store);
/* True while Redis answers. */
bool store_is_up(const struct store *store);
/* Gives the connection up and makes another: it is doubted to lead to the right server. Calls under
 * way get ERR_CLOSED. */
void store_reconnect(struct store *store);
/* Runs the loop until connected or `timeout_ms` passed; for the command line only. */
MUST_CHECK enum err store_wait_up(struct store *store, uv_loop_t *loop, int64_t timeout_ms);

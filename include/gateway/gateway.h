#pragma once
/* The gateway role: WebSocket, SSE, long-poll, device registration, on the public listener. */
#include <uv.h>

#include "base/config.h"
#include "base/err.h"
#include "model/taxonomy.h"

struct gateway;

/* Borrows loop, cfg and taxonomy for its life. */
MUST_CHECK enum err gateway_create(uv_loop_t *loop, const struct config *cfg,
                                   const struct taxonomy *t, struct gateway **out_gateway);
/* Reads the files of the configuration again that may change (SIGHUP): the keys of the readers'
 * tokens, and those of TLS. What cannot be read is logged and stays as it was. */
void gateway_reload(struct gateway *g);
/* The plain port bound (for an address ending in ":0"); 0 without one. */
int gateway_port(const struct gateway *g);
/* Drains: readiness off, `bye` to every reader over the drain window, then `on_stopped`. */
void gateway_stop(struct gateway *g, void (*on_stopped)(void *user), void *user);
/* After on_stopped, or instead of a stop. Accepts NULL. */
void gateway_destroy(struct gateway *g);

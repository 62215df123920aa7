#pragma once
/* The ops role: /metrics, /healthz and /readyz on a machine that runs no newsroom role. */
#include <uv.h>

#include "base/config.h"
#include "base/err.h"

struct ops;

/* Borrows loop and cfg for its life. */
MUST_CHECK enum err ops_create(uv_loop_t *loop, const struct config *cfg, struct ops **out_ops);
/* No new connections; then `on_stopped`. */
void ops_stop(struct ops *o, void (*on_stopped)(void *user), void *user);
/* After on_stopped, or instead of a stop. Accepts NULL. */
void ops_destroy(struct ops *o);

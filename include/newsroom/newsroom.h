#pragma once
/* The newsroom role: ingest API, alert list and stats, metrics and health, on its own listener. */
#include <uv.h>

#include "base/config.h"
#include "base/err.h"
#include "model/taxonomy.h"

struct newsroom;

/* Borrows loop, cfg and taxonomy for its life. */
MUST_CHECK enum err newsroom_create(uv_loop_t *loop, const struct config *cfg,
                                    const struct taxonomy *t, struct newsroom **out_newsroom);
/* Reads the TLS files again; a broken one leaves the former in use. */
void newsroom_reload(struct newsroom *n);
/* Orderly stop: no new connections, requests under way are answered, then `on_stopped`. */
void newsroom_stop(struct newsroom *n, void (*on_stopped)(void *user), void *user);
/* After on_stopped, or instead of a stop. Accepts NULL. */
void newsroom_destroy(struct newsroom *n);

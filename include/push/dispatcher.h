#pragma once
/* The dispatcher role: plans alerts into jobs and pushes them over APNs and FCM. */
#include <uv.h>

#include "base/config.h"
#include "base/err.h"
#include "model/taxonomy.h"

struct dispatcher;

/* Borrows loop, cfg and taxonomy for its life. */
MUST_CHECK enum err dispatcher_create(uv_loop_t *loop, const struct config *cfg,
                                      const struct taxonomy *t, struct dispatcher **out_dispatcher);
/* Takes no new work, waits for answers under way, flushes outcomes, then `on_stopped`. */
void dispatcher_stop(struct dispatcher *d, void (*on_stopped)(void *user), void *user);
/* After on_stopped, or instead of a stop. Accepts NULL. */
void dispatcher_destroy(struct dispatcher *d);

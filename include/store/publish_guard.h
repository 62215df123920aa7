#pragma once
/* What keeps a publish from being an accident, decided inside the publish script (lib_guard.lua):
 *
 *   duplicate  a new actual alert with a text that was sent within newsroom.duplicate_window_s, in
 *              any edition, by any key, unless both name a story and not the same
 *   breaker    a key that sent newsroom.breaker_alerts actual alerts and updates within
 *              breaker_window_s sends none any more until an admin resets it
 *
 * Updates and cancels are no duplicates, and a cancel always passes: it ends harm. */
#include <stdbool.h>

#include "base/buf.h"
#include "base/config.h"
#include "model/alert.h"
#include "store/audit.h"
#include "store/store.h"

enum { PUBLISH_GUARD_BYTES_MAX = 65536 };

/* The guard of one publish, as lib_guard.lua reads it; nothing for an alert that needs none.
 * `a` has its created_by; `key_name` (may be NULL) says who that is. */
void publish_guard_put(const struct config *cfg, const struct alert *a, const char *key_name,
                       bool allow_duplicate, struct buf *b);

/* `former` is the id of the alert that said the same, empty = none; valid during the call.
 * `is_broken`: the breaker of the key has tripped. */
typedef void publish_guard_look_fn(void *user, enum err err, struct str former, bool is_broken);
/* What would be refused now; `a` is borrowed for the call. */
void publish_guard_look(struct store *store, const struct alert *a, publish_guard_look_fn *done,
                        void *user);

/* `was_open`: the breaker had tripped. */
typedef void publish_guard_fn(void *user, enum err err, bool was_open);
/* Lets a key send again; `event` is noted in the audit log when its breaker was open. */
void publish_guard_reset(struct store *store, struct str key_id, const struct audit_event *event,
                         publish_guard_fn *done, void *user);

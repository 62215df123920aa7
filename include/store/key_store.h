#pragma once
/* Newsroom API keys in Redis, as opaque JSON by key id (the auth layer gives it meaning). */
#include "base/str.h"
#include "store/audit.h"
#include "store/store.h"

/* `json` is empty with ERR_NOT_FOUND; valid during the call. */
typedef void key_get_fn(void *user, enum err err, struct str json);
/* Called once per key, then with an empty view at the end (or on error). */
typedef void key_list_fn(void *user, enum err err, struct str json);

/* Stores a new key or another state of one, and `event` in the audit log. */
void key_store_put(struct store *store, struct str key_id, struct str json,
                   const struct audit_event *event, store_done_fn *done, void *user);
void key_store_get(struct store *store, struct str key_id, key_get_fn *done, void *user);
void key_store_list(struct store *store, key_list_fn *done, void *user);

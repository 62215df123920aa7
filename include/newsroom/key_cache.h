#pragma once
/* API keys as the newsroom checks them: looked up in Redis, remembered for a few seconds, so that
 * a busy desk costs no look-up per request and a revoked key stops working soon. */
#include "auth/api_key.h"
#include "base/err.h"
#include "base/str.h"
#include "model/taxonomy.h"
#include "store/store.h"

struct key_cache;

/* ERR_DENIED: malformed, unknown, wrong or revoked. ERR_UNAVAILABLE: Redis cannot be asked. `key`
 * is valid during the call, NULL unless ERR_OK. */
typedef void key_check_fn(void *user, enum err err, const struct api_key *key);

/* Borrows store and taxonomy. Never NULL. */
struct key_cache *key_cache_create(struct store *store, const struct taxonomy *t, int64_t keep_ms);
/* After store_destroy, which ends the look-ups under way. Accepts NULL. */
void key_cache_destroy(struct key_cache *cache);
/* `text` is the whole key, borrowed for the call. `done` comes exactly once, at once when the
 * answer is remembered. */
void key_cache_check(struct key_cache *cache, struct str text, key_check_fn *done, void *user);

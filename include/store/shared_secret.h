#pragma once
/* A random secret that all workers share through Redis: made by the first that asks. */
#include "base/err.h"
#include "base/str.h"
#include "store/store.h"

enum { SHARED_SECRET_BYTES = 32 };

/* SHARED_SECRET_BYTES bytes, valid during the call; empty unless ERR_OK. */
typedef void shared_secret_fn(void *user, enum err err, struct str secret);
/* Reads the secret under a key of Redis (KEY_CONFIRM). It is asked for each time: after
 * Redis was emptied all workers have the same new one at once. */
void shared_secret_read(struct store *store, const char *key, shared_secret_fn *done, void *user);

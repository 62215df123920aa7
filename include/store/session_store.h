#pragma once
/* Sessions of people at the console: which key signed in, by the digest of a random token that only
 * the browser has. They live as long as they are used, in Redis, so all workers know them. */
#include "base/codec.h"
#include "base/str.h"
#include "store/audit.h"
#include "store/store.h"

enum { SESSION_ID_BYTES = SHA256_HEX_BYTES };

/* Both in seconds: unused, and at all (newsroom.session_idle_s, session_max_s). */
struct session_life {
    int64_t idle_s;
    int64_t most_s;
};

void session_store_open(struct store *store, const char *session_id, const char *key_id,
                        const struct session_life *life, const struct audit_event *event,
                        store_done_fn *done, void *user);
/* ERR_OK with the stored form of the key as it is at this moment, valid during the call, and when
 * the session ends if it is not used again; ERR_NOT_FOUND without a session, or without its key. */
typedef void session_fn(void *user, enum err err, struct str key_json, int64_t expires_ms);
void session_store_check(struct store *store, const char *session_id,
                         const struct session_life *life, session_fn *done, void *user);
/* ERR_OK while the session lasts, which this does not lengthen; ERR_NOT_FOUND when it is over. */
void session_store_look(struct store *store, const char *session_id, store_done_fn *done,
                        void *user);
/* ERR_OK also when it was over; then nothing is recorded. */
void session_store_close(struct store *store, const char *session_id,
                         const struct audit_event *event, store_done_fn *done, void *user);

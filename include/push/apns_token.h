#pragma once
/* The provider JWT of APNs: one per key, shared by all connections of the process, renewed at 45
 * to 50 minutes of its hour and never oftener than every 20 (Apple, "Establishing a token-based
 * connection to APNs"). */
#include <stdbool.h>
#include <stdint.h>

#include "auth/jwt.h"
#include "base/err.h"
#include "base/str.h"

struct apns_token;

/* Takes the key. `key_id` and `team_id` are copied. */
MUST_CHECK enum err apns_token_create(struct jwt_key *take_key, const char *key_id,
                                      const char *team_id, struct apns_token **out_token);
/* Accepts NULL. */
void apns_token_destroy(struct apns_token *t);
/* "bearer <JWT>", signed now if it is due; valid until the next call. Empty when signing fails and
 * there is no older one (logged). */
struct str apns_token_bearer(struct apns_token *t);
/* Which JWT that was: 1, 2, … */
uint32_t apns_token_version(const struct apns_token *t);
/* `version` was called expired. True when a newer one exists or may be signed now. Once in 20
 * minutes that may be sooner than the update limit allows, which counts by connection: then
 * `*out_replace_all` is true and every connection must be replaced. */
bool apns_token_renew(struct apns_token *t, uint32_t version, bool *out_replace_all);
/* Too many updates: none for the next 20 minutes. */
void apns_token_hold(struct apns_token *t);
/* True within a minute of a change from one JWT to another. */
bool apns_token_is_fresh(const struct apns_token *t);

#pragma once
/* Each distinct authorization header is kept and checked once: a real sender repeats one token a
 * million times. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct sim;
struct provider_key;
struct access_token;

enum jwt_state { JWT_UNCHECKED, JWT_VALID, JWT_INVALID };

struct authorization {
    struct str text; /* owned by the struct */
    enum jwt_state state;
    const struct provider_key *key; /* APNs: the key that signed */
    int64_t iat_s;                  /* APNs */
    bool counted_for_address;       /* APNs, fault "updates_by_address" */
    struct access_token *token;     /* FCM: NULL until found */
    char bytes[];
};

/* The entry of this header value, made if new. */
struct authorization *authorization_get(struct sim *s, struct str text, bool *out_is_new);
/* Checks everything anew from now on (keys or faults changed). Entries stay valid. */
void authorization_forget_checks(struct sim *s);
/* Frees all; only when no connection is left. */
void authorization_cleanup(struct sim *s);

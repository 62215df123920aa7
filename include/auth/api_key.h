#pragma once
/* Newsroom API keys: "tcn_<key id>_<secret>". Only the SHA-256 of the secret is stored; 256 random
 * bits need no slow hash. */
#include <stdbool.h>
#include <stdint.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/str.h"
#include "model/alert.h"
#include "model/problem.h"

enum { API_KEY_ID_BYTES = 13, API_KEY_TEXT_BYTES = 80 };

/* What a key may do. Masks of 0 = any. */
struct key_scope {
    bool publish; /* POST alerts */
    bool read;    /* read alerts, stats, metrics */
    bool approve; /* release what another person submitted */
    bool admin;   /* abort, kill switches, keys by API */
    bool person;  /* an editor's own key, which signs in to the console; else a service's */
    uint64_t regions;
    uint64_t editions;
    enum urgency max_urgency; /* most urgent level the key may use; URGENCY_FLASH = all */
    bool all_regions;         /* may address ["all"] */
};

struct api_key {
    char id[API_KEY_ID_BYTES]; /* 12 characters [a-z0-9] */
    char secret_sha256[SHA256_HEX_BYTES];
    char name[65];
    struct key_scope scope;
    int64_t created_ms;
    bool revoked;
};

/* Fills id, hash and created_ms of `key` and writes the full key text, the only time it exists. */
void api_key_generate(struct api_key *key, char out_text[API_KEY_TEXT_BYTES]);
/* Splits "tcn_<id>_<secret>"; ERR_INVALID for another form. */
MUST_CHECK enum err api_key_split(struct str text, char out_id[API_KEY_ID_BYTES],
                                  char out_secret_sha256[SHA256_HEX_BYTES]);
/* Constant-time comparison of the hashes; false for a revoked key. */
bool api_key_is_match(const struct api_key *key, const char *secret_sha256);
/* Checks an alert against the scope: a fault per region, edition or urgency out of scope (code
 * out_of_scope). A region in scope includes the regions below it. Of an update or cancel only what
 * it says itself can be judged before alert_inherit: check it again afterwards. */
void api_key_check_alert(const struct key_scope *scope, const struct taxonomy *t,
                         const struct alert *a, struct problem *problems);
/* The stored form; without the secret, which nobody has. */
void api_key_put_json(const struct api_key *key, const struct taxonomy *t, struct buf *b);
/* ERR_INVALID for anything else. A scope whose regions or editions are all unknown by now may no
 * longer publish: the empty list would mean any. */
MUST_CHECK enum err api_key_parse_json(const struct taxonomy *t, struct str json,
                                       struct api_key *out_key);

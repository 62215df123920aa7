#pragma once
/* Apple's provider API: POST /3/device/<token>. */
#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "base/err.h"
#include "base/str.h"
#include "sim.h"
#include "stream.h"

enum { APNS_TOPICS_MAX = 16, APNS_KEYS_MAX = 32, APNS_NAME_BYTES = 128 };

/* A key registered with the simulated Apple. */
struct provider_key {
    char key_id[APNS_NAME_BYTES];
    char team_id[APNS_NAME_BYTES];
    char family[APNS_NAME_BYTES]; /* keys of one family may share a connection */
    bool other_environment;
    EVP_PKEY *key; /* owned */
    char topics[APNS_TOPICS_MAX][APNS_NAME_BYTES];
    int topic_count;
};

/* What a check says: status 0 = fine. */
struct verdict {
    int status;
    const char *reason;
};

/* The request as understood. */
struct apns_push {
    struct str token;   /* lower case */
    int push_type;      /* row of apns_push_types */
    int64_t expiration; /* -1 = not given */
    char token_bytes[256];
};

struct apns_push_type {
    const char *name;
    const char *suffix;     /* of the topic */
    const char *priorities; /* allowed, one character each: 1, 5, a = 10 */
    size_t payload_max;
};
extern const struct apns_push_type apns_push_types[];
int apns_find_push_type(struct str name);

/* Knows the key of `s->credentials`. */
struct apns *apns_create(struct sim *s);
/* Accepts NULL. */
void apns_destroy(struct apns *a);
/* Registers a further key; ERR_FULL when there are APNS_KEYS_MAX. Takes key->key. */
MUST_CHECK enum err apns_add_key(struct apns *a, const struct provider_key *key);
const struct provider_key *apns_find_key(const struct apns *a, struct str key_id);
/* Drops added keys and what was learnt of payloads (their numbers begin anew). */
void apns_reset(struct apns *a);
/* Fills st->answer. */
void apns_handle(struct apns *a, struct stream *st);
/* An answer with this reason; 200 has none. */
void apns_answer(struct stream *st, int status, const char *reason);

/* Headers, path and token (apns_headers.c). */
struct verdict apns_check_headers(const struct request *rq, struct apns_push *out);
/* The provider token, its age, its changes on this connection, the topic (apns_auth.c). */
struct verdict apns_check_authorization(struct apns *a, struct stream *st,
                                        const struct apns_push *push);
/* Size and content (apns_payload.c); *out_payload gets its number in the ledger. */
struct verdict apns_check_payload(struct apns *a, struct stream *st, const struct apns_push *push,
                                  uint32_t *out_payload);

struct sim *apns_sim(struct apns *a);
struct apns_payloads *apns_payloads_of(struct apns *a);
/* What was learnt of payloads, by their number in the ledger. */
struct apns_payloads *apns_payloads_create(void);
void apns_payloads_destroy(struct apns_payloads *p);

#pragma once
/* What the providers think of single device tokens. A token nobody registered is fine. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "faults.h"

enum behaviour {
    TOKEN_OK,
    TOKEN_UNREGISTERED,
    TOKEN_EXPIRED,
    TOKEN_BAD,
    TOKEN_WRONG_TOPIC,
    TOKEN_WRONG_ENVIRONMENT,
    TOKEN_WRONG_SENDER,
    TOKEN_APNS_UNREGISTERED,
    TOKEN_THIRD_PARTY_AUTH,
    TOKEN_TOO_MANY,
    TOKEN_INTERNAL,
    TOKEN_UNAVAILABLE,
    TOKEN_ACCEPTED_UNAVAILABLE,
    TOKEN_SILENT,
    TOKEN_BEHAVIOUR_COUNT
};

struct token_rule {
    enum behaviour behaviour;
    int64_t times;        /* how often, then TOKEN_OK; -1 = always */
    int64_t timestamp_ms; /* of a 410; 0 = now */
    int64_t retry_after;  /* seconds; -1 = none */
};

struct registry;

struct registry *registry_create(void);
/* Accepts NULL. */
void registry_destroy(struct registry *r);
/* Index of the behaviour's name if this provider knows it, else -1. */
int registry_find_behaviour(enum provider provider, struct str name);
/* Token "*" sets what holds for all others. */
void registry_set(struct registry *r, enum provider provider, struct str token,
                  const struct token_rule *rule);
/* The rule for one push to this token; uses up one of its times. */
struct token_rule registry_take(struct registry *r, enum provider provider, struct str token);
/* True when this push is over the rate of `f` for its token. */
bool registry_over_rate(struct registry *r, const struct fault *f, struct str token,
                        int64_t now_ms);

#pragma once
/* Google's token endpoint: a signed assertion of the service account for an access token. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "sim.h"
#include "stream.h"

struct access_token {
    int64_t expires_ms; /* mock clock */
    bool may_send;      /* has a scope that covers messaging */
};

struct oauth;

/* Knows the service account of `s->credentials`. */
struct oauth *oauth_create(struct sim *s);
/* Accepts NULL. */
void oauth_destroy(struct oauth *o);
/* The own address as the audience of assertions; copied. */
void oauth_set_token_uri(struct oauth *o, const char *token_uri);
/* Fills st->answer. */
void oauth_handle(struct oauth *o, struct stream *st);
/* An error answer: {"error":…,"error_description":…}. */
void oauth_answer(struct stream *st, int status, const char *error);
/* The token of "Bearer <token>", NULL when it was never issued. */
struct access_token *oauth_find_token(const struct oauth *o, struct str bearer);
/* Every token issued so far is expired. Returns how many. */
uint64_t oauth_expire_all(struct oauth *o);
uint64_t oauth_grants(const struct oauth *o);
/* Forgets the count of grants; tokens stay good. */
void oauth_reset(struct oauth *o);

#pragma once
/* The OAuth bearer of an FCM project: an RS256 assertion exchanged at token_uri over HTTP/2, one
 * token for all connections, renewed about five minutes ahead with jitter. Errors are tried again
 * with back-off; refused credentials are reported and tried again slowly. */
#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/config.h"
#include "base/err.h"
#include "base/str.h"

struct fcm_token;

struct fcm_account {
    char *project_id;
    char *client_email;
    char *private_key; /* PEM */
    char *private_key_id;
    char *token_uri;
};

struct fcm_token_events {
    void (*on_change)(void *user); /* a token came */
    void (*on_refused)(void *user, struct str reason);
};

/* Reads a service-account JSON. ERR_INVALID: `out_problem` (static) says what is missing. */
MUST_CHECK enum err fcm_account_parse(struct str json, struct fcm_account *out_account,
                                      const char **out_problem);
/* Wipes the key. */
void fcm_account_finish(struct fcm_account *account);

/* fcm.token_url replaces the account's token_uri as the place to ask (the assertion's audience
 * stays token_uri); "" = token_uri itself. Refused credentials are tried again each
 * dispatcher.credentials_retry_s. ERR_INVALID for a bad key or URL. */
MUST_CHECK enum err fcm_token_create(uv_loop_t *loop, const struct fcm_account *account,
                                     const struct config *cfg,
                                     const struct fcm_token_events *events, void *user,
                                     struct fcm_token **out_token);
void fcm_token_destroy(struct fcm_token *t);
/* Asks for a token when one is due; call it several times a second. */
void fcm_token_tick(struct fcm_token *t, int64_t now_mono_ms);
/* "Bearer <token>"; empty while there is no valid one. Valid until the loop's next turn. */
struct str fcm_token_bearer(const struct fcm_token *t);
uint32_t fcm_token_version(const struct fcm_token *t);
/* `version` was refused: asks for another unless that is under way or done. */
void fcm_token_renew(struct fcm_token *t, uint32_t version);
/* How long a token that lives `expires_in_s` is used before another is asked for. Pure. */
int64_t fcm_token_use_ms(int64_t expires_in_s, uint64_t random);

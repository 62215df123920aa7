#pragma once
/* What was confirmed is what is sent. A preview hands out a token over what it showed; a person's
 * key cannot send an actual alert without it, and any key may give one.
 *
 *   preview ── confirm_make ──▶ token ── editor: "send" ──▶ confirm_check ──▶ publish
 *
 * The alert is given as it will be sent: an update or cancel after alert_inherit. Its id (of a new
 * alert), sent_ms and created_by do not count. */
#include <stdbool.h>
#include <stdint.h>

#include "auth/api_key.h"
#include "auth/confirm_token.h"
#include "model/alert.h"
#include "newsroom/call.h"

/* True when the key may send this only with a token. */
bool confirm_is_needed(const struct api_key *key, const struct alert *a);
/* True when a second person must release it: a person's new actual alert for more devices than
 * newsroom.approval_above. */
bool confirm_needs_approval(const struct room *room, const struct api_key *key,
                            const struct alert *a, uint64_t audience);

/* ERR_OK with a token good until `expires_ms`, else ERR_UNAVAILABLE; never from inside the call. */
typedef void confirm_made_fn(void *user, enum err err, const char *token, int64_t expires_ms);
/* For what the key was shown. Borrows for the call. */
void confirm_make(struct room *room, const struct api_key *key, const struct alert *a,
                  uint64_t audience, confirm_made_fn *done, void *user);

struct confirm_verdict {
    int status;         /* 0 = confirmed, else that of the refusal (409, 428, 503) */
    const char *code;   /* confirm_required, confirm_mismatch, confirm_expired, audience_changed;
                           NULL with 503 */
    const char *detail; /* for people; valid during the call */
    uint64_t audience;  /* devices now, when confirmed by a token */
};
typedef void confirm_fn(void *user, const struct confirm_verdict *verdict);
/* Judges a token, the empty view when there is none. `a` is borrowed until `done`, which comes
 * once, from inside the call when nothing has to be asked. The caller names where the token was
 * (the header Confirm-Token, or a member). */
void confirm_check(struct room *room, const struct api_key *key, const struct alert *a,
                   struct str token, confirm_fn *done, void *user);

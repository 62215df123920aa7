#pragma once
/* The proof that an editor was shown exactly what is now to be sent: a MAC over the key, the text
 * of the alert and how many devices it was for, with an end. Pure: secret and time come in. */
#include <stdint.h>

#include "base/str.h"

/* "<expires ms>.<audience>.<MAC>": at most 13 + 20 + 43 digits. */
enum { CONFIRM_TOKEN_BYTES = 96 };

struct confirm_claim {
    const char *key_id;
    struct str alert; /* canonical text of what was shown */
    uint64_t audience;
    int64_t expires_ms; /* wall clock */
};

enum confirm_fault {
    CONFIRM_FINE,
    CONFIRM_MISMATCH, /* forged, or of another alert or key, or no token at all */
    CONFIRM_EXPIRED,
};

void confirm_token_make(struct str secret, const struct confirm_claim *claim,
                        char out_token[CONFIRM_TOKEN_BYTES]);
/* `claim` says whose and what alert; its audience and end are filled in from the token unless it
 * is a mismatch. */
enum confirm_fault confirm_token_check(struct str secret, struct str token, int64_t now_ms,
                                       struct confirm_claim *claim);

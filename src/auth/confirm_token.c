#include "auth/confirm_token.h"

#include <inttypes.h>
#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/codec.h"

enum { INPUT_BYTES_MAX = 256, MAC_TEXT_BYTES = 48 /* 43 of base64url */ };

/* The first line keeps this use of the secret apart from any other. */
static void make_mac(struct str secret, const struct confirm_claim *claim, struct buf *out_text) {
    char digest[SHA256_HEX_BYTES];
    unsigned char mac[SHA256_BYTES];
    struct buf input;
    codec_sha256_hex(claim->alert, digest);
    buf_init(&input, INPUT_BYTES_MAX);
    buf_printf(&input, "tocsin confirm 1\n%s\n%" PRId64 " %" PRIu64 "\n%s", claim->key_id,
               claim->expires_ms, claim->audience, digest);
    (void)HMAC(EVP_sha256(), secret.p, (int)secret.n, (const unsigned char *)input.p, input.n, mac,
               NULL);
    codec_put_base64url(out_text, (struct str){(const char *)mac, sizeof(mac)});
    buf_finish(&input);
}

void confirm_token_make(struct str secret, const struct confirm_claim *claim,
                        char out_token[CONFIRM_TOKEN_BYTES]) {
    struct buf mac;
    buf_init(&mac, MAC_TEXT_BYTES);
    make_mac(secret, claim, &mac);
    (void)snprintf(out_token, CONFIRM_TOKEN_BYTES, "%" PRId64 ".%" PRIu64 ".%.*s",
                   claim->expires_ms, claim->audience, STR_ARG(buf_str(&mac)));
    buf_finish(&mac);
}

enum confirm_fault confirm_token_check(struct str secret, struct str token, int64_t now_ms,
                                       struct confirm_claim *claim) {
    struct confirm_claim told = *claim;
    struct str rest = token;
    struct str expires;
    struct str audience;
    char made[CONFIRM_TOKEN_BYTES];
    if (!str_split(&rest, '.', &expires) || !str_split(&rest, '.', &audience) ||
        str_to_i64(expires, &told.expires_ms) || str_to_u64(audience, &told.audience)) {
        return CONFIRM_MISMATCH;
    }
    confirm_token_make(secret, &told, made);
    if (!str_eq_secret(token, str_of(made))) {
        return CONFIRM_MISMATCH;
    }
    *claim = told;
    return told.expires_ms <= now_ms ? CONFIRM_EXPIRED : CONFIRM_FINE;
}

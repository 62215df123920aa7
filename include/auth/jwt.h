#pragma once
/* Compact JWS (RFC 7515): ES256 and RS256 signing for the providers. jwt_verify.h is the other
 * side.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct jwt_key;
struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

enum jwt_alg { JWT_ES256, JWT_RS256, JWT_HS256 /* verified only */ };
enum { JWT_P256_SCALAR_BYTES = 32 /* r and s of ES256, RFC 7518 section 3.4 */ };

/* Reads a PEM private key (PKCS#8 as Apple's .p8 and Google's private_key). The text is wiped by
 * the caller. ERR_INVALID when it is not a key of the algorithm (P-256; RSA ≥ 2048 bits). */
MUST_CHECK enum err jwt_key_create(enum jwt_alg alg, struct str pem, struct jwt_key **out_key);
/* A key, public or private, of the kind and strength that the algorithm wants. */
bool jwt_is_fit(enum jwt_alg alg, const struct evp_pkey_st *pkey);
/* Accepts NULL. */
void jwt_key_destroy(struct jwt_key *key);
/* Appends header.payload.signature; `header` and `claims` are JSON texts. ES256 signatures are
 * r‖s (RFC 7518 section 3.4), not DER. */
MUST_CHECK enum err jwt_sign(const struct jwt_key *key, struct str header, struct str claims,
                             struct buf *b);

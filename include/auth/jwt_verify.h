#pragma once
/* Tokens of others (compact JWS, RFC 7515): is the signature that of one of our keys? Each key
 * has one algorithm, read from the key itself and never from the token (RFC 8725 section 3.1), so
 * neither `none` nor a public key used as a secret can pass. Pure: no files, no clock. */
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { JWT_KEYS_MAX = 16, JWT_KID_BYTES_MAX = 64, JWT_SECRET_BYTES_MIN = 32 };

/* Keys that are valid at the same time, so that they can be rotated. */
struct jwt_keys;

struct jwt_keys *jwt_keys_create(void);
/* Accepts NULL. */
void jwt_keys_destroy(struct jwt_keys *keys);
/* What a file with a key is said to hold; never guessed, or a public key in an unknown form would
 * serve as a secret that everybody knows. */
enum jwt_key_kind {
    JWT_PUBLIC_KEY, /* PEM; P-256: ES256; RSA of 2048 bits or more: RS256 */
    JWT_SECRET,     /* at least 32 bytes (RFC 7518 section 3.2), line ends not counted: HS256 */
};

/* A token that names another `kid` is not tried with this key; an empty `kid` serves every token.
 * On ERR_INVALID and ERR_FULL `*out_why` says for people what is wrong. */
MUST_CHECK enum err jwt_keys_add(struct jwt_keys *keys, enum jwt_key_kind kind, struct str kid,
                                 struct str text, const char **out_why);

enum jwt_verdict {
    JWT_GOOD,
    JWT_MALFORMED,     /* not three parts of base64url with a JSON header, or `crit` */
    JWT_KEY_UNKNOWN,   /* no key of that kid and algorithm */
    JWT_BAD_SIGNATURE, /* there is one, but it did not sign this */
};

/* On JWT_GOOD the claims are appended: bytes that the holder of the key signed, not yet parsed. */
enum jwt_verdict jwt_verify(const struct jwt_keys *keys, struct str token, struct buf *claims);

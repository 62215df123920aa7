#pragma once
/* JSON Web Signatures in compact form (RFC 7515), read as strictly as the providers' documents
 * ask: base64url without padding, ES256 signatures as raw r and s. */
#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct jose {
    struct buf bytes; /* owns what the views show */
    struct str header;
    struct str claims;
    struct str signature;
    struct str signed_part; /* borrowed from the text given */
};

/* Splits and decodes. ERR_INVALID when it is not three parts of unpadded base64url whose first
 * two are JSON objects. Call jose_finish in either case. */
MUST_CHECK enum err jose_parse(struct str text, struct jose *out);
void jose_finish(struct jose *j);
/* ES256 (RFC 7518 section 3.4). `accept_der` also lets the ASN.1 form pass. */
bool jose_verify_es256(const struct jose *j, EVP_PKEY *key, bool accept_der);
/* RS256 (RFC 7518 section 3.3). */
bool jose_verify_rs256(const struct jose *j, EVP_PKEY *key);

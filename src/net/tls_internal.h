#pragma once
/* The inside of an identity, for the two files that hand it to a TLS library. */
#include <gnutls/abstract.h>
#include <openssl/ssl.h>

#include "net/tls_identity.h"

enum { TLS_CHAIN_MAX = 16 }; /* certificates in a file; a public chain has two to four */

struct tls_identity {
    int refs;
    X509 *cert;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    gnutls_pcert_st pcerts[TLS_CHAIN_MAX]; /* the same for GnuTLS: certificate, then chain */
    unsigned pcert_count;
    gnutls_privkey_t privkey;
};

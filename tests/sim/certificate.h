#pragma once
/* X.509 certificates made with OpenSSL. */
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/err.h"
#include "credentials.h"

struct certificate_order {
    const char *common_name;
    const char *alt_names; /* OpenSSL's subjectAltName text; NULL = this is a CA */
    long from_s;           /* validity relative to now, seconds */
    long until_s;
};

/* A fresh P-256 key and a certificate for it signed by `ca` (NULL = by itself). */
MUST_CHECK enum err certificate_make(const struct certificate_order *order,
                                     const struct certificate *ca, struct certificate *out);
void certificate_finish(struct certificate *c);

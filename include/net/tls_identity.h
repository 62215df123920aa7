#pragma once
/* Who a TLS port says it is: a certificate with its chain and its private key, ready for OpenSSL
 * (libwebsockets) and for GnuTLS (libmicrohttpd). Never changes once loaded and is counted, so
 * that handshakes under way keep the one they began with when another takes its place. Used by one
 * thread. */
#include <stdbool.h>

#include "base/err.h"

struct tls_identity;

/* What is wrong, in words that go on after the name of the file. */
struct tls_fault {
    bool in_key; /* the key file, else the certificate file */
    char text[256];
};

/* Reads PEM: the server's certificate, then what leads to the authority; the key unencrypted.
 * ERR_INVALID with `out_fault` filled in. */
MUST_CHECK enum err tls_identity_load(const char *cert_file, const char *key_file,
                                      struct tls_fault *out_fault,
                                      struct tls_identity **out_identity);
struct tls_identity *tls_identity_ref(struct tls_identity *identity);
/* The last one frees it. Accepts NULL. */
void tls_identity_unref(struct tls_identity *identity);
/* Days until the certificate ends; below 0 when it has. */
int tls_identity_days_left(const struct tls_identity *identity);

#pragma once
/* The files of --dir: a CA, the server's certificate, an APNs signing key and an FCM service
 * account. Made once, kept on later starts. Every file has mode 0600. */
#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/err.h"

#define SIM_KEY_ID       "ABC123DEFG"
#define SIM_TEAM_ID      "TEAM123456"
#define SIM_TOPIC        "com.example.tocsin"
#define SIM_PROJECT      "tocsin-sim"
#define SIM_CLIENT_EMAIL "sender@tocsin-sim.iam.gserviceaccount.com"

/* Certificates a listener can show; all but the first are faults. */
enum tls_kind { TLS_GOOD, TLS_EXPIRED, TLS_WRONG_NAME, TLS_UNTRUSTED, TLS_KIND_COUNT };

struct certificate {
    X509 *x509;
    EVP_PKEY *key;
};

struct credentials {
    const char *dir; /* borrowed */
    struct certificate ca;
    struct certificate server[TLS_KIND_COUNT];
    EVP_PKEY *apns_key;
    EVP_PKEY *account_key;
};

/* Reads or makes everything but the service account file. Logs what failed; ERR_IO. */
MUST_CHECK enum err credentials_load(struct credentials *c, const char *dir);
/* Writes fcm_service_account.json; `token_uri` changes with the port at every start. */
MUST_CHECK enum err credentials_write_account(const struct credentials *c, const char *token_uri);
void credentials_finish(struct credentials *c);

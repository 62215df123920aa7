#include "net/tls_identity.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "tls_internal.h"

static void set_fault(struct tls_fault *fault, bool in_key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void set_fault(struct tls_fault *fault, bool in_key, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fault->in_key = in_key;
    (void)vsnprintf(fault->text, sizeof(fault->text), format, args);
    va_end(args);
    ERR_clear_error();
}

/* --- reading --- */

/* The service has no terminal to ask at; OpenSSL would. */
static int no_password(char *buf, int size, int writing, void *user) {
    (void)buf;
    (void)size;
    (void)writing;
    (void)user;
    return -1;
}

static BIO *open_file(const char *path, bool in_key, struct tls_fault *fault) {
    errno = 0;
    BIO *file = BIO_new_file(path, "r");
    if (!file) {
        set_fault(fault, in_key, "cannot be read: %s", strerror(errno));
    }
    return file;
}

/* True at the end of the PEM blocks, false when one of them is broken. */
static bool is_end_of_pem(void) {
    unsigned long error = ERR_peek_last_error();
    bool is_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    return is_end;
}

static bool read_chain(struct tls_identity *id, BIO *file, struct tls_fault *fault) {
    id->cert = PEM_read_bio_X509(file, NULL, no_password, NULL);
    id->chain = sk_X509_new_null();
    if (!id->cert || !id->chain) {
        set_fault(fault, false, "holds no certificate in PEM form");
        return false;
    }
    X509 *next = NULL;
    while ((next = PEM_read_bio_X509(file, NULL, no_password, NULL))) {
        if (sk_X509_num(id->chain) + 1 >= TLS_CHAIN_MAX || !sk_X509_push(id->chain, next)) {
            X509_free(next);
            set_fault(fault, false, "holds more than %d certificates", TLS_CHAIN_MAX);
            return false;
        }
    }
    if (!is_end_of_pem()) {
        set_fault(fault, false, "certificate %d in it is broken", sk_X509_num(id->chain) + 2);
        return false;
    }
    return true;
}

static bool read_cert_file(struct tls_identity *id, const char *path, struct tls_fault *fault) {
    BIO *file = open_file(path, false, fault);
    bool ok = file && read_chain(id, file, fault);
    BIO_free(file);
    return ok;
}

static bool read_key_file(struct tls_identity *id, const char *path, struct tls_fault *fault) {
    BIO *file = open_file(path, true, fault);
    if (!file) {
        return false;
    }
    id->key = PEM_read_bio_PrivateKey(file, NULL, no_password, NULL);
    BIO_free(file);
    if (!id->key) {
        set_fault(fault, true, "holds no private key in PEM form without a password");
        return false;
    }
    if (X509_check_private_key(id->cert, id->key) != 1) {
        set_fault(fault, true, "does not belong to the certificate");
        return false;
    }
    return true;
}

/* --- for GnuTLS --- */

static int add_pcert(struct tls_identity *id, const X509 *cert) {
    unsigned char *der = NULL;
    int size = i2d_X509(cert, &der);
    gnutls_datum_t datum = {der, (unsigned)(size > 0 ? size : 0)};
    int result =
        gnutls_pcert_import_x509_raw(&id->pcerts[id->pcert_count], &datum, GNUTLS_X509_FMT_DER, 0);
    OPENSSL_free(der);
    id->pcert_count += result == GNUTLS_E_SUCCESS;
    return result;
}

static int add_privkey(struct tls_identity *id) {
    unsigned char *der = NULL;
    int size = i2d_PrivateKey(id->key, &der);
    gnutls_datum_t datum = {der, (unsigned)(size > 0 ? size : 0)};
    int result = gnutls_privkey_init(&id->privkey);
    if (result == GNUTLS_E_SUCCESS) {
        result = gnutls_privkey_import_x509_raw(id->privkey, &datum, GNUTLS_X509_FMT_DER, NULL, 0);
    }
    OPENSSL_clear_free(der, datum.size);
    return result;
}

static bool fill_gnutls(struct tls_identity *id, struct tls_fault *fault) {
    int result = add_pcert(id, id->cert);
    for (int i = 0; result == GNUTLS_E_SUCCESS && i < sk_X509_num(id->chain); i++) {
        result = add_pcert(id, sk_X509_value(id->chain, i));
    }
    if (result != GNUTLS_E_SUCCESS) {
        set_fault(fault, false, "is of no use to GnuTLS: %s", gnutls_strerror(result));
        return false;
    }
    result = add_privkey(id);
    if (result != GNUTLS_E_SUCCESS) {
        set_fault(fault, true, "is of no use to GnuTLS: %s", gnutls_strerror(result));
        return false;
    }
    return true;
}

/* --- life --- */

enum err tls_identity_load(const char *cert_file, const char *key_file, struct tls_fault *out_fault,
                           struct tls_identity **out_identity) {
    struct tls_identity *id = mem_zalloc(1, sizeof(*id));
    id->refs = 1;
    if (!read_cert_file(id, cert_file, out_fault) || !read_key_file(id, key_file, out_fault) ||
        !fill_gnutls(id, out_fault)) {
        tls_identity_unref(id);
        return ERR_INVALID;
    }
    *out_identity = id;
    return ERR_OK;
}

struct tls_identity *tls_identity_ref(struct tls_identity *identity) {
    identity->refs++;
    return identity;
}

void tls_identity_unref(struct tls_identity *identity) {
    if (!identity || --identity->refs > 0) {
        return;
    }
    for (unsigned i = 0; i < identity->pcert_count; i++) {
        gnutls_pcert_deinit(&identity->pcerts[i]);
    }
    if (identity->privkey) {
        gnutls_privkey_deinit(identity->privkey);
    }
    X509_free(identity->cert);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    free(identity);
}

int tls_identity_days_left(const struct tls_identity *identity) {
    int days = 0;
    int seconds = 0;
    if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(identity->cert))) {
        return 0;
    }
    return seconds < 0 ? days - 1 : days;
}

#include "certificate.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

static bool add_extension(X509 *x, const struct certificate *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer->x509, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = e && X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
    return good;
}

static bool add_extensions(X509 *x, const struct certificate *issuer, const char *alt_names) {
    if (!alt_names) {
        return add_extension(x, issuer, NID_basic_constraints, "critical,CA:TRUE") &&
               add_extension(x, issuer, NID_key_usage, "critical,keyCertSign,cRLSign") &&
               add_extension(x, issuer, NID_subject_key_identifier, "hash");
    }
    return add_extension(x, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x, issuer, NID_key_usage, "critical,digitalSignature") &&
           add_extension(x, issuer, NID_ext_key_usage, "serverAuth") &&
           add_extension(x, issuer, NID_subject_alt_name, alt_names) &&
           add_extension(x, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(x, issuer, NID_authority_key_identifier, "keyid");
}

static bool set_serial(X509 *x) {
    unsigned char bytes[8];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return false;
    }
    bytes[0] &= 0x7F; /* positive: RFC 5280 section 4.1.2.2 */
    BIGNUM *n = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool good = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
    BN_free(n);
    return good;
}

static bool fill(X509 *x, const struct certificate_order *order, EVP_PKEY *key,
                 const struct certificate *issuer) {
    X509_NAME *name = X509_get_subject_name(x);
    return X509_set_version(x, X509_VERSION_3) && set_serial(x) &&
           X509_gmtime_adj(X509_getm_notBefore(x), order->from_s) &&
           X509_gmtime_adj(X509_getm_notAfter(x), order->until_s) && X509_set_pubkey(x, key) &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                      (const unsigned char *)order->common_name, -1, -1, 0) &&
           X509_set_issuer_name(x, X509_get_subject_name(issuer->x509)) &&
           add_extensions(x, issuer, order->alt_names) &&
           X509_sign(x, issuer->key, EVP_sha256()) > 0;
}

enum err certificate_make(const struct certificate_order *order, const struct certificate *ca,
                          struct certificate *out) {
    struct certificate made = {X509_new(), EVP_EC_gen("P-256")};
    if (!made.x509 || !made.key || !fill(made.x509, order, made.key, ca ? ca : &made)) {
        certificate_finish(&made);
        return ERR_IO;
    }
    *out = made;
    return ERR_OK;
}

void certificate_finish(struct certificate *c) {
    X509_free(c->x509);
    EVP_PKEY_free(c->key);
    *c = (struct certificate){0};
}

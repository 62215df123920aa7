#include "auth/jwt.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/codec.h"
#include "base/mem.h"

enum {
    RSA_BITS_MIN = 2048,        /* RFC 7518 section 3.3 */
    SIGNATURE_BYTES_MAX = 1024, /* RSA of 8192 bits; an ES256 DER signature has at most 72 */
};

struct jwt_key {
    enum jwt_alg alg;
    EVP_PKEY *pkey;
};

/* Keys come without a passphrase; without this OpenSSL would ask at the terminal. */
static int refuse_passphrase(char *out_passphrase, int size, int is_writing, void *user) {
    (void)out_passphrase;
    (void)size;
    (void)is_writing;
    (void)user;
    return -1;
}

bool jwt_is_fit(enum jwt_alg alg, const struct evp_pkey_st *pkey) {
    switch (alg) {
    case JWT_ES256: {
        char group[64];
        size_t n = 0;
        return EVP_PKEY_is_a(pkey, "EC") &&
               EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n) == 1 &&
               OBJ_txt2nid(group) == NID_X9_62_prime256v1;
    }
    case JWT_RS256:
        return EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN &&
               EVP_PKEY_get_size(pkey) <= SIGNATURE_BYTES_MAX;
    case JWT_HS256:
        break; /* a secret is no key pair */
    }
    return false;
}

enum err jwt_key_create(enum jwt_alg alg, struct str pem, struct jwt_key **out_key) {
    if (!pem.n || pem.n > INT_MAX) {
        return ERR_INVALID;
    }
    BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!pkey || !jwt_is_fit(alg, pkey)) {
        EVP_PKEY_free(pkey);
        return ERR_INVALID;
    }
    struct jwt_key *key = mem_zalloc(1, sizeof(*key));
    key->alg = alg;
    key->pkey = pkey;
    *out_key = key;
    return ERR_OK;
}

void jwt_key_destroy(struct jwt_key *key) {
    if (key) {
        EVP_PKEY_free(key->pkey); /* clears the private part */
        free(key);
    }
}

/* OpenSSL signs ECDSA as DER; JOSE wants both numbers at full width. */
static enum err put_es256(struct str der, struct buf *b) {
    const unsigned char *at = (const unsigned char *)der.p;
    unsigned char raw[2 * JWT_P256_SCALAR_BYTES];
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &at, (long)der.n);
    bool is_done =
        sig &&
        BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, JWT_P256_SCALAR_BYTES) == JWT_P256_SCALAR_BYTES &&
        BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + JWT_P256_SCALAR_BYTES, JWT_P256_SCALAR_BYTES) ==
            JWT_P256_SCALAR_BYTES;
    ECDSA_SIG_free(sig);
    if (!is_done) {
        return ERR_IO;
    }
    codec_put_base64url(b, (struct str){(const char *)raw, sizeof(raw)});
    return ERR_OK;
}

static enum err put_signature(const struct jwt_key *key, struct str input, struct buf *b) {
    unsigned char signature[SIGNATURE_BYTES_MAX];
    size_t n = sizeof(signature);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_done = ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
                   EVP_DigestSign(ctx, signature, &n, (const unsigned char *)input.p, input.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    if (!is_done) {
        return ERR_IO;
    }
    struct str bytes = {(const char *)signature, n};
    if (key->alg == JWT_ES256) {
        return put_es256(bytes, b);
    }
    codec_put_base64url(b, bytes);
    return ERR_OK;
}

enum err jwt_sign(const struct jwt_key *key, struct str header, struct str claims, struct buf *b) {
    struct buf token;
    buf_init(&token, b->max);
    codec_put_base64url(&token, header);
    buf_putc(&token, '.');
    codec_put_base64url(&token, claims);
    enum err err = buf_check(&token);
    if (err == ERR_OK) {
        struct buf signature;
        buf_init(&signature, b->max);
        err = put_signature(key, buf_str(&token), &signature);
        buf_putc(&token, '.');
        buf_put_str(&token, buf_str(&signature));
        buf_finish(&signature);
    }
    if (err == ERR_OK) {
        buf_put_str(b, buf_str(&token));
        err = buf_check(&token) ? ERR_TOO_LARGE : buf_check(b);
    }
    if (token.p) {
        OPENSSL_cleanse(token.p, token.n); /* a bearer token is a secret while it lives */
    }
    buf_finish(&token);
    return err;
}

#include "jose.h"

#include <string.h>

#include <openssl/ecdsa.h>

#include "base/codec.h"
#include "json_check.h"

enum { JOSE_BYTES_MAX = 8192, ES256_HALF_BYTES = 32, DER_BYTES_MAX = 80 };

static bool is_base64url(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return s.n > 0 && s.n % 4 != 1;
}

enum err jose_parse(struct str text, struct jose *out) {
    *out = (struct jose){0};
    buf_init(&out->bytes, JOSE_BYTES_MAX);
    struct str parts[3];
    struct str rest = text;
    for (int i = 0; i < 3; i++) {
        if (!str_split(&rest, '.', &parts[i]) || !is_base64url(parts[i])) {
            return ERR_INVALID;
        }
    }
    if (rest.p) {
        return ERR_INVALID;
    }
    size_t ends[3];
    for (int i = 0; i < 3; i++) {
        if (codec_take_base64(&out->bytes, parts[i]) != ERR_OK) {
            return ERR_INVALID;
        }
        ends[i] = out->bytes.n;
    }
    if (buf_check(&out->bytes) != ERR_OK) {
        return ERR_INVALID;
    }
    out->header = (struct str){out->bytes.p, ends[0]};
    out->claims = (struct str){out->bytes.p + ends[0], ends[1] - ends[0]};
    out->signature = (struct str){out->bytes.p + ends[1], ends[2] - ends[1]};
    out->signed_part = (struct str){text.p, parts[0].n + 1 + parts[1].n};
    return json_is_object(out->header) && json_is_object(out->claims) ? ERR_OK : ERR_INVALID;
}

void jose_finish(struct jose *j) {
    buf_finish(&j->bytes);
}

static bool verify(EVP_PKEY *key, struct str signed_part, const unsigned char *signature,
                   size_t size) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(ctx, signature, size, (const unsigned char *)signed_part.p,
                                 signed_part.n) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

/* r and s of 32 bytes each into the ASN.1 form OpenSSL wants; 0 when they are no numbers. */
static size_t to_der(struct str raw, unsigned char out_der[DER_BYTES_MAX]) {
    const unsigned char *p = (const unsigned char *)raw.p;
    BIGNUM *r = BN_bin2bn(p, ES256_HALF_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(p + ES256_HALF_BYTES, ES256_HALF_BYTES, NULL);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    if (!r || !s || !sig || !ECDSA_SIG_set0(sig, r, s)) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return 0;
    }
    unsigned char *at = out_der;
    int size = i2d_ECDSA_SIG(sig, &at);
    ECDSA_SIG_free(sig);
    return size > 0 ? (size_t)size : 0;
}

bool jose_verify_es256(const struct jose *j, EVP_PKEY *key, bool accept_der) {
    if (j->signature.n == (size_t)2 * ES256_HALF_BYTES) {
        unsigned char der[DER_BYTES_MAX];
        size_t size = to_der(j->signature, der);
        return size && verify(key, j->signed_part, der, size);
    }
    return accept_der &&
           verify(key, j->signed_part, (const unsigned char *)j->signature.p, j->signature.n);
}

bool jose_verify_rs256(const struct jose *j, EVP_PKEY *key) {
    return verify(key, j->signed_part, (const unsigned char *)j->signature.p, j->signature.n);
}

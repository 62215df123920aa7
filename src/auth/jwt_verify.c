#include "auth/jwt_verify.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "auth/jwt.h"
#include "base/codec.h"
#include "base/mem.h"
#include "model/json.h"

enum { DER_BYTES_MAX = 80 /* an ES256 signature in DER has at most 72 */ };

struct verify_key {
    enum jwt_alg alg;
    char *kid;      /* owned; "" = any */
    EVP_PKEY *pkey; /* ES256, RS256 */
    char *secret;   /* owned; HS256 */
    size_t secret_bytes;
};

struct jwt_keys {
    struct verify_key items[JWT_KEYS_MAX];
    size_t count;
};

struct jwt_keys *jwt_keys_create(void) {
    return mem_zalloc(1, sizeof(struct jwt_keys));
}

static void finish_key(struct verify_key *key) {
    EVP_PKEY_free(key->pkey);
    if (key->secret) {
        OPENSSL_cleanse(key->secret, key->secret_bytes);
    }
    free(key->secret);
    free(key->kid);
}

void jwt_keys_destroy(struct jwt_keys *keys) {
    if (!keys) {
        return;
    }
    for (size_t i = 0; i < keys->count; i++) {
        finish_key(&keys->items[i]);
    }
    free(keys);
}

/* --- keys --- */

static const char *read_public(struct str text, struct verify_key *out_key) {
    if (memmem(text.p, text.n, "PRIVATE KEY", 11)) {
        return "is a private key: only the public one belongs here";
    }
    BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
    /* The empty passphrase keeps OpenSSL from asking at the terminal. */
    EVP_PKEY *pkey = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, (void *)(uintptr_t) "") : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!pkey) {
        return "is no public key in PEM (PUBLIC KEY)";
    }
    if (jwt_is_fit(JWT_ES256, pkey)) {
        out_key->alg = JWT_ES256;
    } else if (jwt_is_fit(JWT_RS256, pkey)) {
        out_key->alg = JWT_RS256;
    } else {
        EVP_PKEY_free(pkey);
        return "is neither a P-256 key nor an RSA key of 2048 bits or more";
    }
    out_key->pkey = pkey;
    return NULL;
}

static const char *read_secret(struct str text, struct verify_key *out_key) {
    while (text.n && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r')) {
        text.n--;
    }
    if (memmem(text.p, text.n, "-----BEGIN", 10)) {
        return "is a key in PEM, not a secret";
    }
    if (text.n < JWT_SECRET_BYTES_MIN) {
        return "is shorter than 32 bytes";
    }
    out_key->alg = JWT_HS256;
    out_key->secret = mem_strndup(text.p, text.n);
    out_key->secret_bytes = text.n;
    return NULL;
}

enum err jwt_keys_add(struct jwt_keys *keys, enum jwt_key_kind kind, struct str kid,
                      struct str text, const char **out_why) {
    struct verify_key key = {0};
    const char *why = NULL;
    if (keys->count == JWT_KEYS_MAX) {
        *out_why = "is one key too many";
        return ERR_FULL;
    }
    if (kid.n > JWT_KID_BYTES_MAX) {
        why = "has a kid of more than 64 bytes";
    } else if (!text.n || text.n > INT_MAX) {
        why = "is empty";
    } else {
        why = kind == JWT_PUBLIC_KEY ? read_public(text, &key) : read_secret(text, &key);
    }
    if (why) {
        *out_why = why;
        return ERR_INVALID;
    }
    key.kid = mem_strndup(kid.p ? kid.p : "", kid.n);
    keys->items[keys->count++] = key;
    return ERR_OK;
}

/* --- signatures --- */

/* r‖s as JOSE has it (RFC 7518 section 3.4) → DER as OpenSSL wants it; 0 when it is none. */
static size_t es256_to_der(struct str raw, unsigned char out_der[DER_BYTES_MAX]) {
    if (raw.n != 2 * JWT_P256_SCALAR_BYTES) {
        return 0;
    }
    const unsigned char *bytes = (const unsigned char *)raw.p;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, JWT_P256_SCALAR_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(bytes + JWT_P256_SCALAR_BYTES, JWT_P256_SCALAR_BYTES, NULL);
    int n = 0;
    if (sig && r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
        unsigned char *at = out_der;
        n = i2d_ECDSA_SIG(sig, &at); /* 72 bytes at most: both numbers have 32 */
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(sig);
    return n > 0 ? (size_t)n : 0;
}

static bool verify_public(const struct verify_key *key, struct str input, struct str signature) {
    unsigned char der[DER_BYTES_MAX];
    const unsigned char *bytes = (const unsigned char *)signature.p;
    size_t n = signature.n;
    if (key->alg == JWT_ES256) {
        n = es256_to_der(signature, der);
        bytes = der;
    }
    EVP_MD_CTX *ctx = n ? EVP_MD_CTX_new() : NULL;
    bool good = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key->pkey) == 1 &&
                EVP_DigestVerify(ctx, bytes, n, (const unsigned char *)input.p, input.n) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}

static bool verify_secret(const struct verify_key *key, struct str input, struct str signature) {
    unsigned char mac[SHA256_BYTES];
    unsigned n = 0;
    if (!HMAC(EVP_sha256(), key->secret, (int)key->secret_bytes, (const unsigned char *)input.p,
              input.n, mac, &n)) {
        return false;
    }
    bool good = str_eq_secret((struct str){(const char *)mac, n}, signature);
    OPENSSL_cleanse(mac, sizeof(mac));
    return good;
}

/* --- the token --- */

/* base64url without padding alone, as RFC 7515 section 2 has it. */
static bool take_part(struct str part, struct buf *b) {
    for (size_t i = 0; i < part.n; i++) {
        if (part.p[i] == '+' || part.p[i] == '/' || part.p[i] == '=') {
            return false;
        }
    }
    return part.n && codec_take_base64(b, part) == ERR_OK && buf_check(b) == ERR_OK;
}

struct header {
    enum jwt_alg alg;
    char kid[JWT_KID_BYTES_MAX + 1]; /* "" = none */
};

static bool read_header_members(const struct json_reader *r, struct header *out_header) {
    static const char *const names[] = {
        [JWT_ES256] = "ES256", [JWT_RS256] = "RS256", [JWT_HS256] = "HS256"};
    struct str kid = {NULL, 0};
    int alg = -1;
    if (!json_is_object(r) || json_member(r, "crit")) {
        return false; /* RFC 7515 section 4.1.11: we know no extension */
    }
    (void)json_read_name(r, "alg", names, sizeof(names) / sizeof(names[0]), &alg);
    (void)json_read_string(r, "kid", &kid);
    if (alg < 0 || kid.n > JWT_KID_BYTES_MAX || !problem_is_empty(r->problems)) {
        return false;
    }
    out_header->alg = (enum jwt_alg)alg;
    memcpy(out_header->kid, kid.p ? kid.p : "", kid.n);
    out_header->kid[kid.n] = '\0';
    return true;
}

static bool read_header(struct str part, struct header *out_header) {
    struct buf text;
    struct cJSON *root = NULL;
    struct problem *problems = problem_create();
    buf_init(&text, part.n + 1);
    bool good = take_part(part, &text) && json_parse(buf_str(&text), "", &root, problems) == ERR_OK;
    good = good && read_header_members(&(struct json_reader){root, "", problems}, out_header);
    json_destroy(root);
    problem_destroy(problems);
    buf_finish(&text);
    return good;
}

static enum jwt_verdict check_signature(const struct jwt_keys *keys, const struct header *header,
                                        struct str input, struct str signature) {
    enum jwt_verdict verdict = JWT_KEY_UNKNOWN;
    for (size_t i = 0; i < keys->count && verdict != JWT_GOOD; i++) {
        const struct verify_key *key = &keys->items[i];
        bool named = header->kid[0] && key->kid[0];
        if (key->alg != header->alg || (named && strcmp(header->kid, key->kid) != 0)) {
            continue;
        }
        bool good = key->alg == JWT_HS256 ? verify_secret(key, input, signature)
                                          : verify_public(key, input, signature);
        verdict = good ? JWT_GOOD : JWT_BAD_SIGNATURE;
    }
    return verdict;
}

enum jwt_verdict jwt_verify(const struct jwt_keys *keys, struct str token, struct buf *claims) {
    struct str rest = token;
    struct str parts[3] = {{NULL, 0}};
    struct header header;
    struct buf signature;
    size_t before = claims->n;
    for (int i = 0; i < 3; i++) {
        if (!str_split(&rest, '.', &parts[i])) {
            return JWT_MALFORMED;
        }
    }
    if (rest.p || !read_header(parts[0], &header)) {
        return JWT_MALFORMED;
    }
    buf_init(&signature, parts[2].n + 1);
    enum jwt_verdict verdict = JWT_MALFORMED;
    if (take_part(parts[2], &signature) && take_part(parts[1], claims)) {
        struct str input = {token.p, parts[0].n + 1 + parts[1].n};
        verdict = check_signature(keys, &header, input, buf_str(&signature));
    }
    if (verdict != JWT_GOOD) {
        claims->n = before;
    }
    buf_finish(&signature);
    return verdict;
}

/* Signatures are checked with OpenSSL and the public key alone, as a provider would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "auth/jwt.h"
#include "base/codec.h"

#define HEADER "{\"alg\":\"x\",\"kid\":\"ABC123DEFG\"}"
#define CLAIMS "{\"iss\":\"TEAM123456\",\"iat\":1795467056}"

/* PKCS#8 PEM of a private key, encrypted when `passphrase` is given. */
static void put_pem(EVP_PKEY *pkey, const char *passphrase, struct buf *b) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    assert_int_equal(
        PEM_write_bio_PKCS8PrivateKey(bio, pkey, passphrase ? EVP_aes_128_cbc() : NULL, passphrase,
                                      passphrase ? (int)strlen(passphrase) : 0, NULL, NULL),
        1);
    long n = BIO_get_mem_data(bio, &text);
    buf_clear(b);
    buf_put(b, text, (size_t)n);
    BIO_free(bio);
}

/* The same key without its private part. */
static EVP_PKEY *public_of(EVP_PKEY *pkey) {
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    EVP_PKEY *public_key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    assert_non_null(public_key);
    BIO_free(bio);
    return public_key;
}

static bool verify(EVP_PKEY *public_key, struct str input, const unsigned char *sig, size_t n) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, public_key), 1);
    int result = EVP_DigestVerify(ctx, sig, n, (const unsigned char *)input.p, input.n);
    EVP_MD_CTX_free(ctx);
    return result == 1;
}

/* r‖s as JOSE has it → DER as OpenSSL wants it → verify. */
static bool verify_es256(EVP_PKEY *public_key, struct str input, struct str raw) {
    assert_int_equal(raw.n, 64);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn((const unsigned char *)raw.p, 32, NULL);
    BIGNUM *s = BN_bin2bn((const unsigned char *)raw.p + 32, 32, NULL);
    assert_int_equal(ECDSA_SIG_set0(sig, r, s), 1);
    unsigned char *der = NULL;
    int n = i2d_ECDSA_SIG(sig, &der);
    assert_true(n > 0);
    bool is_good = verify(public_key, input, der, (size_t)n);
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    return is_good;
}

static bool verify_token(enum jwt_alg alg, EVP_PKEY *public_key, struct str token) {
    const char *dot = memrchr(token.p, '.', token.n);
    assert_non_null(dot);
    struct str input = {token.p, (size_t)(dot - token.p)};
    struct buf signature;
    buf_init(&signature, 2048);
    assert_int_equal(codec_take_base64(&signature, (struct str){dot + 1, token.n - input.n - 1}),
                     ERR_OK);
    struct str bytes = buf_str(&signature);
    bool is_good = alg == JWT_ES256
                       ? verify_es256(public_key, input, bytes)
                       : verify(public_key, input, (const unsigned char *)bytes.p, bytes.n);
    buf_finish(&signature);
    return is_good;
}

static void check_parts(struct str token) {
    struct str rest = token;
    struct str part;
    struct buf text;
    buf_init(&text, 4096);
    assert_true(str_split(&rest, '.', &part));
    assert_int_equal(codec_take_base64(&text, part), ERR_OK);
    assert_string_equal(text.p, HEADER);
    assert_true(str_split(&rest, '.', &part));
    buf_clear(&text);
    assert_int_equal(codec_take_base64(&text, part), ERR_OK);
    assert_string_equal(text.p, CLAIMS);
    assert_true(str_split(&rest, '.', &part));
    assert_false(str_split(&rest, '.', &part));
    for (size_t i = 0; i < token.n; i++) { /* no padding, no other alphabet */
        assert_null(memchr("=+/", token.p[i], 3));
    }
    buf_finish(&text);
}

static void check_alg(enum jwt_alg alg, EVP_PKEY *pkey, int rounds) {
    struct buf pem;
    struct buf token;
    struct jwt_key *key;
    buf_init(&pem, 1 << 16);
    buf_init(&token, 1 << 16);
    put_pem(pkey, NULL, &pem);
    EVP_PKEY *public_key = public_of(pkey);
    assert_int_equal(jwt_key_create(alg, buf_str(&pem), &key), ERR_OK);
    /* Many rounds: now and then r or s is short and needs its leading zero. */
    for (int i = 0; i < rounds; i++) {
        buf_clear(&token);
        assert_int_equal(jwt_sign(key, STR(HEADER), STR(CLAIMS), &token), ERR_OK);
        assert_true(verify_token(alg, public_key, buf_str(&token)));
    }
    check_parts(buf_str(&token));
    /* Changed on the way, to another base64url character: refused. */
    token.p[token.n / 2] = token.p[token.n / 2] == 'A' ? 'B' : 'A';
    assert_false(verify_token(alg, public_key, buf_str(&token)));

    struct buf after;
    buf_init(&after, 1 << 16);
    buf_puts(&after, "bearer ");
    assert_int_equal(jwt_sign(key, STR(HEADER), STR(CLAIMS), &after), ERR_OK);
    assert_memory_equal(after.p, "bearer ey", 9); /* appended */
    buf_finish(&after);
    buf_init(&after, 40);
    assert_int_equal(jwt_sign(key, STR(HEADER), STR(CLAIMS), &after), ERR_TOO_LARGE);
    buf_finish(&after);
    jwt_key_destroy(key);
    EVP_PKEY_free(public_key);
    buf_finish(&pem);
    buf_finish(&token);
}

static void test_es256(void **state) {
    (void)state;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    assert_non_null(pkey);
    check_alg(JWT_ES256, pkey, 1000);
    EVP_PKEY_free(pkey);
}

static void test_rs256(void **state) {
    (void)state;
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    assert_non_null(pkey);
    check_alg(JWT_RS256, pkey, 5);
    EVP_PKEY_free(pkey);
}

static void refuse(enum jwt_alg alg, struct str pem) {
    struct jwt_key *key = NULL;
    assert_int_equal(jwt_key_create(alg, pem, &key), ERR_INVALID);
    assert_null(key);
}

static void test_refused(void **state) {
    (void)state;
    struct buf pem;
    buf_init(&pem, 1 << 16);
    refuse(JWT_ES256, STR(""));
    refuse(JWT_ES256, STR("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
    EVP_PKEY *p256 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    EVP_PKEY *p384 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    EVP_PKEY *rsa1024 = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    put_pem(p384, NULL, &pem);
    refuse(JWT_ES256, buf_str(&pem)); /* another curve */
    put_pem(rsa1024, NULL, &pem);
    refuse(JWT_RS256, buf_str(&pem)); /* too short */
    refuse(JWT_ES256, buf_str(&pem)); /* another kind */
    put_pem(ed25519, NULL, &pem);
    refuse(JWT_ES256, buf_str(&pem));
    put_pem(p256, NULL, &pem);
    refuse(JWT_RS256, buf_str(&pem));
    put_pem(p256, "secret", &pem);
    refuse(JWT_ES256, buf_str(&pem)); /* and does not ask at the terminal */
    jwt_key_destroy(NULL);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(p384);
    EVP_PKEY_free(rsa1024);
    EVP_PKEY_free(ed25519);
    buf_finish(&pem);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_es256),
        cmocka_unit_test(test_rs256),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

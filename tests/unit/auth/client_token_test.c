/* Tokens of readers: signatures by each algorithm, confusion between them, claims, times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "auth/client_token.h"
#include "auth/jwt.h"
#include "base/codec.h"

#define SECRET "0123456789abcdef0123456789abcdef"
enum { NOW = 1795467056, BYTES = 1 << 16 };

static struct taxonomy *t;

static const struct token_rules plain_rules = {
    .issuer = "", .audience = "", .leeway_s = 10, .lifetime_max_s = 3600, .bytes_max = 2048};

/* --- tokens --- */

static void put_hs256(struct buf *b, const char *header, const char *claims) {
    unsigned char mac[32];
    unsigned n = 0;
    size_t start = b->n;
    codec_put_base64url(b, str_of(header));
    buf_putc(b, '.');
    codec_put_base64url(b, str_of(claims));
    assert_non_null(HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1,
                         (const unsigned char *)b->p + start, b->n - start, mac, &n));
    buf_putc(b, '.');
    codec_put_base64url(b, (struct str){(const char *)mac, n});
}

static void put_pem(EVP_PKEY *pkey, bool is_public, struct buf *b) {
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    int done = is_public ? PEM_write_bio_PUBKEY(bio, pkey)
                         : PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
    assert_int_equal(done, 1);
    long n = BIO_get_mem_data(bio, &text);
    buf_put(b, text, (size_t)n);
    BIO_free(bio);
}

static void add(struct jwt_keys *keys, enum jwt_key_kind kind, const char *kid, struct str text) {
    const char *why = "";
    if (jwt_keys_add(keys, kind, str_of(kid), text, &why) != ERR_OK) {
        fail_msg("key refused: %s", why);
    }
}

static struct jwt_keys *secret_keys(void) {
    struct jwt_keys *keys = jwt_keys_create();
    add(keys, JWT_SECRET, "", STR(SECRET "\n"));
    return keys;
}

/* --- signatures --- */

struct pair {
    enum jwt_alg alg;
    const char *header;
    EVP_PKEY *pkey;
};

static void sign_with(const struct pair *pair, const char *header, struct buf *token) {
    struct buf pem;
    struct jwt_key *key;
    buf_init(&pem, BYTES);
    put_pem(pair->pkey, false, &pem);
    assert_int_equal(jwt_key_create(pair->alg, buf_str(&pem), &key), ERR_OK);
    buf_clear(token);
    assert_int_equal(jwt_sign(key, str_of(header), STR("{\"exp\":1}"), token), ERR_OK);
    jwt_key_destroy(key);
    buf_finish(&pem);
}

static enum jwt_verdict verify(const struct jwt_keys *keys, struct str token) {
    struct buf claims;
    buf_init(&claims, BYTES);
    enum jwt_verdict verdict = jwt_verify(keys, token, &claims);
    if (verdict == JWT_GOOD) {
        assert_string_equal(claims.p, "{\"exp\":1}");
    } else {
        assert_int_equal(claims.n, 0);
    }
    buf_finish(&claims);
    return verdict;
}

static void check_pair(const struct pair *own, const struct pair *other) {
    struct buf pem;
    struct buf token;
    struct jwt_keys *keys = jwt_keys_create();
    buf_init(&pem, BYTES);
    buf_init(&token, BYTES);
    put_pem(own->pkey, true, &pem);
    add(keys, JWT_PUBLIC_KEY, "now", buf_str(&pem));
    for (int i = 0; i < 50; i++) { /* r or s is short now and then */
        sign_with(own, own->header, &token);
        assert_int_equal(verify(keys, buf_str(&token)), JWT_GOOD);
    }
    for (size_t i = 0; i < token.n; i += 7) { /* any character changed */
        char was = token.p[i];
        token.p[i] = was == 'A' ? 'B' : 'A';
        assert_int_not_equal(verify(keys, buf_str(&token)), JWT_GOOD);
        token.p[i] = was;
    }
    for (size_t n = 0; n < token.n; n += 5) { /* cut anywhere */
        assert_int_not_equal(verify(keys, (struct str){token.p, n}), JWT_GOOD);
    }
    sign_with(other, other->header, &token);
    assert_int_equal(verify(keys, buf_str(&token)), JWT_KEY_UNKNOWN);
    sign_with(other, own->header, &token); /* the other kind of key under our name */
    assert_int_equal(verify(keys, buf_str(&token)), JWT_BAD_SIGNATURE);
    jwt_keys_destroy(keys);
    buf_finish(&pem);
    buf_finish(&token);
}

static void test_signatures(void **state) {
    (void)state;
    struct pair ec = {JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"now\"}",
                      EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
    struct pair rsa = {JWT_RS256, "{\"alg\":\"RS256\",\"kid\":\"now\"}",
                       EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)};
    check_pair(&ec, &rsa);
    check_pair(&rsa, &ec);
    EVP_PKEY_free(ec.pkey);
    EVP_PKEY_free(rsa.pkey);
}

/* Several keys at once: by kid where both sides name one, else each of the right algorithm. */
static void test_rotation(void **state) {
    (void)state;
    struct pair old = {JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"old\"}",
                       EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
    struct pair new = {JWT_ES256, "{\"alg\":\"ES256\",\"kid\":\"new\"}",
                       EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
    struct jwt_keys *keys = jwt_keys_create();
    struct buf pem;
    struct buf token;
    buf_init(&pem, BYTES);
    buf_init(&token, BYTES);
    put_pem(old.pkey, true, &pem);
    add(keys, JWT_PUBLIC_KEY, "old", buf_str(&pem));
    sign_with(&new, new.header, &token);
    assert_int_equal(verify(keys, buf_str(&token)), JWT_KEY_UNKNOWN);
    buf_clear(&pem);
    put_pem(new.pkey, true, &pem);
    add(keys, JWT_PUBLIC_KEY, "new", buf_str(&pem));
    assert_int_equal(verify(keys, buf_str(&token)), JWT_GOOD);
    sign_with(&old, old.header, &token);
    assert_int_equal(verify(keys, buf_str(&token)), JWT_GOOD);
    sign_with(&new, "{\"alg\":\"ES256\"}", &token);
    assert_int_equal(verify(keys, buf_str(&token)), JWT_GOOD);
    sign_with(&old, new.header, &token);
    assert_int_equal(verify(keys, buf_str(&token)), JWT_BAD_SIGNATURE);
    jwt_keys_destroy(keys);
    buf_finish(&pem);
    buf_finish(&token);
    EVP_PKEY_free(old.pkey);
    EVP_PKEY_free(new.pkey);
}

static void test_headers(void **state) {
    (void)state;
    static const struct {
        const char *header;
        enum jwt_verdict verdict;
    } cases[] = {
        {"{\"alg\":\"HS256\"}", JWT_GOOD},
        {"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"whatever\"}", JWT_GOOD},
        {"{\"alg\":\"ES256\"}", JWT_KEY_UNKNOWN},
        {"{\"alg\":\"none\"}", JWT_MALFORMED},
        {"{\"alg\":\"hs256\"}", JWT_MALFORMED},
        {"{\"alg\":\"HS512\"}", JWT_MALFORMED},
        {"{\"alg\":256}", JWT_MALFORMED},
        {"{}", JWT_MALFORMED},
        {"[]", JWT_MALFORMED},
        {"", JWT_MALFORMED},
        {"{\"alg\":\"HS256\"", JWT_MALFORMED},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", JWT_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":5}", JWT_MALFORMED},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", JWT_MALFORMED},
        {"{\"alg\":\"HS256\",\"kid\":"
         "\"0123456789012345678901234567890123456789012345678901234567890"
         "1234\"}",
         JWT_MALFORMED},
    };
    struct jwt_keys *keys = secret_keys();
    struct buf token;
    buf_init(&token, BYTES);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&token);
        put_hs256(&token, cases[i].header, "{\"exp\":1}");
        enum jwt_verdict verdict = verify(keys, buf_str(&token));
        if (verdict != cases[i].verdict) {
            fail_msg("%s: %d", cases[i].header, (int)verdict);
        }
    }
    buf_puts(&token, "="); /* padding is not JOSE */
    assert_int_equal(verify(keys, buf_str(&token)), JWT_MALFORMED);
    buf_finish(&token);
    jwt_keys_destroy(keys);
}

static void test_keys_refused(void **state) {
    (void)state;
    struct jwt_keys *keys = jwt_keys_create();
    EVP_PKEY *ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    struct buf texts[4];
    for (int i = 0; i < 4; i++) {
        buf_init(&texts[i], BYTES);
    }
    put_pem(ec, false, &texts[0]);
    put_pem(other, true, &texts[1]);
    put_pem(rsa, true, &texts[2]);
    put_pem(ec, true, &texts[3]);
    const struct {
        enum jwt_key_kind kind;
        struct str text;
        const char *why;
    } cases[] = {
        {JWT_PUBLIC_KEY, buf_str(&texts[0]), "private key"},
        {JWT_PUBLIC_KEY, buf_str(&texts[1]), "neither"},
        {JWT_PUBLIC_KEY, buf_str(&texts[2]), "neither"},
        {JWT_PUBLIC_KEY, STR(SECRET), "no public key"},
        {JWT_PUBLIC_KEY, STR(""), "empty"},
        {JWT_SECRET, buf_str(&texts[3]), "not a secret"},
        {JWT_SECRET, STR("0123456789abcdef0123456789abcde\r\n"), "shorter"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = "";
        assert_int_equal(jwt_keys_add(keys, cases[i].kind, STR(""), cases[i].text, &why),
                         ERR_INVALID);
        if (!strstr(why, cases[i].why)) {
            fail_msg("%d: %s", (int)i, why);
        }
    }
    const char *why = "";
    for (int i = 0; i < JWT_KEYS_MAX; i++) {
        add(keys, JWT_SECRET, "", STR(SECRET));
    }
    assert_int_equal(jwt_keys_add(keys, JWT_SECRET, STR(""), STR(SECRET), &why), ERR_FULL);
    for (int i = 0; i < 4; i++) {
        buf_finish(&texts[i]);
    }
    EVP_PKEY_free(ec);
    EVP_PKEY_free(other);
    EVP_PKEY_free(rsa);
    jwt_keys_destroy(keys);
}

/* --- claims --- */

static void expect_claims(const struct token_rules *rules, const char *claims,
                          enum token_fault fault, struct token_grant *out_grant) {
    struct jwt_keys *keys = secret_keys();
    struct buf token;
    buf_init(&token, BYTES);
    put_hs256(&token, "{\"alg\":\"HS256\"}", claims);
    enum token_fault got = client_token_read(keys, rules, t, buf_str(&token), NOW, out_grant);
    if (got != fault) {
        fail_msg("%s: %s, not %s", claims, token_fault_code(got), token_fault_code(fault));
    }
    buf_finish(&token);
    jwt_keys_destroy(keys);
}

/* NOW = 1795467056, leeway 10 s, lifetime 3600 s. */
static void test_times(void **state) {
    (void)state;
    static const struct {
        const char *claims;
        enum token_fault fault;
    } cases[] = {
        {"{\"exp\":1795467057}", TOKEN_GOOD},
        {"{\"exp\":1795467047}", TOKEN_GOOD}, /* within the leeway */
        {"{\"exp\":1795467046}", TOKEN_EXPIRED},
        {"{\"exp\":0}", TOKEN_EXPIRED},
        {"{\"exp\":1795470666}", TOKEN_GOOD},
        {"{\"exp\":1795470667}", TOKEN_LIFETIME},
        {"{\"exp\":1795467100,\"iat\":1795463500}", TOKEN_GOOD},
        {"{\"exp\":1795467101,\"iat\":1795463500}", TOKEN_LIFETIME},
        {"{\"exp\":1795467100,\"iat\":1795467066}", TOKEN_GOOD},
        {"{\"exp\":1795467100,\"iat\":1795467067}", TOKEN_NOT_YET_VALID},
        {"{\"exp\":1795467100,\"nbf\":1795467066}", TOKEN_GOOD},
        {"{\"exp\":1795467100,\"nbf\":1795467067}", TOKEN_NOT_YET_VALID},
        {"{}", TOKEN_BAD_CLAIMS},
        {"{\"exp\":null}", TOKEN_BAD_CLAIMS},
        {"{\"exp\":\"1795467100\"}", TOKEN_BAD_CLAIMS},
        {"{\"exp\":1795467100.5}", TOKEN_BAD_CLAIMS},
        {"{\"exp\":1e300}", TOKEN_BAD_CLAIMS},
        {"{\"exp\":-5}", TOKEN_BAD_CLAIMS},
        {"{\"exp\":1795467100,\"exp\":1795467100}", TOKEN_BAD_CLAIMS},
        {"{\"exp\":1795467100,\"nbf\":\"x\"}", TOKEN_BAD_CLAIMS},
        {"[1795467100]", TOKEN_BAD_CLAIMS},
        {"exp", TOKEN_BAD_CLAIMS},
    };
    struct token_grant grant;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_claims(&plain_rules, cases[i].claims, cases[i].fault, &grant);
    }
    expect_claims(&plain_rules, "{\"exp\":1795467100}", TOKEN_GOOD, &grant);
    assert_int_equal(grant.expires_s, 1795467110);
}

static void test_issuer_and_audience(void **state) {
    (void)state;
    struct token_rules rules = plain_rules;
    struct token_grant grant;
    rules.issuer = "desk";
    expect_claims(&rules, "{\"exp\":1795467100,\"iss\":\"desk\"}", TOKEN_GOOD, &grant);
    expect_claims(&rules, "{\"exp\":1795467100,\"iss\":\"des\"}", TOKEN_WRONG_ISSUER, &grant);
    expect_claims(&rules, "{\"exp\":1795467100}", TOKEN_WRONG_ISSUER, &grant);
    rules.issuer = "";
    rules.audience = "app";
    static const struct {
        const char *claims;
        enum token_fault fault;
    } cases[] = {
        {"{\"exp\":1795467100,\"aud\":\"app\"}", TOKEN_GOOD},
        {"{\"exp\":1795467100,\"aud\":[\"web\",\"app\"]}", TOKEN_GOOD},
        {"{\"exp\":1795467100,\"aud\":[\"web\",5]}", TOKEN_WRONG_AUDIENCE},
        {"{\"exp\":1795467100,\"aud\":[]}", TOKEN_WRONG_AUDIENCE},
        {"{\"exp\":1795467100,\"aud\":\"app2\"}", TOKEN_WRONG_AUDIENCE},
        {"{\"exp\":1795467100,\"aud\":5}", TOKEN_WRONG_AUDIENCE},
        {"{\"exp\":1795467100}", TOKEN_WRONG_AUDIENCE},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect_claims(&rules, cases[i].claims, cases[i].fault, &grant);
    }
}

static void test_scope(void **state) {
    (void)state;
    static const char *const bad[] = {
        "[]",
        "{\"regions\":[\"atlantis\"]}", /* a list without meaning must not read as "any" */
        "{\"regions\":[]}",
        "{\"regions\":\"mena\"}",
        "{\"test\":\"yes\"}",
        "{\"tags\":[\"x\"]}",
    };
    struct token_grant grant;
    char claims[256];
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void)snprintf(claims, sizeof(claims), "{\"exp\":1795467100,\"tocsin\":%s}", bad[i]);
        expect_claims(&plain_rules, claims, TOKEN_BAD_CLAIMS, &grant);
    }
    expect_claims(&plain_rules, "{\"exp\":1795467100}", TOKEN_GOOD, &grant);
    assert_true(!grant.regions && !grant.sections && !grant.editions && !grant.test);
    expect_claims(&plain_rules,
                  "{\"exp\":1795467100,\"tocsin\":{\"regions\":[\"mena\",\"atlantis\"],"
                  "\"sections\":[\"all\"],\"editions\":[\"ar\"],\"test\":true}}",
                  TOKEN_GOOD, &grant);
    assert_true(grant.regions == UINT64_C(1) << taxonomy_find(t, DIM_REGION, STR("mena")));
    assert_true(grant.sections == 0);
    assert_true(grant.editions == UINT64_C(1) << taxonomy_find(t, DIM_EDITION, STR("ar")));
    assert_true(grant.test);
}

static void test_size(void **state) {
    (void)state;
    struct token_rules rules = plain_rules;
    struct token_grant grant;
    struct jwt_keys *keys = secret_keys();
    assert_int_equal(client_token_read(keys, &rules, t, (struct str){NULL, 0}, NOW, &grant),
                     TOKEN_MISSING);
    rules.bytes_max = 40;
    expect_claims(&rules, "{\"exp\":1795467100}", TOKEN_TOO_LARGE, &grant);
    jwt_keys_destroy(keys);
}

static int setup(void **state) {
    (void)state;
    t = taxonomy_builtin();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    taxonomy_destroy(t);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures), cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_headers),    cmocka_unit_test(test_keys_refused),
        cmocka_unit_test(test_times),      cmocka_unit_test(test_issuer_and_audience),
        cmocka_unit_test(test_scope),      cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

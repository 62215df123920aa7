/* A reader's token as it comes off the wire; or, when the input starts with '{' or '[', claims
 * signed as the holder of the key would, so that what lies behind the signature is reached. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "auth/client_token.h"
#include "base/codec.h"
#include "fuzz.h"

#define SECRET "0123456789abcdef0123456789abcdef"
enum { NOW = 1795467056, BYTES_MAX = 1 << 16 };

static const char public_key[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7\n"
    "Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==\n"
    "-----END PUBLIC KEY-----\n"; /* RFC 6979 section A.2.5 */

static struct jwt_keys *make_keys(void) {
    const char *why = NULL;
    struct jwt_keys *keys = jwt_keys_create();
    PROMISE(jwt_keys_add(keys, JWT_PUBLIC_KEY, STR("ec"), STR(public_key), &why) == ERR_OK);
    PROMISE(jwt_keys_add(keys, JWT_SECRET, STR(""), STR(SECRET), &why) == ERR_OK);
    return keys;
}

static void put_signed(struct buf *b, struct str claims) {
    unsigned char mac[SHA256_BYTES];
    unsigned n = 0;
    codec_put_base64url(b, STR("{\"alg\":\"HS256\"}"));
    buf_putc(b, '.');
    codec_put_base64url(b, claims);
    PROMISE(
        HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, (const unsigned char *)b->p, b->n, mac, &n));
    buf_putc(b, '.');
    codec_put_base64url(b, (struct str){(const char *)mac, n});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct token_rules rules = {.issuer = "",
                                      .audience = "",
                                      .leeway_s = 10,
                                      .lifetime_max_s = 3600,
                                      .bytes_max = BYTES_MAX};
    struct taxonomy *t = taxonomy_builtin();
    struct jwt_keys *keys = make_keys();
    struct token_grant grant;
    struct buf token;
    bool is_signed = size > 0 && (data[0] == '{' || data[0] == '[');
    buf_init(&token, 4 * BYTES_MAX);
    if (is_signed) {
        put_signed(&token, fuzz_input(data, size));
    } else {
        buf_put(&token, data, size);
    }
    enum token_fault fault = client_token_read(keys, &rules, t, buf_str(&token), NOW, &grant);
    if (is_signed && token.n <= BYTES_MAX) {
        PROMISE(fault != TOKEN_MALFORMED && fault != TOKEN_KEY_UNKNOWN &&
                fault != TOKEN_BAD_SIGNATURE && fault != TOKEN_MISSING);
    }
    if (fault == TOKEN_GOOD) {
        PROMISE(grant.expires_s > NOW && grant.expires_s <= NOW + 3600 + 2 * rules.leeway_s);
        PROMISE(!(grant.regions & ~taxonomy_all(t, DIM_REGION)));
        PROMISE(!(grant.sections & ~taxonomy_all(t, DIM_SECTION)));
        PROMISE(!(grant.editions & ~taxonomy_all(t, DIM_EDITION)));
    }
    PROMISE(token_fault_code(fault) && token_fault_detail(fault));
    buf_finish(&token);
    jwt_keys_destroy(keys);
    taxonomy_destroy(t);
    return 0;
}

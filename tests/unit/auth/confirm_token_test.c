/* Confirm tokens: good for one alert, one key, one time; anything else is a mismatch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "auth/confirm_token.h"

static const struct str secret = {"0123456789abcdef0123456789abcdef", 32};
static const char key_id[] = "abcdefghijkl";
enum { EXPIRES = 2000000 };

static struct confirm_claim claim_of(const char *alert) {
    return (struct confirm_claim){.key_id = key_id, .alert = str_of(alert)};
}

static void make(char out_token[CONFIRM_TOKEN_BYTES]) {
    struct confirm_claim claim = claim_of("the alert");
    claim.audience = 41217;
    claim.expires_ms = EXPIRES;
    confirm_token_make(secret, &claim, out_token);
}

static void check_good(void **state) {
    char token[CONFIRM_TOKEN_BYTES];
    struct confirm_claim claim = claim_of("the alert");
    (void)state;
    make(token);
    assert_int_equal(confirm_token_check(secret, str_of(token), EXPIRES - 1, &claim), CONFIRM_FINE);
    assert_int_equal(claim.audience, 41217);
    assert_int_equal(claim.expires_ms, EXPIRES);
}

static void check_expiry(void **state) {
    char token[CONFIRM_TOKEN_BYTES];
    struct confirm_claim claim = claim_of("the alert");
    (void)state;
    make(token);
    assert_int_equal(confirm_token_check(secret, str_of(token), EXPIRES, &claim), CONFIRM_EXPIRED);
    assert_int_equal(confirm_token_check(secret, str_of(token), INT64_MAX, &claim),
                     CONFIRM_EXPIRED);
}

static void check_another(void **state) {
    char token[CONFIRM_TOKEN_BYTES];
    struct confirm_claim alert = claim_of("the alert ");
    struct confirm_claim key = claim_of("the alert");
    struct confirm_claim same = claim_of("the alert");
    (void)state;
    make(token);
    assert_int_equal(confirm_token_check(secret, str_of(token), 0, &alert), CONFIRM_MISMATCH);
    assert_int_equal(alert.audience, 0);
    key.key_id = "abcdefghijkm";
    assert_int_equal(confirm_token_check(secret, str_of(token), 0, &key), CONFIRM_MISMATCH);
    const struct str other = {"0123456789abcdef0123456789abcdeg", 32};
    assert_int_equal(confirm_token_check(other, str_of(token), 0, &same), CONFIRM_MISMATCH);
}

/* Every token that differs in one byte, also one that would live longer or reach more. */
static void check_forged(void **state) {
    char token[CONFIRM_TOKEN_BYTES];
    (void)state;
    make(token);
    size_t n = strlen(token);
    for (size_t i = 0; i < n; i++) {
        for (int c = 1; c < 256; c++) {
            char forged[CONFIRM_TOKEN_BYTES];
            struct confirm_claim claim = claim_of("the alert");
            memcpy(forged, token, sizeof(forged));
            forged[i] = (char)c;
            enum confirm_fault fault =
                confirm_token_check(secret, (struct str){forged, n}, EXPIRES - 1, &claim);
            assert_int_equal(fault, forged[i] == token[i] ? CONFIRM_FINE : CONFIRM_MISMATCH);
        }
    }
}

static void check_malformed(void **state) {
    static const char *const texts[] = {"",   ".",     "..",
                                        "1.", "1.2",   "1.2.",
                                        "x",  "1.2.3", "99999999999999999999.1.AAAA",
                                        "1",  "1.-2.", "18446744073709551616.2.AA"};
    char token[CONFIRM_TOKEN_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct confirm_claim claim = claim_of("the alert");
        assert_int_equal(confirm_token_check(secret, str_of(texts[i]), 0, &claim),
                         CONFIRM_MISMATCH);
    }
    make(token);
    for (size_t n = 0; n < strlen(token); n++) {
        struct confirm_claim claim = claim_of("the alert");
        assert_int_equal(confirm_token_check(secret, (struct str){token, n}, 0, &claim),
                         CONFIRM_MISMATCH);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_good),      cmocka_unit_test(check_expiry),
        cmocka_unit_test(check_another),   cmocka_unit_test(check_forged),
        cmocka_unit_test(check_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

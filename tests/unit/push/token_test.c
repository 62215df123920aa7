/* When provider tokens are renewed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "push/apns_token.h"
#include "push/fcm_token.h"

enum { MINUTE_MS = 60000 };

static struct apns_token *make_token(void) {
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
    char *pem = NULL;
    long size = BIO_get_mem_data(bio, &pem);
    struct jwt_key *key = NULL;
    assert_int_equal(jwt_key_create(JWT_ES256, (struct str){pem, (size_t)size}, &key), ERR_OK);
    struct apns_token *t = NULL;
    assert_int_equal(apns_token_create(key, "ABC123DEFG", "TEAM123456", &t), ERR_OK);
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return t;
}

static void the_jwt_says_who_and_when(void **state) {
    (void)state;
    struct apns_token *t = make_token();
    struct str bearer = apns_token_bearer(t);
    assert_true(str_starts(bearer, STR("bearer ")));
    struct str rest = {bearer.p + 7, bearer.n - 7};
    struct str part[3];
    struct buf json[2];
    for (int i = 0; i < 3; i++) {
        assert_true(str_split(&rest, '.', &part[i]));
    }
    for (int i = 0; i < 2; i++) {
        buf_init(&json[i], 1024);
        assert_int_equal(codec_take_base64(&json[i], part[i]), ERR_OK);
    }
    assert_string_equal(json[0].p, "{\"alg\":\"ES256\",\"kid\":\"ABC123DEFG\"}");
    cJSON *claims = cJSON_Parse(json[1].p);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(claims, "iss")->valuestring, "TEAM123456");
    double age_s = (double)clock_wall_ms() / 1000 -
                   cJSON_GetObjectItemCaseSensitive(claims, "iat")->valuedouble;
    assert_true(age_s >= 0 && age_s < 5);
    assert_int_equal(cJSON_GetArraySize(claims), 2);
    cJSON_Delete(claims);
    buf_finish(&json[0]);
    buf_finish(&json[1]);
    apns_token_destroy(t);
}

static uint32_t version_now(struct apns_token *t) {
    (void)apns_token_bearer(t);
    return apns_token_version(t);
}

static void the_jwt_is_renewed_between_45_and_50_minutes(void **state) {
    (void)state;
    struct apns_token *t = make_token();
    assert_int_equal(version_now(t), 1);
    assert_false(apns_token_is_fresh(t)); /* the first replaced nothing */
    clock_advance_for_test(45 * MINUTE_MS - 1000);
    assert_int_equal(version_now(t), 1);
    clock_advance_for_test(5 * MINUTE_MS + 2000);
    assert_int_equal(version_now(t), 2);
    assert_true(apns_token_is_fresh(t));
    clock_advance_for_test(2 * MINUTE_MS);
    assert_int_equal(version_now(t), 2);
    assert_false(apns_token_is_fresh(t));
    apns_token_destroy(t);
}

static void an_expired_jwt_is_renewed_once_and_not_again_soon(void **state) {
    (void)state;
    struct apns_token *t = make_token();
    bool all = false;
    assert_int_equal(version_now(t), 1);
    clock_advance_for_test(30 * MINUTE_MS);
    assert_true(apns_token_renew(t, 1, &all));
    assert_false(all);                         /* old enough: no limit is touched */
    assert_true(apns_token_renew(t, 1, &all)); /* the second of a batch of answers */
    assert_int_equal(version_now(t), 2);
    assert_true(apns_token_renew(t, 1, &all)); /* a late answer about the former */
    assert_int_equal(version_now(t), 2);
    assert_true(apns_token_renew(t, 2, &all)); /* sooner than allowed: once, all replaced */
    assert_true(all);
    assert_int_equal(version_now(t), 3);
    assert_false(apns_token_renew(t, 3, &all));
    assert_int_equal(version_now(t), 3);
    clock_advance_for_test(20 * MINUTE_MS + 1000);
    assert_true(apns_token_renew(t, 3, &all));
    assert_int_equal(version_now(t), 4);
    apns_token_destroy(t);
}

static void too_many_updates_hold_the_jwt(void **state) {
    (void)state;
    struct apns_token *t = make_token();
    assert_int_equal(version_now(t), 1);
    clock_advance_for_test(44 * MINUTE_MS);
    apns_token_hold(t);
    clock_advance_for_test(10 * MINUTE_MS); /* due, but held */
    assert_int_equal(version_now(t), 1);
    clock_advance_for_test(10 * MINUTE_MS + 1000);
    assert_int_equal(version_now(t), 2);
    apns_token_destroy(t);
}

static void fcm_tokens_are_renewed_ahead(void **state) {
    (void)state;
    assert_int_equal(fcm_token_use_ms(3599, 0), 3299000);
    assert_int_equal(fcm_token_use_ms(3599, 59999), 3299000 - 59999);
    assert_int_equal(fcm_token_use_ms(3599, 60000), 3299000);
    assert_int_equal(fcm_token_use_ms(60, 0), 30000);
    assert_int_equal(fcm_token_use_ms(1, 7), 500);
}

static void service_accounts_are_checked(void **state) {
    (void)state;
    struct fcm_account a;
    const char *problem = NULL;
    assert_int_equal(fcm_account_parse(STR("nonsense"), &a, &problem), ERR_INVALID);
    assert_string_equal(problem, "not a JSON file");
    assert_int_equal(
        fcm_account_parse(STR("{\"project_id\":\"p\",\"client_email\":\"c\"}"), &a, &problem),
        ERR_INVALID);
    assert_string_equal(problem, "private_key is missing");
    assert_int_equal(
        fcm_account_parse(STR("{\"project_id\":\"p\",\"client_email\":\"c\",\"private_key\":\"k\","
                              "\"token_uri\":\"https://t/\"}"),
                          &a, &problem),
        ERR_OK);
    assert_string_equal(a.token_uri, "https://t/");
    assert_null(a.private_key_id);
    fcm_account_finish(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_jwt_says_who_and_when),
        cmocka_unit_test(the_jwt_is_renewed_between_45_and_50_minutes),
        cmocka_unit_test(an_expired_jwt_is_renewed_once_and_not_again_soon),
        cmocka_unit_test(too_many_updates_hold_the_jwt),
        cmocka_unit_test(fcm_tokens_are_renewed_ahead),
        cmocka_unit_test(service_accounts_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

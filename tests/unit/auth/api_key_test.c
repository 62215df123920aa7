#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/api_key.h"
#include "base/clock.h"
#include "support_model.h"

static void test_generate(void **state) {
    (void)state;
    char last[API_KEY_TEXT_BYTES] = "";
    for (int i = 0; i < 500; i++) {
        struct api_key key = {0};
        char text[API_KEY_TEXT_BYTES];
        char id[API_KEY_ID_BYTES];
        char hash[SHA256_HEX_BYTES];
        api_key_generate(&key, text);
        assert_string_not_equal(text, last);
        memcpy(last, text, sizeof(last));
        assert_true(str_starts(str_of(text), STR("tcn_")));
        assert_int_equal(api_key_split(str_of(text), id, hash), ERR_OK);
        assert_string_equal(id, key.id);
        assert_string_equal(hash, key.secret_sha256);
        assert_true(key.created_ms > 0 && key.created_ms <= clock_wall_ms());
        assert_true(api_key_is_match(&key, hash));
        assert_null(strstr(key.secret_sha256, text + 17)); /* only the hash is kept */
        hash[0] = hash[0] == '0' ? '1' : '0';
        assert_false(api_key_is_match(&key, hash));
        assert_false(api_key_is_match(&key, ""));
        key.revoked = true;
        assert_false(api_key_is_match(&key, key.secret_sha256));
    }
}

#define SECRET "0123456789abcdefghijklmnopqrstuvwxyzABC-_DE"

static void test_split(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum err err;
    } cases[] = {
        {"tcn_abcdefghij12_" SECRET, ERR_OK},      {"", ERR_INVALID},
        {"tcn_abcdefghij12", ERR_INVALID},         {"tcn_abcdefghij12_" SECRET "x", ERR_INVALID},
        {"tcn_abcdefghij1_x" SECRET, ERR_INVALID}, {"tcn_Abcdefghij12_" SECRET, ERR_INVALID},
        {"tcn_abcdefghij12-" SECRET, ERR_INVALID}, {"xcn_abcdefghij12_" SECRET, ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char id[API_KEY_ID_BYTES];
        char hash[SHA256_HEX_BYTES];
        char expected[SHA256_HEX_BYTES];
        assert_int_equal(api_key_split(str_of(cases[i].text), id, hash), cases[i].err);
        if (cases[i].err == ERR_OK) {
            codec_sha256_hex(STR(SECRET), expected);
            assert_string_equal(id, "abcdefghij12");
            assert_string_equal(hash, expected);
        }
    }
}

static uint64_t mask_of(const struct taxonomy *t, enum dimension dim, const char *list) {
    struct str rest = str_of(list);
    struct str name;
    uint64_t mask = 0;
    while (rest.n && str_split(&rest, ',', &name)) {
        int index = taxonomy_find(t, dim, name);
        assert_true(index >= 0);
        mask |= UINT64_C(1) << index;
    }
    return mask;
}

#define NEW(urgency, audience)                                                                     \
    "{\"urgency\":\"" urgency "\",\"audience\":{" audience "},\"fallback_language\":\"en\","       \
    "\"content\":{\"en\":{\"headline\":\"x\"}}}"
#define CANCEL(more)                                                                               \
    "{\"msg_type\":\"cancel\",\"references\":[\"01890a5d-ac96-774b-bcce-b302099a8057\"]" more "}"

static void test_scope(void **state) {
    (void)state;
    static const struct {
        const char *regions;
        const char *editions;
        enum urgency max_urgency;
        bool all_regions;
        const char *alert;
        const char *faults;
    } cases[] = {
        {"", "", URGENCY_FLASH, true, NEW("flash", "\"regions\":[\"all\"]"), ""},
        {"", "", URGENCY_FLASH, false, NEW("flash", "\"regions\":[\"all\"]"),
         "/audience/regions out_of_scope"},
        {"", "", URGENCY_FLASH, false, NEW("flash", "\"regions\":[\"mena\",\"asia\"]"), ""},
        {"mena", "", URGENCY_FLASH, false, NEW("low", "\"regions\":[\"mena\"]"), ""},
        {"mena", "", URGENCY_FLASH, false, NEW("low", "\"regions\":[\"palestine\"]"), ""},
        {"palestine", "", URGENCY_FLASH, false, NEW("low", "\"regions\":[\"mena\"]"),
         "/audience/regions out_of_scope"},
        {"mena", "", URGENCY_FLASH, false, NEW("low", "\"regions\":[\"mena\",\"asia\",\"europe\"]"),
         "/audience/regions out_of_scope; /audience/regions out_of_scope"},
        {"", "", URGENCY_HIGH, false, NEW("high", "\"regions\":[\"mena\"]"), ""},
        {"", "", URGENCY_HIGH, false, NEW("flash", "\"regions\":[\"mena\"]"),
         "/urgency out_of_scope"},
        {"", "en", URGENCY_FLASH, false, NEW("low", "\"regions\":[\"mena\"],\"editions\":[\"en\"]"),
         ""},
        {"", "en", URGENCY_FLASH, false,
         NEW("low", "\"regions\":[\"mena\"],\"editions\":[\"en\",\"ar\"]"),
         "/audience/editions out_of_scope"},
        {"", "en", URGENCY_FLASH, false, NEW("low", "\"regions\":[\"mena\"]"),
         "/audience/editions out_of_scope; /audience/editions out_of_scope"},
        {"", "ar", URGENCY_FLASH, false, NEW("low", "\"regions\":[\"mena\"],\"editions\":[\"ar\"]"),
         "/content/en out_of_scope"},
        {"asia", "ar", URGENCY_LOW, false, NEW("high", "\"regions\":[\"mena\"]"),
         "/urgency out_of_scope; /audience/regions out_of_scope; /content/en out_of_scope; "
         "/audience/editions out_of_scope"},
        /* Not inherited yet: only what the request says itself. */
        {"asia", "ar", URGENCY_LOW, false, CANCEL(""), ""},
        {"asia", "ar", URGENCY_LOW, false,
         CANCEL(",\"urgency\":\"high\",\"content\":{\"en\":{\"headline\":\"x\"}}"),
         "/urgency out_of_scope; /content/en out_of_scope"},
    };
    struct taxonomy *t = taxonomy_builtin();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct problem *p = problem_create();
        struct alert *a = NULL;
        assert_int_equal(alert_parse_request(t, str_of(cases[i].alert), &a, p), ERR_OK);
        struct key_scope scope = {
            .publish = true,
            .regions = mask_of(t, DIM_REGION, cases[i].regions),
            .editions = mask_of(t, DIM_EDITION, cases[i].editions),
            .max_urgency = cases[i].max_urgency,
            .all_regions = cases[i].all_regions,
        };
        api_key_check_alert(&scope, t, a, p);
        assert_faults(p, cases[i].alert, cases[i].faults);
        problem_destroy(p);

        p = problem_create();
        api_key_check_alert(&(struct key_scope){.all_regions = true}, t, a, p);
        assert_faults(p, cases[i].alert, " out_of_scope"); /* no publish right at all */
        problem_destroy(p);
        alert_destroy(a);
    }
    taxonomy_destroy(t);
}

static void test_json(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct api_key key = {.scope = {.publish = true, .read = true, .max_urgency = URGENCY_HIGH}};
    char text[API_KEY_TEXT_BYTES];
    api_key_generate(&key, text);
    memcpy(key.name, "Desk \"خبر\"", sizeof("Desk \"خبر\""));
    key.scope.regions = mask_of(t, DIM_REGION, "mena,asia");
    key.scope.editions = mask_of(t, DIM_EDITION, "ar");
    for (int round = 0; round < 2; round++) {
        struct buf b;
        struct api_key back = {.scope = {.approve = true, .person = true}};
        buf_init(&b, 4096);
        api_key_put_json(&key, t, &b);
        assert_null(strstr(b.p, text + 17)); /* the secret is nowhere in it */
        assert_int_equal(api_key_parse_json(t, buf_str(&b), &back), ERR_OK);
        assert_string_equal(back.id, key.id);
        assert_string_equal(back.name, key.name);
        assert_string_equal(back.secret_sha256, key.secret_sha256);
        assert_true(back.created_ms == key.created_ms);
        assert_int_equal(back.revoked, key.revoked);
        assert_int_equal(back.scope.publish, key.scope.publish);
        assert_int_equal(back.scope.read, key.scope.read);
        assert_int_equal(back.scope.approve, key.scope.approve);
        assert_int_equal(back.scope.admin, key.scope.admin);
        assert_int_equal(back.scope.person, key.scope.person);
        assert_int_equal(back.scope.all_regions, key.scope.all_regions);
        assert_int_equal(back.scope.max_urgency, key.scope.max_urgency);
        assert_true(back.scope.regions == key.scope.regions);
        assert_true(back.scope.editions == key.scope.editions);
        buf_finish(&b);
        key.revoked = true;
        key.scope =
            (struct key_scope){.approve = true, .admin = true, .person = true, .all_regions = true};
    }
    taxonomy_destroy(t);
}

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define SCOPE(more)                                                                                \
    "\"scope\":{\"publish\":true,\"read\":true,\"admin\":false," more                              \
    "\"max_urgency\":\"flash\",\"all_regions\":false}"
#define KEY(scope)                                                                                 \
    "{\"id\":\"abcdefghij12\",\"name\":\"n\",\"secret_sha256\":\"" HASH "\"," scope                \
    ",\"created_ms\":1,\"revoked\":false}"

/* A scope that the taxonomy no longer knows must not turn into "any". */
static void test_lost_scope(void **state) {
    (void)state;
    struct taxonomy *t = taxonomy_builtin();
    struct api_key key;
    assert_int_equal(api_key_parse_json(t, STR(KEY(SCOPE(""))), &key), ERR_OK);
    assert_true(key.scope.publish);
    assert_false(key.scope.person); /* keys of before are services' and approve nothing */
    assert_false(key.scope.approve);
    assert_int_equal(api_key_parse_json(t, STR(KEY(SCOPE("\"regions\":[\"x\",\"mena\"],"))), &key),
                     ERR_OK);
    assert_true(key.scope.publish);
    assert_true(key.scope.regions == mask_of(t, DIM_REGION, "mena"));
    assert_int_equal(api_key_parse_json(t, STR(KEY(SCOPE("\"regions\":[\"x\"],"))), &key), ERR_OK);
    assert_false(key.scope.publish);
    assert_int_equal(api_key_parse_json(t, STR(KEY(SCOPE("\"editions\":[],"))), &key), ERR_OK);
    assert_false(key.scope.publish);
    static const char *const refused[] = {
        "",
        "{}",
        "[]",
        KEY("\"scope\":{}"),
        KEY("\"scope\":[]"),
        KEY(SCOPE("\"person\":1,")),
        KEY(SCOPE("\"approve\":\"yes\",")),
        "{\"id\":\"abc\",\"name\":\"n\",\"secret_sha256\":\"" HASH
        "\"," SCOPE("") ",\"created_ms\":1,\"revoked\":false}",
        "{\"id\":\"abcdefghij12\",\"name\":\"n\",\"secret_sha256\":\"\"," SCOPE(
            "") ",\"created_ms\":1,\"revoked\":false}",
        "{\"id\":\"abcdefghij12\",\"name\":\"n\",\"secret_sha256\":\"" HASH
        "\"," SCOPE("") ",\"created_ms\":1}",
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(api_key_parse_json(t, str_of(refused[i]), &key), ERR_INVALID);
    }
    taxonomy_destroy(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generate),   cmocka_unit_test(test_split),
        cmocka_unit_test(test_scope),      cmocka_unit_test(test_json),
        cmocka_unit_test(test_lost_scope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/codec.h"

/* RFC 4648 section 10, without the padding that JOSE leaves out. */
static const struct {
    const char *bytes;
    const char *padded;
    const char *bare;
    const char *hex;
} vectors[] = {
    {"", "", "", ""},
    {"f", "Zg==", "Zg", "66"},
    {"fo", "Zm8=", "Zm8", "666f"},
    {"foo", "Zm9v", "Zm9v", "666f6f"},
    {"foob", "Zm9vYg==", "Zm9vYg", "666f6f62"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE", "666f6f6261"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy", "666f6f626172"},
};

static void vectors_of_the_rfc(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        buf_clear(&b);
        codec_put_base64url(&b, str_of(vectors[i].bytes));
        assert_string_equal(buf_str(&b).p, vectors[i].bare);
        buf_clear(&b);
        codec_put_hex(&b, str_of(vectors[i].bytes));
        assert_string_equal(buf_str(&b).p, vectors[i].hex);
        const char *const texts[] = {vectors[i].padded, vectors[i].bare};
        for (int k = 0; k < 2; k++) {
            buf_clear(&b);
            assert_int_equal(codec_take_base64(&b, str_of(texts[k])), ERR_OK);
            assert_true(str_eq(buf_str(&b), str_of(vectors[i].bytes)));
        }
        buf_clear(&b);
        assert_int_equal(codec_take_hex(&b, str_of(vectors[i].hex)), ERR_OK);
        assert_true(str_eq(buf_str(&b), str_of(vectors[i].bytes)));
    }
    buf_finish(&b);
}

static void both_alphabets(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    codec_put_base64url(&b, STR("\xFB\xEF\xFF"));
    assert_string_equal(b.p, "--__");
    buf_clear(&b);
    assert_int_equal(codec_take_base64(&b, STR("++//")), ERR_OK);
    assert_true(str_eq(buf_str(&b), STR("\xFB\xEF\xFF")));
    buf_clear(&b);
    assert_int_equal(codec_take_hex(&b, STR("00fFAb")), ERR_OK);
    assert_true(str_eq(buf_str(&b), STR("\0\xFF\xAB")));
    buf_finish(&b);
}

static void bad_texts_leave_no_trace(void **state) {
    (void)state;
    static const char *const base64[] = {
        "A", "Zm9vY", "Zm9v!", "Zg=",  "Zg===", "Zm9v=",     "====",
        "=", "Z=g=",  "Zh==",  "Zm9=", "Zm 9v", "Zm9vYmFy\n"};
    static const char *const hex[] = {"6", "6g", "66 6", "0x66", "666", "zz"};
    struct buf b;
    buf_init(&b, 100);
    buf_puts(&b, "kept");
    for (size_t i = 0; i < sizeof(base64) / sizeof(base64[0]); i++) {
        assert_int_equal(codec_take_base64(&b, str_of(base64[i])), ERR_INVALID);
        assert_true(str_eq(buf_str(&b), STR("kept")));
    }
    for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
        assert_int_equal(codec_take_hex(&b, str_of(hex[i])), ERR_INVALID);
        assert_true(str_eq(buf_str(&b), STR("kept")));
    }
    buf_finish(&b);
}

static void every_byte_round_trips(void **state) {
    (void)state;
    char bytes[256];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
    }
    struct buf text;
    struct buf back;
    buf_init(&text, 1000);
    buf_init(&back, 1000);
    for (size_t n = 0; n <= sizeof(bytes); n++) {
        struct str in = {bytes + sizeof(bytes) - n, n};
        buf_clear(&text);
        buf_clear(&back);
        codec_put_base64url(&text, in);
        assert_int_equal(codec_take_base64(&back, buf_str(&text)), ERR_OK);
        assert_true(str_eq(buf_str(&back), in));
        buf_clear(&text);
        buf_clear(&back);
        codec_put_hex(&text, in);
        assert_int_equal(codec_take_hex(&back, buf_str(&text)), ERR_OK);
        assert_true(str_eq(buf_str(&back), in));
    }
    buf_finish(&text);
    buf_finish(&back);
}

/* FIPS 180-2 appendix B.1 and the digest of nothing. */
static void sha256(void **state) {
    (void)state;
    char hex[SHA256_HEX_BYTES];
    codec_sha256_hex(STR("abc"), hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    codec_sha256_hex(STR(""), hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* RFC 9562 section 5.7: 48 bits of milliseconds, version 7, variant 10. */
static void uuid7(void **state) {
    (void)state;
    char first[UUID_BYTES];
    char second[UUID_BYTES];
    char stamp[14];
    int64_t before_ms = clock_wall_ms();
    codec_uuid7(first);
    int64_t after_ms = clock_wall_ms();
    codec_uuid7(second);
    assert_true(codec_is_uuid(str_of(first)));
    assert_string_not_equal(first, second);
    assert_int_equal(first[14], '7');
    assert_non_null(strchr("89ab", first[19]));
    memcpy(stamp, first, 8);
    memcpy(stamp + 8, first + 9, 4);
    struct buf bytes;
    buf_init(&bytes, 6);
    assert_int_equal(codec_take_hex(&bytes, (struct str){stamp, 12}), ERR_OK);
    int64_t ms = 0;
    for (int i = 0; i < 6; i++) {
        ms = ms << 8 | (unsigned char)bytes.p[i];
    }
    assert_true(ms >= before_ms && ms <= after_ms);
    buf_finish(&bytes);
    clock_advance_for_test(1000);
    codec_uuid7(second);
    assert_true(strcmp(first, second) < 0); /* sorts by time */
    clock_advance_for_test(-1000);
}

static void uuid_form(void **state) {
    (void)state;
    assert_true(codec_is_uuid(STR("01234567-89ab-7def-8000-0123456789ab")));
    assert_false(codec_is_uuid(STR("01234567-89AB-7def-8000-0123456789ab")));
    assert_false(codec_is_uuid(STR("01234567-89ab-7def-8000-0123456789a")));
    assert_false(codec_is_uuid(STR("01234567-89ab-7def-8000-0123456789abc")));
    assert_false(codec_is_uuid(STR("0123456789ab-7def-8000-0123456789abcd")));
    assert_false(codec_is_uuid(STR("01234567-89ab-7def-8000-0123456789ag")));
    assert_false(codec_is_uuid(STR("01234567-89ab-7def-80000-123456789ab")));
    assert_false(codec_is_uuid(STR("")));
}

static void random_values(void **state) {
    (void)state;
    assert_int_equal(codec_random_below(0), 0);
    assert_int_equal(codec_random_below(1), 0);
    unsigned seen = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = codec_random_below(5);
        assert_in_range(value, 0, 4);
        seen |= 1U << value;
    }
    assert_int_equal(seen, 31); /* a value missing in 1000 draws: chance below 1e-96 */
    unsigned char a[32] = {0};
    unsigned char b[32] = {0};
    codec_random(a, sizeof(a));
    codec_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_the_rfc),
        cmocka_unit_test(both_alphabets),
        cmocka_unit_test(bad_texts_leave_no_trace),
        cmocka_unit_test(every_byte_round_trips),
        cmocka_unit_test(sha256),
        cmocka_unit_test(uuid7),
        cmocka_unit_test(uuid_form),
        cmocka_unit_test(random_values),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}

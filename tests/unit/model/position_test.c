#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/codec.h"
#include "model/position.h"

static void test_refused(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        ":",
        "a",
        "a:",
        ":1",
        "A:1",
        "a:-1",
        "a:+1",
        "a: 1",
        "a:01",
        "a:00",
        "a:1 ",
        "a:1:2",
        "a b:1",
        "é:1",
        "a:1x",
        "abcdefgh012345678:1",
        "a:18446744073709551616",
        "a::1",
    };
    struct position position = {.seq = 42};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (position_parse(str_of(texts[i]), &position) != ERR_INVALID) {
            fail_msg("accepted: %s", texts[i]);
        }
    }
    assert_int_equal(position.seq, 42);
}

static void test_round_trip(void **state) {
    (void)state;
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (int round = 0; round < 5000; round++) {
        struct position position = {.seq = 0};
        size_t n = 1 + codec_random_below(EPOCH_BYTES - 1);
        for (size_t i = 0; i < n; i++) {
            position.epoch[i] = letters[codec_random_below(36)];
        }
        codec_random(&position.seq, sizeof(position.seq));
        position.seq >>= codec_random_below(64);
        char text[POSITION_BYTES];
        position_format(&position, text);
        struct position back;
        assert_int_equal(position_parse(str_of(text), &back), ERR_OK);
        assert_string_equal(back.epoch, position.epoch);
        assert_true(back.seq == position.seq);
    }
}

static void test_extremes(void **state) {
    (void)state;
    struct position position;
    char text[POSITION_BYTES];
    struct str longest = STR("abcdefgh01234567:18446744073709551615");
    assert_int_equal(position_parse(longest, &position), ERR_OK);
    assert_true(position.seq == UINT64_MAX);
    position_format(&position, text);
    assert_string_equal(text, longest.p);
    assert_int_equal(position_parse(STR("a:0"), &position), ERR_OK);
    assert_int_equal(position.seq, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

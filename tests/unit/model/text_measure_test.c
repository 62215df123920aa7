/* Lengths as people count them, and scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/text_measure.h"

static void check_graphemes(void **state) {
    static const struct {
        const char *text;
        size_t graphemes;
    } cases[] = {
        {"", 0},
        {"Nile", 4},
        {"\u00daltima hora", 11},
        {"U\u0301ltima hora", 11}, /* the accent as a character of its own */
        {"عاجل", 4},
        {"عَاجِلٌ", 4}, /* with its vowel marks */
        {"شبعا — ٪١٢", 10},
        {"👩\u200d👩\u200d👧\u200d👦", 1}, /* a family: four people and three joiners */
        {"👍🏽", 1},               /* a thumb and its colour */
        {"🇵🇸🇱🇧", 2},                   /* flags are two letters each */
        {"1\ufe0f\u20e3", 1},          /* a keycap */
        {"❤\ufe0f‍🔥 on", 4},
        {"한국", 2},
        {"\u1112\u1161\u11ab", 1}, /* the same syllable in three pieces */
        {"a\u200fb", 2},           /* a direction mark is seen by nobody */
        {"\r\n", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (text_measure(str_of(cases[i].text)).graphemes != cases[i].graphemes) {
            fail_msg("%s: %zu", cases[i].text, text_measure(str_of(cases[i].text)).graphemes);
        }
    }
}

static void check_scripts(void **state) {
    (void)state;
    struct text_measure m = text_measure(STR("iPhone 15 يصل"));
    assert_int_equal(m.latin, 6);
    assert_int_equal(m.arabic, 3);
    assert_int_equal(m.letters, 9);
    m = text_measure(STR("٪١٢ 123 — «»"));
    assert_int_equal(m.letters, 0);
    m = text_measure(STR("پایتخت ٹھیک"));
    assert_int_equal(m.arabic, m.letters);
    m = text_measure(STR("Москва שלום"));
    assert_int_equal(m.letters, 10);
    assert_int_equal(m.latin + m.arabic, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_graphemes),
        cmocka_unit_test(check_scripts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

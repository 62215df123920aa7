/* The same words are the same text, however they are typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/text_fold.h"

static void check(const char *text, const char *folded) {
    struct buf b;
    buf_init(&b, 4096);
    text_fold(str_of(text), &b);
    assert_int_equal(buf_check(&b), ERR_OK);
    assert_int_equal(b.n, str_of(folded).n);
    assert_memory_equal(b.n ? b.p : "", folded, b.n);
    buf_finish(&b);
}

static void check_spaces(void **state) {
    (void)state;
    check("", "");
    check(" \t\n ", "");
    check("  Nile  rises\tabove\u00a0flood ", "nile rises above flood");
    check("one\u2003two\u3000three", "one two three");
}

static void check_case(void **state) {
    (void)state;
    check("ÚLTIMA HORA: SISMO", "última hora: sismo");
    check("STRASSE straße", "strasse strasse");
    check("u\u0301ltima", "última"); /* a letter and its accent as two characters */
    check("\ufb01re \uff21\uff22\uff23 ①", "fire abc 1");
}

static void check_invisible(void **state) {
    (void)state;
    check("\u200fعاجل\u200f: \u2068شبعا\u2069", "عاجل: شبعا");
    check("sof\u00adt hy\u200bphen\ufeff", "soft hyphen");
    check("\u200b \u200b", "");
}

static void check_other_texts(void **state) {
    (void)state;
    check("Nile rises.", "nile rises."); /* punctuation tells texts apart */
    check("خبر أول", "خبر أول");
    check("\xff\xfe", "\ufffd\ufffd"); /* not UTF-8 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_spaces),
        cmocka_unit_test(check_case),
        cmocka_unit_test(check_invisible),
        cmocka_unit_test(check_other_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

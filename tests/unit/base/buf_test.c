#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static void puts_together(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    assert_int_equal(buf_str(&b).n, 0);
    assert_string_equal(buf_str(&b).p, "");
    buf_put(&b, NULL, 0);
    buf_puts(&b, "one");
    buf_putc(&b, ' ');
    buf_put_str(&b, STR("two"));
    buf_printf(&b, " %d %s", 3, "four");
    assert_string_equal(b.p, "one two 3 four");
    assert_int_equal(b.n, 14);
    assert_int_equal(buf_check(&b), ERR_OK);
    buf_consume(&b, 4);
    assert_string_equal(b.p, "two 3 four");
    buf_consume(&b, b.n);
    assert_string_equal(b.p, "");
    buf_finish(&b);
    assert_null(b.p);
    assert_int_equal(b.max, 100);
}

static void cap_is_exact(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    buf_puts(&b, "12345678");
    assert_int_equal(buf_check(&b), ERR_OK);
    buf_putc(&b, '9');
    assert_int_equal(buf_check(&b), ERR_TOO_LARGE);
    assert_string_equal(b.p, "12345678");
    /* For good: a shorter write after a dropped one would leave a hole in the middle. */
    buf_consume(&b, 4);
    buf_putc(&b, '9');
    assert_string_equal(b.p, "5678");
    buf_clear(&b);
    assert_int_equal(buf_check(&b), ERR_OK);
    buf_printf(&b, "%s", "abcdefgh");
    assert_int_equal(buf_check(&b), ERR_OK);
    buf_printf(&b, "%s", "i");
    assert_int_equal(buf_check(&b), ERR_TOO_LARGE);
    assert_string_equal(b.p, "abcdefgh");
    buf_finish(&b);
}

static void sizes_do_not_wrap(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    buf_puts(&b, "1234");
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_null(buf_reserve(&b, 1)); /* after the overflow */
    buf_clear(&b);
    assert_null(buf_reserve(&b, SIZE_MAX - 2));
    buf_finish(&b);
}

static void reserve_then_write(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_puts(&b, "ab");
    char *at = buf_reserve(&b, 500);
    assert_non_null(at);
    assert_ptr_equal(at, b.p + 2);
    memset(at, 'x', 500);
    b.n += 500;
    buf_putc(&b, 'y');
    assert_int_equal(b.n, 503);
    assert_int_equal(b.p[502], 'y');
    buf_finish(&b);
}

static void take_hands_over(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    char *nothing = buf_take(&b);
    assert_string_equal(nothing, "");
    free(nothing);
    buf_puts(&b, "mine");
    char *text = buf_take(&b);
    assert_string_equal(text, "mine");
    assert_null(b.p);
    assert_int_equal(b.n, 0);
    free(text);
}

/* RFC 8259 section 7; other bytes pass untouched, so Arabic stays byte for byte. */
static void json_text(void **state) {
    (void)state;
    struct buf b;
    buf_init(&b, 200);
    buf_put_json(&b, STR("a\"b\\c/\b\f\n\r\t\x01\x1F\x7F\0عاجل"));
    assert_string_equal(b.p, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\\u0000عاجل\"");
    buf_clear(&b);
    buf_put_json(&b, str_of(NULL));
    assert_string_equal(b.p, "\"\"");
    buf_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(puts_together),     cmocka_unit_test(cap_is_exact),
        cmocka_unit_test(sizes_do_not_wrap), cmocka_unit_test(reserve_then_write),
        cmocka_unit_test(take_hands_over),   cmocka_unit_test(json_text),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}

/* Targets are copies, and the waiting ones come out in the order of their times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/codec.h"
#include "push/dead_tokens.h"
#include "push/target.h"

static struct target *make(int64_t retry_at_ms) {
    const struct push_target from = {.slot = 7, .token = STR("abc"), .app = STR("com.example")};
    struct target *t = target_create(NULL, &from);
    t->retry_at_ms = retry_at_ms;
    return t;
}

static void a_target_owns_its_bytes(void **state) {
    (void)state;
    char token[] = "0123456789abcdef";
    const struct push_target from = {
        .slot = 16383, .edition = 2, .registered_ms = 5, .token = {token, 16}};
    struct target *t = target_create(NULL, &from);
    memset(token, 'x', sizeof(token));
    assert_true(str_eq(t->token, STR("0123456789abcdef")));
    assert_int_equal(t->app.n, 0);
    assert_int_equal(t->slot, 16383);
    assert_int_equal(t->edition, 2);
    assert_true(t->registered_ms == 5);
    free(t);
}

static void the_heap_gives_the_soonest_first(void **state) {
    (void)state;
    struct target_heap h = {0};
    assert_null(target_heap_pop(&h));
    assert_null(target_heap_peek(&h));
    for (int i = 0; i < 1000; i++) {
        target_heap_push(&h, make((int64_t)codec_random_below(300)));
    }
    int64_t last = 0;
    for (int i = 0; i < 1000; i++) {
        struct target *peeked = target_heap_peek(&h);
        struct target *t = target_heap_pop(&h);
        assert_ptr_equal(t, peeked);
        assert_true(t->retry_at_ms >= last);
        last = t->retry_at_ms;
        free(t);
    }
    assert_null(target_heap_pop(&h));
    target_heap_finish(&h);
}

static void the_circuit_breaker_needs_number_and_share(void **state) {
    (void)state;
    assert_false(dead_tokens_is_storm(0, 0, 200, 20));
    assert_false(dead_tokens_is_storm(199, 199, 200, 20));
    assert_true(dead_tokens_is_storm(200, 200, 200, 20));
    assert_false(dead_tokens_is_storm(200, 1000, 200, 20));
    assert_true(dead_tokens_is_storm(201, 1000, 200, 20));
    assert_false(dead_tokens_is_storm(1000000, 1000000, 1, 100));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_owns_its_bytes),
        cmocka_unit_test(the_heap_gives_the_soonest_first),
        cmocka_unit_test(the_circuit_breaker_needs_number_and_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

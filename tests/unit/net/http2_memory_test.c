#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/http2_memory.h"

static int setup(void **state) {
    static struct http2_memory memory;
    http2_memory_init(&memory);
    *state = &memory;
    return 0;
}

static int teardown(void **state) {
    http2_memory_finish(*state);
    return 0;
}

static void what_is_given_back_is_used_again(void **state) {
    struct http2_memory *m = *state;
    void *a = m->functions.malloc(100, m);
    void *b = m->functions.malloc(128, m);
    assert_ptr_not_equal(a, b);
    m->functions.free(a, m);
    assert_ptr_equal(m->functions.malloc(65, m), a); /* the same class */
    m->functions.free(b, m);
    void *c = m->functions.malloc(64, m);
    assert_ptr_not_equal(c, b);
    m->functions.free(a, m);
    m->functions.free(c, m);
    m->functions.free(NULL, m);
    assert_int_equal(m->spare_bytes, 128 + 128 + 64);
}

static void every_size_is_whole_and_aligned(void **state) {
    struct http2_memory *m = *state;
    for (int round = 0; round < 2; round++) {
        unsigned char *blocks[2000];
        for (size_t i = 0; i < 2000; i++) {
            blocks[i] = m->functions.malloc(i, m);
            assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
            memset(blocks[i], (int)(i % 251), i);
        }
        for (size_t i = 0; i < 2000; i++) {
            for (size_t at = 0; at < i; at++) {
                assert_int_equal(blocks[i][at], i % 251);
            }
            m->functions.free(blocks[i], m);
        }
    }
}

static void zeroed_is_zeroed_also_when_used_before(void **state) {
    struct http2_memory *m = *state;
    static const unsigned char zeroes[300];
    void *a = m->functions.malloc(300, m);
    memset(a, 0xFF, 300);
    m->functions.free(a, m);
    void *b = m->functions.calloc(3, 100, m);
    assert_ptr_equal(a, b);
    assert_memory_equal(b, zeroes, 300);
    m->functions.free(b, m);
    assert_null(m->functions.calloc(SIZE_MAX / 2, 3, m));
}

static void growing_keeps_the_content(void **state) {
    struct http2_memory *m = *state;
    char *text = m->functions.realloc(NULL, 4, m);
    memcpy(text, "abc", 4);
    for (size_t size = 8; size < 100000; size *= 3) {
        text = m->functions.realloc(text, size, m);
        assert_string_equal(text, "abc");
        text[size - 1] = 'x';
    }
    m->functions.free(text, m);
}

static void what_is_kept_has_an_end(void **state) {
    struct http2_memory *m = *state;
    enum { COUNT = 2 * HTTP2_MEMORY_KEPT_MAX / 1024 };
    static void *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = m->functions.malloc(1024, m);
    }
    for (int i = 0; i < COUNT; i++) {
        m->functions.free(blocks[i], m);
    }
    assert_int_equal(m->spare_bytes, HTTP2_MEMORY_KEPT_MAX);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_given_back_is_used_again),
        TEST(every_size_is_whole_and_aligned),
        TEST(zeroed_is_zeroed_also_when_used_before),
        TEST(growing_keeps_the_content),
        TEST(what_is_kept_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

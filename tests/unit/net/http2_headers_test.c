/* Header blocks as nghttp2's decoder reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "base/mem.h"
#include "net/http2_headers.h"

enum { BLOCK_BYTES = 65536, FIELDS_MAX = 32 };

struct field {
    struct str name;
    struct str value;
    bool is_unique;
};

struct fixture {
    struct http2_headers headers;
    nghttp2_hd_inflater *inflater;
    struct buf block;
};

static int setup(void **state) {
    struct fixture *f = mem_zalloc(1, sizeof(*f));
    http2_headers_init(&f->headers);
    buf_init(&f->block, BLOCK_BYTES);
    assert_int_equal(nghttp2_hd_inflate_new(&f->inflater), 0);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    nghttp2_hd_inflate_del(f->inflater);
    http2_headers_finish(&f->headers);
    buf_finish(&f->block);
    free(f);
    return 0;
}

/* Both ends count the same entries, or the next index would mean another field. */
static void check_table(const struct fixture *f) {
    assert_int_equal(nghttp2_hd_inflate_get_dynamic_table_size(f->inflater), f->headers.size);
    assert_true(f->headers.size <= f->headers.max);
}

/* Encodes the fields, decodes them, compares; returns the size of the block. */
static size_t exchange(struct fixture *f, const struct field *fields, size_t count) {
    buf_clear(&f->block);
    http2_headers_begin(&f->headers, &f->block);
    for (size_t i = 0; i < count; i++) {
        http2_headers_put(&f->headers, fields[i].name, fields[i].value, fields[i].is_unique,
                          &f->block);
    }
    size_t seen = 0;
    size_t at = 0;
    int flags = 0;
    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        nghttp2_nv nv;
        flags = 0;
        ssize_t n = nghttp2_hd_inflate_hd2(f->inflater, &nv, &flags, (uint8_t *)f->block.p + at,
                                           f->block.n - at, 1);
        assert_true(n >= 0);
        at += (size_t)n;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            assert_true(seen < count);
            assert_int_equal(nv.namelen, fields[seen].name.n);
            assert_memory_equal(nv.name, fields[seen].name.p, nv.namelen);
            assert_int_equal(nv.valuelen, fields[seen].value.n);
            assert_memory_equal(nv.value, fields[seen].value.p, nv.valuelen);
            seen++;
        }
    }
    (void)nghttp2_hd_inflate_end_headers(f->inflater);
    assert_int_equal(seen, count);
    assert_int_equal(at, f->block.n);
    check_table(f);
    return f->block.n;
}

static const char bearer[] =
    "bearer eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQzEyM0RFRkcifQ.eyJpc3MiOiJURUFNMTIzNDU2IiwiaWF0IjoxfQ."
    "c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2ln";

static void push_fields(struct field fields[7], struct str path, struct str id) {
    const struct field all[7] = {
        {STR(":method"), STR("POST"), false},
        {STR(":scheme"), STR("https"), false},
        {STR(":authority"), STR("api.push.example"), false},
        {STR(":path"), path, true},
        {STR("authorization"), STR(bearer), false},
        {STR("apns-topic"), STR("com.example.news"), false},
        {STR("apns-id"), id, true},
    };
    memcpy(fields, all, sizeof(all));
}

static bool block_has(const struct fixture *f, struct str text) {
    return memmem(f->block.p, f->block.n, text.p, text.n) != NULL;
}

static void what_repeats_is_a_byte(void **state) {
    struct fixture *f = *state;
    struct field fields[7];
    push_fields(fields, STR("/3/device/aaaa"), STR("id-1"));
    (void)exchange(f, fields, 7);
    assert_true(block_has(f, STR(bearer)));
    push_fields(fields, STR("/3/device/bbbb"), STR("id-2"));
    size_t size = exchange(f, fields, 7);
    /* Five indexed fields; two literals of flags, name index (two bytes above 14), length, text. */
    assert_int_equal(size, 5 + (1 + 1 + 14) + (2 + 1 + 4));
    assert_false(block_has(f, STR("bearer")));
}

static void devices_stay_out_of_the_table(void **state) {
    struct fixture *f = *state;
    struct field fields[7];
    push_fields(fields, STR("/3/device/0"), STR("id-0"));
    (void)exchange(f, fields, 7);
    size_t size = f->headers.size;
    for (int i = 1; i < 1000; i++) {
        char path[32];
        char id[16];
        (void)snprintf(path, sizeof(path), "/3/device/%d", i);
        (void)snprintf(id, sizeof(id), "id-%d", i);
        push_fields(fields, str_of(path), str_of(id));
        (void)exchange(f, fields, 7);
        /* Never-indexed (RFC 7541 section 6.2.3), so that no proxy indexes it either. */
        assert_int_equal((unsigned char)f->block.p[3], 0x10 | 4);
    }
    assert_int_equal(f->headers.size, size);
}

static void a_new_token_replaces_the_old_in_time(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 300; i++) {
        char token[600];
        (void)snprintf(token, sizeof(token), "bearer %0*d", 500, i);
        const struct field fields[] = {{STR("authorization"), str_of(token), false},
                                       {STR("apns-topic"), STR("com.example.news"), false}};
        assert_true(exchange(f, fields, 2) > 500);
        assert_int_equal(exchange(f, fields, 2), 2);
    }
}

static void too_large_for_the_table_is_sent_each_time(void **state) {
    struct fixture *f = *state;
    static char huge[HTTP2_HEADER_TABLE_BYTES];
    memset(huge, 'x', sizeof(huge));
    const struct field fields[] = {{STR("a"), STR("1"), false},
                                   {STR("b"), {huge, sizeof(huge)}, false},
                                   {STR("a"), STR("1"), false}};
    for (int i = 0; i < 3; i++) {
        assert_true(exchange(f, fields, 3) > sizeof(huge));
    }
    assert_int_equal(f->headers.size, 1 + 1 + HTTP2_HEADER_ENTRY_BYTES); /* "a" is still there */
}

/* What the peer announces holds from its SETTINGS on, and the next block says so first. */
static void announce(struct fixture *f, size_t max) {
    assert_int_equal(nghttp2_hd_inflate_change_table_size(f->inflater, max), 0);
    http2_headers_set_max(&f->headers, max);
}

static void the_peers_table_size_holds(void **state) {
    struct fixture *f = *state;
    static const size_t sizes[] = {0, 4096, 100, 65536, 300, 0, 37};
    struct field fields[7];
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        announce(f, sizes[i]);
        for (int round = 0; round < 3; round++) {
            push_fields(fields, STR("/3/device/cccc"), STR("id-3"));
            (void)exchange(f, fields, 7);
            assert_true(f->headers.size <= sizes[i]);
        }
    }
}

static void a_size_that_fell_and_rose_is_told_as_both(void **state) {
    struct fixture *f = *state;
    struct field fields[7];
    push_fields(fields, STR("/3/device/dddd"), STR("id-4"));
    (void)exchange(f, fields, 7);
    announce(f, 64);
    announce(f, 4096);
    (void)exchange(f, fields, 7); /* nghttp2 demands the lower one */
    assert_int_equal(exchange(f, fields, 7) < f->headers.size, true);
}

/* Whatever comes in whatever order, both tables stay alike. */
static void anything_in_any_order(void **state) {
    struct fixture *f = *state;
    static const char *const names[] = {":path", "authorization", "a", "bb", "x-name", "apns-id"};
    unsigned seed = 1;
    for (int block = 0; block < 3000; block++) {
        struct field fields[FIELDS_MAX];
        static char values[FIELDS_MAX][200];
        size_t count = 1 + (size_t)block % FIELDS_MAX;
        for (size_t i = 0; i < count; i++) {
            seed = seed * 1103515245 + 12345;
            size_t size = (seed >> 16) % (sizeof(values[i]) - 1);
            memset(values[i], 'a' + (int)((seed >> 8) % 3), size);
            fields[i] = (struct field){
                str_of(names[(seed >> 4) % 6]), {values[i], size}, (seed >> 20) % 3 == 0};
        }
        (void)exchange(f, fields, count);
        if (block % 100 == 99) {
            announce(f, (seed >> 12) % 6000);
        }
    }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_repeats_is_a_byte),
        TEST(devices_stay_out_of_the_table),
        TEST(a_new_token_replaces_the_old_in_time),
        TEST(too_large_for_the_table_is_sent_each_time),
        TEST(the_peers_table_size_holds),
        TEST(a_size_that_fell_and_rose_is_told_as_both),
        TEST(anything_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

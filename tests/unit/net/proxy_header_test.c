/* PROXY protocol headers as real proxies send them, cut at every byte, and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/address.h"
#include "net/proxy_header.h"

#define V2  "\r\n\r\n\0\r\nQUIT\n"
#define IP6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"

struct row {
    struct str bytes;
    const char *source; /* NULL: none said */
    size_t size;        /* 0: all of it */
};

static const struct row good[] = {
    {STR("PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\r\n"), "203.0.113.7", 0},
    {STR("PROXY TCP4 203.0.113.7 192.0.2.1 0 65535\r\nGET / HTTP/1.1\r\n"), "203.0.113.7", 42},
    {STR("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n"), "2001:db8::1", 0},
    {STR("PROXY UNKNOWN\r\n"), NULL, 0},
    {STR("PROXY UNKNOWN ffff::1 whatever\r\n"), NULL, 0},
    {STR(V2 "\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\xc7\x38\x01\xbb"), "203.0.113.7", 0},
    {STR(V2 "\x21\x11\0\x10\xcb\0\x71\x07\xc0\0\x02\x01\xc7\x38\x01\xbb\x04\0\x01zG"),
     "203.0.113.7", 32},
    {STR(V2 "\x21\x21\0\x24" IP6 "\x01" IP6 "\x02\xc7\x38\x01\xbb"), "2001:db8::1", 0},
    {STR(V2 "\x20\0\0\0"), NULL, 0},
    {STR(V2 "\x20\x11\0\x04junk"), NULL, 0},
    {STR(V2 "\x21\0\0\0"), NULL, 0},
    {STR(V2 "\x21\x31\0\x02xx"), NULL, 0}, /* a unix socket: no IP address */
};

static void reads_what_proxies_send(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        const struct row *row = &good[i];
        size_t size = row->size ? row->size : row->bytes.n;
        struct proxy_header h;
        for (size_t n = 0; n < size; n++) {
            assert_int_equal(proxy_header_parse((struct str){row->bytes.p, n}, &h),
                             PROXY_HEADER_MORE);
        }
        assert_int_equal(proxy_header_parse(row->bytes, &h), PROXY_HEADER_DONE);
        assert_int_equal(h.size, size);
        assert_int_equal(h.has_address, row->source != NULL);
        if (row->source) {
            char text[ADDRESS_TEXT_BYTES];
            address_format(&h.source, text);
            assert_string_equal(text, row->source);
            assert_int_equal(h.source_size, address_size(&h.source));
        }
    }
}

static void refuses_what_breaks_the_rules(void **state) {
    (void)state;
    static const struct str bad[] = {
        STR("PROXY \r\n"),
        STR("PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\n"),
        STR("PROXY TCP4 203.0.113.7 192.0.2.1 51000\r\n"),
        STR("PROXY TCP4 203.0.113.7 192.0.2.1 51000 443 \r\n"),
        STR("PROXY TCP4 203.0.113.7  192.0.2.1 51000 443\r\n"),
        STR("PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n"),
        STR("PROXY TCP4 203.0.113.7 192.0.2.1 -1 443\r\n"),
        STR("PROXY TCP4 2001:db8::1 192.0.2.1 1 2\r\n"),
        STR("PROXY TCP6 203.0.113.7 192.0.2.1 1 2\r\n"),
        STR("PROXY TCP4 203.0.113 192.0.2.1 1 2\r\n"),
        STR("PROXY UDP4 203.0.113.7 192.0.2.1 1 2\r\n"),
        STR("PROXY UNKNOWNS\r\n"),
        STR("PROXY TCP4 203.0.113.7 192.0.2.1 51000 443 and so on, past the 107 bytes that the "
            "specification allows for a line"),
        STR(V2 "\x11\x11\0\x0c............"),
        STR(V2 "\x22\x11\0\x0c............"),
        STR(V2 "\x21\x11\0\x0b..........."),
        STR(V2 "\x21\x21\0\x23"),
        STR(V2 "\x21\x11\xff\xff"),
        STR(V2 "\x20\x11\x0f\xf1"),
    };
    struct proxy_header h;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(proxy_header_parse(bad[i], &h), PROXY_HEADER_BAD);
    }
    assert_int_equal(proxy_header_parse(STR(V2 "\x20\x11\x0f\xf0"), &h), PROXY_HEADER_MORE);
}

static void knows_what_is_no_header(void **state) {
    (void)state;
    static const struct str other[] = {
        STR("GET / HTTP/1.1\r\n"), STR("PUT"), STR("PROXYX"), STR("\r\nGET"),
        STR("\x16\x03\x01"),       STR("\0")};
    struct proxy_header h;
    for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++) {
        assert_int_equal(proxy_header_parse(other[i], &h), PROXY_HEADER_NONE);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_proxies_send),
        cmocka_unit_test(refuses_what_breaks_the_rules),
        cmocka_unit_test(knows_what_is_no_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

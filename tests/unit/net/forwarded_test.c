/* Networks that are trusted, and the client that X-Forwarded-For names behind them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/address.h"
#include "net/forwarded.h"

static bool has(const char *networks, const char *address) {
    struct address_set *set = NULL;
    struct sockaddr_storage parsed;
    assert_int_equal(address_set_create(str_of(networks), &set, NULL), ERR_OK);
    assert_int_equal(address_parse(str_of(address), &parsed), ERR_OK);
    bool found = address_set_has(set, &parsed);
    address_set_destroy(set);
    return found;
}

static void networks_hold_their_addresses(void **state) {
    (void)state;
    static const struct {
        const char *networks;
        const char *address;
        bool found;
    } rows[] = {
        {"", "127.0.0.1", false},
        {"  ", "127.0.0.1", false},
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"10.0.0.0/8", "10.255.255.255", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.129", true},
        {"192.0.2.4/31", "192.0.2.5", true},
        {"192.0.2.4/31", "192.0.2.6", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", true},
        {"2001:db8::/33", "2001:db8:7fff::", true},
        {"2001:db8::/33", "2001:db8:8000::", false},
        {"10.1.2.3", "::ffff:10.1.2.3", true},
        {"::ffff:10.1.2.3", "10.1.2.3", true},
        {"10.0.0.1, ::1 ,192.0.2.0/24", "::1", true},
        {"10.0.0.1, ::1 ,192.0.2.0/24", "192.0.2.77", true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(has(rows[i].networks, rows[i].address), rows[i].found);
    }
    struct sockaddr_storage unix_socket = {.ss_family = AF_UNIX};
    assert_false(address_set_has(NULL, &unix_socket));
}

static void faulty_networks_are_named(void **state) {
    (void)state;
    static const struct {
        const char *networks;
        const char *bad;
    } rows[] = {
        {"localhost", "localhost"},
        {"10.0.0.0/33", "10.0.0.0/33"},
        {"10.0.0.0/", "10.0.0.0/"},
        {"10.0.0.0/8/8", "10.0.0.0/8/8"},
        {"10.0.0.0/-1", "10.0.0.0/-1"},
        {"::1, 10.0.0.1/8", "10.0.0.1/8"},
        {"2001:db8::1/64", "2001:db8::1/64"},
        {"::/129", "::/129"},
        {"10.0.0.1,", ""},
        {"10.0.0.1,,::1", ""},
        {"10.0.0.1:80", "10.0.0.1:80"},
        {"[::1]", "[::1]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct address_set *set = NULL;
        struct str bad = {NULL, 0};
        assert_int_equal(address_set_create(str_of(rows[i].networks), &set, &bad), ERR_INVALID);
        assert_null(set);
        assert_true(str_eq(bad, str_of(rows[i].bad)));
    }
}

static void too_many_networks_are_a_fault(void **state) {
    (void)state;
    char text[ADDRESS_SET_MAX * 4 + 8] = "";
    struct address_set *set = NULL;
    size_t n = 0;
    for (int i = 0; i < ADDRESS_SET_MAX; i++) {
        memcpy(text + n, "::1,", 4);
        n += 4;
    }
    assert_int_equal(address_set_create((struct str){text, n - 1}, &set, NULL), ERR_OK);
    address_set_destroy(set);
    memcpy(text + n, "::1", 3);
    assert_int_equal(address_set_create((struct str){text, n + 3}, &set, NULL), ERR_INVALID);
}

#define LINE "GET /v1/stream HTTP/1.1\r\n"
#define XFF  "X-Forwarded-For: "

static void the_last_untrusted_hop_is_the_client(void **state) {
    (void)state;
    static const struct {
        const char *head;
        const char *client; /* NULL: not found */
    } rows[] = {
        {LINE "Host: x\r\n\r\n", NULL},
        {LINE XFF "203.0.113.7\r\n\r\n", "203.0.113.7"},
        {LINE "x-forwarded-FOR:203.0.113.7\r\nHost: x\r\n\r\n", "203.0.113.7"},
        {LINE XFF "2001:db8::1\r\n\r\n", "2001:db8::1"},
        {LINE XFF "[2001:db8::1]:9\r\n\r\n", "2001:db8::1"},
        {LINE XFF "[2001:db8::1]\r\n\r\n", "2001:db8::1"},
        {LINE XFF "203.0.113.7:51000\r\n\r\n", "203.0.113.7"},
        /* whatever the client made up stands left of what the proxy saw */
        {LINE XFF "198.51.100.1, 203.0.113.7\r\n\r\n", "203.0.113.7"},
        {LINE XFF "garbage, 203.0.113.7\r\n\r\n", "203.0.113.7"},
        {LINE XFF "203.0.113.7, 10.0.0.2, 10.0.0.3\r\n\r\n", "203.0.113.7"},
        {LINE XFF "203.0.113.7,10.0.0.2\r\nA: b\r\n" XFF "10.0.0.3\r\n\r\n", "203.0.113.7"},
        {LINE XFF "198.51.100.1\r\n" XFF "203.0.113.7\r\n\r\n", "203.0.113.7"},
        {LINE XFF "10.0.0.2, 10.0.0.3\r\n\r\n", NULL},
        /* nothing left of something unreadable is believed */
        {LINE XFF "203.0.113.7, garbage\r\n\r\n", NULL},
        {LINE XFF "203.0.113.7, unknown, 10.0.0.3\r\n\r\n", NULL},
        {LINE XFF "203.0.113.7,\r\n\r\n", NULL},
        {LINE XFF "203.0.113.7\r\n" XFF "garbage\r\n\r\n", NULL},
        {LINE XFF "[2001:db8::1\r\n\r\n", NULL},
        {LINE XFF "\r\n\r\n", NULL},
        {LINE "X-Forwarded-Forged: 203.0.113.7\r\n\r\n", NULL},
        {LINE "A: X-Forwarded-For: 203.0.113.7\r\n\r\n", NULL},
        {LINE XFF "203.0.113.7\n\n", "203.0.113.7"},
        {"", NULL},
        {"\n", NULL},
    };
    struct address_set *trusted = NULL;
    assert_int_equal(address_set_create(STR("10.0.0.0/8"), &trusted, NULL), ERR_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct sockaddr_storage client;
        socklen_t size = 0;
        enum err err = forwarded_client(str_of(rows[i].head), trusted, &client, &size);
        assert_int_equal(err, rows[i].client ? ERR_OK : ERR_NOT_FOUND);
        if (rows[i].client) {
            char text[ADDRESS_TEXT_BYTES];
            address_format(&client, text);
            assert_string_equal(text, rows[i].client);
            assert_int_equal(size, address_size(&client));
        }
    }
    address_set_destroy(trusted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(faulty_networks_are_named),
        cmocka_unit_test(too_many_networks_are_a_fault),
        cmocka_unit_test(the_last_untrusted_hop_is_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

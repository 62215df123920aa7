/* The accept loop: whole, partial, slow and silent first lines, limits per address. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/address.h"
#include "net/listener.h"
#include "support_http.h"

struct fixture {
    uv_loop_t loop;
    struct listener *listener;
    int port;
    int taken;
    int fds[256];
    struct sockaddr_storage peers[256];
    char line[8192];
};

static void on_socket(void *user, int take_fd, const struct sockaddr_storage *peer,
                      socklen_t peer_size, struct str line) {
    struct fixture *f = user;
    (void)peer_size;
    f->fds[f->taken] = take_fd;
    f->peers[f->taken++] = *peer;
    assert_true(line.n < sizeof(f->line));
    if (line.n) {
        memcpy(f->line, line.p, line.n);
    }
    f->line[line.n] = '\0';
}

static struct fixture *start(struct listener_options options) {
    struct fixture *f = mem_zalloc(1, sizeof(*f));
    assert_int_equal(uv_loop_init(&f->loop), 0);
    options.address = options.address ? options.address : "127.0.0.1:0";
    options.pending_max = options.pending_max ? options.pending_max : 100;
    options.peek_timeout_ms = options.peek_timeout_ms ? options.peek_timeout_ms : 5000;
    assert_int_equal(listener_create(&f->loop, &options, on_socket, f, &f->listener), ERR_OK);
    f->port = listener_port(f->listener);
    assert_true(f->port > 0);
    return f;
}

static void stop(struct fixture *f) {
    listener_destroy(f->listener);
    for (int i = 0; i < f->taken; i++) {
        close(f->fds[i]);
    }
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    free(f);
}

static bool wait_taken(struct fixture *f, int count) {
    for (int i = 0; i < 2000 && f->taken < count; i++) {
        loop_turn(&f->loop);
    }
    return f->taken >= count;
}

static void turns(struct fixture *f, int count) {
    for (int i = 0; i < count; i++) {
        loop_turn(&f->loop);
    }
}

static void send_text(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool is_closed_by_server(struct fixture *f, int fd, int patience_ms) {
    struct client c = {.loop = &f->loop, .fd = fd};
    buf_init(&c.in, 4096);
    bool closed = client_wait_closed(&c, patience_ms);
    buf_finish(&c.in);
    return closed;
}

static void parses_addresses(void **state) {
    (void)state;
    static const char *const good[] = {"127.0.0.1:8081", "0.0.0.0:0", ":65535", "[::]:8080",
                                       "[2001:db8::1]:443"};
    static const char *const bad[] = {"",        "8080",    "localhost:80", "127.0.0.1:",
                                      "[::1:80", "[]:80",   "1.2.3:80",     "127.0.0.1:65536",
                                      "::1:80x", "[::1]80", "127.0.0.1:-1", "999.0.0.1:80"};
    struct sockaddr_storage addr;
    socklen_t size;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        assert_int_equal(listener_parse_address(str_of(good[i]), &addr, &size), ERR_OK);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(listener_parse_address(str_of(bad[i]), &addr, &size), ERR_INVALID);
    }
}

static struct str key_of(const char *address, char buf[ADDRESS_KEY_BYTES]) {
    struct sockaddr_storage addr;
    socklen_t size;
    assert_int_equal(listener_parse_address(str_of(address), &addr, &size), ERR_OK);
    return address_key(&addr, buf);
}

static void one_peer_is_an_ip4_address_or_an_ip6_network(void **state) {
    (void)state;
    char a[ADDRESS_KEY_BYTES];
    char b[ADDRESS_KEY_BYTES];
    assert_true(str_eq(key_of("[2001:db8:1:2::1]:5", a), key_of("[2001:db8:1:2:ffff::9]:6", b)));
    assert_false(str_eq(key_of("[2001:db8:1:2::1]:5", a), key_of("[2001:db8:1:3::1]:5", b)));
    assert_true(str_eq(key_of("[::ffff:192.0.2.7]:5", a), key_of("192.0.2.7:9", b)));
    assert_false(str_eq(key_of("192.0.2.7:9", a), key_of("192.0.2.8:9", b)));
    char text[ADDRESS_TEXT_BYTES];
    struct sockaddr_storage addr;
    socklen_t size;
    assert_int_equal(listener_parse_address(STR("[::ffff:192.0.2.7]:5"), &addr, &size), ERR_OK);
    address_format(&addr, text);
    assert_string_equal(text, "192.0.2.7");
}

static void a_short_address_counts_as_the_long_one(void **state) {
    (void)state;
    static const char *const addresses[] = {"[2001:db8:1:2::1]:5", "[::ffff:192.0.2.7]:5",
                                            "192.0.2.7:9", "[::1]:80", "255.255.255.255:1"};
    for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
        char a[ADDRESS_KEY_BYTES];
        char b[ADDRESS_KEY_BYTES];
        struct sockaddr_storage addr;
        socklen_t size;
        assert_int_equal(listener_parse_address(str_of(addresses[i]), &addr, &size), ERR_OK);
        struct address_short brief = address_shorten(&addr);
        struct sockaddr_storage again;
        address_expand(&brief, &again);
        assert_true(str_eq(address_key(&addr, a), address_key(&again, b)));
    }
}

static void hands_on_at_once_without_peek(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){0});
    int fd = connect_loopback(f->port);
    assert_true(wait_taken(f, 1));
    assert_string_equal(f->line, "");
    close(fd);
    stop(f);
}

/* Both are set where it listens and must hold where it is spoken. */
static void an_accepted_socket_has_its_options(void **state) {
    (void)state;
    enum { SEND_BYTES = 30000 };
    struct fixture *f = start((struct listener_options){.send_buffer_bytes = SEND_BYTES});
    int fd = connect_loopback(f->port);
    assert_true(wait_taken(f, 1));
    int value = 0;
    socklen_t size = sizeof(value);
    assert_int_equal(getsockopt(f->fds[0], IPPROTO_TCP, TCP_NODELAY, &value, &size), 0);
    assert_int_equal(value, 1);
    assert_int_equal(getsockopt(f->fds[0], SOL_SOCKET, SO_SNDBUF, &value, &size), 0);
    assert_int_equal(value, 2 * SEND_BYTES); /* socket(7): it doubles */
    close(fd);
    stop(f);
}

static void the_line_stays_in_the_socket(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.peek = true});
    int fd = connect_loopback(f->port);
    static const char text[] = "GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n";
    send_text(fd, text);
    assert_true(wait_taken(f, 1));
    assert_string_equal(f->line, "GET /v1/stream HTTP/1.1");
    char bytes[256];
    assert_int_equal(recv(f->fds[0], bytes, sizeof(bytes), 0), sizeof(text) - 1);
    close(fd);
    stop(f);
}

static void a_partial_line_waits_without_burning_cpu(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.peek = true});
    int fd = connect_loopback(f->port);
    send_text(fd, "GET /v1");
    turns(f, 20);
    assert_true(loop_idle_cpu_ms(&f->loop, 1000) < 500);
    assert_int_equal(f->taken, 0);
    send_text(fd, "/events HTTP/1.1\r");
    turns(f, 20);
    assert_int_equal(f->taken, 0);
    send_text(fd, "\n");
    assert_true(wait_taken(f, 1));
    assert_string_equal(f->line, "GET /v1/events HTTP/1.1");
    /* A later reader is woken by every byte again. */
    int low = 0;
    socklen_t size = sizeof(low);
    assert_int_equal(getsockopt(f->fds[0], SOL_SOCKET, SO_RCVLOWAT, &low, &size), 0);
    assert_int_equal(low, 1);
    close(fd);
    stop(f);
}

static void a_silent_peer_is_closed_after_the_time_out(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.peek = true, .peek_timeout_ms = 200});
    int silent = connect_loopback(f->port);
    int partial = connect_loopback(f->port);
    send_text(partial, "GET");
    assert_true(is_closed_by_server(f, silent, 5000));
    assert_true(is_closed_by_server(f, partial, 5000));
    assert_int_equal(f->taken, 0);
    close(silent);
    close(partial);
    stop(f);
}

static void a_peer_that_leaves_before_its_line_is_forgotten(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.peek = true, .per_ip_max = 1});
    for (int i = 0; i < 5; i++) {
        int fd = connect_loopback(f->port);
        if (i % 2) {
            send_text(fd, "GET");
            turns(f, 10);
        }
        close(fd);
        turns(f, 20);
    }
    assert_true(loop_idle_cpu_ms(&f->loop, 300) < 150);
    /* Its place under per_ip_max is free again. */
    int fd = connect_loopback(f->port);
    send_text(fd, "GET / HTTP/1.1\r\n");
    assert_true(wait_taken(f, 1));
    close(fd);
    stop(f);
}

static void a_very_long_line_is_handed_on_cut(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.peek = true});
    int fd = connect_loopback(f->port);
    char text[6000];
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    text[sizeof(text) - 1] = '\0';
    send_text(fd, text);
    assert_true(wait_taken(f, 1));
    assert_int_equal(strlen(f->line), 4096);
    close(fd);
    stop(f);
}

static void too_many_waiting_costs_the_oldest(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.peek = true, .pending_max = 2});
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = connect_loopback(f->port);
        turns(f, 10);
    }
    assert_true(is_closed_by_server(f, fds[0], 2000));
    send_text(fds[1], "A\n");
    send_text(fds[2], "B\n");
    assert_true(wait_taken(f, 2));
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
    stop(f);
}

static void connections_per_address_are_limited(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.per_ip_max = 3});
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = connect_loopback(f->port);
    }
    assert_true(wait_taken(f, 3));
    assert_true(is_closed_by_server(f, fds[3], 2000));
    assert_int_equal(f->taken, 3);
    listener_closed(f->listener, &f->peers[0]);
    int again = connect_loopback(f->port);
    assert_true(wait_taken(f, 4));
    close(again);
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    stop(f);
}

static void many_connections_are_all_taken(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.peek = true});
    int fds[200];
    for (int i = 0; i < 200; i++) {
        fds[i] = connect_loopback(f->port);
        send_text(fds[i], "GET / HTTP/1.1\r\n");
    }
    assert_true(wait_taken(f, 200));
    for (int i = 0; i < 200; i++) {
        close(fds[i]);
    }
    stop(f);
}

static void without_descriptors_it_refuses_and_does_not_spin(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){0});
    int first = connect_loopback(f->port);
    assert_true(wait_taken(f, 1));
    int late = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit old;
    getrlimit(RLIMIT_NOFILE, &old);
    struct rlimit none = {.rlim_cur = 3, .rlim_max = old.rlim_max};
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(connect(late, (struct sockaddr *)&addr, sizeof(addr)), 0);
    int64_t used = loop_idle_cpu_ms(&f->loop, 1000);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_true(used < 500);
    assert_int_equal(f->taken, 1);
    /* With descriptors again, service goes on. */
    int again = connect_loopback(f->port);
    assert_true(wait_taken(f, 2));
    close(again);
    close(late);
    close(first);
    stop(f);
}

static void a_port_is_shared_with_other_workers(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){0});
    char address[32];
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", f->port);
    struct fixture *g = start((struct listener_options){.address = address});
    assert_int_equal(g->port, f->port);
    stop(g);
    stop(f);
}

static void an_address_of_another_machine_is_an_error(void **state) {
    (void)state;
    struct listener_options options = {.address = "192.0.2.1:80"};
    struct listener *l = NULL;
    uv_loop_t loop;
    uv_loop_init(&loop);
    assert_int_equal(listener_create(&loop, &options, on_socket, NULL, &l), ERR_IO);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* --- proxies --- */

static struct fixture *start_trusting(struct listener_options options, struct address_set **set) {
    assert_int_equal(address_set_create(STR("127.0.0.1"), set, NULL), ERR_OK);
    options.trusted = *set;
    options.peek = true;
    return start(options);
}

static void expect_peer(const struct fixture *f, int i, const char *expected) {
    char text[ADDRESS_TEXT_BYTES];
    address_format(&f->peers[i], text);
    assert_string_equal(text, expected);
}

/* The socket is handed on when its first line is there; the rest may still be on its way. */
static size_t receive(int fd, char *out, size_t size) {
    size_t got = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (got < size && poll(&ready, 1, 5000) == 1) {
        ssize_t n = recv(fd, out + got, size - got, 0);
        if (n <= 0) {
            break;
        }
        got += (size_t)n;
    }
    return got;
}

static void a_proxy_header_is_taken_and_names_the_peer(void **state) {
    (void)state;
    static const char text[] = "PROXY TCP4 203.0.113.7 192.0.2.1 51000 443\r\n"
                               "GET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n";
    struct address_set *set = NULL;
    struct fixture *f = start_trusting((struct listener_options){.proxy_protocol = true}, &set);
    int fds[4];
    for (int i = 0; i < 4; i++) {
        fds[i] = connect_loopback(f->port);
    }
    send_text(fds[0], text);
    assert_true(wait_taken(f, 1));
    for (const char *c = text; *c; c++) { /* byte after byte */
        assert_int_equal(send(fds[1], c, 1, MSG_NOSIGNAL), 1);
        turns(f, 2);
    }
    assert_true(wait_taken(f, 2));
    static const char v2[] =
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x07\xc0\0\x02\x01\xc7\x38"
        "\x01\xbbGET /v1/stream HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(send(fds[2], v2, 20, 0), 20);
    turns(f, 5);
    assert_int_equal(send(fds[2], v2 + 20, sizeof(v2) - 21, 0), sizeof(v2) - 21);
    assert_true(wait_taken(f, 3));
    for (int i = 0; i < 3; i++) {
        char rest[256];
        expect_peer(f, i, "203.0.113.7");
        assert_string_equal(f->line, "GET /v1/stream HTTP/1.1");
        assert_int_equal(receive(f->fds[i], rest, 36), 36);
        assert_memory_equal(rest, "GET /v1/stream", 14);
    }
    /* A proxy's own check says LOCAL. */
    static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0GET / HTTP/1.1\r\n\r\n";
    assert_int_equal(send(fds[3], local, sizeof(local) - 1, 0), sizeof(local) - 1);
    assert_true(wait_taken(f, 4));
    expect_peer(f, 3, "127.0.0.1");
    for (int i = 0; i < 4; i++) {
        close(fds[i]);
    }
    stop(f);
    address_set_destroy(set);
}

static void without_its_proxy_header_a_proxy_is_closed(void **state) {
    (void)state;
    struct address_set *set = NULL;
    struct fixture *f = start_trusting(
        (struct listener_options){.proxy_protocol = true, .peek_timeout_ms = 300}, &set);
    static const char *const texts[] = {"GET / HTTP/1.1\r\n\r\n", "PROXY TCP9 x\r\n", "PROXY TCP4 ",
                                        "", "\r\n\r\nx"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        int fd = connect_loopback(f->port);
        send_text(fd, texts[i]);
        assert_true(is_closed_by_server(f, fd, 5000));
        close(fd);
    }
    assert_int_equal(f->taken, 0);
    stop(f);
    address_set_destroy(set);
}

static void a_stranger_with_a_proxy_header_is_closed(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.peek = true, .proxy_protocol = true});
    int fd = connect_loopback(f->port);
    send_text(fd, "PROXY TCP4 203.0.113.7 192.0.2.1 1 2\r\nGET / HTTP/1.1\r\n\r\n");
    assert_true(is_closed_by_server(f, fd, 5000));
    assert_int_equal(f->taken, 0);
    close(fd);
    stop(f);
}

static int forwarded_request(struct fixture *f, const char *client) {
    char text[256];
    int fd = connect_loopback(f->port);
    (void)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nX-Forwarded-For: %s\r\n", client);
    send_text(fd, text);
    turns(f, 5);
    send_text(fd, "Host: x\r\n\r\n");
    return fd;
}

static void clients_behind_a_proxy_are_limited_each(void **state) {
    (void)state;
    struct address_set *set = NULL;
    struct fixture *f = start_trusting((struct listener_options){.per_ip_max = 2}, &set);
    int a[3];
    for (int i = 0; i < 3; i++) {
        a[i] = forwarded_request(f, "198.51.100.9, 203.0.113.7");
        assert_true(i == 2 || wait_taken(f, i + 1));
    }
    struct client refused = {.loop = &f->loop, .fd = a[2]};
    buf_init(&refused.in, 4096);
    assert_true(client_wait_closed(&refused, 5000));
    assert_true(str_starts(buf_str(&refused.in), STR("HTTP/1.1 429 ")));
    buf_finish(&refused.in);
    int b = forwarded_request(f, "2001:db8::1");
    assert_true(wait_taken(f, 3));
    expect_peer(f, 0, "203.0.113.7");
    expect_peer(f, 2, "2001:db8::1");
    listener_closed(f->listener, &f->peers[0]);
    int again = forwarded_request(f, "203.0.113.7");
    assert_true(wait_taken(f, 4));
    /* The proxy itself may ask as often as it likes. */
    int own[4];
    for (int i = 0; i < 4; i++) {
        own[i] = connect_loopback(f->port);
        send_text(own[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    assert_true(wait_taken(f, 8));
    for (int i = 0; i < 4; i++) {
        close(own[i]);
    }
    close(a[0]), close(a[1]), close(a[2]), close(b), close(again);
    stop(f);
    address_set_destroy(set);
}

/* --- rate and drain --- */

static void above_the_rate_connections_wait(void **state) {
    (void)state;
    enum { COUNT = 124 };
    struct fixture *f = start((struct listener_options){.accept_rate = 100});
    int fds[COUNT];
    int64_t start_ms = clock_mono_ms();
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_loopback(f->port);
    }
    for (int i = 0; i < 20 && !wait_taken(f, COUNT); i++) {
    }
    assert_int_equal(f->taken, COUNT); /* none was refused */
    /* 64 at once, the others at 100 a second; a slow machine only takes longer. */
    assert_true(clock_mono_ms() - start_ms >= 500);
    for (int i = 0; i < COUNT; i++) {
        close(fds[i]);
    }
    stop(f);
}

static void drain_takes_what_is_queued_and_waits_for_lines(void **state) {
    (void)state;
    struct fixture *f = start((struct listener_options){.peek = true});
    int partial = connect_loopback(f->port);
    send_text(partial, "GET /partial");
    turns(f, 10);
    int queued[150];
    for (int i = 0; i < 150; i++) {
        queued[i] = connect_loopback(f->port);
        send_text(queued[i], "GET /queued HTTP/1.1\r\n\r\n");
    }
    int silent = connect_loopback(f->port);
    listener_drain(f->listener, 500);
    assert_int_equal(f->taken, 150);
    assert_int_equal(listener_pending_count(f->listener), 2);
    send_text(partial, " HTTP/1.1\r\n");
    assert_true(wait_taken(f, 151));
    assert_string_equal(f->line, "GET /partial HTTP/1.1");
    assert_true(is_closed_by_server(f, silent, 5000));
    assert_int_equal(listener_pending_count(f->listener), 0);
    close(partial);
    close(silent);
    for (int i = 0; i < 150; i++) {
        close(queued[i]);
    }
    stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_addresses),
        cmocka_unit_test(one_peer_is_an_ip4_address_or_an_ip6_network),
        cmocka_unit_test(a_short_address_counts_as_the_long_one),
        cmocka_unit_test(hands_on_at_once_without_peek),
        cmocka_unit_test(an_accepted_socket_has_its_options),
        cmocka_unit_test(the_line_stays_in_the_socket),
        cmocka_unit_test(a_partial_line_waits_without_burning_cpu),
        cmocka_unit_test(a_silent_peer_is_closed_after_the_time_out),
        cmocka_unit_test(a_peer_that_leaves_before_its_line_is_forgotten),
        cmocka_unit_test(a_very_long_line_is_handed_on_cut),
        cmocka_unit_test(too_many_waiting_costs_the_oldest),
        cmocka_unit_test(connections_per_address_are_limited),
        cmocka_unit_test(many_connections_are_all_taken),
        cmocka_unit_test(without_descriptors_it_refuses_and_does_not_spin),
        cmocka_unit_test(a_port_is_shared_with_other_workers),
        cmocka_unit_test(an_address_of_another_machine_is_an_error),
        cmocka_unit_test(a_proxy_header_is_taken_and_names_the_peer),
        cmocka_unit_test(without_its_proxy_header_a_proxy_is_closed),
        cmocka_unit_test(a_stranger_with_a_proxy_header_is_closed),
        cmocka_unit_test(clients_behind_a_proxy_are_limited_each),
        cmocka_unit_test(above_the_rate_connections_wait),
        cmocka_unit_test(drain_takes_what_is_queued_and_waits_for_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

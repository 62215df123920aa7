/* Embedded files over a real socket: types, tags, caching, the security headers. */
#include "support_server.h"

#include <stdio.h>

#include "net/assets.h"

static const struct asset files[] = {
    {"/", "text/html; charset=utf-8", "\"aaaa\"", {"<p>\0</p>", 8}},
    {"/page.js", "text/javascript; charset=utf-8", "\"bbbb\"", {"go()", 4}},
    {"/parts/client.js", "text/javascript; charset=utf-8", "\"cccc\"", {"share()", 7}},
};
static const struct assets assets = {files, 3};
static const struct asset_policy policy = {
    .connect_src = "'self' wss:", .shared_prefix = "/parts/", .shared_max_age_s = 60};

static void get_file(void *user, struct http_request *rq) {
    (void)user;
    assets_answer(&assets, &policy, rq);
}

static struct server_fixture *start(void) {
    static const struct http_route own[] = {{"GET", "/things/{id}", fx_echo, 0, false, NULL}};
    size_t count;
    struct http_route *routes = assets_add_routes(&assets, &policy, get_file, own, 1, &count);
    assert_int_equal(count, 4);
    struct server_fixture *f = fx_start_routes((struct http_server_options){0}, routes, count);
    free(routes);
    return f;
}

/* The answer to a GET with these further header lines; close `c` afterwards. */
static int get(struct server_fixture *f, struct client *c, const char *path, const char *headers) {
    char request[512];
    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST "%s\r\n", path, headers);
    client_open(c, &f->loop, f->port);
    return client_ask(c, request, false);
}

static void expect_lines(const struct client *c, const char *const *lines, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!strstr(c->in.p, lines[i])) {
            print_error("no %s in: %s\n", lines[i], c->in.p);
        }
        assert_non_null(strstr(c->in.p, lines[i]));
    }
}

static void a_page_has_its_type_and_its_policy(void **state) {
    (void)state;
    static const char *const lines[] = {
        "Content-Type: text/html; charset=utf-8\r\n",
        "Content-Length: 8\r\n",
        "ETag: \"aaaa\"\r\n",
        "Cache-Control: no-cache\r\n",
        "X-Content-Type-Options: nosniff\r\n",
        "Referrer-Policy: strict-origin-when-cross-origin\r\n",
        "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
        "connect-src 'self' wss:; ",
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\n",
    };
    struct server_fixture *f = start();
    struct client c;
    assert_int_equal(get(f, &c, "/", ""), 200);
    expect_lines(&c, lines, sizeof(lines) / sizeof(lines[0]));
    assert_memory_equal(c.in.p + c.in.n - 8, "<p>\0</p>", 8);
    assert_null(strstr(c.in.p, "Access-Control"));
    client_close(&c);
    fx_stop(f);
}

static void only_shared_files_are_for_other_sites(void **state) {
    (void)state;
    static const char *const lines[] = {"Access-Control-Allow-Origin: *\r\n",
                                        "Cross-Origin-Resource-Policy: cross-origin\r\n",
                                        "Cache-Control: public, max-age=60\r\n"};
    struct server_fixture *f = start();
    struct client c;
    assert_int_equal(get(f, &c, "/parts/client.js", "Origin: https://a.example\r\n"), 200);
    expect_lines(&c, lines, 3);
    client_close(&c);
    assert_int_equal(get(f, &c, "/page.js", "Origin: https://a.example\r\n"), 200);
    assert_null(strstr(c.in.p, "Access-Control"));
    assert_null(strstr(c.in.p, "Cross-Origin-Resource-Policy"));
    client_close(&c);
    fx_stop(f);
}

static void what_the_client_has_is_not_sent_again(void **state) {
    (void)state;
    static const struct {
        const char *header;
        int status;
    } cases[] = {
        {"If-None-Match: \"bbbb\"\r\n", 304},
        {"If-None-Match: W/\"bbbb\"\r\n", 304},
        {"If-None-Match: \"x\" , \"bbbb\"\r\n", 304},
        {"If-None-Match: *\r\n", 304},
        {"If-None-Match: \"aaaa\"\r\n", 200},
        {"If-None-Match: bbbb\r\n", 200},
        {"If-None-Match: \r\n", 200},
    };
    struct server_fixture *f = start();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client c;
        assert_int_equal(get(f, &c, "/page.js", cases[i].header), cases[i].status);
        assert_non_null(strstr(c.in.p, "ETag: \"bbbb\"\r\n"));
        assert_non_null(strstr(c.in.p, "Cache-Control: no-cache\r\n"));
        assert_true((strstr(c.in.p, "go()") != NULL) == (cases[i].status == 200));
        client_close(&c);
    }
    fx_stop(f);
}

static void other_paths_stay_as_they_are(void **state) {
    (void)state;
    struct server_fixture *f = start();
    struct client c;
    assert_int_equal(get(f, &c, "/things/1", ""), 200);
    assert_non_null(strstr(c.in.p, "GET id=1"));
    client_close(&c);
    assert_int_equal(get(f, &c, "/page.js?v=2", ""), 200);
    client_close(&c);
    assert_int_equal(get(f, &c, "/page%2ejs", ""), 404);
    client_close(&c);
    assert_int_equal(get(f, &c, "/../page.js", ""), 404);
    client_close(&c);
    client_open(&c, &f->loop, f->port);
    assert_int_equal(
        client_ask(&c, "POST /page.js HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", false), 405);
    client_close(&c);
    fx_stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_has_its_type_and_its_policy),
        cmocka_unit_test(only_shared_files_are_for_other_sites),
        cmocka_unit_test(what_the_client_has_is_not_sent_again),
        cmocka_unit_test(other_paths_stay_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

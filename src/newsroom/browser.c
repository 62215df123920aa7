#include "newsroom/browser.h"

#include <string.h>

#include "base/buf.h"
#include "base/codec.h"

/* Browsers take a cookie of this prefix only with Secure, for "/" and for no other host (RFC
 * 6265bis section 4.1.3.2), so neither a neighbour of the domain nor a plain connection can plant
 * one. */
#define COOKIE        "tocsin_session"
#define COOKIE_SECURE "__Host-" COOKIE

/* A client that lies about its proxy only deceives itself. */
static bool is_secure(const struct http_request *rq) {
    return http_is_tls(rq) || str_ieq(http_header(rq, "X-Forwarded-Proto"), STR("https"));
}

struct str browser_session(const struct http_request *rq) {
    struct str wanted = is_secure(rq) ? STR(COOKIE_SECURE) : STR(COOKIE);
    struct str rest = http_header(rq, "Cookie");
    struct str pair;
    while (rest.n && str_split(&rest, ';', &pair)) {
        struct str name;
        (void)str_split(&pair, '=', &name);
        if (str_eq(str_trim(name), wanted) && pair.p) {
            return str_trim(pair);
        }
    }
    return (struct str){NULL, 0};
}

void browser_set_session(struct http_request *rq, const char *token) {
    struct buf b;
    buf_init(&b, 512);
    buf_printf(&b, "%s=%s; HttpOnly; SameSite=Strict; Path=/%s%s",
               is_secure(rq) ? COOKIE_SECURE : COOKIE, token ? token : "",
               is_secure(rq) ? "; Secure" : "", token ? "" : "; Max-Age=0");
    http_add_header(rq, "Set-Cookie", b.p);
    buf_wipe(&b);
}

void browser_make_csrf(struct str session, char out_csrf[BROWSER_TOKEN_BYTES]) {
    unsigned char digest[SHA256_BYTES];
    struct buf b;
    buf_init(&b, 512);
    buf_puts(&b, "csrf ");
    buf_put(&b, session.p, session.n < BROWSER_TOKEN_BYTES ? session.n : BROWSER_TOKEN_BYTES);
    codec_sha256(buf_str(&b), digest);
    buf_wipe(&b);
    codec_put_base64url(&b, (struct str){(const char *)digest, sizeof(digest)});
    memcpy(out_csrf, b.p, b.n + 1);
    buf_finish(&b);
}

/* "https://desk.example" of "desk.example". */
static bool is_origin_of(struct str origin, struct str host) {
    const char *colon = memchr(origin.p, ':', origin.n);
    struct str rest = {colon, colon ? origin.n - (size_t)(colon - origin.p) : 0};
    return rest.n > 3 && str_starts(rest, STR("://")) &&
           str_ieq((struct str){rest.p + 3, rest.n - 3}, host);
}

bool browser_is_same_site(const struct http_request *rq) {
    struct str site = http_header(rq, "Sec-Fetch-Site");
    struct str origin = http_header(rq, "Origin");
    if (site.p) {
        return str_eq(site, STR("same-origin"));
    }
    return !origin.p || is_origin_of(origin, http_header(rq, "Host"));
}

bool browser_may_call(const struct http_request *rq, struct str session) {
    char csrf[BROWSER_TOKEN_BYTES];
    struct str method = http_method(rq);
    if (str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"))) {
        return true;
    }
    browser_make_csrf(session, csrf);
    return browser_is_same_site(rq) && str_eq_secret(http_header(rq, "X-CSRF-Token"), str_of(csrf));
}

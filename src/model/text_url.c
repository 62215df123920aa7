/* text_check_url: what a phone can open and a newsroom can mean. Stricter than a browser's address
 * bar (which repairs), because nobody is there to repair a link in a notification. */
#include <arpa/inet.h>
#include <string.h>

#include "model/text.h"

static const struct text_fault bad_scheme = {"invalid_url", "must start with http:// or https://"};
static const struct text_fault bad_user = {"invalid_url", "must not have a user part"};
static const struct text_fault bad_host = {"invalid_url", "has no well-formed host"};
static const struct text_fault bad_port = {"invalid_url", "has no well-formed port"};
static const struct text_fault bad_character = {"invalid_url",
                                                "has a character that a URL must percent-encode"};
static const struct text_fault bad_escape = {"invalid_url", "has an incomplete percent escape"};

enum { HOST_BYTES_MAX = 253, LABEL_BYTES_MAX = 63 }; /* RFC 1035 section 2.3.4 */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* No character outside RFC 3986's set (non-ASCII excepted), no broken escape. */
static const struct text_fault *check_characters(struct str s) {
    if (text_has_invisible(s)) {
        return &bad_character;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (strchr("\"<>\\^`{|}", s.p[i])) {
            return &bad_character;
        }
        if (s.p[i] == '%' && (i + 2 >= s.n || !is_hex(s.p[i + 1]) || !is_hex(s.p[i + 2]))) {
            return &bad_escape;
        }
    }
    return NULL;
}

static bool is_ipv6(struct str s) {
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (s.n >= sizeof(text)) {
        return false;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1;
}

/* Letters, digits, '-', '_' and non-ASCII (IDN), in labels parted by single dots. */
static bool is_host_name(struct str s) {
    if (!s.n || s.n > HOST_BYTES_MAX) {
        return false;
    }
    if (s.p[s.n - 1] == '.') {
        s.n--; /* the root label */
    }
    struct str label;
    while (str_split(&s, '.', &label)) {
        if (!label.n || label.n > LABEL_BYTES_MAX || label.p[0] == '-' ||
            label.p[label.n - 1] == '-') {
            return false;
        }
        for (size_t i = 0; i < label.n; i++) {
            char c = label.p[i];
            if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' && (unsigned char)c < 0x80) {
                return false;
            }
        }
    }
    return true;
}

static bool is_port(struct str s) {
    uint64_t port;
    return s.n <= 5 && str_to_u64(s, &port) == ERR_OK && port > 0 && port < 65536;
}

/* "host", "host:port", "[v6]" or "[v6]:port". */
static const struct text_fault *check_authority(struct str s) {
    if (s.n && memchr(s.p, '@', s.n)) {
        return &bad_user;
    }
    struct str port = {NULL, 0};
    struct str host = s;
    bool is_bracketed = s.n && s.p[0] == '[';
    const char *end = is_bracketed ? memchr(s.p, ']', s.n) : NULL;
    if (is_bracketed && !end) {
        return &bad_host;
    }
    const char *from = end ? end : s.p;
    const char *colon = s.n ? memchr(from, ':', s.n - (size_t)(from - s.p)) : NULL;
    if (colon) {
        host.n = (size_t)(colon - s.p);
        port = (struct str){colon + 1, s.n - host.n - 1};
    }
    bool is_host = is_bracketed ? host.n > 2 && host.p + host.n - 1 == end &&
                                      is_ipv6((struct str){host.p + 1, host.n - 2})
                                : is_host_name(host);
    if (!is_host) {
        return &bad_host;
    }
    return colon && !is_port(port) ? &bad_port : NULL;
}

const struct text_fault *text_check_url(struct str s, size_t max_bytes) {
    const struct text_fault *fault = text_check(s, max_bytes);
    if (fault) {
        return fault;
    }
    const char *at = s.n >= 8 ? memchr(s.p, ':', 6) : NULL;
    size_t scheme_bytes = at ? (size_t)(at - s.p) : 0;
    struct str scheme = {s.p, scheme_bytes};
    if ((!str_ieq(scheme, STR("http")) && !str_ieq(scheme, STR("https"))) ||
        !str_starts((struct str){at, s.n - scheme_bytes}, STR("://"))) {
        return &bad_scheme;
    }
    struct str rest = {at + 3, s.n - scheme_bytes - 3};
    fault = check_characters(rest);
    if (fault) {
        return fault;
    }
    size_t authority_bytes = 0;
    while (authority_bytes < rest.n && !strchr("/?#", rest.p[authority_bytes])) {
        authority_bytes++;
    }
    return check_authority((struct str){rest.p, authority_bytes});
}

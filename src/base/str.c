#include "base/str.h"

#include <string.h>

struct str str_of(const char *text) {
    return text ? (struct str){text, strlen(text)} : (struct str){NULL, 0};
}

bool str_eq(struct str a, struct str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char fold(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_ieq(struct str a, struct str b) {
    if (a.n != b.n) {
        return false;
    }
    /* not strncasecmp: it stops at a NUL byte, and depends on the locale */
    for (size_t i = 0; i < a.n; i++) {
        if (fold(a.p[i]) != fold(b.p[i])) {
            return false;
        }
    }
    return true;
}

bool str_starts(struct str s, struct str prefix) {
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s) {
    while (s.n && is_space(s.p[0])) {
        s.p++;
        s.n--;
    }
    while (s.n && is_space(s.p[s.n - 1])) {
        s.n--;
    }
    return s;
}

bool str_split(struct str *rest, char sep, struct str *out_part) {
    if (!rest->p) {
        return false;
    }
    const char *at = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    if (!at) {
        *out_part = *rest;
        *rest = (struct str){NULL, 0};
        return true;
    }
    size_t n = (size_t)(at - rest->p);
    *out_part = (struct str){rest->p, n};
    *rest = (struct str){at + 1, rest->n - n - 1};
    return true;
}

enum err str_to_u64(struct str s, uint64_t *out_value) {
    uint64_t value = 0;
    if (!s.n) {
        return ERR_INVALID;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(value, 10U, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value)) {
            return ERR_INVALID;
        }
    }
    *out_value = value;
    return ERR_OK;
}

enum err str_to_i64(struct str s, int64_t *out_value) {
    bool negative = s.n && s.p[0] == '-';
    uint64_t value;
    if (negative) {
        s.p++;
        s.n--;
    }
    if (str_to_u64(s, &value) || value > (uint64_t)INT64_MAX + negative) {
        return ERR_INVALID;
    }
    *out_value = (int64_t)(negative ? 0 - value : value); /* two's complement: also the minimum */
    return ERR_OK;
}

/* Number of bytes of the UTF-8 sequence at p (at most n bytes), 0 when malformed. */
static size_t utf8_sequence(const unsigned char *p, size_t n) {
    if (p[0] < 0x80) {
        return 1;
    }
    if (p[0] < 0xC2 || p[0] > 0xF4) {
        return 0;
    }
    size_t length = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (length > n) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F)) {
        return 0;
    }
    return length;
}

bool str_is_utf8(struct str s) {
    for (size_t i = 0; i < s.n;) {
        size_t length = utf8_sequence((const unsigned char *)s.p + i, s.n - i);
        if (!length) {
            return false;
        }
        i += length;
    }
    return true;
}

bool str_eq_secret(struct str a, struct str b) {
    unsigned char difference = a.n != b.n;
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        difference |= (unsigned char)(a.p[i] ^ b.p[i]);
    }
    return difference == 0;
}

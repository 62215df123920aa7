#include "model/text.h"

#include <stdint.h>

static const struct text_fault not_utf8 = {"invalid_utf8", "is not well-formed UTF-8"};
static const struct text_fault has_control = {"control_character",
                                              "has a control character or line break in it"};
static const struct text_fault is_blank = {"blank", "is empty or blank"};
static const struct text_fault is_long = {"too_long", "is too long"};
static const struct text_fault not_ascii = {"invalid_value",
                                            "may only have visible ASCII characters, no spaces"};

/* The character at s.p[*at] of well-formed UTF-8; moves *at behind it. */
static uint32_t next_character(struct str s, size_t *at) {
    unsigned char first = (unsigned char)s.p[(*at)++];
    if (first < 0x80) {
        return first;
    }
    int more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    uint32_t c = first & (0x3FU >> more);
    while (more--) {
        c = c << 6 | ((unsigned char)s.p[(*at)++] & 0x3FU);
    }
    return c;
}

static bool is_control(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
}

/* Space, or a character without width or ink: a headline of these shows nothing. The list is
 * Unicode's White_Space property plus soft hyphen, zero-width characters, direction marks and
 * isolates, Hangul fillers, the empty Braille cell, variation selectors and the byte order mark. */
static bool is_invisible(uint32_t c) {
    return c == ' ' || c == 0xA0 || c == 0xAD || c == 0x34F || c == 0x61C || c == 0x115F ||
           c == 0x1160 || c == 0x1680 || c == 0x180E || (c >= 0x2000 && c <= 0x200F) ||
           (c >= 0x202A && c <= 0x202F) || (c >= 0x205F && c <= 0x206F) || c == 0x2800 ||
           c == 0x3000 || c == 0x3164 || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF ||
           c == 0xFFA0 || (c >= 0xE0000 && c <= 0xE0FFF);
}

const struct text_fault *text_check(struct str s, size_t max_bytes) {
    if (s.n > max_bytes) {
        return &is_long;
    }
    if (!str_is_utf8(s)) {
        return &not_utf8;
    }
    bool visible = false;
    for (size_t at = 0; at < s.n;) {
        uint32_t c = next_character(s, &at);
        if (is_control(c)) {
            return &has_control;
        }
        visible = visible || !is_invisible(c);
    }
    return visible ? NULL : &is_blank;
}

bool text_has_invisible(struct str s) {
    for (size_t at = 0; at < s.n;) {
        if (is_invisible(next_character(s, &at))) {
            return true;
        }
    }
    return false;
}

const struct text_fault *text_check_ascii(struct str s, size_t max_bytes) {
    if (!s.n) {
        return &is_blank;
    }
    if (s.n > max_bytes) {
        return &is_long;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~') {
            return &not_ascii;
        }
    }
    return NULL;
}

void text_put_clean(struct buf *b, struct str s) {
    if (str_is_utf8(s)) {
        buf_put_str(b, s);
        return;
    }
    for (size_t at = 0; at < s.n;) {
        size_t size = 1;
        while (size < 4 && at + size < s.n && !str_is_utf8((struct str){s.p + at, size})) {
            size++;
        }
        if (str_is_utf8((struct str){s.p + at, size})) {
            buf_put(b, s.p + at, size);
            at += size;
        } else {
            buf_puts(b, "\xEF\xBF\xBD");
            at++;
        }
    }
}

/* The grammar of RFC 8259, nothing more and nothing less, with bounds on depth and width. */
#include <string.h>

#include "model/json.h"

/* Digits of one number; cJSON reads at most 63 characters. */
enum { NUMBER_BYTES_MAX = 63 };

struct scan {
    struct str text;
    size_t at;
    const char *reason; /* of the first fault */
    bool has_nul;
};

static bool scan_value(struct scan *s, int depth);

static bool fail(struct scan *s, const char *reason) {
    if (!s->reason) {
        s->reason = reason;
    }
    return false;
}

/* The byte at the cursor, -1 at the end. */
static int peek(const struct scan *s) {
    return s->at < s->text.n ? (unsigned char)s->text.p[s->at] : -1;
}

static bool take(struct scan *s, char c) {
    if (peek(s) != c) {
        return false;
    }
    s->at++;
    return true;
}

static void skip_space(struct scan *s) {
    while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\n' || peek(s) == '\r') {
        s->at++;
    }
}

static size_t skip_digits(struct scan *s) {
    size_t start = s->at;
    while (peek(s) >= '0' && peek(s) <= '9') {
        s->at++;
    }
    return s->at - start;
}

static bool scan_number(struct scan *s) {
    size_t start = s->at;
    (void)take(s, '-');
    if (!take(s, '0') && !skip_digits(s)) {
        return fail(s, "a number needs a digit here");
    }
    if (take(s, '.') && !skip_digits(s)) {
        return fail(s, "a number needs a digit after its point");
    }
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+')) {
            (void)take(s, '-');
        }
        if (!skip_digits(s)) {
            return fail(s, "a number needs a digit in its exponent");
        }
    }
    return s->at - start <= NUMBER_BYTES_MAX || fail(s, "this number is too long");
}

/* Four hex digits at the cursor. */
static bool scan_hex4(struct scan *s, unsigned *out_unit) {
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(s);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return fail(s, "\\u needs four hex digits");
        }
        unit = unit << 4 | (unsigned)digit;
        s->at++;
    }
    *out_unit = unit;
    return true;
}

/* Behind a backslash. Surrogates must come in pairs (RFC 8259 section 7). */
static bool scan_escape(struct scan *s) {
    int c = peek(s);
    if (c != 'u') {
        if (c <= 0 || !strchr("\"\\/bfnrt", c)) {
            return fail(s, "unknown escape in a string");
        }
        s->at++;
        return true;
    }
    unsigned unit;
    s->at++;
    if (!scan_hex4(s, &unit)) {
        return false;
    }
    s->has_nul = s->has_nul || unit == 0;
    if (unit < 0xD800 || unit > 0xDFFF) {
        return true;
    }
    unsigned low = 0;
    if (unit > 0xDBFF || !take(s, '\\') || !take(s, 'u') || !scan_hex4(s, &low) || low < 0xDC00 ||
        low > 0xDFFF) {
        return fail(s, "half of a surrogate pair in a string");
    }
    return true;
}

static bool scan_string(struct scan *s) {
    if (!take(s, '"')) {
        return fail(s, "expected a string");
    }
    for (;;) {
        int c = peek(s);
        if (c < 0) {
            return fail(s, "the text ends inside a string");
        }
        if (c < 0x20) {
            return fail(s, "raw control character in a string");
        }
        s->at++;
        if (c == '"') {
            return true;
        }
        if (c == '\\' && !scan_escape(s)) {
            return false;
        }
    }
}

static bool scan_array(struct scan *s, int depth) {
    s->at++;
    skip_space(s);
    if (take(s, ']')) {
        return true;
    }
    do {
        if (!scan_value(s, depth)) {
            return false;
        }
        skip_space(s);
    } while (take(s, ','));
    return take(s, ']') || fail(s, "expected a comma or ]");
}

static bool scan_object(struct scan *s, int depth) {
    int members = 0;
    s->at++;
    skip_space(s);
    if (take(s, '}')) {
        return true;
    }
    do {
        if (++members > JSON_MEMBERS_MAX) {
            return fail(s, "too many members in one object");
        }
        skip_space(s);
        if (peek(s) != '"') {
            return fail(s, "expected a member name in quotes");
        }
        if (!scan_string(s)) {
            return false;
        }
        skip_space(s);
        if (!take(s, ':')) {
            return fail(s, "expected a colon");
        }
        if (!scan_value(s, depth)) {
            return false;
        }
        skip_space(s);
    } while (take(s, ','));
    return take(s, '}') || fail(s, "expected a comma or }");
}

static bool scan_word(struct scan *s, struct str word) {
    struct str rest = {s->text.p + s->at, s->text.n - s->at};
    if (!str_starts(rest, word)) {
        return fail(s, "expected a value");
    }
    s->at += word.n;
    return true;
}

static bool scan_value(struct scan *s, int depth) {
    skip_space(s);
    int c = peek(s);
    if ((c == '{' || c == '[') && depth >= JSON_DEPTH_MAX) {
        return fail(s, "nested too deep");
    }
    switch (c) {
    case '{':
        return scan_object(s, depth + 1);
    case '[':
        return scan_array(s, depth + 1);
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, STR("true"));
    case 'f':
        return scan_word(s, STR("false"));
    case 'n':
        return scan_word(s, STR("null"));
    case -1:
        return fail(s, "the text ends where a value is expected");
    default:
        return c == '-' || (c >= '0' && c <= '9') ? scan_number(s) : fail(s, "expected a value");
    }
}

const char *json_check(struct str text, size_t *out_offset, bool *out_has_nul) {
    struct scan s = {.text = text};
    if (scan_value(&s, 0)) {
        skip_space(&s);
        if (s.at < text.n) {
            (void)fail(&s, "something follows the end of the value");
        }
    }
    *out_offset = s.at;
    if (out_has_nul) {
        *out_has_nul = s.has_nul;
    }
    return s.reason;
}

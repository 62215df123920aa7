#include "json_check.h"

#include <string.h>

struct scan {
    const char *p;
    const char *end;
    int depth;
};

static bool value(struct scan *s);

static void blank(struct scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) {
        s->p++;
    }
}

static bool take(struct scan *s, char c) {
    if (s->p < s->end && *s->p == c) {
        s->p++;
        return true;
    }
    return false;
}

static bool word(struct scan *s, const char *text) {
    size_t n = strlen(text);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, text, n) != 0) {
        return false;
    }
    s->p += n;
    return true;
}

static bool digits(struct scan *s) {
    const char *from = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') {
        s->p++;
    }
    return s->p > from;
}

static bool number(struct scan *s) {
    (void)take(s, '-');
    if (!take(s, '0') && !digits(s)) {
        return false;
    }
    if (take(s, '.') && !digits(s)) {
        return false;
    }
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+')) {
            (void)take(s, '-');
        }
        return digits(s);
    }
    return true;
}

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool escape(struct scan *s) {
    if (s->p == s->end || !strchr("\"\\/bfnrtu", *s->p) || !*s->p) {
        return false;
    }
    if (*s->p++ != 'u') {
        return true;
    }
    for (int i = 0; i < 4; i++, s->p++) {
        if (s->p == s->end || !is_hex(*s->p)) {
            return false;
        }
    }
    return true;
}

static bool string(struct scan *s) {
    if (!take(s, '"')) {
        return false;
    }
    while (s->p < s->end) {
        unsigned char c = (unsigned char)*s->p++;
        if (c == '"') {
            return true;
        }
        if (c < 0x20 || (c == '\\' && !escape(s))) {
            return false;
        }
    }
    return false;
}

static bool members(struct scan *s, char close, bool named) {
    if (++s->depth > JSON_DEPTH_MAX) {
        return false;
    }
    s->p++;
    blank(s);
    if (take(s, close)) {
        s->depth--;
        return true;
    }
    do {
        blank(s);
        if (named) {
            if (!string(s)) {
                return false;
            }
            blank(s);
            if (!take(s, ':')) {
                return false;
            }
        }
        if (!value(s)) {
            return false;
        }
    } while (take(s, ','));
    s->depth--;
    return take(s, close);
}

static bool value(struct scan *s) {
    blank(s);
    bool good;
    switch (s->p < s->end ? *s->p : '\0') {
    case '{':
        good = members(s, '}', true);
        break;
    case '[':
        good = members(s, ']', false);
        break;
    case '"':
        good = string(s);
        break;
    case 't':
        good = word(s, "true");
        break;
    case 'f':
        good = word(s, "false");
        break;
    case 'n':
        good = word(s, "null");
        break;
    default:
        good = number(s);
    }
    blank(s);
    return good;
}

bool json_is_object(struct str text) {
    struct scan s = {text.p, text.p + text.n, 0};
    blank(&s);
    return s.p < s.end && *s.p == '{' && value(&s) && s.p == s.end && str_is_utf8(text);
}

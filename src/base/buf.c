#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void buf_init(struct buf *b, size_t max_bytes) {
    *b = (struct buf){.max = max_bytes};
}

void buf_finish(struct buf *b) {
    free(b->p);
    buf_init(b, b->max);
}

void buf_wipe(struct buf *b) {
    if (b->p) {
        explicit_bzero(b->p, b->cap);
    }
    buf_finish(b);
}

void buf_clear(struct buf *b) {
    b->n = 0;
    b->overflow = false;
}

char *buf_reserve(struct buf *b, size_t size) {
    if (b->overflow || size > b->max || b->n > b->max - size) {
        b->overflow = true;
        return NULL;
    }
    size_t need = b->n + size + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need) {
            cap *= 2;
        }
        b->p = mem_resize(b->p, cap, 1);
        b->cap = cap;
    }
    return b->p + b->n;
}

void buf_put(struct buf *b, const void *bytes, size_t size) {
    char *at = buf_reserve(b, size);
    if (!at) {
        return;
    }
    if (size) {
        memcpy(at, bytes, size);
    }
    b->n += size;
    b->p[b->n] = '\0';
}

void buf_putc(struct buf *b, char c) {
    buf_put(b, &c, 1);
}

void buf_puts(struct buf *b, const char *text) {
    buf_put(b, text, strlen(text));
}

void buf_put_str(struct buf *b, struct str s) {
    buf_put(b, s.p, s.n);
}

void buf_printf(struct buf *b, const char *format, ...) {
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    /* Mostly there is room, and formatting twice would cost twice. */
    size_t room = b->cap - b->n;
    int size = vsnprintf(room ? b->p + b->n : NULL, room, format, args);
    va_end(args);
    char *at = size < 0 ? NULL : buf_reserve(b, (size_t)size);
    if (!at) {
        b->overflow = true;
        if (room) {
            b->p[b->n] = '\0';
        }
    } else {
        if ((size_t)size >= room) {
            (void)vsnprintf(at, (size_t)size + 1, format, again);
        }
        b->n += (size_t)size;
    }
    va_end(again);
}

/* True when none of eight bytes needs an escape: each test leaves its byte's highest bit set (a
 * carry may set more, which only makes the caller look closely). */
static bool is_plain_json(const char *eight) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x;
    memcpy(&x, eight, sizeof(x));
    uint64_t quote = x ^ ones * '"';
    uint64_t backslash = x ^ ones * '\\';
    uint64_t delete = x ^ ones * 0x7F;
    uint64_t odd = ((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) |
                   ((backslash - ones) & ~backslash) | ((delete - ones) & ~delete);
    return (odd & ones * 0x80) == 0;
}

void buf_put_json(struct buf *b, struct str s) {
    static const char hex[] = "0123456789abcdef";
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char escaped[] = "\"\\bfnrt";
    buf_putc(b, '"');
    size_t start = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.n - i >= 8 && is_plain_json(s.p + i)) {
            i += 7;
            continue;
        }
        unsigned char c = (unsigned char)s.p[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F) {
            continue;
        }
        buf_put(b, s.p + start, i - start);
        start = i + 1;
        const char *at = memchr(plain, c, sizeof(plain) - 1);
        if (at) {
            char two[2] = {'\\', escaped[at - plain]};
            buf_put(b, two, 2);
        } else {
            char six[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
            buf_put(b, six, 6);
        }
    }
    if (start < s.n) {
        buf_put(b, s.p + start, s.n - start);
    }
    buf_putc(b, '"');
}

void buf_consume(struct buf *b, size_t size) {
    assert(size <= b->n);
    if (size) {
        memmove(b->p, b->p + size, b->n - size);
        b->n -= size;
        b->p[b->n] = '\0';
    }
}

struct str buf_str(const struct buf *b) {
    return (struct str){b->p ? b->p : "", b->n};
}

enum err buf_check(const struct buf *b) {
    return b->overflow ? ERR_TOO_LARGE : ERR_OK;
}

char *buf_take(struct buf *b) {
    char *p = b->p ? b->p : mem_strndup("", 0);
    buf_init(b, b->max);
    return p;
}

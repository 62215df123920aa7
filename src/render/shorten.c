#include "render/shorten.h"

#include <stdbool.h>
#include <stdint.h>

static const char ellipsis[] = "…";

/* Bytes the code point at `p` takes in a JSON string as buf_put_json writes it. */
static size_t json_size(unsigned char first, size_t size) {
    if (first == '"' || first == '\\' || (first >= '\b' && first <= '\r' && first != '\v')) {
        return 2;
    }
    return first < 0x20 || first == 0x7F ? 6 : size;
}

static size_t point_size(unsigned char first) {
    return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

static uint32_t point_at(const unsigned char *p, size_t size) {
    uint32_t point = size == 1 ? p[0] : p[0] & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        point = point << 6 | (p[i] & 0x3Fu);
    }
    return point;
}

/* Marks that belong to the letter before them: Latin, Arabic and Hebrew diacritics, joiners,
 * variation selectors, emoji modifiers. */
static bool is_mark(uint32_t point) {
    return (point >= 0x300 && point <= 0x36F) || (point >= 0x591 && point <= 0x5C7) ||
           (point >= 0x610 && point <= 0x61A) || (point >= 0x64B && point <= 0x65F) ||
           point == 0x670 || (point >= 0x6D6 && point <= 0x6ED) || point == 0x200D ||
           (point >= 0xFE00 && point <= 0xFE0F) || (point >= 0x1F3FB && point <= 0x1F3FF);
}

static bool is_space(unsigned char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static size_t trim_end(struct str text, size_t n) {
    while (n > 0 && is_space((unsigned char)text.p[n - 1])) {
        n--;
    }
    return n;
}

void shorten(struct str text, size_t json_bytes, struct buf *b) {
    size_t room = json_bytes < sizeof(ellipsis) - 1 ? 0 : json_bytes - (sizeof(ellipsis) - 1);
    size_t used = 0;
    size_t letter = 0; /* end of the last whole letter that leaves room for the ellipsis */
    size_t word = 0;   /* end of the last whole word that does */
    for (size_t i = 0; i < text.n;) {
        const unsigned char *p = (const unsigned char *)text.p + i;
        size_t size = point_size(*p);
        if (size > text.n - i) {
            break;
        }
        if (used <= room && !is_mark(point_at(p, size))) {
            letter = i;
            word = is_space(*p) ? i : word;
        }
        used += json_size(*p, size);
        i += size;
    }
    if (used <= json_bytes) {
        buf_put_str(b, text);
        return;
    }
    bool has_near_word = word > 0 && letter - word <= SHORTEN_WORD_BYTES;
    size_t n = trim_end(text, has_near_word ? word : letter);
    if (n > 0) {
        buf_put(b, text.p, n);
        buf_puts(b, ellipsis);
    }
}

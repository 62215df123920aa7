#include "net/http2_headers.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* First bits of the representations, RFC 7541 section 6. */
enum {
    INDEXED = 0x80,
    WITH_INDEXING = 0x40,
    TABLE_SIZE = 0x20,
    NEVER_INDEXED = 0x10,
};
enum { STATIC_COUNT = 61 };

struct http2_header_entry {
    size_t name_bytes;
    size_t value_bytes;
    char bytes[]; /* name, value */
};

/* The rows of the static table (RFC 7541 appendix A) that requests of ours use. */
static const struct {
    struct str name;
    struct str value; /* empty where only the name serves */
    unsigned index;
} static_rows[] = {
    {{":method", 7}, {"POST", 4}, 3},     {{":scheme", 7}, {"https", 5}, 7},
    {{":authority", 10}, {"", 0}, 1},     {{":path", 5}, {"", 0}, 4},
    {{"authorization", 13}, {"", 0}, 23}, {{"content-type", 12}, {"", 0}, 31},
};

void http2_headers_init(struct http2_headers *h) {
    *h = (struct http2_headers){.max = HTTP2_HEADER_TABLE_BYTES};
}

static struct http2_header_entry **slot_of(struct http2_headers *h, uint64_t number) {
    return &h->entries[number % HTTP2_HEADER_ENTRIES_MAX];
}

/* Drops the oldest entries until `room` bytes fit. */
static void evict(struct http2_headers *h, size_t room) {
    while (h->first < h->next && h->size + room > h->max) {
        struct http2_header_entry **oldest = slot_of(h, h->first++);
        h->size -= (*oldest)->name_bytes + (*oldest)->value_bytes + HTTP2_HEADER_ENTRY_BYTES;
        free(*oldest);
        *oldest = NULL;
    }
}

void http2_headers_finish(struct http2_headers *h) {
    h->max = 0;
    evict(h, 0);
}

void http2_headers_set_max(struct http2_headers *h, size_t max_bytes) {
    size_t max = max_bytes < HTTP2_HEADER_TABLE_BYTES ? max_bytes : HTTP2_HEADER_TABLE_BYTES;
    if (max == (h->is_max_due ? h->max_announced : h->max)) {
        return;
    }
    h->max_least = h->is_max_due && h->max_least < max ? h->max_least : max;
    h->max_announced = max;
    h->is_max_due = true;
}

/* RFC 7541 section 5.1. */
static void put_integer(struct buf *out, unsigned first_bits, unsigned prefix_bits, size_t value) {
    size_t most = (1u << prefix_bits) - 1;
    if (value < most) {
        buf_putc(out, (char)(first_bits | value));
        return;
    }
    buf_putc(out, (char)(first_bits | most));
    for (value -= most; value >= 128; value >>= 7) {
        buf_putc(out, (char)(0x80 | (value & 0x7F)));
    }
    buf_putc(out, (char)value);
}

/* Without the Huffman code: what is sent more than once is sent by its index, and for the rest the
 * time of both sides is worth more than a fifth of some hundred bytes. */
static void put_text(struct buf *out, struct str text) {
    put_integer(out, 0, 7, text.n);
    buf_put_str(out, text);
}

static void tell_max(struct http2_headers *h, size_t max, struct buf *out) {
    h->max = max;
    evict(h, 0);
    put_integer(out, TABLE_SIZE, 5, max);
}

/* A limit that fell and rose again between two blocks is told as both (RFC 7541 section 4.2). */
void http2_headers_begin(struct http2_headers *h, struct buf *out) {
    h->place = 0;
    if (!h->is_max_due) {
        return;
    }
    h->is_max_due = false;
    if (h->max_least < h->max_announced) {
        tell_max(h, h->max_least, out);
    }
    tell_max(h, h->max_announced, out);
}

static bool is_text(struct str text, const char *bytes, size_t size) {
    return text.n == size && memcmp(text.p, bytes, size) == 0;
}

static void add(struct http2_headers *h, struct str name, struct str value) {
    size_t size = name.n + value.n + HTTP2_HEADER_ENTRY_BYTES;
    evict(h, size); /* the caller made sure that it fits */
    struct http2_header_entry *entry = mem_alloc(sizeof(*entry) + name.n + value.n);
    entry->name_bytes = name.n;
    entry->value_bytes = value.n;
    memcpy(entry->bytes, name.p, name.n);
    if (value.n) {
        memcpy(entry->bytes + name.n, value.p, value.n);
    }
    *slot_of(h, h->next++) = entry;
    h->size += size;
}

static bool is_entry(const struct http2_header_entry *entry, struct str name, struct str value) {
    return is_text(name, entry->bytes, entry->name_bytes) &&
           is_text(value, entry->bytes + entry->name_bytes, entry->value_bytes);
}

/* The entry that stood in this place of the last block: nearly always the one. */
static size_t find_again(struct http2_headers *h, struct str name, struct str value) {
    uint64_t number = h->last[h->place];
    bool is_alive = number >= h->first && number < h->next;
    return is_alive && is_entry(*slot_of(h, number), name, value)
               ? STATIC_COUNT + (size_t)(h->next - number)
               : 0;
}

/* The index of the whole field, or 0; `*out_name` is one of its name, or 0. */
static size_t find(struct http2_headers *h, struct str name, struct str value, size_t *out_name) {
    *out_name = 0;
    for (size_t i = 0; i < sizeof(static_rows) / sizeof(static_rows[0]); i++) {
        if (is_text(name, static_rows[i].name.p, static_rows[i].name.n)) {
            *out_name = static_rows[i].index;
            if (value.n && is_text(value, static_rows[i].value.p, static_rows[i].value.n)) {
                return static_rows[i].index;
            }
        }
    }
    for (uint64_t number = h->next; number-- > h->first;) {
        const struct http2_header_entry *entry = *slot_of(h, number);
        size_t index = STATIC_COUNT + (size_t)(h->next - number);
        if (is_entry(entry, name, value)) {
            h->last[h->place] = number;
            return index;
        }
        if (!*out_name && is_text(name, entry->bytes, entry->name_bytes)) {
            *out_name = index;
        }
    }
    return 0;
}

void http2_headers_put(struct http2_headers *h, struct str name, struct str value, bool is_unique,
                       struct buf *out) {
    size_t name_index = 0;
    size_t index = find_again(h, name, value);
    index = index ? index : find(h, name, value, &name_index);
    h->place = (h->place + 1) % HTTP2_HEADER_PLACES;
    if (index) {
        put_integer(out, INDEXED, 7, index);
        return;
    }
    /* A name that is nowhere yet enters with its first value. */
    bool is_kept = !is_unique || !name_index;
    is_kept = is_kept && name.n + value.n + HTTP2_HEADER_ENTRY_BYTES <= h->max;
    put_integer(out, is_kept ? WITH_INDEXING : NEVER_INDEXED, is_kept ? 6 : 4, name_index);
    if (!name_index) {
        put_text(out, name);
    }
    put_text(out, value);
    if (is_kept) {
        add(h, name, value);
    }
}

#pragma once
/* Header blocks of one connection's requests (HPACK, RFC 7541). nghttp2 sends `authorization` in
 * full with every request and spends most of a push on its Huffman code; a push differs from the
 * one before in its device and its id alone, so everything else goes into the peer's dynamic table
 * once and is one byte afterwards. What never comes again is sent as it is and stays out of the
 * table, where it would evict what does. Nothing a stranger chooses shares the table with our
 * credentials, so their size cannot be probed (RFC 7541 section 7.1). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

/* The default of SETTINGS_HEADER_TABLE_SIZE (RFC 9113 section 6.5.2); peers that offer more get no
 * more: a push needs a quarter of it. */
enum { HTTP2_HEADER_TABLE_BYTES = 4096, HTTP2_HEADER_ENTRY_BYTES = 32 };
enum {
    HTTP2_HEADER_ENTRIES_MAX = HTTP2_HEADER_TABLE_BYTES / HTTP2_HEADER_ENTRY_BYTES,
    HTTP2_HEADER_PLACES = 16 /* fields of a block whose entry is remembered */
};

struct http2_headers {
    struct http2_header_entry *entries[HTTP2_HEADER_ENTRIES_MAX]; /* owned; a ring by number */
    uint64_t first;                                               /* number of the oldest entry */
    uint64_t next;                                                /* number the next entry gets */
    size_t size;          /* as RFC 7541 section 4.1 counts */
    size_t max;           /* the peer's limit, in force */
    size_t max_announced; /* lowest and last limit still to be told to the peer */
    size_t max_least;
    bool is_max_due;
    uint64_t last[HTTP2_HEADER_PLACES]; /* entry last used in this place of a block */
    size_t place;
};

void http2_headers_init(struct http2_headers *h);
void http2_headers_finish(struct http2_headers *h);
/* The peer's SETTINGS_HEADER_TABLE_SIZE. */
void http2_headers_set_max(struct http2_headers *h, size_t max_bytes);
/* First of every block. */
void http2_headers_begin(struct http2_headers *h, struct buf *out);
/* One field; the name in lower case. `is_unique`: the value never comes again. */
void http2_headers_put(struct http2_headers *h, struct str name, struct str value, bool is_unique,
                       struct buf *out);

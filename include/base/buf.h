#pragma once
/* struct buf: owned bytes that grow up to a cap given at creation. Going over the cap drops the
 * write and sets `overflow` for good, so a writer can put many parts and check once at the end. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *p;    /* owned; NUL-terminated once anything was put */
    size_t n;   /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* most bytes ever in use */
    bool overflow;
};

/* Empty, nothing allocated yet. `max_bytes` is the cap. */
void buf_init(struct buf *b, size_t max_bytes);
/* Frees the bytes; the buffer is as after buf_init. */
void buf_finish(struct buf *b);
/* The same, after overwriting the bytes: for secrets. */
void buf_wipe(struct buf *b);
/* Forgets content and overflow, keeps the memory. */
void buf_clear(struct buf *b);
void buf_put(struct buf *b, const void *bytes, size_t size);
void buf_putc(struct buf *b, char c);
void buf_puts(struct buf *b, const char *text);
void buf_put_str(struct buf *b, struct str s);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The text as a JSON string with its quotes; control characters escaped (RFC 8259 section 7). */
void buf_put_json(struct buf *b, struct str s);
/* Drops the first `size` bytes (size <= n). */
void buf_consume(struct buf *b, size_t size);
/* Makes room for `size` more bytes at p + n for a direct write; NULL (and overflow) over the cap.
 */
char *buf_reserve(struct buf *b, size_t size);
/* View of the content, valid until the next put. */
struct str buf_str(const struct buf *b);
/* ERR_TOO_LARGE when a write was dropped. */
MUST_CHECK enum err buf_check(const struct buf *b);
/* Hands the bytes to the caller (free()); the buffer is as after buf_init. Never NULL. */
char *buf_take(struct buf *b);

#pragma once
/* Rules for text that people read: well-formed, visible, bounded. Used for every string a request
 * brings. */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* Why a text is refused: a stable code for programs and half a sentence for people. */
struct text_fault {
    const char *code;
    const char *detail;
};

/* NULL when `s` is well-formed UTF-8 without control characters (C0, DEL, C1, line and paragraph
 * separators), has something visible in it and at most `max_bytes` bytes; else the first rule it
 * breaks. */
const struct text_fault *text_check(struct str s, size_t max_bytes);
/* The same for identifiers that travel in HTTP headers: 1..max_bytes visible ASCII characters. */
const struct text_fault *text_check_ascii(struct str s, size_t max_bytes);
/* The same for an absolute http or https URL (RFC 3986, with RFC 3987's non-ASCII characters):
 * a host, a port below 65536, complete percent escapes, no user part. */
const struct text_fault *text_check_url(struct str s, size_t max_bytes);
/* True when well-formed UTF-8 has a space or a character without ink in it. */
bool text_has_invisible(struct str s);
/* Appends the text with U+FFFD in place of each byte that is not UTF-8. */
void text_put_clean(struct buf *b, struct str s);

#pragma once
/* Cuts text to a size on a word boundary. */
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

/* Appends as much of `text` (UTF-8) as keeps its JSON string, without quotes, within `json_bytes`;
 * what was cut is replaced by "…". The cut is at white space when there is some in the last
 * SHORTEN_WORD_BYTES, else between two code points (never before a combining mark). Nothing is
 * appended when not even one word's beginning fits. */
enum { SHORTEN_WORD_BYTES = 48 };
void shorten(struct str text, size_t json_bytes, struct buf *b);

#pragma once
/* struct str: a borrowed view of bytes, not NUL-terminated. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
/* For printf's "%.*s". */
#define STR_ARG(s) (int)(s).n, (s).p

/* View of a NUL-terminated text; NULL gives the empty view. */
struct str str_of(const char *text);
bool str_eq(struct str a, struct str b);
/* Equal without regard to ASCII case. */
bool str_ieq(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
/* Without ASCII white space at both ends. */
struct str str_trim(struct str s);
/* Cuts the text before the first `sep` off the front of `*rest` into `*out_part`. False when
 * `*rest` is used up (an empty view with p == NULL). An input of n separators gives n + 1 parts. */
bool str_split(struct str *rest, char sep, struct str *out_part);
/* Decimal digits only, the whole view. ERR_INVALID for anything else or overflow. */
MUST_CHECK enum err str_to_u64(struct str s, uint64_t *out_value);
/* Optional leading '-', else as str_to_u64. */
MUST_CHECK enum err str_to_i64(struct str s, int64_t *out_value);
/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool str_is_utf8(struct str s);
/* Equal, in time that depends on the lengths only: for secrets. */
bool str_eq_secret(struct str a, struct str b);

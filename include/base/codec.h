#pragma once
/* Hex, base64 and base64url (RFC 4648), SHA-256, random bytes, UUIDv7 (RFC 9562). */
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { SHA256_BYTES = 32, SHA256_HEX_BYTES = 65, UUID_BYTES = 37 };

/* Appends lower-case hexadecimal. */
void codec_put_hex(struct buf *b, struct str bytes);
/* Appends the bytes of an even number of hex digits of either case; ERR_INVALID otherwise, then
 * `b` is as before. */
MUST_CHECK enum err codec_take_hex(struct buf *b, struct str hex);
/* Appends base64url without padding (RFC 4648 section 5; as JOSE wants it). */
void codec_put_base64url(struct buf *b, struct str bytes);
/* Appends the bytes of base64url or base64, with right padding or none; ERR_INVALID otherwise,
 * then `b` is as before. */
MUST_CHECK enum err codec_take_base64(struct buf *b, struct str text);
void codec_sha256(struct str bytes, unsigned char out_digest[SHA256_BYTES]);
/* The digest as 64 hex digits, NUL-terminated. */
void codec_sha256_hex(struct str bytes, char out_hex[SHA256_HEX_BYTES]);
/* Bytes of the system's generator; ends the process if there is none. */
void codec_random(void *out_bytes, size_t size);
/* A made-up name of 16 hexadecimal digits, for what a pid cannot tell apart; free() it. */
char *codec_random_name(void);
/* Uniform in [0, bound); 0 for bound 0. Not for secrets. */
uint64_t codec_random_below(uint64_t bound);
/* A fresh UUIDv7 of now, lower case, NUL-terminated. */
void codec_uuid7(char out_uuid[UUID_BYTES]);
/* For many random numbers: the generator, which takes microseconds to begin, is asked for a stock
 * of bytes at a time. Zeroed at the start; not to be used on both sides of a fork(); not for
 * secrets, which would lie in memory longer than they need. */
struct codec_stock {
    unsigned char random[1024];
    size_t left;
};
void codec_uuid7_next(struct codec_stock *stock, int64_t wall_ms, char out_uuid[UUID_BYTES]);
uint64_t codec_random_next(struct codec_stock *stock);
/* True for 8-4-4-4-12 lower-case hex. */
bool codec_is_uuid(struct str s);

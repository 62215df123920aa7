#include "base/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/clock.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64url_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void codec_put_hex(struct buf *b, struct str bytes) {
    char *at = buf_reserve(b, 2 * bytes.n);
    if (!at) {
        return;
    }
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        *at++ = hex_digits[c >> 4];
        *at++ = hex_digits[c & 15];
    }
    *at = '\0';
    b->n += 2 * bytes.n;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum err codec_take_hex(struct buf *b, struct str hex) {
    if (hex.n % 2) {
        return ERR_INVALID;
    }
    size_t before = b->n;
    for (size_t i = 0; i < hex.n; i += 2) {
        int high = hex_value(hex.p[i]);
        int low = hex_value(hex.p[i + 1]);
        if (high < 0 || low < 0) {
            b->n = before;
            return ERR_INVALID;
        }
        buf_putc(b, (char)(high << 4 | low));
    }
    return ERR_OK;
}

void codec_put_base64url(struct buf *b, struct str bytes) {
    const unsigned char *p = (const unsigned char *)bytes.p;
    for (size_t i = 0; i < bytes.n; i += 3) {
        size_t left = bytes.n - i;
        uint32_t three = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                         (left > 2 ? (uint32_t)p[i + 2] : 0);
        buf_putc(b, base64url_digits[three >> 18]);
        buf_putc(b, base64url_digits[three >> 12 & 63]);
        if (left > 1) {
            buf_putc(b, base64url_digits[three >> 6 & 63]);
        }
        if (left > 2) {
            buf_putc(b, base64url_digits[three & 63]);
        }
    }
}

static int base64_value(char c) {
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '-' || c == '+') {
        return 62;
    }
    return c == '_' || c == '/' ? 63 : -1;
}

enum err codec_take_base64(struct buf *b, struct str text) {
    size_t padding = 0;
    while (text.n && text.p[text.n - 1] == '=') {
        text.n--;
        padding++;
    }
    if (text.n % 4 == 1 || (padding && (padding > 2 || (text.n + padding) % 4 != 0))) {
        return ERR_INVALID;
    }
    uint32_t bits = 0;
    size_t before = b->n;
    for (size_t i = 0; i < text.n; i++) {
        int value = base64_value(text.p[i]);
        if (value < 0) {
            b->n = before;
            return ERR_INVALID;
        }
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0) {
            size_t shift = 6 - 2 * (i % 4);
            buf_putc(b, (char)(bits >> shift & 0xFF));
        }
    }
    /* Bits left over are zero in what an encoder writes (RFC 4648 section 3.5): one text only for
     * the same bytes. */
    uint32_t left = text.n % 4 == 2 ? 0xF : text.n % 4 == 3 ? 0x3 : 0;
    if (bits & left) {
        b->n = before;
        return ERR_INVALID;
    }
    return ERR_OK;
}

void codec_sha256(struct str bytes, unsigned char out_digest[SHA256_BYTES]) {
    (void)SHA256((const unsigned char *)bytes.p, bytes.n, out_digest);
}

void codec_sha256_hex(struct str bytes, char out_hex[SHA256_HEX_BYTES]) {
    unsigned char digest[SHA256_BYTES];
    codec_sha256(bytes, digest);
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        out_hex[2 * i] = hex_digits[digest[i] >> 4];
        out_hex[2 * i + 1] = hex_digits[digest[i] & 15];
    }
    out_hex[2 * SHA256_BYTES] = '\0';
}

void codec_random(void *out_bytes, size_t size) {
    if (RAND_bytes(out_bytes, (int)size) != 1) {
        (void)fputs("level=fatal event=no_randomness\n", stderr);
        abort();
    }
}

char *codec_random_name(void) {
    enum { NAME_RANDOM_BYTES = 8 };
    unsigned char random[NAME_RANDOM_BYTES];
    struct buf name;
    codec_random(random, sizeof(random));
    buf_init(&name, 2 * NAME_RANDOM_BYTES);
    codec_put_hex(&name, (struct str){(const char *)random, sizeof(random)});
    return buf_take(&name);
}

uint64_t codec_random_below(uint64_t bound) {
    uint64_t value;
    codec_random(&value, sizeof(value));
    return bound ? value % bound : 0;
}

/* `u`: 16 random bytes. */
static void format_uuid7(unsigned char u[16], int64_t wall_ms, char out_uuid[UUID_BYTES]) {
    uint64_t now_ms = (uint64_t)wall_ms;
    for (int i = 0; i < 6; i++) {
        u[i] = (unsigned char)(now_ms >> (40 - 8 * i));
    }
    u[6] = (unsigned char)(0x70 | (u[6] & 0x0F)); /* version 7, RFC 9562 section 5.7 */
    u[8] = (unsigned char)(0x80 | (u[8] & 0x3F)); /* variant 10 */
    size_t at = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            out_uuid[at++] = '-';
        }
        out_uuid[at++] = hex_digits[u[i] >> 4];
        out_uuid[at++] = hex_digits[u[i] & 15];
    }
    out_uuid[at] = '\0';
}

void codec_uuid7(char out_uuid[UUID_BYTES]) {
    unsigned char u[16];
    codec_random(u, sizeof(u));
    format_uuid7(u, clock_wall_ms(), out_uuid);
}

static unsigned char *take_random(struct codec_stock *stock, size_t size) {
    if (stock->left < size) {
        codec_random(stock->random, sizeof(stock->random));
        stock->left = sizeof(stock->random);
    }
    stock->left -= size;
    return stock->random + stock->left;
}

void codec_uuid7_next(struct codec_stock *stock, int64_t wall_ms, char out_uuid[UUID_BYTES]) {
    format_uuid7(take_random(stock, 16), wall_ms, out_uuid);
}

uint64_t codec_random_next(struct codec_stock *stock) {
    uint64_t value;
    memcpy(&value, take_random(stock, sizeof(value)), sizeof(value));
    return value;
}

bool codec_is_uuid(struct str s) {
    if (s.n != UUID_BYTES - 1) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s.p[i] != '-' : (hex_value(s.p[i]) < 0 || (s.p[i] >= 'A' && s.p[i] <= 'F'))) {
            return false;
        }
    }
    return true;
}

#include "net/tls_tickets.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/codec.h"
#include "base/file.h"

enum { KEY_FILE_BYTES_MAX = 8192 }; /* file_read wants a page of room beyond the 4096 allowed */

enum err tls_tickets_read(struct tls_tickets *tickets, const char *path) {
    struct buf text;
    buf_init(&text, KEY_FILE_BYTES_MAX);
    enum err err = file_read(path, &text);
    bool ok = err == ERR_OK && text.n >= TLS_SECRET_BYTES;
    if (ok) {
        codec_sha256(buf_str(&text), tickets->secret);
    }
    OPENSSL_cleanse(text.p, text.n);
    buf_finish(&text);
    if (err == ERR_NOT_FOUND || err == ERR_IO) {
        return ERR_IO;
    }
    return ok ? ERR_OK : ERR_INVALID;
}

/* HMAC-SHA-256 as a function that makes many keys of one (NIST SP 800-108, counter mode). */
static void derive(const struct tls_tickets *tickets, const char *label, int64_t number,
                   unsigned char out[TLS_TICKET_KEY_BYTES]) {
    char text[64];
    int n = snprintf(text, sizeof(text), "tocsin ticket %s %lld", label, (long long)number);
    (void)HMAC(EVP_sha256(), tickets->secret, sizeof(tickets->secret), (const unsigned char *)text,
               (size_t)n, out, NULL);
}

void tls_tickets_derive(const struct tls_tickets *tickets, int64_t wall_s,
                        struct tls_ticket_keys *out_keys) {
    int64_t period = wall_s / tickets->rotate_s;
    unsigned char name[TLS_TICKET_KEY_BYTES];
    derive(tickets, "name", period, name);
    memcpy(out_keys->name, name, sizeof(out_keys->name));
    derive(tickets, "cipher", period, out_keys->cipher);
    derive(tickets, "mac", period, out_keys->mac);
}

void tls_tickets_master(const struct tls_tickets *tickets,
                        unsigned char out_key[TLS_TICKET_MASTER_BYTES]) {
    derive(tickets, "gnutls", 1, out_key);
    derive(tickets, "gnutls", 2, out_key + TLS_TICKET_KEY_BYTES);
}

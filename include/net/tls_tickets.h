#pragma once
/* Keys of session tickets. All come from one secret and the time, so whoever has the secret (the
 * workers of a machine; machines with one ticket_key_file) takes up the sessions of the others, and
 * all change keys at the same moment without talking to each other. */
#include <stdint.h>

#include "base/err.h"

enum {
    TLS_SECRET_BYTES = 32,
    TLS_TICKET_NAME_BYTES = 16, /* RFC 5077 section 4 */
    TLS_TICKET_KEY_BYTES = 32,
    TLS_TICKET_MASTER_BYTES = 64 /* what gnutls_session_ticket_enable_server wants */
};

struct tls_tickets {
    unsigned char secret[TLS_SECRET_BYTES];
    int64_t rotate_s;
};

struct tls_ticket_keys {
    unsigned char name[TLS_TICKET_NAME_BYTES]; /* stands in the ticket */
    unsigned char cipher[TLS_TICKET_KEY_BYTES];
    unsigned char mac[TLS_TICKET_KEY_BYTES];
};

/* Takes the secret from the bytes of a file: ERR_IO with errno set, ERR_INVALID when it has fewer
 * than TLS_SECRET_BYTES or over 4096. */
MUST_CHECK enum err tls_tickets_read(struct tls_tickets *tickets, const char *path);
/* The keys of period `wall_s` / rotate_s. */
void tls_tickets_derive(const struct tls_tickets *tickets, int64_t wall_s,
                        struct tls_ticket_keys *out_keys);
/* GnuTLS derives and changes the keys by itself from this one. */
void tls_tickets_master(const struct tls_tickets *tickets,
                        unsigned char out_key[TLS_TICKET_MASTER_BYTES]);

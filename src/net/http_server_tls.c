#include "net/http_server.h"

#include <stdlib.h>

#include <gnutls/abstract.h>

#include "base/log.h"
#include "http_internal.h"
#include "tls_internal.h"

/* libmicrohttpd takes GnuTLS through the handshake. We tell it the identity to show (through a
 * callback, so that it can change while the daemon runs) and, as the library knows nothing of
 * tickets, switch them on for each session before its handshake. */

static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

/* gnutls_certificate_retrieve_function2: what it is given stays ours; the connection holds it. */
static int on_hello(gnutls_session_t session, const gnutls_datum_t *authorities,
                    int authority_count, const gnutls_pk_algorithm_t *algorithms,
                    int algorithm_count, gnutls_pcert_st **out_certs, unsigned *out_count,
                    gnutls_privkey_t *out_key) {
    const struct http_conn *conn = gnutls_session_get_ptr(session);
    (void)authorities;
    (void)authority_count;
    (void)algorithms;
    (void)algorithm_count;
    *out_certs = conn->identity->pcerts;
    *out_count = conn->identity->pcert_count;
    *out_key = conn->identity->privkey;
    return 0;
}

void http_tls_fill_options(const struct http_server *server,
                           struct MHD_OptionItem out_options[HTTP_TLS_OPTIONS]) {
    int n = 0;
    if (server->options.tls) {
        out_options[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)on_hello};
        out_options[n++] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)priorities};
    }
    out_options[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

void http_tls_begin(struct http_conn *conn) {
    struct tls_server *tls = conn->server->options.tls;
    const struct tls_tickets *tickets = tls_server_tickets(tls);
    gnutls_session_t session =
        MHD_get_connection_info(conn->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;
    conn->identity = tls_identity_ref(tls_server_identity(tls));
    /* The library's own pointer here serves only its pre-shared keys, which we do not use. */
    gnutls_session_set_ptr(session, conn);
    unsigned char master[TLS_TICKET_MASTER_BYTES];
    tls_tickets_master(tickets, master);
    const gnutls_datum_t key = {master, sizeof(master)};
    gnutls_db_set_cache_expiration(session, (int)tickets->rotate_s);
    int result = gnutls_session_ticket_enable_server(session, &key);
    if (result != GNUTLS_E_SUCCESS) {
        log_warn("tls_tickets_off", LOG_S("why", gnutls_strerror(result)));
    }
}

#pragma once
/* What the TLS ports of a worker share: the identity in use, which can be replaced while they
 * serve, and the ticket keys. TLS 1.2 and 1.3. */
#include "base/config.h"
#include "base/err.h"
#include "net/tls_identity.h"
#include "net/tls_tickets.h"

struct tls_server;

/* Reads the files; what is wrong is logged. The configuration (for the tickets) and the paths are
 * borrowed for the life of the server. */
MUST_CHECK enum err tls_server_create(const struct config *cfg, const char *cert_file,
                                      const char *key_file, struct tls_server **out_server);
/* After everything that was set up with it is gone. Accepts NULL. */
void tls_server_destroy(struct tls_server *server);
/* Reads the files again. Handshakes from now on get what is in them now; when that is broken the
 * server goes on with what it has, and says so in log and metric. */
void tls_server_reload(struct tls_server *server);
/* Makes an SSL_CTX of OpenSSL, which must not have a certificate, serve for it. */
void tls_server_setup_openssl(struct tls_server *server, void *ssl_ctx);
/* The identity for a new handshake; ref it to keep it. */
struct tls_identity *tls_server_identity(const struct tls_server *server);
const struct tls_tickets *tls_server_tickets(const struct tls_server *server);

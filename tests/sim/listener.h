#pragma once
/* A listening socket whose connections speak TLS. */
#include <openssl/ssl.h>

#include "base/err.h"
#include "sim.h"

/* One server context per kind of certificate into s->tls. */
MUST_CHECK enum err listener_make_tls(struct sim *s);
void listener_free_tls(struct sim *s);
/* A socket bound to "HOST:PORT" (numeric host), listening; its port into *out_port. -1 after a log
 * line. */
int listener_bind(const char *address, char *out_host, int *out_port);
/* Opens `l` at "HOST:PORT". */
MUST_CHECK enum err listener_init(struct listener *l, struct sim *s, enum provider provider,
                                  const char *address);
/* Ends the socket and every connection. */
void listener_finish(struct listener *l);
/* Opens or closes the port as the fault "down" says now. */
void listener_update(struct listener *l);

#pragma once
/* Where a pool connects to: host, port and TLS settings of one https origin, with the last TLS
 * session for resumption. Shared by the sockets of one pool, which must be closed before it. */
#include <stdbool.h>

#include <openssl/ssl.h>

#include "base/err.h"

struct http2_origin;

/* `url` is "https://host[:port][/…]" (IPv6 in brackets); `ca_file` NULL or "" = the system's
 * store. ERR_INVALID for another URL or an unreadable file; the reason is logged. */
MUST_CHECK enum err http2_origin_create(const char *url, const char *ca_file,
                                        struct http2_origin **out_origin);
/* Accepts NULL. */
void http2_origin_destroy(struct http2_origin *origin);
/* "host" or "host:port" as :authority wants it; borrowed. */
const char *http2_origin_authority(const struct http2_origin *origin);
/* For getaddrinfo; borrowed. */
const char *http2_origin_host(const struct http2_origin *origin);
const char *http2_origin_port(const struct http2_origin *origin);
/* A client-side SSL: server name, certificate and host name checks, ALPN h2 and the last session
 * set. NULL when OpenSSL refuses. The caller frees it. */
SSL *http2_origin_tls(struct http2_origin *origin);

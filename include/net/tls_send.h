#pragma once
/* Lets a TLS connection of OpenSSL send with send() instead of write(): 0.3 µs less a record
 * (measured: write() goes through the file layer), and no SIGPIPE. */
#include <openssl/ssl.h>

/* Once the connection has its descriptor (SSL_set_fd). Leaves it as it was when there is no memory.
 */
void tls_send_directly(SSL *ssl);
/* The next write is of `bytes`: a record of that size, so that its buffer is that small too
 * (OpenSSL would take and free 17 KB for each). */
void tls_send_sized(SSL *ssl, size_t bytes);

#include "net/tls_send.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>

#include <openssl/bio.h>

static int on_write(BIO *bio, const char *bytes, size_t size, size_t *out_written) {
    BIO_clear_retry_flags(bio);
    ssize_t n = send((int)(intptr_t)BIO_get_data(bio), bytes, size, MSG_NOSIGNAL);
    if (n > 0) {
        *out_written = (size_t)n;
        return 1;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_retry_write(bio);
    }
    return 0;
}

static long on_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

/* One for all connections, made by the first: it holds two function pointers. */
static BIO_METHOD *method(void) {
    static BIO_METHOD *made;
    if (!made) {
        made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "send");
        if (made) {
            (void)BIO_meth_set_write_ex(made, on_write);
            (void)BIO_meth_set_ctrl(made, on_control);
        }
    }
    return made;
}

void tls_send_directly(SSL *ssl) {
    int fd = SSL_get_wfd(ssl);
    BIO *bio = fd >= 0 && method() ? BIO_new(method()) : NULL;
    if (bio) {
        BIO_set_data(bio, (void *)(intptr_t)fd);
        BIO_set_init(bio, 1);
        SSL_set0_wbio(ssl, bio);
    }
}

void tls_send_sized(SSL *ssl, size_t bytes) {
    enum { FRAGMENT_MIN = 512 }; /* the least OpenSSL takes */
    long size = bytes < SSL3_RT_MAX_PLAIN_LENGTH ? (long)bytes : SSL3_RT_MAX_PLAIN_LENGTH;
    size = size < FRAGMENT_MIN ? FRAGMENT_MIN : size;
    (void)SSL_set_max_send_fragment(ssl, size);
    (void)SSL_set_split_send_fragment(ssl, size);
}

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "load.h"

/* TLS 1.3 sends tickets after the handshake; the newest is kept, as a ticket is used once. */
static int on_ticket(SSL *ssl, SSL_SESSION *session) {
    struct client *c = SSL_get_app_data(ssl);
    SSL_SESSION_free(c->session);
    c->session = session;
    return 1;
}

SSL_CTX *wire_create_context(void) {
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls) {
        (void)fputs("load: no TLS\n", stderr);
        exit(1);
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    /* Buffers only while there is something in them: 18,000 clients would hold 600 MB. */
    (void)SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, on_ticket);
    return tls;
}

void wire_begin(const struct load *l, struct client *c) {
    if (!l->tls) {
        return;
    }
    (void)fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) | O_NONBLOCK);
    c->ssl = SSL_new(l->tls);
    (void)SSL_set_app_data(c->ssl, c);
    (void)SSL_set_fd(c->ssl, c->fd);
    if (c->session) {
        (void)SSL_set_session(c->ssl, c->session);
    }
    c->handshaking = true;
}

bool wire_is_ready(struct load *l, struct client *c, bool *out_failed) {
    if (!c->handshaking) {
        return true;
    }
    ERR_clear_error();
    int result = SSL_connect(c->ssl);
    if (result == 1) {
        c->handshaking = false;
        l->resumed += SSL_session_reused(c->ssl);
        return true;
    }
    *out_failed = SSL_get_error(c->ssl, result) != SSL_ERROR_WANT_READ;
    return false;
}

void wire_send(struct client *c, struct str bytes) {
    ssize_t n = c->ssl ? SSL_write(c->ssl, bytes.p, (int)bytes.n)
                       : send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
    if (n != (ssize_t)bytes.n) {
        perror("load: send");
        exit(1);
    }
}

ssize_t wire_receive(struct client *c, void *out_bytes, size_t size) {
    if (!c->ssl) {
        ssize_t n = recv(c->fd, out_bytes, size, MSG_DONTWAIT);
        return n >= 0 ? n : (errno == EAGAIN ? -1 : 0);
    }
    ERR_clear_error();
    int n = SSL_read(c->ssl, out_bytes, (int)size);
    return n > 0 ? n : (SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? -1 : 0);
}

void wire_finish(struct client *c) {
    /* Without this OpenSSL takes a connection that was cut for a broken session. */
    if (c->ssl) {
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
    c->handshaking = false;
}

#include "net/tls_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "tls_internal.h"

/* An SSL_CTX that has certificates of two kinds of key goes on serving both, so one whose EC
 * certificate was replaced by an RSA one would still show the old one to most clients. Here the
 * SSL_CTX has none: each handshake is given the identity in use, and nothing else, when the hello
 * is there (SSL_CTX_set_cert_cb). OpenSSL counts references, so a replaced identity goes with the
 * last connection that shows it. */

enum {
    /* A ticket for each connection: a client that comes back takes one up and gets the next. */
    TICKETS_PER_HANDSHAKE = 1,
    WARN_DAYS = 14, /* before the certificate ends; renewals come at 30 */
};

struct tls_server {
    const struct config *cfg;
    const char *cert_file;
    const char *key_file;
    struct tls_identity *identity;
    struct tls_tickets tickets;
};

/* --- the files --- */

static enum err read_tickets(struct tls_server *server) {
    const char *path = server->cfg->tls_ticket_key_file;
    if (!path[0]) {
        return ERR_OK;
    }
    enum err err = tls_tickets_read(&server->tickets, path);
    if (err != ERR_OK) {
        log_error("tls_files_unusable", LOG_S("file", path),
                  LOG_S("why", err == ERR_IO ? strerror(errno) : "must have 32 to 4096 bytes"));
    }
    return err;
}

static enum err read_files(struct tls_server *server) {
    struct tls_fault fault;
    struct tls_identity *identity = NULL;
    enum err err = tls_identity_load(server->cert_file, server->key_file, &fault, &identity);
    if (err != ERR_OK) {
        log_error("tls_files_unusable",
                  LOG_S("file", fault.in_key ? server->key_file : server->cert_file),
                  LOG_S("why", fault.text));
        return err;
    }
    err = read_tickets(server);
    if (err != ERR_OK) {
        tls_identity_unref(identity);
        return err;
    }
    tls_identity_unref(server->identity);
    server->identity = identity;
    int days = tls_identity_days_left(identity);
    if (days < WARN_DAYS) {
        log_warn("tls_certificate_ends", LOG_S("file", server->cert_file), LOG_I("days", days));
    }
    return ERR_OK;
}

/* --- OpenSSL --- */

static int on_hello(SSL *ssl, void *user) {
    const struct tls_server *server = user;
    const struct tls_identity *id = server->identity;
    SSL_certs_clear(ssl);
    return SSL_use_cert_and_key(ssl, id->cert, id->key, id->chain, 1);
}

static int set_mac_key(EVP_MAC_CTX *mac, const unsigned char *key) {
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key,
                                          TLS_TICKET_KEY_BYTES),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params);
}

static int seal_ticket(const struct tls_ticket_keys *keys, unsigned char *name, unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac) {
    memcpy(name, keys->name, sizeof(keys->name));
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) {
        return -1;
    }
    bool ok = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, keys->cipher, iv) &&
              set_mac_key(mac, keys->mac);
    return ok ? 1 : -1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 = go on, 2 = and give the client a new ticket, 0 = a
 * ticket of nobody we know: a full handshake, -1 = failure. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_new) {
    const struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const struct tls_tickets *tickets = &server->tickets;
    int64_t now_s = clock_wall_ms() / 1000;
    struct tls_ticket_keys keys;
    tls_tickets_derive(tickets, now_s, &keys);
    if (is_new) {
        return seal_ticket(&keys, name, iv, cipher, mac);
    }
    int result = 1;
    if (memcmp(name, keys.name, sizeof(keys.name)) != 0) {
        result = 2;
        tls_tickets_derive(tickets, now_s - tickets->rotate_s, &keys);
        if (memcmp(name, keys.name, sizeof(keys.name)) != 0) {
            return 0;
        }
    }
    bool ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, keys.cipher, iv) &&
              set_mac_key(mac, keys.mac);
    return ok ? result : -1;
}

void tls_server_setup_openssl(struct tls_server *server, void *ssl_ctx) {
    SSL_CTX *ctx = ssl_ctx;
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    /* A server cache would keep a session per reader and serve its own worker alone. */
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_timeout(ctx, (long)server->tickets.rotate_s);
    (void)SSL_CTX_set_num_tickets(ctx, TICKETS_PER_HANDSHAKE);
    (void)SSL_CTX_set_app_data(ctx, server);
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
    SSL_CTX_set_cert_cb(ctx, on_hello, server);
}

/* --- life --- */

enum err tls_server_create(const struct config *cfg, const char *cert_file, const char *key_file,
                           struct tls_server **out_server) {
    _Static_assert(sizeof(cfg->ticket_secret) == TLS_SECRET_BYTES, "one secret");
    struct tls_server *server = mem_zalloc(1, sizeof(*server));
    *server = (struct tls_server){.cfg = cfg, .cert_file = cert_file, .key_file = key_file};
    server->tickets.rotate_s = cfg->tls_ticket_rotate_s;
    memcpy(server->tickets.secret, cfg->ticket_secret, TLS_SECRET_BYTES);
    enum err err = read_files(server);
    if (err != ERR_OK) {
        tls_server_destroy(server);
        return err;
    }
    *out_server = server;
    return ERR_OK;
}

void tls_server_destroy(struct tls_server *server) {
    if (!server) {
        return;
    }
    tls_identity_unref(server->identity);
    OPENSSL_cleanse(&server->tickets, sizeof(server->tickets));
    free(server);
}

void tls_server_reload(struct tls_server *server) {
    bool ok = read_files(server) == ERR_OK;
    metrics_add(ok ? M_TLS_RELOADED : M_TLS_RELOAD_FAILED, 1);
    if (ok) {
        log_info("tls_files_reloaded", LOG_S("file", server->cert_file));
    }
}

struct tls_identity *tls_server_identity(const struct tls_server *server) {
    return server->identity;
}

const struct tls_tickets *tls_server_tickets(const struct tls_server *server) {
    return &server->tickets;
}

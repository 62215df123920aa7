/* The identity in use and the ticket keys, through whole handshakes of OpenSSL over memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/config.h"
#include "net/tls_server.h"

enum { ROTATE_S = 600 };

struct fixture {
    char dir[64];
    char cert_file[96];
    char key_file[96];
    struct config *cfg;
    struct tls_server *server;
    SSL_CTX *server_ctx;
    SSL_CTX *client_ctx;
    SSL_SESSION *ticket; /* the newest the client was given */
};

/* --- files --- */

static EVP_PKEY *write_key(const char *path, bool rsa) {
    EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    return key;
}

static void write_cert(const char *path, EVP_PKEY *key) {
    X509 *cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400 * 20 + 60);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    assert_int_equal(fclose(file), 0);
    X509_free(cert);
}

static void write_files(const struct fixture *f, bool rsa) {
    EVP_PKEY *key = write_key(f->key_file, rsa);
    write_cert(f->cert_file, key);
    EVP_PKEY_free(key);
}

/* --- handshakes --- */

static SSL *new_end(SSL_CTX *ctx, BIO *in, BIO *out) {
    SSL *ssl = SSL_new(ctx);
    BIO_up_ref(in);
    BIO_up_ref(out);
    SSL_set_bio(ssl, in, out);
    return ssl;
}

struct outcome {
    int key_type; /* of the certificate shown; EVP_PKEY_NONE without one */
    bool resumed;
};

/* A whole connection; the client offers its ticket when `resume`. */
static struct outcome shake(struct fixture *f, bool resume) {
    BIO *up = BIO_new(BIO_s_mem());
    BIO *down = BIO_new(BIO_s_mem());
    SSL *client = new_end(f->client_ctx, down, up);
    SSL *server = new_end(f->server_ctx, up, down);
    char byte;
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    if (resume) {
        assert_int_equal(SSL_set_session(client, f->ticket), 1);
    }
    for (int i = 0; i < 10 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server));
         i++) {
        (void)SSL_do_handshake(client);
        (void)SSL_do_handshake(server);
    }
    assert_true(SSL_is_init_finished(client));
    assert_true(SSL_is_init_finished(server));
    assert_int_equal(SSL_write(server, "x", 1), 1);
    assert_int_equal(SSL_read(client, &byte, 1), 1); /* takes the tickets before it, too */
    X509 *shown = SSL_get0_peer_certificate(client);
    struct outcome outcome = {
        .key_type = shown ? EVP_PKEY_get_base_id(X509_get0_pubkey(shown)) : EVP_PKEY_NONE,
        .resumed = SSL_session_reused(client) == 1,
    };
    SSL_SESSION_free(f->ticket);
    f->ticket = SSL_get1_session(client);
    SSL_set_shutdown(client, SSL_SENT_SHUTDOWN); /* else its session counts as broken */
    SSL_free(client);
    SSL_free(server);
    BIO_free(up);
    BIO_free(down);
    return outcome;
}

/* --- set-up --- */

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/tocsin-tls-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->cert_file, sizeof(f->cert_file), "%s/cert.pem", f->dir);
    (void)snprintf(f->key_file, sizeof(f->key_file), "%s/key.pem", f->dir);
    write_files(f, false);
    f->cfg = config_create();
    f->cfg->tls_ticket_rotate_s = ROTATE_S;
    assert_int_equal(tls_server_create(f->cfg, f->cert_file, f->key_file, &f->server), ERR_OK);
    f->server_ctx = SSL_CTX_new(TLS_server_method());
    tls_server_setup_openssl(f->server, f->server_ctx);
    f->client_ctx = SSL_CTX_new(TLS_client_method());
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    SSL_SESSION_free(f->ticket);
    SSL_CTX_free(f->server_ctx);
    SSL_CTX_free(f->client_ctx);
    tls_server_destroy(f->server);
    config_destroy(f->cfg);
    (void)unlink(f->cert_file);
    (void)unlink(f->key_file);
    (void)rmdir(f->dir);
    free(f);
    return 0;
}

/* --- tests --- */

static void a_ticket_lives_through_one_change_of_keys_not_two(void **state) {
    struct fixture *f = *state;
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < 2; i++) {
        SSL_CTX_set_min_proto_version(f->client_ctx, versions[i]);
        SSL_CTX_set_max_proto_version(f->client_ctx, versions[i]);
        assert_false(shake(f, false).resumed);
        assert_true(shake(f, true).resumed);
        clock_advance_for_test(ROTATE_S * 1000);
        SSL_SESSION *old = f->ticket;
        SSL_SESSION_up_ref(old);
        assert_true(shake(f, true).resumed);
        assert_ptr_not_equal(f->ticket, old); /* it was given one of the new key */
        clock_advance_for_test(ROTATE_S * 1000);
        assert_true(shake(f, true).resumed);
        SSL_SESSION_free(f->ticket);
        f->ticket = old;
        assert_false(shake(f, true).resumed);
    }
}

static void another_secret_is_another_service(void **state) {
    struct fixture *f = *state;
    struct tls_server *other = NULL;
    assert_false(shake(f, false).resumed);
    f->cfg->ticket_secret[0] ^= 1;
    assert_int_equal(tls_server_create(f->cfg, f->cert_file, f->key_file, &other), ERR_OK);
    SSL_CTX *kept = f->server_ctx;
    f->server_ctx = SSL_CTX_new(TLS_server_method());
    tls_server_setup_openssl(other, f->server_ctx);
    assert_false(shake(f, true).resumed);
    SSL_CTX_free(f->server_ctx);
    f->server_ctx = kept;
    tls_server_destroy(other);
}

static void a_reload_changes_the_kind_of_key_and_a_broken_one_nothing(void **state) {
    struct fixture *f = *state;
    assert_int_equal(shake(f, false).key_type, EVP_PKEY_EC);
    write_files(f, true);
    assert_int_equal(shake(f, false).key_type, EVP_PKEY_EC);
    tls_server_reload(f->server);
    assert_int_equal(shake(f, false).key_type, EVP_PKEY_RSA);
    EVP_PKEY_free(write_key(f->key_file, false)); /* of no certificate */
    tls_server_reload(f->server);
    assert_int_equal(shake(f, false).key_type, EVP_PKEY_RSA);
    write_files(f, false);
    tls_server_reload(f->server);
    assert_int_equal(shake(f, false).key_type, EVP_PKEY_EC);
}

static void an_identity_lives_as_long_as_somebody_holds_it(void **state) {
    struct fixture *f = *state;
    struct tls_identity *held = tls_identity_ref(tls_server_identity(f->server));
    assert_int_equal(tls_identity_days_left(held), 20);
    write_files(f, true);
    tls_server_reload(f->server);
    assert_ptr_not_equal(held, tls_server_identity(f->server));
    assert_int_equal(tls_identity_days_left(held), 20);
    tls_identity_unref(held);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_ticket_lives_through_one_change_of_keys_not_two, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_secret_is_another_service, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reload_changes_the_kind_of_key_and_a_broken_one_nothing,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(an_identity_lives_as_long_as_somebody_holds_it, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/log.h"
#include "certificate.h"

enum { PATH_BYTES = 4096, ACCOUNT_BYTES_MAX = 16384, RSA_BITS = 2048 };

static const long day_s = 24L * 60 * 60;

static void path_of(const char *dir, const char *name, struct buf *out_path) {
    buf_init(out_path, PATH_BYTES);
    buf_printf(out_path, "%s/%s", dir, name);
}

static BIO *open_file(const char *dir, const char *name) {
    struct buf path;
    path_of(dir, name, &path);
    BIO *bio =
        buf_check(&path) == ERR_OK && access(path.p, R_OK) == 0 ? BIO_new_file(path.p, "r") : NULL;
    buf_finish(&path);
    return bio;
}

/* Writes beside and renames, so that a reader never sees half a file. */
static enum err write_file(const char *dir, const char *name, const void *bytes, size_t size) {
    struct buf path;
    struct buf temporary;
    path_of(dir, name, &path);
    path_of(dir, name, &temporary);
    buf_puts(&temporary, ".new");
    int fd = buf_check(&temporary) == ERR_OK
                 ? open(temporary.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                 : -1;
    bool good = fd >= 0 && fchmod(fd, 0600) == 0 && write(fd, bytes, size) == (ssize_t)size;
    good = (fd < 0 || close(fd) == 0) && good && rename(temporary.p, path.p) == 0;
    if (!good) {
        log_error("sim_file_not_written", LOG_S("file", name), LOG_S("why", strerror(errno)));
    }
    buf_finish(&path);
    buf_finish(&temporary);
    return good ? ERR_OK : ERR_IO;
}

static enum err write_bio(const char *dir, const char *name, BIO *bio) {
    char *bytes;
    long size = BIO_get_mem_data(bio, &bytes);
    return size > 0 ? write_file(dir, name, bytes, (size_t)size) : ERR_IO;
}

static EVP_PKEY *read_key(const char *dir, const char *name) {
    BIO *bio = open_file(dir, name);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return key;
}

static enum err write_key(const char *dir, const char *name, EVP_PKEY *key) {
    BIO *bio = BIO_new(BIO_s_mem());
    enum err err = bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)
                       ? write_bio(dir, name, bio)
                       : ERR_IO;
    BIO_free(bio);
    return err;
}

static X509 *read_certificate(const char *dir, const char *name) {
    BIO *bio = open_file(dir, name);
    X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    return x;
}

static enum err write_certificate(const char *dir, const char *name, X509 *x) {
    BIO *bio = BIO_new(BIO_s_mem());
    enum err err = bio && PEM_write_bio_X509(bio, x) ? write_bio(dir, name, bio) : ERR_IO;
    BIO_free(bio);
    return err;
}

struct stored_certificate {
    const char *file;
    const char *key_file;
    struct certificate_order order;
};

/* The pair of files, or a new pair when one is missing. */
static enum err load_certificate(const char *dir, const struct stored_certificate *what,
                                 const struct certificate *ca, struct certificate *out) {
    out->x509 = read_certificate(dir, what->file);
    out->key = read_key(dir, what->key_file);
    if (out->x509 && out->key) {
        return ERR_OK;
    }
    certificate_finish(out);
    enum err err = certificate_make(&what->order, ca, out);
    if (!err) {
        err = write_certificate(dir, what->file, out->x509);
    }
    return err ? err : write_key(dir, what->key_file, out->key);
}

/* A key that is read from its file or made by `make` and written there. */
static enum err load_key(const char *dir, const char *name, EVP_PKEY *(*make)(void),
                         EVP_PKEY **out_key) {
    *out_key = read_key(dir, name);
    if (*out_key) {
        return ERR_OK;
    }
    *out_key = make();
    return *out_key ? write_key(dir, name, *out_key) : ERR_IO;
}

static EVP_PKEY *make_p256(void) {
    return EVP_EC_gen("P-256");
}

static EVP_PKEY *make_rsa(void) {
    return EVP_RSA_gen(RSA_BITS);
}

/* Certificates that a client must refuse; never written to a file. */
static enum err make_refusable(struct credentials *c) {
    static const char names[] = "DNS:localhost,IP:127.0.0.1,IP:::1";
    struct certificate_order expired = {"localhost", names, -30 * day_s, -day_s};
    struct certificate_order wrong = {"wrong.example", "DNS:wrong.example", -day_s, 30 * day_s};
    struct certificate_order stranger = {"localhost", names, -day_s, 30 * day_s};
    struct certificate_order other_ca = {"Some other authority", NULL, -day_s, 30 * day_s};
    struct certificate other = {0};
    enum err err = certificate_make(&expired, &c->ca, &c->server[TLS_EXPIRED]);
    if (!err) {
        err = certificate_make(&wrong, &c->ca, &c->server[TLS_WRONG_NAME]);
    }
    if (!err) {
        err = certificate_make(&other_ca, NULL, &other);
    }
    if (!err) {
        err = certificate_make(&stranger, &other, &c->server[TLS_UNTRUSTED]);
    }
    certificate_finish(&other);
    return err;
}

enum err credentials_load(struct credentials *c, const char *dir) {
    const struct stored_certificate ca = {
        "ca.pem", "ca_key.pem", {"Tocsin simulator CA", NULL, -day_s, 3650 * day_s}};
    const struct stored_certificate server = {
        "server.pem",
        "server_key.pem",
        {"localhost", "DNS:localhost,IP:127.0.0.1,IP:::1", -day_s, 820 * day_s}};
    *c = (struct credentials){.dir = dir};
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        log_error("sim_dir_not_made", LOG_S("dir", dir), LOG_S("why", strerror(errno)));
        return ERR_IO;
    }
    enum err err = load_certificate(dir, &ca, NULL, &c->ca);
    if (!err) {
        err = load_certificate(dir, &server, &c->ca, &c->server[TLS_GOOD]);
    }
    if (!err) {
        err = make_refusable(c);
    }
    if (!err) {
        err = load_key(dir, "apns_key.p8", make_p256, &c->apns_key);
    }
    if (!err) {
        err = load_key(dir, "fcm_account_key.pem", make_rsa, &c->account_key);
    }
    return err;
}

enum err credentials_write_account(const struct credentials *c, const char *token_uri) {
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio || !PEM_write_bio_PKCS8PrivateKey(bio, c->account_key, NULL, NULL, 0, NULL, NULL)) {
        BIO_free(bio);
        return ERR_IO;
    }
    char *pem;
    long size = BIO_get_mem_data(bio, &pem);
    struct buf b;
    buf_init(&b, ACCOUNT_BYTES_MAX);
    buf_puts(&b, "{\n  \"type\": \"service_account\",\n  \"project_id\": \"" SIM_PROJECT "\",\n"
                 "  \"private_key_id\": \"0123456789abcdef0123456789abcdef01234567\",\n"
                 "  \"private_key\": ");
    buf_put_json(&b, (struct str){pem, (size_t)size});
    buf_puts(&b, ",\n  \"client_email\": \"" SIM_CLIENT_EMAIL "\",\n"
                 "  \"client_id\": \"100000000000000000001\",\n  \"token_uri\": ");
    buf_put_json(&b, str_of(token_uri));
    buf_puts(&b, ",\n  \"universe_domain\": \"googleapis.com\"\n}\n");
    enum err err = buf_check(&b);
    if (!err) {
        err = write_file(c->dir, "fcm_service_account.json", b.p, b.n);
    }
    buf_finish(&b);
    BIO_free(bio);
    return err;
}

void credentials_finish(struct credentials *c) {
    certificate_finish(&c->ca);
    for (int i = 0; i < TLS_KIND_COUNT; i++) {
        certificate_finish(&c->server[i]);
    }
    EVP_PKEY_free(c->apns_key);
    EVP_PKEY_free(c->account_key);
}

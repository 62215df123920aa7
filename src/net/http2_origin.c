#include "net/http2_origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

struct http2_origin {
    char *host; /* without brackets */
    char port[6];
    char *authority;
    bool is_address; /* host is an IP address: no SNI (RFC 6066 section 3) */
    SSL_CTX *tls;
    SSL_SESSION *session; /* newest, or NULL */
};

/* "host", "host:port", "[v6]" or "[v6]:port" */
static enum err split_authority(struct str authority, struct str *out_host, struct str *out_port) {
    struct str port = STR("443");
    struct str host = authority;
    const char *colon = NULL;
    if (authority.n && authority.p[0] == '[') {
        const char *end = memchr(authority.p, ']', authority.n);
        if (!end) {
            return ERR_INVALID;
        }
        host = (struct str){authority.p + 1, (size_t)(end - authority.p) - 1};
        size_t rest = authority.n - (size_t)(end + 1 - authority.p);
        if (rest && end[1] != ':') {
            return ERR_INVALID;
        }
        colon = rest ? end + 1 : NULL;
    } else {
        colon = memchr(authority.p, ':', authority.n);
        host.n = colon ? (size_t)(colon - authority.p) : authority.n;
    }
    if (colon) {
        port = (struct str){colon + 1, authority.n - (size_t)(colon + 1 - authority.p)};
    }
    uint64_t number = 0;
    if (!host.n || port.n > 5 || str_to_u64(port, &number) || !number || number > 65535) {
        return ERR_INVALID;
    }
    *out_host = host;
    *out_port = port;
    return ERR_OK;
}

static enum err parse_url(struct http2_origin *o, const char *url) {
    struct str rest = str_of(url);
    if (!str_starts(rest, STR("https://"))) {
        return ERR_INVALID;
    }
    rest = (struct str){rest.p + 8, rest.n - 8};
    struct str authority;
    if (!str_split(&rest, '/', &authority)) {
        return ERR_INVALID;
    }
    struct str host;
    struct str port;
    if (split_authority(authority, &host, &port)) {
        return ERR_INVALID;
    }
    o->host = mem_strndup(host.p, host.n);
    memcpy(o->port, port.p, port.n);
    bool has_default_port = str_eq(port, STR("443"));
    bool is_v6 = authority.p[0] == '[';
    size_t size = has_default_port ? host.n + (is_v6 ? 2 : 0) : authority.n;
    o->authority = mem_strndup(authority.p, size);
    unsigned char address[16];
    o->is_address = inet_pton(is_v6 ? AF_INET6 : AF_INET, o->host, address) == 1;
    return ERR_OK;
}

/* Keeps the newest ticket; the reference passes to us with the answer 1. */
static int on_new_session(SSL *tls, SSL_SESSION *session) {
    struct http2_origin *o = SSL_CTX_get_app_data(SSL_get_SSL_CTX(tls));
    SSL_SESSION_free(o->session);
    o->session = session;
    return 1;
}

static enum err setup_tls(struct http2_origin *o, const char *ca_file) {
    o->tls = SSL_CTX_new(TLS_client_method());
    if (!o->tls || SSL_CTX_set_min_proto_version(o->tls, TLS1_2_VERSION) != 1) {
        return ERR_INVALID;
    }
    int trusted = ca_file && *ca_file ? SSL_CTX_load_verify_locations(o->tls, ca_file, NULL)
                                      : SSL_CTX_set_default_verify_paths(o->tls);
    if (trusted != 1) {
        return ERR_INVALID;
    }
    SSL_CTX_set_verify(o->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(o->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* One read per batch of records instead of two per record. */
    SSL_CTX_set_read_ahead(o->tls, 1);
    SSL_CTX_set_default_read_buffer_len(o->tls, 65536);
    SSL_CTX_set_session_cache_mode(o->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_set_app_data(o->tls, o);
    SSL_CTX_sess_set_new_cb(o->tls, on_new_session);
    static const unsigned char alpn[] = {2, 'h', '2'};
    return SSL_CTX_set_alpn_protos(o->tls, alpn, sizeof(alpn)) == 0 ? ERR_OK : ERR_INVALID;
}

enum err http2_origin_create(const char *url, const char *ca_file,
                             struct http2_origin **out_origin) {
    struct http2_origin *o = mem_zalloc(1, sizeof(*o));
    if (parse_url(o, url)) {
        log_error("http2_url_invalid", LOG_S("url", url));
        http2_origin_destroy(o);
        return ERR_INVALID;
    }
    if (setup_tls(o, ca_file)) {
        log_error("http2_tls_setup_failed", LOG_S("url", url), LOG_S("ca_file", ca_file),
                  LOG_S("reason", ERR_reason_error_string(ERR_get_error())));
        http2_origin_destroy(o);
        return ERR_INVALID;
    }
    *out_origin = o;
    return ERR_OK;
}

void http2_origin_destroy(struct http2_origin *o) {
    if (!o) {
        return;
    }
    SSL_SESSION_free(o->session);
    SSL_CTX_free(o->tls);
    free(o->authority);
    free(o->host);
    free(o);
}

const char *http2_origin_authority(const struct http2_origin *o) {
    return o->authority;
}

const char *http2_origin_host(const struct http2_origin *o) {
    return o->host;
}

const char *http2_origin_port(const struct http2_origin *o) {
    return o->port;
}

static bool set_peer_name(const struct http2_origin *o, SSL *tls) {
    if (o->is_address) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), o->host) == 1;
    }
    SSL_set_hostflags(tls, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(tls, o->host) == 1 && SSL_set_tlsext_host_name(tls, o->host) == 1;
}

SSL *http2_origin_tls(struct http2_origin *o) {
    SSL *tls = SSL_new(o->tls);
    if (!tls || !set_peer_name(o, tls)) {
        SSL_free(tls);
        return NULL;
    }
    if (o->session) {
        (void)SSL_set_session(tls, o->session);
    }
    SSL_set_connect_state(tls);
    return tls;
}

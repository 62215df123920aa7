#include "store/redis_url.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/mem.h"
#include "base/str.h"

enum { URL_PART_MAX = 1024, REDIS_DB_MAX = 16383 };

/* Percent-decoded copy; NULL when malformed. */
static char *decode(struct str s) {
    struct buf b;
    buf_init(&b, URL_PART_MAX);
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != '%') {
            buf_putc(&b, s.p[i]);
            continue;
        }
        if (s.n - i < 3 || codec_take_hex(&b, (struct str){s.p + i + 1, 2})) {
            buf_finish(&b);
            return NULL;
        }
        i += 2;
    }
    if (buf_check(&b)) {
        buf_finish(&b);
        return NULL;
    }
    return buf_take(&b);
}

static enum err parse_db(struct str text, unsigned *out_db) {
    uint64_t db = 0;
    if (text.n && (str_to_u64(text, &db) || db > REDIS_DB_MAX)) {
        return ERR_INVALID;
    }
    *out_db = (unsigned)db;
    return ERR_OK;
}

static enum err parse_unix(struct str rest, struct redis_url *url) {
    static const struct str query = {"?db=", 4};
    const char *at = rest.n ? memmem(rest.p, rest.n, query.p, query.n) : NULL;
    if (at) {
        size_t path_bytes = (size_t)(at - rest.p);
        struct str db = {at + query.n, rest.n - path_bytes - query.n};
        if (!db.n || parse_db(db, &url->db)) {
            return ERR_INVALID;
        }
        rest.n = path_bytes;
    }
    /* A longer path would be cut in silence by the kernel interface (unix(7)). */
    if (!rest.n || rest.n >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return ERR_INVALID;
    }
    url->path = mem_strndup(rest.p, rest.n);
    return ERR_OK;
}

static enum err parse_user(struct str text, struct redis_url *url) {
    struct str user;
    struct str rest = text;
    (void)str_split(&rest, ':', &user);
    if (user.n) {
        url->user = decode(user);
    }
    if (rest.p) {
        url->password = decode(rest);
    }
    return (user.n && !url->user) || (rest.p && !url->password) ? ERR_INVALID : ERR_OK;
}

static enum err parse_host(struct str text, struct redis_url *url) {
    struct str host = text;
    struct str port = STR("6379");
    const char *end = text.n && text.p[0] == '[' ? memchr(text.p, ']', text.n) : NULL;
    if (end) {
        host = (struct str){text.p + 1, (size_t)(end - text.p) - 1};
        struct str rest = {end + 1, text.n - host.n - 2};
        if (rest.n && rest.p[0] != ':') {
            return ERR_INVALID;
        }
        port = rest.n ? (struct str){rest.p + 1, rest.n - 1} : port;
    } else {
        struct str rest = text;
        (void)str_split(&rest, ':', &host);
        port = rest.p ? rest : port;
    }
    uint64_t number;
    if (!host.n || memchr(host.p, '[', host.n) || str_to_u64(port, &number) || !number ||
        number > UINT16_MAX) {
        return ERR_INVALID;
    }
    url->host = mem_strndup(host.p, host.n);
    url->port = mem_strndup(port.p, port.n);
    return ERR_OK;
}

static enum err parse_tcp(struct str rest, struct redis_url *url) {
    struct str authority;
    (void)str_split(&rest, '/', &authority);
    if (rest.p && parse_db(rest, &url->db)) {
        return ERR_INVALID;
    }
    const char *at = authority.n ? memrchr(authority.p, '@', authority.n) : NULL;
    if (at) {
        size_t user_bytes = (size_t)(at - authority.p);
        if (parse_user((struct str){authority.p, user_bytes}, url)) {
            return ERR_INVALID;
        }
        authority = (struct str){at + 1, authority.n - user_bytes - 1};
    }
    return parse_host(authority, url);
}

enum err redis_url_parse(const char *text, struct redis_url *out_url) {
    struct redis_url url = {0};
    struct str s = str_of(text);
    enum err err = ERR_INVALID;
    if (str_starts(s, STR("redis://"))) {
        err = parse_tcp((struct str){s.p + 8, s.n - 8}, &url);
    } else if (str_starts(s, STR("unix://"))) {
        err = parse_unix((struct str){s.p + 7, s.n - 7}, &url);
    }
    if (err) {
        redis_url_finish(&url);
        return err;
    }
    *out_url = url;
    return ERR_OK;
}

void redis_url_finish(struct redis_url *url) {
    if (url->password) {
        explicit_bzero(url->password, strlen(url->password));
    }
    free(url->host);
    free(url->port);
    free(url->path);
    free(url->user);
    free(url->password);
    *url = (struct redis_url){0};
}

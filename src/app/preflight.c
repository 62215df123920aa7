#include "app/preflight.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/options.h"
#include "auth/token_gate.h"
#include "base/config_check.h"
#include "net/address_set.h"
#include "net/listener.h"
#include "net/origins.h"
#include "net/tls_identity.h"
#include "net/tls_tickets.h"

/* True when a program can be found as execvp would. */
static bool is_program(const char *name) {
    if (strchr(name, '/')) {
        return access(name, X_OK) == 0;
    }
    struct str rest = str_of(getenv("PATH"));
    struct str folder;
    bool found = false;
    while (!found && str_split(&rest, ':', &folder)) {
        struct buf path;
        buf_init(&path, 4096); /* PATH_MAX */
        buf_printf(&path, "%.*s/%s", STR_ARG(folder), name);
        found = access(buf_str(&path).p, X_OK) == 0;
        buf_finish(&path);
    }
    return found;
}

static void check_embedded_redis(const struct config *cfg, struct buf *problems) {
    static const char name[] = "/redis.sock";
    size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path) - sizeof(name); /* unix(7) */
    if (strlen(cfg->serve_state_dir) > room) {
        buf_printf(
            problems,
            "serve.state_dir: longer than %zu bytes, the most a socket's name has room for\n",
            room);
    }
    if (cfg->redis_server[0] && !is_program(cfg->redis_server)) {
        buf_printf(problems,
                   "redis.server: no program %s; install redis-server, or set redis.url\n",
                   cfg->redis_server);
    }
}

static void check_address(const char *key, const char *address, struct buf *problems) {
    struct sockaddr_storage parsed;
    socklen_t size;
    if (listener_parse_address(str_of(address), &parsed, &size)) {
        buf_printf(problems, "%s: \"%s\" is no address like 127.0.0.1:8081 or [::]:8080\n", key,
                   address);
    }
}

/* Who may come in: origins and the keys of tokens. What is read here is counted by its faults. */
static void check_doors(const struct config *cfg, const struct taxonomy *t, struct buf *problems) {
    struct origins *origins = NULL;
    struct token_gate *gate = NULL;
    (void)!origins_create(str_of(cfg->gateway_allowed_origins), &origins, problems);
    if (cfg->gateway_token_required && t && (config_roles(cfg) & CONFIG_ROLE_GATEWAY)) {
        (void)!token_gate_create(cfg, t, &gate, problems);
    }
    origins_destroy(origins);
    token_gate_destroy(gate);
}

static void check_proxies(const struct config *cfg, struct buf *problems) {
    struct address_set *set = NULL;
    struct str bad = {NULL, 0};
    if (address_set_create(str_of(cfg->gateway_trusted_proxies), &set, &bad)) {
        buf_printf(problems,
                   "gateway.trusted_proxies: \"%.*s\" is no address or network like 10.0.0.0/8 "
                   "(nothing set behind the prefix; at most %d of them)\n",
                   STR_ARG(bad), ADDRESS_SET_MAX);
    } else if (cfg->gateway_proxy_protocol && !str_of(cfg->gateway_trusted_proxies).n) {
        buf_puts(problems, "gateway.proxy_protocol: on, but gateway.trusted_proxies is empty, so "
                           "nobody may use it\n");
    }
    address_set_destroy(set);
}

struct tls_keys {
    const char *section;
    bool wanted; /* an address asks for it */
    const char *cert_file;
    const char *key_file;
};

static void check_tls_files(const struct tls_keys *t, struct buf *problems) {
    struct tls_fault fault;
    struct tls_identity *identity = NULL;
    if (access(t->cert_file, R_OK) != 0 || access(t->key_file, R_OK) != 0) {
        return; /* config_check has said so */
    }
    if (tls_identity_load(t->cert_file, t->key_file, &fault, &identity) != ERR_OK) {
        buf_printf(problems, "%s.%s: %s %s\n", t->section,
                   fault.in_key ? "tls_key_file" : "tls_cert_file",
                   fault.in_key ? t->key_file : t->cert_file, fault.text);
    }
    tls_identity_unref(identity);
}

static void check_tls_section(const struct tls_keys *t, struct buf *problems) {
    if (t->cert_file[0] && t->key_file[0]) {
        check_tls_files(t, problems);
    } else if (t->wanted || t->cert_file[0] || t->key_file[0]) {
        const char *missing = t->cert_file[0] ? "tls_key_file" : "tls_cert_file";
        buf_printf(problems, "%s.%s: empty, but %s.%s is set\n", t->section, missing, t->section,
                   t->cert_file[0]  ? "tls_cert_file"
                   : t->key_file[0] ? "tls_key_file"
                                    : "tls_listen or tls_http_listen");
    }
}

static void check_tls(const struct config *cfg, struct buf *problems) {
    const struct tls_keys sections[] = {
        {"newsroom", cfg->newsroom_tls_listen[0] != '\0', cfg->newsroom_tls_cert_file,
         cfg->newsroom_tls_key_file},
        {"gateway", cfg->gateway_tls_listen[0] || cfg->gateway_tls_http_listen[0],
         cfg->gateway_tls_cert_file, cfg->gateway_tls_key_file},
    };
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
        check_tls_section(&sections[i], problems);
    }
    struct tls_tickets tickets;
    const char *path = cfg->tls_ticket_key_file;
    if (path[0] && tls_tickets_read(&tickets, path) == ERR_INVALID) {
        buf_printf(problems, "tls.ticket_key_file: %s must have 32 to 4096 bytes\n", path);
    }
}

/* Where to listen: for a role, 0 = none. */
struct address {
    unsigned role;
    const char *key;
    const char *value;
};

enum { ADDRESSES = 6 };

static void list_addresses(const struct config *cfg, struct address out[ADDRESSES]) {
    const struct address all[ADDRESSES] = {
        {CONFIG_ROLE_NEWSROOM, "newsroom.listen", cfg->newsroom_listen},
        {CONFIG_ROLE_NEWSROOM, "newsroom.tls_listen", cfg->newsroom_tls_listen},
        {CONFIG_ROLE_GATEWAY, "gateway.listen", cfg->gateway_listen},
        {CONFIG_ROLE_GATEWAY, "gateway.tls_listen", cfg->gateway_tls_listen},
        {CONFIG_ROLE_GATEWAY, "gateway.tls_http_listen", cfg->gateway_tls_http_listen},
        {0, "ops.listen", cfg->ops_listen},
    };
    memcpy(out, all, sizeof(all));
}

static void check_addresses(const struct config *cfg, struct buf *problems) {
    struct address all[ADDRESSES];
    list_addresses(cfg, all);
    for (int i = 0; i < ADDRESSES; i++) {
        if (all[i].value[0]) {
            check_address(all[i].key, all[i].value, problems);
        }
    }
    if (!cfg->newsroom_listen[0] && !cfg->newsroom_tls_listen[0]) {
        buf_puts(problems, "newsroom.listen: empty, and so is newsroom.tls_listen\n");
    }
    if (!cfg->gateway_listen[0] && !cfg->gateway_tls_listen[0] &&
        !cfg->gateway_tls_http_listen[0]) {
        buf_puts(problems, "gateway.listen: empty, and so are the TLS addresses\n");
    }
}

enum err preflight_check(const struct config *cfg, struct buf *problems,
                         struct taxonomy **out_taxonomy) {
    size_t before = problems->n;
    (void)!config_check(cfg, problems); /* counted by what it appends, like all others */
    check_addresses(cfg, problems);
    check_tls(cfg, problems);
    check_proxies(cfg, problems);
    if (!cfg->redis_url[0]) {
        check_embedded_redis(cfg, problems);
    }
    struct taxonomy *taxonomy = options_find_taxonomy(cfg, problems);
    check_doors(cfg, taxonomy, problems);
    bool ok = taxonomy && problems->n == before && !problems->overflow;
    if (ok && out_taxonomy) {
        *out_taxonomy = taxonomy;
    } else {
        taxonomy_destroy(taxonomy);
    }
    return ok ? ERR_OK : ERR_INVALID;
}

static void try_port(const char *key, const char *address, struct buf *problems) {
    struct sockaddr_storage parsed;
    socklen_t size;
    if (listener_parse_address(str_of(address), &parsed, &size)) {
        buf_printf(problems, "%s: \"%s\" is no address\n", key, address);
        return;
    }
    int fd = socket(parsed.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1; /* past connections in TIME_WAIT are no hindrance */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (const struct sockaddr *)&parsed, size) != 0) {
        buf_printf(problems, "%s: %s cannot be listened on: %s\n", key, address, strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
}

enum err preflight_ports(const struct config *cfg, struct buf *problems) {
    size_t before = problems->n;
    unsigned roles = config_roles(cfg);
    struct address all[ADDRESSES];
    list_addresses(cfg, all);
    for (int i = 0; i < ADDRESSES; i++) {
        /* The ops address is that of a machine without newsroom. */
        bool wanted = all[i].role ? roles & all[i].role : !(roles & CONFIG_ROLE_NEWSROOM);
        if (wanted && all[i].value[0]) {
            try_port(all[i].key, all[i].value, problems);
        }
    }
    return problems->n == before ? ERR_OK : ERR_INVALID;
}

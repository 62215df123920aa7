#include "auth/token_gate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/metrics.h"

enum { KEY_FILE_BYTES_MAX = 65536 };

struct token_gate {
    const struct config *cfg;
    const struct taxonomy *taxonomy;
    struct token_rules rules;
    struct jwt_keys *keys;
};

/* --- keys --- */

struct loading {
    struct jwt_keys *keys;
    const char *config_key;
    enum jwt_key_kind kind;
    size_t count;
    struct buf *problems;
};

static void load_file(struct loading *l, struct str kid, const char *path) {
    struct buf text;
    const char *why = NULL;
    buf_init(&text, KEY_FILE_BYTES_MAX);
    enum err err = file_read(path, &text);
    if (err == ERR_TOO_LARGE) {
        why = "is too large";
    } else if (err != ERR_OK) {
        why = strerror(errno);
    } else if (jwt_keys_add(l->keys, l->kind, kid, buf_str(&text), &why) == ERR_OK) {
        why = NULL;
        l->count++;
    }
    if (why) {
        buf_printf(l->problems, "gateway.%s: %s: %s\n", l->config_key, path, why);
    }
    buf_wipe(&text);
}

/* "path, 2026-11=path": a key id may stand before the file. */
static void load_list(struct loading *l, const char *list) {
    struct str rest = str_trim(str_of(list));
    struct str item;
    while (rest.n && str_split(&rest, ',', &item)) {
        struct str path = item;
        struct str kid = {NULL, 0};
        if (memchr(item.p, '=', item.n)) {
            (void)str_split(&path, '=', &kid);
        }
        path = str_trim(path);
        kid = str_trim(kid);
        char *name = mem_strndup(path.p ? path.p : "", path.n);
        load_file(l, kid, name);
        free(name);
    }
}

static struct jwt_keys *load_keys(const struct config *cfg, struct buf *problems) {
    size_t before = problems->n;
    struct loading l = {.keys = jwt_keys_create(), .problems = problems};
    l.config_key = "token_public_keys";
    l.kind = JWT_PUBLIC_KEY;
    load_list(&l, cfg->gateway_token_public_keys);
    l.config_key = "token_secrets";
    l.kind = JWT_SECRET;
    load_list(&l, cfg->gateway_token_secrets);
    if (l.count == 0 && problems->n == before) {
        buf_puts(problems, "gateway.token_required: on, but neither token_public_keys nor "
                           "token_secrets names a key\n");
    }
    if (problems->n == before && !problems->overflow) {
        return l.keys;
    }
    jwt_keys_destroy(l.keys);
    return NULL;
}

/* --- life --- */

enum err token_gate_create(const struct config *cfg, const struct taxonomy *t,
                           struct token_gate **out_gate, struct buf *problems) {
    struct jwt_keys *keys = load_keys(cfg, problems);
    if (!keys) {
        return ERR_INVALID;
    }
    struct token_gate *gate = mem_zalloc(1, sizeof(*gate));
    gate->cfg = cfg;
    gate->taxonomy = t;
    gate->keys = keys;
    gate->rules = (struct token_rules){
        .issuer = cfg->gateway_token_issuer,
        .audience = cfg->gateway_token_audience,
        .leeway_s = cfg->gateway_token_leeway_s,
        .lifetime_max_s = cfg->gateway_token_lifetime_max_s,
        .bytes_max = (size_t)cfg->gateway_token_max_bytes,
    };
    *out_gate = gate;
    return ERR_OK;
}

void token_gate_destroy(struct token_gate *gate) {
    if (gate) {
        jwt_keys_destroy(gate->keys);
        free(gate);
    }
}

enum err token_gate_reload(struct token_gate *gate, struct buf *problems) {
    struct jwt_keys *keys = load_keys(gate->cfg, problems);
    if (!keys) {
        return ERR_INVALID;
    }
    jwt_keys_destroy(gate->keys);
    gate->keys = keys;
    return ERR_OK;
}

static void count_refusal(enum token_fault fault) {
    switch (fault) {
    case TOKEN_GOOD:
        break;
    case TOKEN_MISSING:
        metrics_add(M_TOKENS_REFUSED_MISSING, 1);
        break;
    case TOKEN_EXPIRED:
        metrics_add(M_TOKENS_REFUSED_EXPIRED, 1);
        break;
    default:
        metrics_add(M_TOKENS_REFUSED_INVALID, 1);
        break;
    }
}

enum token_fault token_gate_check(const struct token_gate *gate, struct str token, int64_t now_ms,
                                  struct token_grant *out_grant) {
    enum token_fault fault = client_token_read(gate->keys, &gate->rules, gate->taxonomy, token,
                                               now_ms / 1000, out_grant);
    count_refusal(fault);
    return fault;
}

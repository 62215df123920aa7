#include "base/config_check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"

static const char *const role_names[] = {"newsroom", "gateway", "dispatcher"};

/* The bit of a role, 0 for none. */
static unsigned role_bit(struct str name) {
    for (unsigned i = 0; i < sizeof(role_names) / sizeof(role_names[0]); i++) {
        if (str_eq(name, str_of(role_names[i]))) {
            return 1U << i;
        }
    }
    return 0;
}

unsigned config_roles(const struct config *cfg) {
    struct str rest = str_of(cfg->serve_roles);
    struct str part;
    unsigned roles = 0;
    while (str_split(&rest, ',', &part)) {
        roles |= role_bit(str_trim(part));
    }
    return roles;
}

static void check_roles(const struct config *cfg, struct buf *problems) {
    struct str rest = str_of(cfg->serve_roles);
    struct str part;
    unsigned seen = 0;
    while (str_split(&rest, ',', &part)) {
        struct str role = str_trim(part);
        unsigned bit = role_bit(role);
        if (!bit) {
            buf_printf(problems, "serve.roles: \"%.*s\" is none of newsroom, gateway, dispatcher\n",
                       STR_ARG(role));
        } else if (seen & bit) {
            buf_printf(problems, "serve.roles: \"%.*s\" stands twice\n", STR_ARG(role));
        }
        seen |= bit;
    }
}

static void check_serve(const struct config *cfg, struct buf *problems) {
    check_roles(cfg, problems);
    if (!cfg->serve_state_dir[0]) {
        buf_puts(problems, "serve.state_dir: empty\n");
    }
    if (cfg->serve_restart_min_ms > cfg->serve_restart_max_ms) {
        buf_puts(problems, "serve.restart_min_ms: above serve.restart_max_ms\n");
    }
    if (config_roles(cfg) == CONFIG_ROLE_DISPATCHER && !cfg->dispatcher_workers) {
        buf_puts(problems, "dispatcher.workers: 0, and there is no other role\n");
    }
    if (cfg->newsroom_workers + cfg->gateway_workers + cfg->dispatcher_workers >=
        METRICS_WORKERS_MAX) {
        buf_printf(problems, "gateway.workers: more than %d workers in all\n",
                   METRICS_WORKERS_MAX - 1);
    }
}

static void check_log(const struct config *cfg, struct buf *problems) {
    enum log_level level;
    if (strcmp(cfg->log_format, "kv") != 0 && strcmp(cfg->log_format, "json") != 0) {
        buf_printf(problems, "log.format: \"%s\" is neither kv nor json\n", cfg->log_format);
    }
    if (log_level_parse(str_of(cfg->log_level), &level)) {
        buf_printf(problems, "log.level: \"%s\" is none of debug, info, warn, error\n",
                   cfg->log_level);
    }
}

static void check_redis(const struct config *cfg, struct buf *problems) {
    struct str url = str_of(cfg->redis_url);
    if (!url.n) {
        if (!cfg->redis_server[0]) {
            buf_puts(problems, "redis.server: empty, but the embedded Redis needs a program\n");
        }
    } else if (!str_starts(url, STR("redis://")) && !str_starts(url, STR("unix://"))) {
        buf_puts(problems, "redis.url: starts with neither redis:// nor unix://\n");
    }
}

static void check_gateway(const struct config *cfg, struct buf *problems) {
    if (cfg->gateway_idle_timeout_s <= cfg->gateway_heartbeat_s) {
        buf_puts(problems,
                 "gateway.idle_timeout_s: not above gateway.heartbeat_s, so quiet readers "
                 "would be closed between two heartbeats\n");
    }
    if (cfg->gateway_drain_s >= cfg->serve_stop_timeout_s) {
        buf_puts(problems, "gateway.drain_s: not below serve.stop_timeout_s, so the drain would be "
                           "cut short\n");
    }
}

static void check_https(const char *key, const char *url, struct buf *problems) {
    if (!str_starts(str_of(url), STR("https://"))) {
        buf_printf(problems, "%s: \"%s\" does not start with https://\n", key, url);
    }
}

/* A lane is on when its key is given; then it needs the rest. */
static void check_providers(const struct config *cfg, struct buf *problems) {
    const struct {
        const char *key;
        const char *value;
    } needed[] = {{"apns.key_id", cfg->apns_key_id},
                  {"apns.team_id", cfg->apns_team_id},
                  {"apns.topic", cfg->apns_topic}};
    for (size_t i = 0; cfg->apns_key_file[0] && i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!needed[i].value[0]) {
            buf_printf(problems, "%s: empty, but apns.key_file is set\n", needed[i].key);
        }
    }
    check_https("apns.url", cfg->apns_url, problems);
    check_https("fcm.url", cfg->fcm_url, problems);
    if (cfg->fcm_token_url[0]) {
        check_https("fcm.token_url", cfg->fcm_token_url, problems);
    }
}

/* Secrets and certificates come by path: every key named …_file must name a readable file. */
static void check_file(const char *section, const char *key, const char *path,
                       struct buf *problems) {
    size_t n = strlen(key);
    if (n > 5 && strcmp(key + n - 5, "_file") == 0 && path[0] && access(path, R_OK) != 0) {
        buf_printf(problems, "%s.%s: %s cannot be read: %s\n", section, key, path, strerror(errno));
    }
}

static void check_files(const struct config *cfg, struct buf *problems) {
#define CONFIG_INT(section, key, def, min, max, unit, help)
#define CONFIG_BOOL(section, key, def, help)
#define CONFIG_STR(section, key, def, help)                                                        \
    check_file(#section, #key, cfg->section##_##key, problems);
#include "base/config_table.h"
#undef CONFIG_INT
#undef CONFIG_BOOL
#undef CONFIG_STR
}

enum err config_check(const struct config *cfg, struct buf *problems) {
    size_t before = problems->n;
    check_serve(cfg, problems);
    check_log(cfg, problems);
    check_redis(cfg, problems);
    check_gateway(cfg, problems);
    check_providers(cfg, problems);
    check_files(cfg, problems);
    return problems->n == before && !problems->overflow ? ERR_OK : ERR_INVALID;
}

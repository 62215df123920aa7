#pragma once
/* One const struct, filled once before any worker starts: defaults, then the INI file
 * (config_file.h), then TOCSIN_<SECTION>_<KEY>, then flags (--section.key=value); then checked as
 * a whole (config_check.h). One row per key in config_table.h drives parsing, `tocsin check-config
 * --print` and config/tocsin.conf. Unknown keys, values out of range and malformed lines are
 * errors that name the file, the line and the key. Secrets come by file path. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* cfg->gateway_listen, cfg->newsroom_body_max_bytes, … (section_key). */
struct config {
#define CONFIG_INT(section, key, def, min, max, unit, help) int64_t section##_##key;
#define CONFIG_BOOL(section, key, def, help)                bool section##_##key;
#define CONFIG_STR(section, key, def, help)                 char *section##_##key;
#include "base/config_table.h"
#undef CONFIG_INT
#undef CONFIG_BOOL
#undef CONFIG_STR
    char *source; /* path of the INI file read, or NULL */
    /* Random, made with the struct and so shared by a supervisor and its workers, whatever is
     * restarted: names them to others in Redis. NUL-terminated. */
    char instance[17];
    /* Likewise: where the ticket keys of TLS come from without tls.ticket_key_file. */
    unsigned char ticket_secret[32];
};

/* All defaults. Never NULL. */
struct config *config_create(void);
/* Accepts NULL. */
void config_destroy(struct config *cfg);
/* True when the table has a section of that name. */
bool config_has_section(struct str name);
/* Sets one key from text; `origin` names where it came from, e.g. "tocsin.conf:12". A fault is
 * appended to `problems` as "ORIGIN: section.key: what is wrong" and the value stays. */
MUST_CHECK enum err config_set(struct config *cfg, const char *origin, struct str section,
                               struct str key, struct str value, struct buf *problems);
/* Applies every TOCSIN_<SECTION>_<KEY> of `env` (as environ); an unknown one is a fault.
 * (TOCSIN_KEY, TOCSIN_URL and TOCSIN_CONFIG belong to the command line and are skipped.) */
MUST_CHECK enum err config_read_env(struct config *cfg, char *const *env, struct buf *problems);
/* The file with every key, its unit, its range and why: config/tocsin.conf is this output for
 * the defaults. Secrets are paths, so nothing needs hiding. */
void config_print(const struct config *cfg, struct buf *b);

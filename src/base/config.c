#include "base/config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"

enum kind { KIND_INT, KIND_BOOL, KIND_STR };

struct row {
    enum kind kind;
    const char *section;
    const char *key;
    size_t offset; /* in struct config */
    int64_t def;
    int64_t min;
    int64_t max;
    const char *def_text;
    const char *unit;
    const char *help;
};

static const struct row rows[] = {
#define CONFIG_INT(section, key, def, min, max, unit, help)                                        \
    {KIND_INT, #section, #key, offsetof(struct config, section##_##key), def, min, max,            \
     "",       unit,     help},
#define CONFIG_BOOL(section, key, def, help)                                                       \
    {KIND_BOOL, #section, #key, offsetof(struct config, section##_##key), def, 0, 1, "", "", help},
#define CONFIG_STR(section, key, def, help)                                                        \
    {KIND_STR, #section, #key, offsetof(struct config, section##_##key), 0, 0, 0, def, "", help},
#include "base/config_table.h"
#undef CONFIG_INT
#undef CONFIG_BOOL
#undef CONFIG_STR
};
enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

static int64_t *int_at(struct config *cfg, const struct row *row) {
    return (int64_t *)(void *)((char *)cfg + row->offset);
}

static bool *bool_at(struct config *cfg, const struct row *row) {
    return (bool *)(void *)((char *)cfg + row->offset);
}

static char **text_at(struct config *cfg, const struct row *row) {
    return (char **)(void *)((char *)cfg + row->offset);
}

struct config *config_create(void) {
    struct config *cfg = mem_zalloc(1, sizeof(*cfg));
    unsigned long long instance;
    codec_random(&instance, sizeof(instance));
    (void)snprintf(cfg->instance, sizeof(cfg->instance), "%016llx", instance);
    codec_random(cfg->ticket_secret, sizeof(cfg->ticket_secret));
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        switch (row->kind) {
        case KIND_INT:
            *int_at(cfg, row) = row->def;
            break;
        case KIND_BOOL:
            *bool_at(cfg, row) = row->def != 0;
            break;
        case KIND_STR:
            *text_at(cfg, row) = mem_strdup(row->def_text);
            break;
        }
    }
    return cfg;
}

void config_destroy(struct config *cfg) {
    if (!cfg) {
        return;
    }
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        if (row->kind == KIND_STR) {
            free(*text_at(cfg, row));
        }
    }
    free(cfg->source);
    free(cfg);
}

bool config_has_section(struct str name) {
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        if (str_eq(name, str_of(row->section))) {
            return true;
        }
    }
    return false;
}

static const struct row *find_row(struct str section, struct str key) {
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        if (str_eq(section, str_of(row->section)) && str_eq(key, str_of(row->key))) {
            return row;
        }
    }
    return NULL;
}

/* --- values --- */

static bool parse_bool(struct str value, bool *out_value) {
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
                 {"false", false}, {"no", false}, {"off", false}, {"0", false}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (str_ieq(value, str_of(words[i].text))) {
            *out_value = words[i].value;
            return true;
        }
    }
    return false;
}

/* What is wrong with a text, or NULL. A value that the file cannot express would make
 * config_print lie. */
static const char *text_fault(struct str value) {
    for (size_t i = 0; i < value.n; i++) {
        if ((unsigned char)value.p[i] < ' ' || value.p[i] == 0x7F) {
            return "has a control character";
        }
        if (value.p[i] == ';' && i > 0 && value.p[i - 1] == ' ') {
            return "has \" ;\", which starts a comment in the file";
        }
    }
    return str_is_utf8(value) ? NULL : "is not UTF-8";
}

static void put_fault(struct buf *problems, const char *origin, const struct row *row) {
    buf_printf(problems, "%s: %s.%s: ", origin, row->section, row->key);
}

static enum err set_row(struct config *cfg, const char *origin, const struct row *row,
                        struct str value, struct buf *problems) {
    const char *fault = text_fault(value);
    int64_t number;
    if (fault) {
        put_fault(problems, origin, row);
        buf_printf(problems, "the value %s\n", fault);
        return ERR_INVALID;
    }
    switch (row->kind) {
    case KIND_INT:
        if (str_to_i64(value, &number) || number < row->min || number > row->max) {
            put_fault(problems, origin, row);
            buf_printf(problems, "\"%.*s\" is not a whole number from %lld to %lld (%s)\n",
                       STR_ARG(value), (long long)row->min, (long long)row->max, row->unit);
            return ERR_INVALID;
        }
        *int_at(cfg, row) = number;
        break;
    case KIND_BOOL:
        if (!parse_bool(value, bool_at(cfg, row))) {
            put_fault(problems, origin, row);
            buf_printf(problems, "\"%.*s\" is neither true nor false\n", STR_ARG(value));
            return ERR_INVALID;
        }
        break;
    case KIND_STR:
        free(*text_at(cfg, row));
        *text_at(cfg, row) = mem_strndup(value.p, value.n);
        break;
    }
    return ERR_OK;
}

enum err config_set(struct config *cfg, const char *origin, struct str section, struct str key,
                    struct str value, struct buf *problems) {
    const struct row *row = find_row(section, key);
    if (row) {
        return set_row(cfg, origin, row, str_trim(value), problems);
    }
    buf_printf(problems, "%s: %.*s.%.*s: unknown %s\n", origin, STR_ARG(section), STR_ARG(key),
               config_has_section(section) ? "key" : "section");
    return ERR_INVALID;
}

/* --- the environment --- */

/* TOCSIN_<SECTION>_<KEY> of a row equals `name`? */
static bool is_env_name(const struct row *row, struct str name) {
    struct str section = str_of(row->section);
    struct str key = str_of(row->key);
    return name.n == section.n + 1 + key.n && name.p[section.n] == '_' &&
           str_ieq((struct str){name.p, section.n}, section) &&
           str_ieq((struct str){name.p + section.n + 1, key.n}, key);
}

static bool is_env_skipped(struct str name) {
    /* Kubernetes sets <SERVICE>_PORT… and <SERVICE>_SERVICE_… in every pod for a service named
     * "tocsin" (kubernetes.io, "Service", environment variables). */
    return str_eq(name, STR("KEY")) || str_eq(name, STR("URL")) || str_eq(name, STR("CONFIG")) ||
           str_eq(name, STR("PORT")) || str_starts(name, STR("PORT_")) ||
           str_starts(name, STR("SERVICE_"));
}

static enum err read_variable(struct config *cfg, struct str name, struct str value,
                              struct buf *problems) {
    char origin[128];
    (void)snprintf(origin, sizeof(origin), "environment TOCSIN_%.*s", STR_ARG(name));
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        if (is_env_name(row, name)) {
            return set_row(cfg, origin, row, str_trim(value), problems);
        }
    }
    buf_printf(problems, "%s: no such key\n", origin);
    return ERR_INVALID;
}

enum err config_read_env(struct config *cfg, char *const *env, struct buf *problems) {
    enum err result = ERR_OK;
    for (; *env; env++) {
        struct str value = str_of(*env);
        struct str name;
        if (!str_starts(value, STR("TOCSIN_")) || !str_split(&value, '=', &name) || !value.p) {
            continue;
        }
        name.p += 7;
        name.n -= 7;
        if (!is_env_skipped(name) && read_variable(cfg, name, value, problems)) {
            result = ERR_INVALID;
        }
    }
    return result;
}

/* --- printing --- */

/* The help text as comment lines of at most 100 characters. */
static void put_comment(struct buf *b, const char *help) {
    struct str rest = str_of(help);
    struct str word;
    size_t column = 0;
    while (str_split(&rest, ' ', &word)) {
        if (!column || column + 1 + word.n > 100) {
            buf_puts(b, column ? "\n# " : "# ");
            column = 2;
        } else {
            buf_putc(b, ' ');
            column++;
        }
        buf_put_str(b, word);
        column += word.n;
    }
    buf_putc(b, '\n');
}

static void put_row(const struct config *cfg, const struct row *row, struct buf *b) {
    const char *at = (const char *)cfg + row->offset;
    put_comment(b, row->help);
    switch (row->kind) {
    case KIND_INT:
        buf_printf(b, "# %s, %lld to %lld, default %lld\n%s = %lld\n", row->unit,
                   (long long)row->min, (long long)row->max, (long long)row->def, row->key,
                   (long long)*(const int64_t *)(const void *)at);
        break;
    case KIND_BOOL:
        buf_printf(b, "# true or false, default %s\n%s = %s\n", row->def ? "true" : "false",
                   row->key, *(const bool *)(const void *)at ? "true" : "false");
        break;
    case KIND_STR:
        buf_printf(b, "# text, default %s\n%s =", row->def_text[0] ? row->def_text : "empty",
                   row->key);
        at = *(char *const *)(const void *)at;
        buf_printf(b, "%s%s\n", at[0] ? " " : "", at);
        break;
    }
}

void config_print(const struct config *cfg, struct buf *b) {
    buf_puts(b,
             "# Every key of Tocsin. Give this file with --config FILE or TOCSIN_CONFIG. A key is\n"
             "# overridden by the environment (TOCSIN_GATEWAY_LISTEN for listen in [gateway]) and\n"
             "# that by a flag (--gateway.listen=...). Unknown keys are errors.\n");
    const char *section = "";
    for (const struct row *row = rows; row < rows + ROW_COUNT; row++) {
        if (strcmp(section, row->section) != 0) {
            section = row->section;
            buf_printf(b, "\n[%s]\n", section);
        } else {
            buf_putc(b, '\n');
        }
        put_row(cfg, row, b);
    }
}

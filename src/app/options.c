#include "app/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "base/config_file.h"
#include "base/log.h"
#include "base/mem.h"

/* --- the common options --- */

/* What is noted while the words are read; applied in the order of precedence afterwards. */
struct words {
    const char *file;
    char **settings; /* "section.key=VALUE", borrowed from argv */
    int setting_count;
    bool help;
};

/* "--section.key=…": a dot before the "=" tells it from a command's own flag. */
static bool is_setting(const char *word) {
    const char *dot = strchr(word, '.');
    const char *equals = strchr(word, '=');
    return strncmp(word, "--", 2) == 0 && dot && equals && dot < equals;
}

static bool is_option(const char *word) {
    return word[0] == '-' && word[1] != '\0';
}

/* Sorts one word, and the next for "--config FILE"; returns how many were used, 0 for a fault. */
static int sort_word(struct options *o, struct words *w, int left, char **word) {
    if (strcmp(*word, "--help") == 0 || strcmp(*word, "-h") == 0) {
        w->help = true;
    } else if (strcmp(*word, "--config") == 0) {
        if (left < 2) {
            (void)fprintf(stderr, "tocsin %s: --config lacks its FILE\n", o->command);
            return 0;
        }
        w->file = word[1];
        return 2;
    } else if (strncmp(*word, "--config=", 9) == 0) {
        w->file = *word + 9;
    } else if (is_setting(*word)) {
        w->settings[w->setting_count++] = *word + 2;
    } else if (strncmp(*word, "--roles=", 8) == 0) {
        w->settings[w->setting_count++] = *word + 2;
    } else {
        o->rest[o->rest_count++] = *word;
    }
    return 1;
}

static bool sort_words(struct options *o, struct words *w, int argc, char **argv) {
    for (int i = 1; i < argc;) {
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc) {
                o->rest[o->rest_count++] = argv[i++];
            }
            break;
        }
        int used = sort_word(o, w, argc - i, argv + i);
        if (!used) {
            return false;
        }
        i += used;
    }
    return true;
}

static void apply_setting(struct config *cfg, const char *setting, struct buf *problems) {
    struct str value = str_of(setting);
    struct str name;
    struct str section;
    (void)str_split(&value, '=', &name);
    if (str_eq(name, STR("roles"))) {
        name = STR("serve.roles");
    }
    (void)str_split(&name, '.', &section);
    (void)!config_set(cfg, "command line", section, name, value, problems);
}

/* Defaults, file, environment, flags: later wins. Faults are in `problems`. */
static void load(struct config *cfg, const struct words *w, struct buf *problems) {
    const char *file = w->file ? w->file : getenv("TOCSIN_CONFIG");
    if (file && file[0]) {
        (void)!config_read_file(cfg, file, problems);
    }
    (void)!config_read_env(cfg, environ, problems);
    for (int i = 0; i < w->setting_count; i++) {
        apply_setting(cfg, w->settings[i], problems);
    }
}

static void setup_log(const struct config *cfg) {
    enum log_level level = LOG_INFO;
    if (log_level_parse(str_of(cfg->log_level), &level)) {
        level = LOG_INFO; /* config_check reports the word */
    }
    log_setup(strcmp(cfg->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_KV, level);
}

bool options_collect(struct options *o, int argc, char **argv, const char *usage,
                     struct buf *problems, int *out_status) {
    struct words w = {.settings = mem_zalloc((size_t)argc, sizeof(*w.settings))};
    *o = (struct options){
        .cfg = config_create(),
        .usage = usage,
        .command = argv[0],
        .rest = mem_zalloc((size_t)argc, sizeof(*o->rest)),
    };
    bool go_on = sort_words(o, &w, argc, argv);
    *out_status = APP_USAGE;
    if (go_on && w.help) {
        (void)fputs(usage, stdout);
        *out_status = APP_OK;
        go_on = false;
    } else if (go_on) {
        load(o->cfg, &w, problems);
        setup_log(o->cfg);
    }
    free(w.settings);
    if (!go_on) {
        options_finish(o);
    }
    return go_on;
}

bool options_parse(struct options *o, int argc, char **argv, const char *usage, int *out_status) {
    struct buf problems;
    buf_init(&problems, OPTIONS_PROBLEMS_MAX_BYTES);
    bool go_on = options_collect(o, argc, argv, usage, &problems, out_status);
    if (go_on && problems.n) {
        (void)fputs(buf_str(&problems).p, stderr);
        *out_status = APP_USAGE;
        options_finish(o);
        go_on = false;
    }
    buf_finish(&problems);
    return go_on;
}

void options_finish(struct options *o) {
    config_destroy(o->cfg);
    free(o->rest);
    *o = (struct options){0};
}

/* --- the command's own words --- */

static void drop(struct options *o, int at, int count) {
    o->rest_count -= count;
    memmove(o->rest + at, o->rest + at + count, (size_t)(o->rest_count - at) * sizeof(*o->rest));
}

/* Index of the first "--" or rest_count: flags stand before it. */
static int flags_end(const struct options *o) {
    for (int i = 0; i < o->rest_count; i++) {
        if (strcmp(o->rest[i], "--") == 0) {
            return i;
        }
    }
    return o->rest_count;
}

const char *options_value(struct options *o, const char *name) {
    size_t n = strlen(name);
    int end = flags_end(o);
    for (int i = 0; i < end; i++) {
        const char *word = o->rest[i];
        if (strncmp(word, name, n) == 0 && word[n] == '=') {
            drop(o, i, 1);
            return word + n + 1;
        }
        if (strcmp(word, name) != 0) {
            continue;
        }
        if (i + 1 >= end) {
            (void)fprintf(stderr, "tocsin %s: %s lacks its value\n", o->command, name);
            o->faulty = true;
            drop(o, i, 1);
            return NULL;
        }
        const char *value = o->rest[i + 1];
        drop(o, i, 2);
        return value;
    }
    return NULL;
}

bool options_switch(struct options *o, const char *name) {
    bool found = false;
    for (int i = 0; i < flags_end(o);) {
        if (strcmp(o->rest[i], name) == 0) {
            drop(o, i, 1);
            found = true;
        } else {
            i++;
        }
    }
    return found;
}

const char *options_next(struct options *o) {
    for (int i = 0; i < o->rest_count; i++) {
        const char *word = o->rest[i];
        if (strcmp(word, "--") == 0) {
            if (i + 1 >= o->rest_count) {
                return NULL;
            }
            word = o->rest[i + 1];
            drop(o, i + 1, 1);
            return word;
        }
        if (!is_option(word)) {
            drop(o, i, 1);
            return word;
        }
    }
    return NULL;
}

bool options_done(struct options *o) {
    for (int i = 0; i < o->rest_count; i++) {
        const char *word = o->rest[i];
        if (strcmp(word, "--") == 0 && i + 1 == o->rest_count) {
            break;
        }
        (void)fprintf(stderr, "tocsin %s: %s \"%s\"\n", o->command,
                      is_option(word) ? "unknown option" : "unexpected word", word);
        o->faulty = true;
    }
    if (o->faulty) {
        (void)fprintf(stderr, "\"tocsin %s --help\" shows the usage.\n", o->command);
    }
    return !o->faulty;
}

/* --- the taxonomy --- */

struct taxonomy *options_find_taxonomy(const struct config *cfg, struct buf *problems) {
    struct config *defaults = config_create();
    bool is_default = strcmp(cfg->serve_taxonomy, defaults->serve_taxonomy) == 0;
    config_destroy(defaults);
    if (is_default && access(cfg->serve_taxonomy, F_OK) != 0 && errno == ENOENT) {
        return taxonomy_builtin();
    }
    struct taxonomy *t = NULL;
    enum err err = taxonomy_load(cfg->serve_taxonomy, &t, problems);
    if (err) {
        buf_printf(problems, "serve.taxonomy: %s %s\n", cfg->serve_taxonomy,
                   err == ERR_NOT_FOUND ? "cannot be read" : "is faulty");
        return NULL;
    }
    return t;
}

struct taxonomy *options_load_taxonomy(const struct config *cfg) {
    struct buf problems;
    buf_init(&problems, OPTIONS_PROBLEMS_MAX_BYTES);
    struct taxonomy *t = options_find_taxonomy(cfg, &problems);
    (void)fputs(buf_str(&problems).p, stderr);
    buf_finish(&problems);
    return t;
}

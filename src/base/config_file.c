/* The syntax (sections, names, inline comments) is inih's. The reader below is ours, because inih
 * tells neither the line of a value nor more than the first bad line, and cuts a long line into
 * two. */
#include "base/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ini.h>

#include "base/map.h"
#include "base/mem.h"

enum { KEY_MAX = 128 }; /* inih cuts names at 50 */

struct reading {
    struct config *cfg;
    const char *path;
    FILE *file;
    struct buf *problems;
    char *line; /* getline's */
    size_t line_size;
    int line_number;
    bool skip_section; /* below an unknown section, which was told once */
    bool faulty;
    struct map *seen; /* "section.key" -> its line as text, owned */
};

static void note(struct reading *r, const char *what) {
    buf_printf(r->problems, "%s:%d: %s\n", r->path, r->line_number, what);
    r->faulty = true;
}

/* True when inih may see what follows the section line. */
static bool check_section(struct reading *r, struct str line) {
    const char *end = memchr(line.p, ']', line.n);
    struct str name = {line.p + 1, end ? (size_t)(end - line.p) - 1 : 0};
    r->skip_section = !end || !config_has_section(name);
    if (!end) {
        note(r, "a section without its closing bracket");
    } else if (r->skip_section) {
        buf_printf(r->problems, "%s:%d: [%.*s]: unknown section\n", r->path, r->line_number,
                   STR_ARG(name));
        r->faulty = true;
    }
    return !r->skip_section;
}

/* True when inih may see the line, which must fit into `limit` bytes with "\n" and NUL. */
static bool check_line(struct reading *r, struct str line, size_t limit) {
    if (!line.n || line.p[0] == ';' || line.p[0] == '#') {
        return false;
    }
    if (memchr(line.p, '\0', line.n)) {
        note(r, "a NUL byte");
        return false;
    }
    if (line.n + 2 > limit) {
        buf_printf(r->problems, "%s:%d: longer than %zu bytes\n", r->path, r->line_number,
                   limit - 2);
        r->faulty = true;
        return false;
    }
    if (line.p[0] == '[') {
        return check_section(r, line);
    }
    if (!memchr(line.p, '=', line.n)) {
        note(r, "neither [section] nor key = value");
        return false;
    }
    return !r->skip_section;
}

/* inih's reader: the next line worth parsing, without white space in front (inih would take an
 * indented line for a continuation of the value before). */
static char *read_line(char *out_line, int size, void *user) {
    struct reading *r = user;
    for (;;) {
        ssize_t n = getline(&r->line, &r->line_size, r->file);
        if (n < 0) {
            return NULL;
        }
        struct str line = {r->line, (size_t)n};
        if (++r->line_number == 1 && str_starts(line, STR("\xEF\xBB\xBF"))) {
            line.p += 3; /* a byte order mark */
            line.n -= 3;
        }
        line = str_trim(line);
        if (check_line(r, line, (size_t)size)) {
            memcpy(out_line, line.p, line.n);
            out_line[line.n] = '\n';
            out_line[line.n + 1] = '\0';
            return out_line;
        }
    }
}

/* inih's handler. */
static int on_value(void *user, const char *section, const char *key, const char *value) {
    struct reading *r = user;
    if (!section[0]) {
        note(r, "a key before any [section]");
        return 1;
    }
    char name[KEY_MAX];
    (void)snprintf(name, sizeof(name), "%s.%s", section, key);
    const char *first = map_get(r->seen, str_of(name));
    if (first) {
        buf_printf(r->problems, "%s:%d: %s: already set on line %s\n", r->path, r->line_number,
                   name, first);
        r->faulty = true;
        return 1;
    }
    char line[16];
    (void)snprintf(line, sizeof(line), "%d", r->line_number);
    (void)map_set(r->seen, str_of(name), mem_strdup(line));

    struct buf origin;
    buf_init(&origin, 4096 + sizeof(line)); /* PATH_MAX */
    buf_printf(&origin, "%s:%s", r->path, line);
    if (config_set(r->cfg, buf_str(&origin).p, str_of(section), str_of(key), str_of(value),
                   r->problems)) {
        r->faulty = true;
    }
    buf_finish(&origin);
    return 1;
}

static void forget_seen(struct reading *r) {
    size_t cursor = 0;
    struct str key;
    void *line;
    while (map_next(r->seen, &cursor, &key, &line)) {
        free(line);
    }
    map_destroy(r->seen);
}

enum err config_read_file(struct config *cfg, const char *path, struct buf *problems) {
    struct reading r = {.cfg = cfg, .path = path, .problems = problems};
    r.file = fopen(path, "re");
    if (!r.file) {
        buf_printf(problems, "%s: cannot be read: %s\n", path, strerror(errno));
        return ERR_NOT_FOUND;
    }
    r.seen = map_create();
    if (ini_parse_stream(read_line, &r, on_value, &r) != 0) {
        note(&r, "no INI syntax"); /* what check_line let pass and inih refuses */
    }
    if (ferror(r.file)) {
        buf_printf(problems, "%s: cannot be read\n", path); /* a folder, for one */
        r.faulty = true;
    }
    (void)fclose(r.file);
    free(r.line);
    forget_seen(&r);
    free(cfg->source);
    cfg->source = mem_strdup(path);
    return r.faulty ? ERR_INVALID : ERR_OK;
}

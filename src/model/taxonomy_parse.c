#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "model/json.h"
#include "model/taxonomy.h"
#include "model/taxonomy_data.h"
#include "model/text.h"

#include "model_builtin.h"

enum { LABEL_BYTES_MAX = 128, FILE_BYTES_MAX = 1 << 20 };

struct parse {
    struct taxonomy *t;
    struct problem *problems;
};

/* [a-z0-9-]{1,32}; "all" is a word of the API. */
static bool is_id(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-') {
            return false;
        }
    }
    return s.n > 0 && s.n <= TAXONOMY_VALUE_MAX && !str_eq(s, STR("all"));
}

static void read_id(struct parse *parse, enum dimension dim, const struct json_reader *r,
                    struct taxonomy_value *value) {
    struct str id;
    if (!json_member(r, "id")) {
        json_fault(r, "id", "required", "is missing");
    } else if (json_read_string(r, "id", &id)) {
        if (!is_id(id)) {
            json_fault(r, "id", "invalid_value", "must be 1 to 32 of a-z, 0-9 and -, not \"all\"");
        } else if (taxonomy_find(parse->t, dim, id) >= 0) {
            json_fault(r, "id", "duplicate", "\"%.32s\" is there twice", id.p);
        } else {
            memcpy(value->name, id.p, id.n);
        }
    }
}

static void read_dir(const struct json_reader *r, struct taxonomy_value *value) {
    static const char *const dirs[] = {"ltr", "rtl"};
    int dir;
    if (!json_member(r, "dir")) {
        json_fault(r, "dir", "required", "is missing: ltr or rtl");
    } else if (json_read_name(r, "dir", dirs, 2, &dir)) {
        value->rtl = dir == 1;
    }
}

/* First pass: ids and directions, so that labels and parents can refer to any of them. */
static void read_values(struct parse *parse, const struct json_reader *root, enum dimension dim) {
    const char *name = taxonomy_members[dim];
    const cJSON *list = json_member(root, name);
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : 0;
    if (count < 1 || count > TAXONOMY_MAX) {
        json_fault(root, name, "invalid_value", "must be a list of 1 to %d values", TAXONOMY_MAX);
        return;
    }
    char base[JSON_POINTER_BYTES];
    char pointer[JSON_POINTER_BYTES];
    json_pointer(base, "", name);
    parse->t->values[dim] = mem_zalloc((size_t)count, sizeof(struct taxonomy_value));
    int i = 0;
    for (const cJSON *item = list->child; item; item = item->next, i++) {
        struct taxonomy_value *value = &parse->t->values[dim][i];
        value->parent = -1;
        json_pointer_index(pointer, base, i);
        struct json_reader r = {item, pointer, parse->problems};
        if (json_is_object(&r)) {
            read_id(parse, dim, &r, value);
            if (dim == DIM_EDITION) {
                read_dir(&r, value);
            }
        }
        parse->t->counts[dim] = i + 1;
    }
}

static void read_labels(struct parse *parse, const struct json_reader *r,
                        struct taxonomy_value *value) {
    char pointer[JSON_POINTER_BYTES];
    json_pointer(pointer, r->pointer, "labels");
    struct json_reader labels = {json_member(r, "labels"), pointer, parse->problems};
    if (!json_is_object(&labels)) {
        return;
    }
    const char *editions[TAXONOMY_MAX];
    int count = taxonomy_count(parse->t, DIM_EDITION);
    for (int i = 0; i < count; i++) {
        editions[i] = taxonomy_name(parse->t, DIM_EDITION, i);
        if (editions[i][0] && !json_member(&labels, editions[i])) {
            json_fault(&labels, editions[i], "required", "the label in this edition is missing");
        }
        (void)json_read_text(&labels, editions[i], LABEL_BYTES_MAX, &value->labels[i]);
    }
    json_allow(&labels, editions, (size_t)count);
}

static void read_parent(struct parse *parse, const struct json_reader *r,
                        struct taxonomy_value *value) {
    struct str parent;
    if (!json_read_string(r, "parent", &parent)) {
        return;
    }
    value->parent = taxonomy_find(parse->t, DIM_REGION, parent);
    if (value->parent < 0) {
        json_fault(r, "parent", "unknown_value", "there is no region \"%.32s\"", parent.p);
    }
}

/* Second pass: labels, parents and members that do not belong. */
static void read_details(struct parse *parse, const struct json_reader *root, enum dimension dim) {
    static const char *const members[DIM_COUNT][3] = {
        {"id", "labels", "parent"}, {"id", "labels"}, {"id", "labels", "dir"}};
    char base[JSON_POINTER_BYTES];
    char pointer[JSON_POINTER_BYTES];
    json_pointer(base, "", taxonomy_members[dim]);
    const cJSON *list = json_member(root, taxonomy_members[dim]);
    for (int i = 0; i < parse->t->counts[dim]; i++) {
        struct taxonomy_value *value = &parse->t->values[dim][i];
        json_pointer_index(pointer, base, i);
        struct json_reader r = {cJSON_GetArrayItem(list, i), pointer, parse->problems};
        if (!cJSON_IsObject(r.object)) {
            continue;
        }
        read_labels(parse, &r, value);
        if (dim == DIM_REGION) {
            read_parent(parse, &r, value);
        }
        json_allow(&r, members[dim], dim == DIM_SECTION ? 2 : 3);
    }
}

/* A region's ancestors; a chain longer than there are regions is a circle. */
static void link_parents(struct parse *parse) {
    struct taxonomy_value *regions = parse->t->values[DIM_REGION];
    int count = parse->t->counts[DIM_REGION];
    for (int i = 0; i < count; i++) {
        int at = i;
        int steps = 0;
        for (; at >= 0 && steps <= count; at = regions[at].parent, steps++) {
            regions[i].with_parents |= UINT64_C(1) << at;
        }
        if (steps > count) {
            char pointer[JSON_POINTER_BYTES];
            (void)snprintf(pointer, sizeof(pointer), "/regions/%d/parent", i);
            problem_add(parse->problems, pointer, "invalid_value",
                        "the parents of \"%s\" form a circle", regions[i].name);
        }
    }
}

static void read_document(struct parse *parse, const struct json_reader *root) {
    if (!json_is_object(root)) {
        return;
    }
    json_allow(root, taxonomy_members, DIM_COUNT);
    read_values(parse, root, DIM_EDITION);
    read_values(parse, root, DIM_REGION);
    read_values(parse, root, DIM_SECTION);
    read_details(parse, root, DIM_EDITION);
    read_details(parse, root, DIM_REGION);
    read_details(parse, root, DIM_SECTION);
    link_parents(parse);
}

enum err taxonomy_parse(struct str json, struct taxonomy **out_taxonomy, struct buf *problems) {
    struct parse parse = {
        .t = mem_zalloc(1, sizeof(struct taxonomy)),
        .problems = problem_create(),
    };
    struct cJSON *root = NULL;
    enum err err = json_parse(json, "", &root, parse.problems);
    if (err == ERR_OK) {
        read_document(&parse, &(struct json_reader){root, "", parse.problems});
    }
    json_destroy(root);
    if (problem_is_empty(parse.problems)) {
        *out_taxonomy = parse.t;
        err = ERR_OK;
    } else {
        problem_put_text(parse.problems, problems);
        taxonomy_destroy(parse.t);
        err = ERR_INVALID;
    }
    problem_destroy(parse.problems);
    return err;
}

static enum err read_file(const char *path, struct buf *content, struct buf *problems) {
    FILE *file = fopen(path, "re");
    if (!file) {
        int code = errno;
        buf_printf(problems, "%s: %s\n", path, strerror(code));
        return code == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    char part[4096];
    size_t n;
    while ((n = fread(part, 1, sizeof(part), file)) > 0) {
        buf_put(content, part, n);
    }
    enum err err = ferror(file) ? ERR_IO : buf_check(content);
    (void)fclose(file);
    if (err) {
        buf_printf(problems, "%s: %s\n", path, err == ERR_IO ? "cannot be read" : "is too large");
    }
    return err;
}

enum err taxonomy_load(const char *path, struct taxonomy **out_taxonomy, struct buf *problems) {
    struct buf content;
    buf_init(&content, FILE_BYTES_MAX);
    enum err err = read_file(path, &content, problems);
    if (err == ERR_OK) {
        err = taxonomy_parse(buf_str(&content), out_taxonomy, problems);
    }
    buf_finish(&content);
    return err;
}

struct taxonomy *taxonomy_builtin(void) {
    struct taxonomy *t = NULL;
    struct buf problems;
    buf_init(&problems, 4096);
    if (taxonomy_parse(str_of(builtin_taxonomy), &t, &problems)) {
        (void)fprintf(stderr, "level=fatal event=builtin_taxonomy_broken\n%s", problems.p);
        abort();
    }
    buf_finish(&problems);
    return t;
}

#include "model/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/text.h"

void json_pointer(char out_pointer[JSON_POINTER_BYTES], const char *base, const char *name) {
    char text[JSON_POINTER_BYTES];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s/", base);
    /* Room is kept for the longest step (two bytes) and the NUL. */
    for (; *name && n < sizeof(text) - 3; name++) {
        if (*name == '~' || *name == '/') {
            text[n++] = '~';
            text[n++] = *name == '~' ? '0' : '1';
        } else {
            text[n++] = *name;
        }
    }
    if (n < sizeof(text)) {
        text[n] = '\0';
    }
    memcpy(out_pointer, text, sizeof(text));
}

void json_pointer_index(char out_pointer[JSON_POINTER_BYTES], const char *base, int index) {
    char name[12];
    (void)snprintf(name, sizeof(name), "%d", index);
    json_pointer(out_pointer, base, name);
}

/* Line and column, counted from 1 in bytes, as editors show them. */
static void add_syntax_fault(struct str text, size_t offset, const char *reason,
                             const char *pointer, struct problem *problems) {
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < offset; i++) {
        column = text.p[i] == '\n' ? 1 : column + 1;
        line += text.p[i] == '\n';
    }
    problem_add(problems, pointer, "invalid_json", "not JSON: line %zu, column %zu: %s", line,
                column, reason);
}

/* cJSON ends a string at U+0000 and would hide what follows: U+0001 in its place is as much of a
 * control character and keeps the length. `text` has passed json_check. */
static void replace_nul(char *text, size_t size) {
    for (size_t i = 0; i + 1 < size; i++) {
        if (text[i] != '\\') {
            continue;
        }
        i++;
        if (text[i] == 'u' && memcmp(text + i + 1, "0000", 4) == 0) {
            text[i + 4] = '1';
        }
    }
}

static void find_duplicates(const cJSON *value, const char *pointer, struct problem *problems) {
    char below[JSON_POINTER_BYTES];
    int index = 0;
    for (const cJSON *it = value->child; it; it = it->next, index++) {
        if (it->string) {
            json_pointer(below, pointer, it->string);
            const cJSON *first = value->child;
            while (first != it && strcmp(first->string, it->string) != 0) {
                first = first->next;
            }
            if (first != it) {
                problem_add(problems, below, "duplicate_field", "this member is given twice");
            }
        } else {
            json_pointer_index(below, pointer, index);
        }
        find_duplicates(it, below, problems);
    }
}

enum err json_parse(struct str text, const char *pointer, struct cJSON **out_root,
                    struct problem *problems) {
    size_t offset;
    bool has_nul;
    const char *reason = json_check(text, &offset, &has_nul);
    if (reason) {
        add_syntax_fault(text, offset, reason, pointer, problems);
        return ERR_PROTOCOL;
    }
    char *copy = has_nul ? mem_strndup(text.p, text.n) : NULL;
    if (copy) {
        replace_nul(copy, text.n);
    }
    cJSON *root = cJSON_ParseWithLength(copy ? copy : text.p, text.n);
    free(copy);
    if (!root) {
        problem_add(problems, pointer, "invalid_json", "this JSON cannot be read");
        return ERR_PROTOCOL;
    }
    find_duplicates(root, pointer, problems);
    *out_root = root;
    return ERR_OK;
}

void json_destroy(struct cJSON *root) {
    cJSON_Delete(root);
}

void json_fault(const struct json_reader *r, const char *name, const char *code, const char *format,
                ...) {
    char pointer[JSON_POINTER_BYTES];
    char detail[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    if (name) {
        json_pointer(pointer, r->pointer, name);
    }
    problem_add(r->problems, name ? pointer : r->pointer, code, "%s", detail);
}

bool json_is_object(const struct json_reader *r) {
    if (!cJSON_IsObject(r->object)) {
        json_fault(r, NULL, "wrong_type", "must be an object");
        return false;
    }
    return true;
}

void json_allow(const struct json_reader *r, const char *const *names, size_t count) {
    for (const cJSON *it = r->object->child; it; it = it->next) {
        size_t i = 0;
        while (i < count && strcmp(names[i], it->string) != 0) {
            i++;
        }
        if (i == count) {
            json_fault(r, it->string, "unknown_field", "there is no such member");
        }
    }
}

const struct cJSON *json_member(const struct json_reader *r, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(r->object, name);
}

const struct cJSON *json_next(const struct cJSON *container, const struct cJSON *previous) {
    if (previous) {
        return previous->next;
    }
    return container ? container->child : NULL;
}

bool json_text(const struct cJSON *value, struct str *out_text) {
    if (!cJSON_IsString(value)) {
        return false;
    }
    *out_text = str_of(value->valuestring);
    return true;
}

const char *json_name(const struct cJSON *member) {
    return member->string;
}

bool json_read_string(const struct json_reader *r, const char *name, struct str *out_text) {
    const cJSON *item = json_member(r, name);
    if (!item) {
        return false;
    }
    if (!cJSON_IsString(item)) {
        json_fault(r, name, "wrong_type", "must be a string");
        return false;
    }
    *out_text = str_of(item->valuestring);
    return true;
}

bool json_read_bool(const struct json_reader *r, const char *name, bool *out_value) {
    const cJSON *item = json_member(r, name);
    if (!item) {
        return false;
    }
    if (!cJSON_IsBool(item)) {
        json_fault(r, name, "wrong_type", "must be true or false");
        return false;
    }
    *out_value = cJSON_IsTrue(item);
    return true;
}

bool json_read_int(const struct json_reader *r, const char *name, int64_t min, int64_t max,
                   int64_t *out_value) {
    const cJSON *item = json_member(r, name);
    if (!item) {
        return false;
    }
    if (!cJSON_IsNumber(item)) {
        json_fault(r, name, "wrong_type", "must be a whole number");
        return false;
    }
    double number = item->valuedouble;
    bool in_range = number >= (double)min && number <= (double)max;
    if (!in_range || (double)(int64_t)number < number || (double)(int64_t)number > number) {
        json_fault(r, name, "out_of_range", "must be a whole number of %lld to %lld",
                   (long long)min, (long long)max);
        return false;
    }
    *out_value = (int64_t)number;
    return true;
}

bool json_read_name(const struct json_reader *r, const char *name, const char *const *names,
                    int count, int *out_index) {
    struct str text;
    if (!json_read_string(r, name, &text)) {
        return false;
    }
    char allowed[256];
    size_t n = 0;
    allowed[0] = '\0';
    for (int i = 0; i < count; i++) {
        if (str_eq(text, str_of(names[i]))) {
            *out_index = i;
            return true;
        }
        if (n < sizeof(allowed)) {
            n +=
                (size_t)snprintf(allowed + n, sizeof(allowed) - n, "%s%s", n ? ", " : "", names[i]);
        }
    }
    json_fault(r, name, "unknown_value", "must be one of %s", allowed);
    return false;
}

bool json_read_text(const struct json_reader *r, const char *name, size_t max_bytes,
                    char **out_text) {
    struct str text;
    if (!json_read_string(r, name, &text)) {
        return false;
    }
    const struct text_fault *fault = text_check(text, max_bytes);
    if (fault) {
        json_fault(r, name, fault->code, "%s (at most %zu bytes of visible text)", fault->detail,
                   max_bytes);
        return false;
    }
    *out_text = mem_strndup(text.p, text.n);
    return true;
}

void json_put_comma(struct buf *b) {
    if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[') {
        buf_putc(b, ',');
    }
}

void json_put_name(struct buf *b, const char *name) {
    json_put_comma(b);
    buf_put_json(b, str_of(name));
    buf_putc(b, ':');
}

void json_put_text(struct buf *b, const char *name, const char *text) {
    if (text) {
        json_put_name(b, name);
        buf_put_json(b, str_of(text));
    }
}

void json_put_view(struct buf *b, const char *name, struct str text) {
    if (text.n) {
        json_put_name(b, name);
        buf_put_json(b, text);
    }
}

void json_put_time(struct buf *b, const char *name, int64_t wall_ms) {
    if (wall_ms) {
        char text[CLOCK_ISO_BYTES];
        clock_format_iso(wall_ms, text);
        json_put_text(b, name, text);
    }
}

void json_put_int(struct buf *b, const char *name, int64_t value) {
    json_put_name(b, name);
    buf_printf(b, "%lld", (long long)value);
}

void json_put_bool(struct buf *b, const char *name, bool value) {
    json_put_name(b, name);
    buf_puts(b, value ? "true" : "false");
}

#include "model/values.h"

#include <cjson/cJSON.h>

#include "model/alert.h"

struct value_kind value_kind_of(const struct taxonomy *t, enum dimension dim) {
    static const char *const nouns[DIM_COUNT] = {"region", "section", "edition"};
    return (struct value_kind){.noun = nouns[dim], .t = t, .dim = dim};
}

struct value_kind value_kind_platforms(void) {
    return (struct value_kind){
        .noun = "platform", .names = platform_names, .count = PLATFORM_COUNT};
}

int value_find(const struct value_kind *kind, struct str value) {
    return kind->t ? taxonomy_find(kind->t, kind->dim, value)
                   : name_find(kind->names, kind->count, value);
}

/* One item of a list at `pointer`. */
static void read_item(const cJSON *item, const char *pointer, const struct value_kind *kind,
                      struct problem *problems, struct value_set *set) {
    if (!cJSON_IsString(item)) {
        problem_add(problems, pointer, "wrong_type", "must be a string");
        return;
    }
    struct str value = str_of(item->valuestring);
    int index = value_find(kind, value);
    if (index >= 0) {
        set->mask |= UINT64_C(1) << index;
    } else if (str_eq(value, STR("all"))) {
        set->all = true;
        if (set->count > 1) {
            problem_add(problems, pointer, "invalid_value", "\"all\" must stand alone");
        }
    } else {
        problem_add(problems, pointer, "unknown_value", "unknown %s \"%.64s\"", kind->noun,
                    item->valuestring);
    }
}

void values_read(const struct json_reader *r, const char *name, const struct value_kind *kind,
                 struct value_set *out_set) {
    const cJSON *list = json_member(r, name);
    *out_set = (struct value_set){.given = list != NULL};
    if (!list) {
        return;
    }
    if (!cJSON_IsArray(list)) {
        json_fault(r, name, "wrong_type", "must be a list of %ss", kind->noun);
        return;
    }
    char base[JSON_POINTER_BYTES];
    char pointer[JSON_POINTER_BYTES];
    json_pointer(base, r->pointer, name);
    out_set->count = cJSON_GetArraySize(list);
    int i = 0;
    for (const cJSON *item = list->child; item; item = item->next, i++) {
        json_pointer_index(pointer, base, i);
        read_item(item, pointer, kind, r->problems, out_set);
    }
}

void values_read_known(const struct json_reader *r, const char *name, const struct value_kind *kind,
                       struct value_set *out_set) {
    struct json_reader silent = {.object = r->object, .pointer = ""};
    values_read(&silent, name, kind, out_set);
}

void values_put(struct buf *b, const struct value_kind *kind, uint64_t mask) {
    int count = kind->t ? taxonomy_count(kind->t, kind->dim) : kind->count;
    buf_putc(b, '[');
    for (int i = 0; i < count; i++) {
        if (mask >> i & 1) {
            json_put_comma(b);
            buf_put_json(b,
                         str_of(kind->t ? taxonomy_name(kind->t, kind->dim, i) : kind->names[i]));
        }
    }
    buf_putc(b, ']');
}

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "model/filter.h"
#include "model/json.h"
#include "model/text.h"
#include "model/values.h"

/* Adds a tag unless it is there; false and a fault when it breaks a rule. */
static bool add_tag(struct filter *f, struct str text, const char *pointer,
                    struct problem *problems) {
    struct str tag = str_trim(text);
    const struct text_fault *fault = text_check(tag, ALERT_TAG_BYTES_MAX);
    if (fault) {
        problem_add(problems, pointer, fault->code, "%s (a tag: at most %d bytes of visible text)",
                    fault->detail, ALERT_TAG_BYTES_MAX);
        return false;
    }
    for (int i = 0; i < f->tag_count; i++) {
        if (str_ieq(str_of(f->tags[i]), tag)) {
            return true;
        }
    }
    if (f->tag_count == FILTER_TAGS_MAX) {
        problem_add(problems, pointer, "too_many", "at most %d tags", FILTER_TAGS_MAX);
        return false;
    }
    f->tags[f->tag_count++] = mem_strndup(tag.p, tag.n);
    return true;
}

static void read_tags(const struct json_reader *r, struct filter *f) {
    const cJSON *list = json_member(r, "tags");
    if (!list) {
        return;
    }
    if (!cJSON_IsArray(list)) {
        json_fault(r, "tags", "wrong_type", "must be a list of strings");
        return;
    }
    char base[JSON_POINTER_BYTES];
    char pointer[JSON_POINTER_BYTES];
    json_pointer(base, r->pointer, "tags");
    int i = 0;
    bool go_on = true;
    for (const cJSON *item = list->child; item && go_on; item = item->next, i++) {
        json_pointer_index(pointer, base, i);
        if (cJSON_IsString(item)) {
            /* Past the last tag that fits, one fault is enough. */
            go_on = add_tag(f, str_of(item->valuestring), pointer, r->problems) ||
                    f->tag_count < FILTER_TAGS_MAX;
        } else {
            problem_add(r->problems, pointer, "wrong_type", "must be a string");
        }
    }
}

static uint64_t read_dimension(const struct taxonomy *t, enum dimension dim, const char *name,
                               const struct json_reader *r) {
    struct value_kind kind = value_kind_of(t, dim);
    struct value_set set;
    values_read(r, name, &kind, &set);
    return set.mask;
}

static void read_filter(const struct taxonomy *t, const struct json_reader *r, struct filter *f) {
    static const char *const members[] = {"regions", "sections",    "editions",
                                          "tags",    "min_urgency", "test"};
    if (!json_is_object(r)) {
        return;
    }
    json_allow(r, members, sizeof(members) / sizeof(members[0]));
    f->regions = read_dimension(t, DIM_REGION, "regions", r);
    f->sections = read_dimension(t, DIM_SECTION, "sections", r);
    f->editions = read_dimension(t, DIM_EDITION, "editions", r);
    read_tags(r, f);
    int urgency;
    if (json_read_name(r, "min_urgency", urgency_names, URGENCY_COUNT, &urgency)) {
        f->min_urgency = (enum urgency)urgency;
    }
    (void)json_read_bool(r, "test", &f->test);
}

enum err filter_read_json(const struct taxonomy *t, const struct cJSON *value, const char *pointer,
                          struct filter *out_filter, struct problem *problems) {
    size_t before = problem_count(problems);
    struct filter f;
    filter_init(&f);
    read_filter(t, &(struct json_reader){value, pointer, problems}, &f);
    if (problem_count(problems) > before) {
        filter_finish(&f);
        return ERR_INVALID;
    }
    filter_normalise(&f);
    *out_filter = f;
    return ERR_OK;
}

enum err filter_parse_json(const struct taxonomy *t, struct str json, const char *pointer,
                           struct filter *out_filter, struct problem *problems) {
    size_t before = problem_count(problems);
    struct cJSON *root;
    enum err err = json_parse(json, pointer, &root, problems);
    if (err) {
        return err;
    }
    bool has_duplicates = problem_count(problems) > before;
    struct filter f;
    err = filter_read_json(t, root, pointer, &f, problems);
    json_destroy(root);
    if (err) {
        return err;
    }
    if (has_duplicates) {
        filter_finish(&f);
        return ERR_INVALID;
    }
    *out_filter = f;
    return ERR_OK;
}

/* "mena,europe": adds to what an earlier parameter of the same name gave. "all" and an empty value
 * restrict nothing. */
static void set_values(const struct taxonomy *t, enum dimension dim, struct str value,
                       const char *pointer, uint64_t *mask, struct problem *problems) {
    struct value_kind kind = value_kind_of(t, dim);
    struct str rest = str_trim(value);
    struct str part;
    if (!rest.n || str_eq(rest, STR("all"))) {
        return;
    }
    while (str_split(&rest, ',', &part)) {
        part = str_trim(part);
        int index = taxonomy_find(t, dim, part);
        if (index >= 0) {
            *mask |= UINT64_C(1) << index;
        } else {
            int shown = part.n < TAXONOMY_VALUE_MAX ? (int)part.n : TAXONOMY_VALUE_MAX;
            problem_add(problems, pointer, "unknown_value", "unknown %s \"%.*s\"", kind.noun, shown,
                        part.p);
        }
    }
}

static void set_tags(struct str value, const char *pointer, struct filter *f,
                     struct problem *problems) {
    struct str rest = str_trim(value);
    struct str part;
    while (rest.n && str_split(&rest, ',', &part)) {
        if (!add_tag(f, part, pointer, problems)) {
            return;
        }
    }
}

static void set_urgency(struct str value, struct filter *f, struct problem *problems) {
    int urgency = name_find(urgency_names, URGENCY_COUNT, value);
    if (urgency < 0) {
        problem_add(problems, "?min_urgency", "unknown_value",
                    "must be one of flash, high, normal, low");
        return;
    }
    f->min_urgency = (enum urgency)urgency;
}

static void set_test(struct str value, struct filter *f, struct problem *problems) {
    if (str_eq(value, STR("true")) || str_eq(value, STR("1"))) {
        f->test = true;
    } else if (str_eq(value, STR("false")) || str_eq(value, STR("0"))) {
        f->test = false;
    } else {
        problem_add(problems, "?test", "invalid_value", "must be true or false");
    }
}

enum err filter_set_param(const struct taxonomy *t, struct str name, struct str value,
                          struct filter *filter, struct problem *problems) {
    size_t before = problem_count(problems);
    if (str_eq(name, STR("regions"))) {
        set_values(t, DIM_REGION, value, "?regions", &filter->regions, problems);
    } else if (str_eq(name, STR("sections"))) {
        set_values(t, DIM_SECTION, value, "?sections", &filter->sections, problems);
    } else if (str_eq(name, STR("editions"))) {
        set_values(t, DIM_EDITION, value, "?editions", &filter->editions, problems);
    } else if (str_eq(name, STR("tags"))) {
        set_tags(value, "?tags", filter, problems);
    } else if (str_eq(name, STR("min_urgency"))) {
        set_urgency(value, filter, problems);
    } else if (str_eq(name, STR("test"))) {
        set_test(value, filter, problems);
    } else {
        return ERR_NOT_FOUND;
    }
    return problem_count(problems) > before ? ERR_INVALID : ERR_OK;
}

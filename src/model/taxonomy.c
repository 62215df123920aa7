#include "model/taxonomy.h"

#include <assert.h>
#include <stdlib.h>

#include "model/json.h"
#include "model/taxonomy_data.h"

const char *const taxonomy_members[DIM_COUNT] = {"regions", "sections", "editions"};

void taxonomy_destroy(struct taxonomy *t) {
    if (!t) {
        return;
    }
    for (int dim = 0; dim < DIM_COUNT; dim++) {
        for (int i = 0; i < t->counts[dim]; i++) {
            for (int edition = 0; edition < TAXONOMY_MAX; edition++) {
                free(t->values[dim][i].labels[edition]);
            }
        }
        free(t->values[dim]);
    }
    free(t);
}

static const struct taxonomy_value *value_at(const struct taxonomy *t, enum dimension dim,
                                             int index) {
    assert(index >= 0 && index < t->counts[dim]);
    return &t->values[dim][index];
}

int taxonomy_count(const struct taxonomy *t, enum dimension dim) {
    return t->counts[dim];
}

int taxonomy_find(const struct taxonomy *t, enum dimension dim, struct str value) {
    for (int i = 0; i < t->counts[dim]; i++) {
        if (str_eq(str_of(t->values[dim][i].name), value)) {
            return i;
        }
    }
    return -1;
}

const char *taxonomy_name(const struct taxonomy *t, enum dimension dim, int index) {
    return value_at(t, dim, index)->name;
}

const char *taxonomy_label(const struct taxonomy *t, enum dimension dim, int index, int edition) {
    const struct taxonomy_value *value = value_at(t, dim, index);
    const char *label = edition >= 0 && edition < TAXONOMY_MAX ? value->labels[edition] : NULL;
    return label ? label : value->name;
}

bool taxonomy_is_rtl(const struct taxonomy *t, int edition) {
    return value_at(t, DIM_EDITION, edition)->rtl;
}

uint64_t taxonomy_with_parents(const struct taxonomy *t, uint64_t regions) {
    uint64_t all = 0;
    for (int i = 0; i < t->counts[DIM_REGION]; i++) {
        if (regions >> i & 1) {
            all |= t->values[DIM_REGION][i].with_parents;
        }
    }
    return all;
}

uint64_t taxonomy_all(const struct taxonomy *t, enum dimension dim) {
    int count = t->counts[dim];
    return count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
}

static void put_value(const struct taxonomy *t, enum dimension dim, int index, struct buf *b) {
    const struct taxonomy_value *value = value_at(t, dim, index);
    buf_putc(b, '{');
    json_put_text(b, "id", value->name);
    if (dim == DIM_EDITION) {
        json_put_text(b, "dir", value->rtl ? "rtl" : "ltr");
    }
    if (value->parent >= 0) {
        json_put_text(b, "parent", taxonomy_name(t, dim, value->parent));
    }
    json_put_name(b, "labels");
    buf_putc(b, '{');
    for (int edition = 0; edition < t->counts[DIM_EDITION]; edition++) {
        json_put_text(b, taxonomy_name(t, DIM_EDITION, edition), value->labels[edition]);
    }
    buf_puts(b, "}}");
}

void taxonomy_put_json(const struct taxonomy *t, struct buf *b) {
    static const enum dimension order[] = {DIM_EDITION, DIM_REGION, DIM_SECTION};
    buf_putc(b, '{');
    for (int d = 0; d < DIM_COUNT; d++) {
        json_put_name(b, taxonomy_members[order[d]]);
        buf_putc(b, '[');
        for (int i = 0; i < t->counts[order[d]]; i++) {
            json_put_comma(b);
            put_value(t, order[d], i, b);
        }
        buf_putc(b, ']');
    }
    buf_putc(b, '}');
}

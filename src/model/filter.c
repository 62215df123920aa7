#include "model/filter.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/json.h"
#include "model/values.h"

void filter_init(struct filter *f) {
    *f = (struct filter){.min_urgency = URGENCY_LOW};
}

void filter_finish(struct filter *f) {
    for (int i = 0; i < f->tag_count; i++) {
        free(f->tags[i]);
    }
    filter_init(f);
}

void filter_copy(const struct filter *from, struct filter *out_to) {
    *out_to = *from;
    for (int i = 0; i < from->tag_count; i++) {
        out_to->tags[i] = mem_strdup(from->tags[i]);
    }
}

static int compare_tags(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void filter_normalise(struct filter *f) {
    for (int i = 0; i < f->tag_count; i++) {
        for (char *p = f->tags[i]; *p; p++) {
            if (*p >= 'A' && *p <= 'Z') {
                *p = (char)(*p - 'A' + 'a');
            }
        }
    }
    qsort(f->tags, (size_t)f->tag_count, sizeof(f->tags[0]), compare_tags);
    int kept = 0;
    for (int i = 0; i < f->tag_count; i++) {
        if (kept && strcmp(f->tags[kept - 1], f->tags[i]) == 0) {
            free(f->tags[i]);
        } else {
            f->tags[kept++] = f->tags[i];
        }
    }
    f->tag_count = kept;
}

void filter_put_key(const struct filter *f, struct buf *b) {
    const uint64_t numbers[] = {f->regions, f->sections, f->editions,
                                (uint64_t)f->min_urgency << 1 | f->test};
    buf_put(b, numbers, sizeof(numbers));
    for (int i = 0; i < f->tag_count; i++) {
        /* The length in front keeps tags apart. */
        const uint64_t size = strlen(f->tags[i]);
        buf_put(b, &size, sizeof(size));
        buf_put(b, f->tags[i], size);
    }
}

/* One dimension of the filter against the alert's; 0 = any on either side. */
static bool overlaps(uint64_t wanted, uint64_t given) {
    return !wanted || !given || (wanted & given);
}

static bool follows_tag(const struct filter *f, const struct alert *a) {
    for (int i = 0; i < f->tag_count; i++) {
        for (int k = 0; k < a->tag_count; k++) {
            if (str_ieq(str_of(f->tags[i]), str_of(a->tags[k]))) {
                return true;
            }
        }
    }
    return false;
}

static bool matches_status(const struct filter *f, enum alert_status status) {
    switch (status) {
    case STATUS_ACTUAL:
        return true;
    case STATUS_TEST:
    case STATUS_EXERCISE:
        return f->test;
    case STATUS_DRAFT:
    case STATUS_COUNT:
        return false;
    }
    return false;
}

bool filter_matches(const struct filter *f, const struct alert *a, uint64_t alert_editions) {
    uint32_t platforms = a->audience.platforms;
    if ((platforms && !(platforms & 1U << PLATFORM_STREAM)) || a->urgency > f->min_urgency ||
        !matches_status(f, a->status) ||
        !(alert_editions & (f->editions ? f->editions : UINT64_MAX))) {
        return false;
    }
    bool in_region =
        !f->regions || a->audience.regions_all || (f->regions & a->audience.regions_match);
    return (in_region && overlaps(f->sections, a->audience.sections)) || follows_tag(f, a);
}

static void put_dimension(const struct taxonomy *t, enum dimension dim, const char *name,
                          uint64_t mask, struct buf *b) {
    struct value_kind kind = value_kind_of(t, dim);
    json_put_name(b, name);
    if (mask) {
        values_put(b, &kind, mask);
    } else {
        buf_puts(b, "[\"all\"]");
    }
}

void filter_put_json(const struct filter *f, const struct taxonomy *t, struct buf *b) {
    buf_putc(b, '{');
    put_dimension(t, DIM_REGION, "regions", f->regions, b);
    put_dimension(t, DIM_SECTION, "sections", f->sections, b);
    put_dimension(t, DIM_EDITION, "editions", f->editions, b);
    json_put_name(b, "tags");
    buf_putc(b, '[');
    for (int i = 0; i < f->tag_count; i++) {
        json_put_comma(b);
        buf_put_json(b, str_of(f->tags[i]));
    }
    buf_putc(b, ']');
    json_put_text(b, "min_urgency", urgency_names[f->min_urgency]);
    json_put_bool(b, "test", f->test);
    buf_putc(b, '}');
}

#include "store/audience.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* `n` holds platform by platform each edition, then the regions, then the values. */

static size_t region_at(const struct audience_counts *c, int region) {
    return (size_t)(PLATFORM_COUNT * c->editions + region);
}

static size_t value_at(const struct audience_counts *c, size_t value) {
    return region_at(c, taxonomy_count(c->t, DIM_REGION)) + value;
}

void audience_counts_init(struct audience_counts *c, const struct taxonomy *t,
                          const struct alert *a) {
    const struct audience *to = &a->audience;
    *c = (struct audience_counts){.t = t, .editions = taxonomy_count(t, DIM_EDITION)};
    for (int p = PLATFORM_STREAM + 1; p < PLATFORM_COUNT; p++) {
        bool is_for = to->platforms == 0 || (to->platforms >> p & 1);
        c->platforms |= is_for ? UINT32_C(1) << p : 0;
    }
    c->edition_mask = alert_editions(a, t);
    c->regions = to->regions_all ? taxonomy_all(t, DIM_REGION) : to->regions_match;
    args_init(&c->values);
    c->n = mem_zalloc(value_at(c, 0), sizeof(*c->n));
}

void audience_counts_finish(struct audience_counts *c) {
    args_finish(&c->values);
    free(c->n);
    c->n = NULL;
}

void audience_counts_add_value(struct audience_counts *c, struct str value) {
    args_put(&c->values, value);
    c->n = mem_resize(c->n, value_at(c, c->values.count), sizeof(*c->n));
    c->n[value_at(c, c->values.count - 1)] = 0;
}

/* ---- asking ---- */

uint64_t audience_of(const struct audience_counts *c, enum platform platform, int edition) {
    return c->n[(int)platform * c->editions + edition];
}

uint64_t audience_of_platform(const struct audience_counts *c, enum platform platform) {
    uint64_t sum = 0;
    for (int e = 0; e < c->editions; e++) {
        sum += audience_of(c, platform, e);
    }
    return sum;
}

uint64_t audience_of_edition(const struct audience_counts *c, int edition) {
    uint64_t sum = 0;
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        sum += audience_of(c, (enum platform)p, edition);
    }
    return sum;
}

uint64_t audience_total(const struct audience_counts *c) {
    uint64_t sum = 0;
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        sum += audience_of_platform(c, (enum platform)p);
    }
    return sum;
}

uint64_t audience_of_region(const struct audience_counts *c, int region) {
    return c->n[region_at(c, region)];
}

uint64_t audience_of_value(const struct audience_counts *c, size_t value) {
    return c->n[value_at(c, value)];
}

/* ---- the expression ---- */

static void put_mask(struct args *args, const struct taxonomy *t, enum dimension dim,
                     uint64_t mask) {
    args_put_int(args, __builtin_popcountll(mask));
    for (int i = 0; i < taxonomy_count(t, dim); i++) {
        if (mask >> i & 1) {
            args_put_text(args, taxonomy_name(t, dim, i));
        }
    }
}

static void put_tags(struct args *args, const struct alert *a) {
    args_put_int(args, a->tag_count);
    for (int i = 0; i < a->tag_count; i++) {
        char tag[ALERT_TAG_BYTES_MAX];
        size_t n = strnlen(a->tags[i], sizeof(tag));
        for (size_t k = 0; k < n; k++) {
            char c = a->tags[i][k];
            tag[k] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
        args_put(args, (struct str){tag, n});
    }
}

/* Least urgent levels that let the alert through; none named when every device does. */
static void put_urgencies(struct args *args, const struct alert *a) {
    if (a->urgency == URGENCY_FLASH) {
        args_put_int(args, 0);
        return;
    }
    args_put_int(args, URGENCY_COUNT - (int)a->urgency);
    for (int u = (int)a->urgency; u < URGENCY_COUNT; u++) {
        args_put_text(args, urgency_names[u]);
    }
}

void audience_put(struct args *args, struct audience_counts *c, const struct alert *a) {
    const struct audience *to = &a->audience;
    args_put_text(args, msg_type_names[a->msg_type]);
    args_put_text(args, a->id);
    args_put_int(args, a->revision);
    args_put_int(args, a->status != STATUS_ACTUAL);
    put_mask(args, c->t, DIM_REGION, to->regions_all ? 0 : to->regions_match);
    put_mask(args, c->t, DIM_SECTION, to->sections);
    put_urgencies(args, a);
    put_tags(args, a);
    args_put_int(args, __builtin_popcount(c->platforms));
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        if (c->platforms >> p & 1) {
            args_put_text(args, platform_names[p]);
        }
    }
    put_mask(args, c->t, DIM_EDITION, c->edition_mask);
    put_mask(args, c->t, DIM_REGION, c->regions);
    args_put_int(args, (int64_t)c->values.count);
    args_put_all(args, &c->values);
}

/* ---- the answer ---- */

/* Adds the next number of the answer; false when there is none. */
static bool add_next(struct str *counts, uint64_t *sum, uint64_t *also) {
    struct str part;
    uint64_t count;
    if (!str_split(counts, ' ', &part) || str_to_u64(part, &count)) {
        return false;
    }
    *sum += count;
    *also += count;
    return true;
}

bool audience_add(struct audience_counts *c, struct str counts, uint32_t *out_platforms) {
    uint64_t ignored = 0;
    *out_platforms = 0;
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        uint64_t devices = 0;
        for (int e = 0; e < c->editions && (c->platforms >> p & 1); e++) {
            if ((c->edition_mask >> e & 1) &&
                !add_next(&counts, &c->n[p * c->editions + e], &devices)) {
                return false;
            }
        }
        *out_platforms |= devices ? UINT32_C(1) << p : 0;
    }
    for (int r = 0; r < taxonomy_count(c->t, DIM_REGION); r++) {
        if ((c->regions >> r & 1) && !add_next(&counts, &c->n[region_at(c, r)], &ignored)) {
            return false;
        }
    }
    for (size_t z = 0; z < c->values.count; z++) {
        if (!add_next(&counts, &c->n[value_at(c, z)], &ignored)) {
            return false;
        }
    }
    return true;
}

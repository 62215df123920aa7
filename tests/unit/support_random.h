#pragma once
/* Repeatable random alerts and filters for property tests. TEST_SEED=n repeats a failed run. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/codec.h"
#include "base/mem.h"
#include "model/alert.h"
#include "model/filter.h"

struct support_random {
    uint64_t state;
};

static inline struct support_random support_random_start(void) {
    const char *text = getenv("TEST_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    (void)fprintf(stderr, "TEST_SEED=%llu\n", (unsigned long long)seed);
    return (struct support_random){seed};
}

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t support_next(struct support_random *r) {
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static inline int support_below(struct support_random *r, int bound) {
    return (int)(support_next(r) % (uint64_t)bound);
}

/* A sparse set below `count`; empty in about a third of the calls. */
static inline uint64_t support_mask(struct support_random *r, int count) {
    uint64_t mask = 0;
    for (int left = support_below(r, 4) - 1; left > 0; left--) {
        mask |= UINT64_C(1) << support_below(r, count);
    }
    return mask;
}

/* A short tag; few different ones, in different cases, so that tags meet. */
static inline char *support_tag(struct support_random *r) {
    static const char *const tags[] = {"iran",  "Iran",  "IRAN", "لبنان", "a,b", "sudan",
                                       "Sudan", "\"q\"", "x y",  "\\",    "ж",   "Ж"};
    return mem_strdup(tags[support_below(r, 12)]);
}

/* Text out of all kinds of characters; NULL in a third of the calls unless `must`. */
static inline char *support_text(struct support_random *r, bool must) {
    static const char *const parts[] = {"a", "\"",  "\\",           "/", "é", "خبر", "中", "🚨",
                                        " ", "<&>", "\xE2\x80\x8F", "ñ", "%s"};
    if (!must && support_below(r, 3) == 0) {
        return NULL;
    }
    struct buf b;
    buf_init(&b, 4096);
    buf_puts(&b, "T");
    for (int n = support_below(r, 30); n > 0; n--) {
        buf_puts(&b, parts[support_below(r, 13)]);
    }
    return buf_take(&b);
}

/* A complete alert as the log could hold it. */
static inline struct alert *support_random_alert(struct support_random *r,
                                                 const struct taxonomy *t) {
    struct alert *a = alert_create();
    codec_uuid7(a->id);
    a->revision = 1 + (uint32_t)support_below(r, 5);
    a->msg_type = (enum msg_type)support_below(r, MSG_TYPE_COUNT);
    a->status = (enum alert_status)support_below(r, STATUS_DRAFT);
    a->urgency = (enum urgency)support_below(r, URGENCY_COUNT);
    a->audience.regions = support_mask(r, taxonomy_count(t, DIM_REGION));
    a->audience.regions_all = a->audience.regions == 0;
    a->audience.regions_match = taxonomy_with_parents(t, a->audience.regions);
    a->audience.sections = support_mask(r, taxonomy_count(t, DIM_SECTION));
    a->audience.editions = support_mask(r, taxonomy_count(t, DIM_EDITION));
    a->audience.platforms = (uint32_t)support_mask(r, PLATFORM_COUNT);
    for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
        if (support_below(r, 3)) {
            a->content[i] = (struct alert_content){support_text(r, true), support_text(r, false),
                                                   support_text(r, false), support_text(r, false),
                                                   taxonomy_is_rtl(t, i)};
        }
    }
    a->fallback_edition = support_below(r, taxonomy_count(t, DIM_EDITION) + 1) - 1;
    for (int n = support_below(r, 4); n > 0; n--) {
        a->tags[a->tag_count++] = support_tag(r);
    }
    a->source = support_text(r, false);
    a->story_id = support_text(r, false);
    a->collapse_id = support_text(r, false);
    a->reference = a->msg_type == MSG_ALERT ? NULL : mem_strdup(a->id);
    a->sound = (enum alert_sound)(a->msg_type == MSG_ALERT ? 0 : support_below(r, 3));
    a->ttl_s = support_below(r, ALERT_TTL_MAX_S + 1);
    a->sent_ms = (int64_t)(support_next(r) % 4102444800000U); /* before 2100 */
    a->created_by = support_text(r, false);
    return a;
}

static inline struct filter support_random_filter(struct support_random *r,
                                                  const struct taxonomy *t) {
    struct filter f;
    filter_init(&f);
    f.regions = support_mask(r, taxonomy_count(t, DIM_REGION));
    f.sections = support_mask(r, taxonomy_count(t, DIM_SECTION));
    f.editions = support_mask(r, taxonomy_count(t, DIM_EDITION));
    f.min_urgency = (enum urgency)support_below(r, URGENCY_COUNT);
    f.test = support_below(r, 2);
    for (int n = support_below(r, 4); n > 0; n--) {
        f.tags[f.tag_count++] = support_tag(r);
    }
    filter_normalise(&f);
    return f;
}

#pragma once
/* What a reader follows. Canonical and comparable, so that equal filters are interned as one
 * cohort and an alert is matched once per cohort. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "model/alert.h"
#include "model/problem.h"
#include "model/taxonomy.h"

enum { FILTER_TAGS_MAX = 32 };

struct cJSON;

struct filter {
    uint64_t regions;            /* 0 = any */
    uint64_t sections;           /* 0 = any */
    uint64_t editions;           /* 0 = all */
    enum urgency min_urgency;    /* least urgent level still wanted; URGENCY_LOW = everything */
    bool test;                   /* also wants status test and exercise */
    char *tags[FILTER_TAGS_MAX]; /* owned, sorted, unique, compared without ASCII case */
    int tag_count;
};

/* {"regions":[…],"sections":[…],"editions":[…],"tags":[…],"min_urgency":"normal","test":false};
 * absent or ["all"] = any. Unknown members and values are faults below `pointer`. */
MUST_CHECK enum err filter_parse_json(const struct taxonomy *t, struct str json,
                                      const char *pointer, struct filter *out_filter,
                                      struct problem *problems);
/* The same for a filter that is part of a parsed message; `value` is borrowed. */
MUST_CHECK enum err filter_read_json(const struct taxonomy *t, const struct cJSON *value,
                                     const char *pointer, struct filter *out_filter,
                                     struct problem *problems);
/* One query parameter at a time, already percent-decoded: regions=mena,europe … ERR_NOT_FOUND
 * when `name` is not a filter parameter. A parameter given again adds to the first; "all" and an
 * empty value restrict nothing. */
MUST_CHECK enum err filter_set_param(const struct taxonomy *t, struct str name, struct str value,
                                     struct filter *filter, struct problem *problems);
/* Everything, as from an empty JSON object. */
void filter_init(struct filter *f);
void filter_finish(struct filter *f);
void filter_copy(const struct filter *from, struct filter *out_to);
/* Sorts and folds; done by the parsers, needed after filter_set_param calls. */
void filter_normalise(struct filter *f);
/* Appends bytes that are equal exactly when the filters are. */
void filter_put_key(const struct filter *f, struct buf *b);
/* ((regions ∧ sections) ∨ followed tags) ∧ editions ∧ urgency ∧ status ∧ platform stream; the
 * alert's regions count with their parents. */
bool filter_matches(const struct filter *f, const struct alert *a, uint64_t alert_editions);
/* As JSON, for `welcome` and for people. */
void filter_put_json(const struct filter *f, const struct taxonomy *t, struct buf *b);

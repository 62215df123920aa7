#pragma once
/* Readers with equal filters form a cohort: an alert is matched once per cohort, then only the
 * members of matching cohorts are walked. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/map.h"
#include "model/filter.h"

struct cohort {
    struct list all;      /* cohorts.all */
    struct list queue;    /* a fan-out queue while it has due members, else none */
    struct list idle;     /* reader.link: live members that have everything */
    struct list due;      /* reader.link: live members the fan-out must visit */
    uint64_t due_from;    /* no due member has more than this to get from before it; 0 = none due */
    uint64_t last_match;  /* newest matching seq; 0 = none since the cohort exists */
    enum urgency urgency; /* of the most urgent thing due */
    size_t members;       /* live or not */
    struct filter filter;
    char *key; /* interning key, owned */
    size_t key_size;
};

struct cohorts {
    struct map *by_key;
    struct list all; /* cohort.all */
    size_t count;
};

void cohorts_init(struct cohorts *cs);
/* No cohort may have members any more. */
void cohorts_finish(struct cohorts *cs);
/* The cohort of a filter (copied), with one member more. */
struct cohort *cohorts_join(struct cohorts *cs, const struct filter *f);
/* One member less; an empty cohort is freed. */
void cohorts_leave(struct cohorts *cs, struct cohort *c);
/* All idle members become due for `seq`, in constant time. */
void cohort_make_due(struct cohort *c, uint64_t seq);

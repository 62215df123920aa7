#pragma once
/* Lists of values such as "regions":["mena","europe"] as 64-bit masks, bit = index. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "model/json.h"
#include "model/taxonomy.h"

/* Where the values come from: a dimension of a taxonomy, or a fixed table of names. */
struct value_kind {
    const char *noun; /* "region", for people */
    const struct taxonomy *t;
    enum dimension dim;
    const char *const *names; /* used when t is NULL */
    int count;
};

/* A list as it was read. "all" stands alone and means any. */
struct value_set {
    bool given;    /* the member was there */
    bool all;      /* it was ["all"] */
    int count;     /* items in the list, known or not */
    uint64_t mask; /* of the known ones */
};

struct value_kind value_kind_of(const struct taxonomy *t, enum dimension dim);
struct value_kind value_kind_platforms(void);
/* -1 when unknown. */
int value_find(const struct value_kind *kind, struct str value);

/* Reads a list strictly: each unknown value is a fault at its place. */
void values_read(const struct json_reader *r, const char *name, const struct value_kind *kind,
                 struct value_set *out_set);
/* Reads a list leniently, from a form of our own: what is unknown is left out. A set that is
 * given, not all, and has mask 0 has lost its meaning: the caller must not take it for "any". */
void values_read_known(const struct json_reader *r, const char *name, const struct value_kind *kind,
                       struct value_set *out_set);
/* Appends ["mena","europe"] in the order of the indexes. */
void values_put(struct buf *b, const struct value_kind *kind, uint64_t mask);

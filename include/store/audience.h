#pragma once
/* Who an alert is for: counted exactly from the bitmaps of the registry, each device once however
 * its follows overlap. An update or cancel, completed from its alert (alert_inherit), is for those
 * who got that. The planner fixes recipients by the same expression (lib_audience.lua), so
 * a count made before a send is what the send targets, as far as nobody registers in between. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/alert.h"
#include "store/args.h"
#include "store/store.h"

/* Devices by platform and edition, by region, by other values. */
struct audience_counts {
    const struct taxonomy *t;
    int editions;
    uint32_t platforms;    /* asked for: bit = enum platform */
    uint64_t regions;      /* counted by: those the alert names and their parents */
    struct args values;    /* counted by: "zone:Asia/Beirut"; none unless asked for */
    uint64_t edition_mask; /* those the alert has text for */
    uint64_t *n;
};

/* All zero, for an alert. */
void audience_counts_init(struct audience_counts *c, const struct taxonomy *t,
                          const struct alert *a);
void audience_counts_finish(struct audience_counts *c);
/* Counts by this value ("zone:Asia/Beirut") as well; several, separated by blanks, count as one. */
void audience_counts_add_value(struct audience_counts *c, struct str value);
uint64_t audience_total(const struct audience_counts *c);
uint64_t audience_of_platform(const struct audience_counts *c, enum platform platform);
uint64_t audience_of_edition(const struct audience_counts *c, int edition);
uint64_t audience_of(const struct audience_counts *c, enum platform platform, int edition);
/* Followers of the region, or of any; one who follows two regions counts in both. */
uint64_t audience_of_region(const struct audience_counts *c, int region);
/* By index into `values`. */
uint64_t audience_of_value(const struct audience_counts *c, size_t value);

/* For the scripts: the expression, as lib_audience.lua reads it. */
void audience_put(struct args *args, struct audience_counts *c, const struct alert *a);
/* Adds the answer of a script; false when it does not fit. `out_platforms`: who has devices there.
 */
MUST_CHECK bool audience_add(struct audience_counts *c, struct str counts, uint32_t *out_platforms);

/* The time zones that the registry knows, as values ("zone:Asia/Beirut"); valid during the call. */
typedef void audience_zones_fn(void *user, enum err err, struct args *zones);
void audience_zones(struct store *store, audience_zones_fn *done, void *user);
/* Counts over the whole registry, also by the values (borrowed for the call; NULL = none). `alert`
 * is borrowed until `done`, which comes once; ERR_CLOSED when the store goes, ERR_UNAVAILABLE
 * otherwise. `counts` is valid during the call. */
typedef void audience_fn(void *user, enum err err, struct audience_counts *counts);
void audience_count(struct store *store, const struct taxonomy *t, const struct alert *alert,
                    struct args *values, audience_fn *done, void *user);

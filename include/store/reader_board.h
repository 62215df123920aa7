#pragma once
/* Who is listening, for the audience preview: every gateway worker tells its filters and how many
 * readers hold each, every second while that changes; what was told counts READERS_KEEP_MS. So a
 * count is at most about a second old, and readers of a worker that died are counted that long. */
#include <stddef.h>
#include <stdint.h>

#include "model/alert.h"
#include "model/filter.h"
#include "store/store.h"

enum {
    READERS_TELL_MS = 1000,
    READERS_KEEP_MS = 5000,
    READERS_FILTERS_MAX = 1000, /* told by one worker; the readers of others are only a number */
};

/* What a worker tells: lines of "count filter". */
struct reader_summary {
    struct buf text;
    uint64_t readers; /* all, listed or not */
    size_t filters;
};
void reader_summary_init(struct reader_summary *s);
void reader_summary_finish(struct reader_summary *s);
void reader_summary_add(struct reader_summary *s, const struct taxonomy *t,
                        const struct filter *filter, uint64_t readers);
/* Tells it under the name of the worker; a failure is put right by the next. */
void reader_board_tell(struct store *store, struct str worker, const struct reader_summary *s);

struct reader_counts {
    uint64_t online;
    uint64_t matching;
    uint64_t unlisted; /* online, but whether they match is not known */
};
/* `alert` is borrowed until `done`. */
typedef void reader_board_fn(void *user, enum err err, const struct reader_counts *counts);
void reader_board_count(struct store *store, const struct taxonomy *t, const struct alert *alert,
                        reader_board_fn *done, void *user);

#pragma once
/* Receipts on their way to Redis, many in a write. Those of devices are answered after it, so what
 * was answered is counted for good; those of WebSocket readers are summed here, and what a killed
 * worker had not written yet is lost. Nothing counts twice. */
#include "gateway/entry.h"
#include "gateway/reader.h"
#include "gateway/receipt_window.h"
#include "store/receipt_store.h"

struct receipts;

struct receipts_options {
    struct store *store;
    const struct taxonomy *taxonomy;
    int64_t flush_ms;
    int64_t rate; /* receipts of devices a second; 0 = no limit */
    size_t waiting_max;
    size_t alerts_max;
};

struct receipts *receipts_create(const struct receipts_options *options);
/* After the store was destroyed, which ended all calls. Accepts NULL. */
void receipts_destroy(struct receipts *r);
/* Writes what is due, and at once with `all` (drain). Called at least every HUB_TICK_MS. */
void receipts_tick(struct receipts *r, int64_t now_ms, bool all);

/* True when nothing waits or is under way. */
bool receipts_are_written(const struct receipts *r);

/* ERR_FULL: too many wait; ERR_UNAVAILABLE: over the rate. Otherwise `post` (borrowed) and
 * `user` must last until `done`, which is called once. */
typedef void receipts_done_fn(void *user, enum err err, const struct receipt_answer *answer);
MUST_CHECK enum err receipts_add(struct receipts *r, const struct receipt_post *post,
                                 int64_t now_ms, receipts_done_fn *done, void *user);
/* One revision of an alert, received or opened by a WebSocket reader for the first time. */
void receipts_count(struct receipts *r, const struct alert *alert,
                    const bool is_new[RECEIPT_EVENT_COUNT]);

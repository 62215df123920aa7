#pragma once
/* Receipts: what readers say they received and opened, counted beside what was handed over
 * (alert_store_stats). Of a device each (revision of an alert, event) counts once, by a bitmap of
 * its block, {b<n>}:seen:<alert>:<revision>:<event>, kept as long as the list of recipients. */
#include <stdint.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/str.h"
#include "model/taxonomy.h"
#include "store/store.h"

enum receipt_event { RECEIPT_RECEIVED, RECEIPT_OPENED, RECEIPT_EVENT_COUNT };
extern const char *const receipt_event_names[RECEIPT_EVENT_COUNT];

struct receipt {
    char alert_id[UUID_BYTES];
    uint32_t revision;
    enum receipt_event event;
};

/* What became of one, as the script says it. */
enum receipt_fate {
    RECEIPT_COUNTED = 'c',
    RECEIPT_KNOWN = 'k',   /* counted before */
    RECEIPT_UNKNOWN = 'u', /* no such alert, or it is not kept any more */
    RECEIPT_STRANGER = 'n' /* the device is no recipient of it */
};

/* Of one device. All borrowed. */
struct receipt_post {
    struct str device_id;
    struct str secret_sha256; /* hex */
    const struct receipt *receipts;
    size_t count;
};

struct receipt_answer {
    enum err err;     /* ERR_NOT_FOUND: no such device; ERR_DENIED: not its secret */
    struct str fates; /* an enum receipt_fate for each receipt */
};

/* `answers` has one for each post, valid during the call; NULL with `err`: whether anything was
 * counted is not known, and to tell it again cannot count twice. */
typedef void receipt_devices_fn(void *user, enum err err, const struct receipt_answer *answers,
                                size_t count);
void receipt_store_devices(struct store *store, const struct taxonomy *t,
                           const struct receipt_post *posts, size_t count, receipt_devices_fn *done,
                           void *user);

struct receipt_sum {
    char alert_id[UUID_BYTES];
    uint32_t revision;
    uint64_t counts[RECEIPT_EVENT_COUNT];
};
/* Adds what a gateway worker counted for readers without a device. `batch` counts up from 1; the
 * same again with the same sums, after a failure, counts once. */
void receipt_store_readers(struct store *store, struct str worker, uint64_t batch,
                           const struct receipt_sum *sums, size_t count, store_done_fn *done,
                           void *user);

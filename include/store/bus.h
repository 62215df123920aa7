#pragma once
/* Hears every alert in order, without gaps: SUBSCRIBE → ack → read the log → merge by seq → live.
 * A lost bell costs time, never an alert: a hole is read from the log before anything after it is
 * delivered, a watchdog compares heads every second, a heartbeat travels through PUBLISH, silence
 * rebuilds the subscription. */
#include <stdbool.h>
#include <stdint.h>

#include "model/position.h"
#include "store/alert_store.h"
#include "store/store.h"

struct bus;

/* An epoch that came before the current one and the last seq of it that survived. */
struct epoch_past {
    char epoch[EPOCH_BYTES];
    uint64_t survived;
};
enum { EPOCH_PAST_MAX = 16 };

struct bus_handlers {
    /* The next alert; seq is exactly one more than the last one (or the first after on_reset). */
    void (*on_entry)(void *user, const struct log_entry *entry);
    /* The log is not the one known before (first start, new epoch, emptied Redis). `head` is the
     * position after which on_entry continues; `oldest_seq` the oldest still in the log (head.seq
     * + 1 when empty). With bus_options.preload, `head` lies that many entries back. */
    void (*on_reset)(void *user, const struct position *head, uint64_t oldest_seq,
                     const struct epoch_past *past, int past_count);
    /* A new epoch in which everything delivered so far survived (Redis restarted, a fail-over that
     * lost nothing): on_entry goes on without a gap, only the positions carry the new epoch. May
     * be NULL. */
    void (*on_epoch)(void *user, const struct position *head, const struct epoch_past *past,
                     int past_count);
    /* All that was in the log when bus_verify was last called has been delivered. May be NULL. */
    void (*on_verified)(void *user);
    /* Proven alive or not: drives /readyz and the clients' `status` frames. */
    void (*on_live)(void *user, bool live);
};

struct bus_options {
    uint64_t preload; /* how many of the newest entries to deliver first, to fill the ring */
};

MUST_CHECK enum err bus_create(uv_loop_t *loop, struct store *store, const struct config *cfg,
                               const struct bus_options *options,
                               const struct bus_handlers *handlers, void *user,
                               struct bus **out_bus);
void bus_destroy(struct bus *bus);
/* Asks Redis at once whether there is more than was delivered, or another epoch: on_verified
 * follows when that is settled, after an outage if need be. Calls before that share one answer only
 * if they came before the question was sent. */
void bus_verify(struct bus *bus);
bool bus_is_live(const struct bus *bus);

#pragma once
/* What all readers of one gateway share: the ring, the cohorts, the state of the bus, the timers.
 * Knows no sockets, no libraries and no loop: the gateway feeds it (hub_on_*, hub_tick, hub_turn)
 * and tests do the same. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/list.h"
#include "gateway/admission.h"
#include "gateway/cohort.h"
#include "gateway/reader.h"
#include "gateway/receipts.h"
#include "gateway/ring.h"
#include "gateway/wheel.h"
#include "model/taxonomy.h"
#include "store/alert_store.h"
#include "store/bus.h"

struct hub_options {
    size_t ring_entries;
    size_t ring_bytes;
    size_t snapshot_max; /* alerts in a snapshot */
    int64_t heartbeat_ms;
    int64_t idle_timeout_ms;
    int64_t hello_timeout_ms;
    int64_t token_hint_ms;      /* so long before its token ends a reader is told */
    uint32_t frame_rate;        /* frames a second from one WebSocket reader */
    uint32_t frame_burst;       /* at once; 0 = no limit */
    struct admission admission; /* who may follow what */
    struct receipts *receipts;  /* where acks are counted; NULL: nowhere */
    /* Work arrived: call hub_turn soon. */
    void (*want_turn)(void *user);
    void *user;
    /* Asks Redis for the head; hub_on_verified follows (bus_verify). NULL: what is known is taken
     * as it is. */
    void (*verify)(void *user);
    /* alert_log_read, or a test's own. */
    void (*read_log)(struct store *store, uint64_t from_seq, size_t limit, log_page_fn *done,
                     void *user);
    struct store *store;
};

enum { HUB_TICK_MS = 100, LOG_PAGE_ENTRIES = 64 };

/* Entries read from the log for readers older than the ring: one page, shared by all of them. */
struct log_page {
    struct entry *entries[LOG_PAGE_ENTRIES]; /* owned */
    size_t count;
    uint64_t first; /* seq of entries[0] */
};

struct hub {
    const struct taxonomy *taxonomy;
    struct hub_options options;
    struct ring *ring;
    struct wheel *wheel;
    struct cohorts cohorts;

    char epoch[EPOCH_BYTES]; /* "" until the log is known */
    uint64_t log_oldest;
    struct epoch_past past[EPOCH_PAST_MAX];
    int past_count;
    bool live;    /* what the bus says */
    bool settled; /* positions can be judged: the bus was live since the last reset */
    bool draining;
    bool verifying; /* verify was called and hub_on_verified is to come */

    struct list queues[URGENCY_COUNT]; /* cohort.queue: cohorts with due members */
    struct list fresh;                 /* reader.link by state */
    struct list waiting;
    struct list log_waiters;
    struct list behind;
    struct list choked;
    struct list closing;
    struct list graves;

    struct log_page page;
    struct log_ticket *reading; /* the log read under way, or NULL */
    uint64_t page_from;         /* where that read, or the last one, starts */
    int64_t read_retry_ms;      /* no read before this (monotonic), after a failure */

    struct codec_stock randoms;
    struct buf out;  /* bytes of the reader being pumped */
    struct buf json; /* one control message */
    int64_t now_ms;  /* monotonic, as of the last tick or turn */
    int64_t start_ms;
    int64_t fanout_start_ms; /* when the entry that filled empty queues was heard; 0 = idle */
    size_t counts[FRAME_KIND_COUNT];      /* readers not GONE */
    uint64_t delivered[FRAME_KIND_COUNT]; /* not yet added to the metrics */
};

struct hub *hub_create(const struct taxonomy *t, const struct hub_options *options);
/* All readers must be gone. */
void hub_destroy(struct hub *h);

/* --- the bus --- */
void hub_on_reset(struct hub *h, const struct position *head, uint64_t oldest_seq,
                  const struct epoch_past *past, int past_count);
void hub_on_epoch(struct hub *h, const struct position *head, const struct epoch_past *past,
                  int past_count);
void hub_on_entry(struct hub *h, const struct log_entry *log);
/* All that was in the log when verify was called has been heard. */
void hub_on_verified(struct hub *h);
void hub_on_live(struct hub *h, bool live);

/* --- time and work --- */
/* Every HUB_TICK_MS: timers, gauges. */
void hub_tick(struct hub *h);
/* One slice of the work; true when there is more. */
bool hub_turn(struct hub *h);
/* Every reader gets a bye at its own random moment of the window. */
void hub_drain(struct hub *h, int64_t window_ms);

/* --- asked by readers --- */
size_t hub_reader_count(const struct hub *h);
/* The entry if it is at hand: in the ring or in the log page. */
struct entry *hub_entry(const struct hub *h, uint64_t seq);
struct recovery_log hub_log(const struct hub *h);
/* "<epoch>:<seq>" in the current epoch. */
void hub_format_position(const struct hub *h, uint64_t seq, char out_text[POSITION_BYTES]);
/* A reader's position is doubtful: has it verified. Which answer the reader is to wait for. */
enum reader_doubt hub_verify(struct hub *h);
uint32_t hub_seconds(const struct hub *h);
void hub_want_turn(struct hub *h);

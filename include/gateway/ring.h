#pragma once
/* The recent end of the log, in memory, shared by all readers: a cursor is all a reader needs.
 * Consecutive by seq; bounded by entries and by bytes, the oldest go first. Also keeps which
 * alerts are active: the latest revision, not cancelled. */
#include <stddef.h>
#include <stdint.h>

#include "gateway/entry.h"

struct ring;

struct ring *ring_create(const struct taxonomy *t, size_t entries_max, size_t bytes_max);
/* Accepts NULL. */
void ring_destroy(struct ring *r);
/* Empty, continuing after `head_seq`. */
void ring_reset(struct ring *r, uint64_t head_seq);
/* Drops the entries above `last_seq`: a fail-over lost them. */
void ring_truncate(struct ring *r, uint64_t last_seq);
/* Takes the entry with seq = ring_head + 1; any other seq starts the ring anew there. Entries may
 * be dropped at the old end, never the new one. Returns the entry, valid while it is in the ring.
 */
struct entry *ring_push(struct ring *r, const struct log_entry *log);
/* Seq of the newest entry (or of the place where the next will follow). */
uint64_t ring_head(const struct ring *r);
/* Seq of the oldest entry; head + 1 when empty. */
uint64_t ring_oldest(const struct ring *r);
/* NULL outside oldest..head. */
struct entry *ring_get(const struct ring *r, uint64_t seq);
size_t ring_bytes(const struct ring *r);
/* Drops old entries while over the bytes: forms are built after the push. Not while a caller holds
 * an entry. */
void ring_trim(struct ring *r);

/* Seq after which the newest `limit` active alerts of a filter lie (head when there are none).
 * Alerts past their ttl leave the active list. */
uint64_t ring_snapshot_start(struct ring *r, const struct filter *f, size_t limit, int64_t wall_ms);
/* The next active alert in after..until, oldest first; NULL at the end. */
struct entry *ring_active_next(const struct ring *r, uint64_t after, uint64_t until);
/* The newest entry of an alert, or NULL. */
struct entry *ring_find(const struct ring *r, struct str alert_id);
/* True when no later entry of the ring revises or cancels this alert. */
bool ring_is_latest(const struct ring *r, const struct entry *e);

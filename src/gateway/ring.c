#include "gateway/ring.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

struct ring {
    const struct taxonomy *taxonomy;
    size_t entries_max;
    size_t bytes_max;
    struct entry **slots; /* by seq modulo entries_max; owned */
    uint64_t oldest;
    uint64_t head;
    size_t bytes;       /* sum over the entries, forms included */
    struct list active; /* entry.active, by seq */
    struct map *latest; /* alert id → its newest entry in the ring */
};

struct ring *ring_create(const struct taxonomy *t, size_t entries_max, size_t bytes_max) {
    struct ring *r = mem_zalloc(1, sizeof(*r));
    r->taxonomy = t;
    r->entries_max = entries_max;
    r->bytes_max = bytes_max;
    r->slots = mem_zalloc(entries_max, sizeof(struct entry *));
    r->latest = map_create();
    r->oldest = 1;
    list_init(&r->active);
    return r;
}

static struct entry **slot_of(const struct ring *r, uint64_t seq) {
    return &r->slots[seq % r->entries_max];
}

static struct str id_of(const struct entry *e) {
    return str_of(e->alert->id);
}

static void drop(struct ring *r, uint64_t seq) {
    struct entry **slot = slot_of(r, seq);
    struct entry *e = *slot;
    *slot = NULL;
    r->bytes -= e->bytes;
    if (e->alert && map_get(r->latest, id_of(e)) == e) {
        map_remove(r->latest, id_of(e));
    }
    entry_destroy(e);
}

void ring_reset(struct ring *r, uint64_t head_seq) {
    for (uint64_t seq = r->oldest; seq <= r->head; seq++) {
        drop(r, seq);
    }
    r->head = head_seq;
    r->oldest = head_seq + 1;
}

void ring_destroy(struct ring *r) {
    if (!r) {
        return;
    }
    ring_reset(r, 0);
    map_destroy(r->latest);
    free(r->slots);
    free(r);
}

static void note_latest(struct ring *r, struct entry *e) {
    if (!e->alert) {
        return;
    }
    struct entry *before = map_set(r->latest, id_of(e), e);
    if (before) {
        list_remove(&before->active);
    }
    if (e->alert->msg_type != MSG_CANCEL) {
        list_push_back(&r->active, &e->active);
    }
}

/* Who speaks last about an alert, among what is left. */
static void rebuild_active(struct ring *r) {
    map_destroy(r->latest);
    r->latest = map_create();
    LIST_EACH_SAFE(it, &r->active) {
        list_remove(it);
    }
    for (uint64_t seq = r->oldest; seq <= r->head; seq++) {
        note_latest(r, *slot_of(r, seq));
    }
}

void ring_truncate(struct ring *r, uint64_t last_seq) {
    if (last_seq >= r->head) {
        return;
    }
    if (last_seq + 1 <= r->oldest) {
        ring_reset(r, last_seq);
        return;
    }
    for (uint64_t seq = last_seq + 1; seq <= r->head; seq++) {
        drop(r, seq);
    }
    r->head = last_seq;
    rebuild_active(r);
}

size_t ring_bytes(const struct ring *r) {
    return r->bytes;
}

void ring_trim(struct ring *r) {
    while (r->bytes > r->bytes_max && r->oldest < r->head) {
        drop(r, r->oldest);
        r->oldest++;
    }
}

struct entry *ring_push(struct ring *r, const struct log_entry *log) {
    if (log->position.seq != r->head + 1) {
        ring_reset(r, log->position.seq - 1);
    }
    if (r->head + 1 - r->oldest == r->entries_max) {
        drop(r, r->oldest);
        r->oldest++;
    }
    struct entry *e = entry_create(r->taxonomy, log);
    e->account = &r->bytes;
    r->bytes += e->bytes;
    r->head++;
    *slot_of(r, r->head) = e;
    note_latest(r, e);
    ring_trim(r);
    return e;
}

uint64_t ring_head(const struct ring *r) {
    return r->head;
}

uint64_t ring_oldest(const struct ring *r) {
    return r->oldest;
}

struct entry *ring_get(const struct ring *r, uint64_t seq) {
    return seq >= r->oldest && seq <= r->head ? *slot_of(r, seq) : NULL;
}

struct entry *ring_find(const struct ring *r, struct str alert_id) {
    return map_get(r->latest, alert_id);
}

bool ring_is_latest(const struct ring *r, const struct entry *e) {
    return e->alert && map_get(r->latest, id_of(e)) == e;
}

uint64_t ring_snapshot_start(struct ring *r, const struct filter *f, size_t limit,
                             int64_t wall_ms) {
    uint64_t start = r->head;
    for (struct list *it = r->active.prev; it != &r->active && limit > 0;) {
        struct entry *e = LIST_ENTRY(it, struct entry, active);
        it = it->prev;
        if (entry_is_expired(e, wall_ms)) {
            list_remove(&e->active);
        } else if (entry_matches(e, f)) {
            start = e->position.seq - 1;
            limit--;
        }
    }
    return start;
}

struct entry *ring_active_next(const struct ring *r, uint64_t after, uint64_t until) {
    uint64_t seq = after + 1 > r->oldest ? after + 1 : r->oldest;
    for (; seq <= until && seq <= r->head; seq++) {
        struct entry *e = *slot_of(r, seq);
        if (!list_is_empty(&e->active)) {
            return e;
        }
    }
    return NULL;
}

#include "gateway/history.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

enum { RETRY_MS = 500 };

/* One log read under way. It outlives the hub's interest in it: a reset or the end of the hub only
 * clears `hub`, the answer frees it. */
struct log_ticket {
    struct hub *hub;
};

static void drop_page(struct hub *h) {
    for (size_t i = 0; i < h->page.count; i++) {
        entry_destroy(h->page.entries[i]);
    }
    h->page.count = 0;
    h->page.first = 0;
}

void history_reset(struct hub *h) {
    drop_page(h);
    if (h->reading) {
        h->reading->hub = NULL;
        h->reading = NULL;
    }
}

struct entry *history_entry(const struct hub *h, uint64_t seq) {
    const struct log_page *page = &h->page;
    return page->count > 0 && seq >= page->first && seq - page->first < page->count
               ? page->entries[seq - page->first]
               : NULL;
}

/* Keeps what follows without a hole: the log has none, but this is not the place to trust that. */
static void take_page(struct hub *h, const struct log_entry *entries, size_t count) {
    drop_page(h);
    for (size_t i = 0; i < count && i < LOG_PAGE_ENTRIES; i++) {
        if (i > 0 && entries[i].position.seq != h->page.first + i) {
            break;
        }
        if (i == 0) {
            h->page.first = entries[0].position.seq;
        }
        h->page.entries[h->page.count++] = entry_create(h->taxonomy, &entries[i]);
    }
}

/* Those the page helps go on; those that need what the log no longer has learn it. */
static void answer_waiters(struct hub *h, uint64_t from_seq) {
    uint64_t oldest = h->page.count > 0 ? h->page.first : ring_oldest(h->ring);
    if (oldest > from_seq && oldest > h->log_oldest) {
        h->log_oldest = oldest;
    }
    struct list todo; /* readers stay in the state LOG until answered; new ones queue behind */
    list_init(&todo);
    while (!list_is_empty(&h->log_waiters)) {
        struct list *link = h->log_waiters.next;
        list_remove(link);
        list_push_back(&todo, link);
    }
    while (!list_is_empty(&todo)) {
        struct reader *r = LIST_ENTRY(todo.next, struct reader, link);
        if (r->cursor + 1 < h->log_oldest) {
            reader_log_answered(r, true);
        } else if (hub_entry(h, r->cursor + 1) || r->cursor >= ring_head(h->ring)) {
            reader_log_answered(r, false);
        } else {
            reader_move(r, READER_LOG);
        }
    }
}

static void on_page(void *user, enum err err, const struct log_entry *entries, size_t count) {
    struct log_ticket *ticket = user;
    struct hub *h = ticket->hub;
    free(ticket);
    if (!h) {
        return;
    }
    h->reading = NULL;
    if (err != ERR_OK) {
        h->read_retry_ms = clock_mono_ms() + RETRY_MS;
        log_warn("log_read_failed", LOG_ERR(err));
        return;
    }
    uint64_t from_seq = h->page_from;
    take_page(h, entries, count);
    answer_waiters(h, from_seq);
    hub_want_turn(h);
}

/* Where to read next: upwards through the log like a lift, so that readers close to each other ride
 * together and one that falls back again and again does not hold up the others. */
static uint64_t next_stop(const struct hub *h) {
    uint64_t ahead = UINT64_MAX;
    uint64_t lowest = UINT64_MAX;
    LIST_EACH(it, &h->log_waiters) {
        const struct reader *r = LIST_ENTRY(it, struct reader, link);
        uint64_t wanted = r->cursor + 1;
        lowest = wanted < lowest ? wanted : lowest;
        if (wanted > h->page_from && wanted < ahead) {
            ahead = wanted;
        }
    }
    return ahead < UINT64_MAX ? ahead : lowest;
}

void history_kick(struct hub *h) {
    if (list_is_empty(&h->log_waiters)) {
        if (list_is_empty(&h->behind)) {
            drop_page(h);
        }
        return;
    }
    if (h->reading || !list_is_empty(&h->behind) || clock_mono_ms() < h->read_retry_ms) {
        return;
    }
    uint64_t from_seq = next_stop(h);
    struct log_ticket *ticket = mem_zalloc(1, sizeof(*ticket));
    ticket->hub = h;
    h->reading = ticket;
    h->page_from = from_seq;
    metrics_add(M_GATEWAY_LOG_READS, 1);
    h->options.read_log(h->options.store, from_seq, LOG_PAGE_ENTRIES, on_page, ticket);
}

#include "gateway/fanout.h"

#include "base/clock.h"
#include "base/metrics.h"

static void enqueue(struct hub *h, struct cohort *c, enum urgency urgency) {
    bool queued = !list_is_empty(&c->queue);
    if (queued && c->urgency <= urgency) {
        return;
    }
    list_remove(&c->queue);
    c->urgency = urgency;
    list_push_back(&h->queues[urgency], &c->queue);
}

void fanout_entry(struct hub *h, struct entry *e) {
    uint64_t seq = e->position.seq;
    LIST_EACH(it, &h->cohorts.all) {
        struct cohort *c = LIST_ENTRY(it, struct cohort, all);
        if (!entry_matches(e, &c->filter)) {
            continue;
        }
        c->last_match = seq;
        cohort_make_due(c, seq);
        if (!list_is_empty(&c->due)) {
            enqueue(h, c, e->alert->urgency);
        }
    }
    if (!fanout_is_idle(h) && h->fanout_start_ms == 0) {
        h->fanout_start_ms = e->heard_ms;
    }
    hub_want_turn(h);
}

void fanout_everybody(struct hub *h) {
    LIST_EACH(it, &h->cohorts.all) {
        struct cohort *c = LIST_ENTRY(it, struct cohort, all);
        cohort_make_due(c, ring_head(h->ring) + 1);
        if (!list_is_empty(&c->due)) {
            enqueue(h, c, URGENCY_LOW);
        }
    }
    hub_want_turn(h);
}

/* The usual case: one new alert for a reader that has all before it. One write of the shared
 * frame; false when it must go the long way. */
static bool visit_direct(struct reader *r, uint64_t seen) {
    struct hub *h = r->hub;
    const struct cohort *c = r->cohort;
    if (seen + 1 != c->last_match || r->owed || r->told_live != h->live ||
        !r->transport->can_write(r)) {
        return false;
    }
    struct entry *e = ring_get(h->ring, c->last_match);
    if (!e) {
        return false;
    }
    enum frame_kind kind = r->transport->kind;
    r->cursor = c->last_match;
    h->delivered[kind]++;
    struct str frame = entry_frame(e, h->taxonomy, kind, c->filter.editions, false);
    if (r->transport->write(r, frame) != ERR_OK) {
        r->transport->kill(r);
    } else if (r->transport->settled && r->state == READER_LIVE) {
        r->transport->settled(r);
    }
    return true;
}

/* While the kernel sends to one reader (microseconds), the memory of the next ones comes nearer:
 * they are cold, thousands of others were visited since. Each step reads only what the step before
 * asked for. */
static void warm_next(const struct list *link, const struct list *end) {
    enum { LINE_BYTES = 64, SESSION_BYTES = 192 };
    const struct list *at = link->next;
    for (int ahead = 1; ahead <= TRANSPORT_WARM_STEPS; ahead++, at = at->next) {
        if (at == end) {
            return;
        }
        const struct reader *r = LIST_ENTRY(at, struct reader, link);
        if (r->transport->warm) {
            r->transport->warm(r, ahead);
        }
    }
    const char *after = (const char *)LIST_ENTRY(at, struct reader, link);
    for (int i = 0; i < SESSION_BYTES; i += LINE_BYTES) {
        __builtin_prefetch(after + i);
    }
}

static void visit(struct reader *r) {
    struct cohort *c = r->cohort;
    uint64_t seen = reader_seen(r);
    warm_next(&r->link, &c->due);
    list_remove(&r->link);
    list_push_back(&c->idle, &r->link);
    if (!visit_direct(r, seen)) {
        reader_pump(r);
    }
}

static struct cohort *next_cohort(struct hub *h) {
    for (int u = 0; u < URGENCY_COUNT; u++) {
        while (!list_is_empty(&h->queues[u])) {
            struct cohort *c = LIST_ENTRY(h->queues[u].next, struct cohort, queue);
            if (!list_is_empty(&c->due)) {
                return c;
            }
            list_remove(&c->queue);
        }
    }
    return NULL;
}

size_t fanout_run(struct hub *h, size_t budget) {
    size_t visits = 0;
    struct cohort *c = NULL;
    while (visits < budget && (c = next_cohort(h))) {
        /* A visit may end the reader and with the last one its cohort, so look again each time. */
        visit(LIST_ENTRY(c->due.next, struct reader, link));
        visits++;
    }
    if (h->fanout_start_ms != 0 && !next_cohort(h)) {
        metrics_observe_ms(M_GATEWAY_FANOUT, (double)(clock_mono_ms() - h->fanout_start_ms));
        h->fanout_start_ms = 0;
    }
    return visits;
}

bool fanout_is_idle(const struct hub *h) {
    for (int u = 0; u < URGENCY_COUNT; u++) {
        if (!list_is_empty(&h->queues[u])) {
            return false;
        }
    }
    return true;
}

#include "newsroom/audit_watch.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/audit.h"

/* How old what is known of the head may be when nothing was published here: somebody else's act
 * within it costs the next publish here 0.45 ms. */
enum { HEAD_LOOK_MS = 1000 };

struct audit_watch {
    struct room *room;
    struct audit_anchor at; /* the head when it was last looked at; seq 0 = not yet */
    int64_t look_ms;        /* monotonic: the next is due */
    int64_t head_ms;        /* monotonic: the head is to be looked at */
    bool is_looking;
};

static void on_trimmed(void *user, enum err err) {
    (void)user;
    (void)err; /* the store has said so; the next look tries again */
}

static void on_verdict(void *user, enum err err, const struct audit_verdict *verdict) {
    struct audit_watch *watch = user;
    const struct room *room = watch->room;
    watch->is_looking = false;
    if (err) {
        return;
    }
    metrics_add(M_AUDIT_VERIFIED, verdict->entries);
    if (!verdict->intact) {
        /* From its head on, for the alarm to be heard again when it is broken again. */
        metrics_set(M_AUDIT_BROKEN, 1);
        log_error("audit_broken", LOG_I("seq", verdict->broken_at), LOG_S("fault", verdict->fault),
                  LOG_I("known_seq", watch->at.seq), LOG_S("known_hash", watch->at.hash));
    } else if (verdict->head.seq != watch->at.seq) {
        log_info("audit_head", LOG_I("seq", verdict->head.seq), LOG_S("hash", verdict->head.hash));
        audit_trim(room->store, room->cfg->newsroom_audit_entries_max, on_trimmed, NULL);
    }
    watch->at = verdict->head;
}

void audit_watch_tick(struct audit_watch *watch) {
    const struct room *room = watch->room;
    if (store_is_up(room->store) && clock_mono_ms() >= watch->head_ms) {
        watch->head_ms = clock_mono_ms() + HEAD_LOOK_MS;
        audit_look(room->store);
    }
    if (watch->is_looking || clock_mono_ms() < watch->look_ms || !store_is_up(room->store)) {
        return;
    }
    watch->is_looking = true;
    watch->look_ms = clock_mono_ms() + room->cfg->newsroom_audit_watch_s * 1000;
    audit_verify_from(room->store, &watch->at, on_verdict, watch);
}

struct audit_watch *audit_watch_create(struct room *room) {
    struct audit_watch *watch = mem_zalloc(1, sizeof(*watch));
    watch->room = room;
    return watch;
}

void audit_watch_destroy(struct audit_watch *watch) {
    free(watch);
}

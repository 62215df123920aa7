#include "newsroom/confirm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/audience.h"
#include "store/keys.h"
#include "store/shared_secret.h"

enum {
    /* The stored form escapes control characters; the taxonomy has its own limit. */
    CANONICAL_BYTES_MAX = 4 * ALERT_JSON_BYTES_MAX + (1 << 20),
    /* Few devices more or fewer are nobody's accident, whatever their share. */
    DRIFT_DEVICES = 10,
};

bool confirm_is_needed(const struct api_key *key, const struct alert *a) {
    return key->scope.person && a->status == STATUS_ACTUAL;
}

bool confirm_needs_approval(const struct room *room, const struct api_key *key,
                            const struct alert *a, uint64_t audience) {
    int64_t above = room->cfg->newsroom_approval_above;
    return above && audience > (uint64_t)above && a->msg_type == MSG_ALERT &&
           confirm_is_needed(key, a);
}

/* What an editor is shown and asked for, and by which taxonomy it was read. */
static void put_canonical(const struct room *room, const struct alert *a, struct buf *b) {
    struct alert shown = *a;
    shown.sent_ms = 0;
    shown.created_by = NULL;
    if (a->msg_type == MSG_ALERT) {
        shown.id[0] = '\0';
        shown.revision = 0;
        shown.ttl_s = a->ttl_given ? a->ttl_s : -1; /* the configured one */
    }
    alert_put_stored(&shown, room->t, b);
    buf_printf(b, "%" PRId64 " %" PRId64 " %" PRId64, a->send_at_ms, a->embargo_ms, a->hold_s);
    taxonomy_put_json(room->t, b);
}

/* --- making --- */

struct making {
    struct room *room;
    struct buf canonical;
    char key_id[API_KEY_ID_BYTES];
    uint64_t audience;
    confirm_made_fn *done;
    void *user;
};

static void on_secret_to_make(void *user, enum err err, struct str secret) {
    struct making *m = user;
    char token[CONFIRM_TOKEN_BYTES] = "";
    struct confirm_claim claim = {
        .key_id = m->key_id,
        .alert = buf_str(&m->canonical),
        .audience = m->audience,
        .expires_ms = clock_wall_ms() + m->room->cfg->newsroom_confirm_ttl_s * 1000,
    };
    if (!err && buf_check(&m->canonical) == ERR_OK) {
        confirm_token_make(secret, &claim, token);
    }
    m->done(m->user, *token ? ERR_OK : ERR_UNAVAILABLE, token, claim.expires_ms);
    buf_finish(&m->canonical);
    free(m);
}

void confirm_make(struct room *room, const struct api_key *key, const struct alert *a,
                  uint64_t audience, confirm_made_fn *done, void *user) {
    struct making *m = mem_zalloc(1, sizeof(*m));
    *m = (struct making){.room = room, .audience = audience, .done = done, .user = user};
    memcpy(m->key_id, key->id, sizeof(m->key_id));
    buf_init(&m->canonical, CANONICAL_BYTES_MAX);
    put_canonical(room, a, &m->canonical);
    shared_secret_read(room->store, KEY_CONFIRM, on_secret_to_make, m);
}

/* --- checking --- */

struct checking {
    struct room *room;
    const struct alert *alert; /* borrowed */
    char key_id[API_KEY_ID_BYTES];
    char *token;
    uint64_t shown; /* devices, as the token says */
    confirm_fn *done;
    void *user;
};

static void finish(struct checking *c, const struct confirm_verdict *verdict) {
    confirm_fn *done = c->done;
    void *user = c->user;
    free(c->token);
    free(c);
    done(user, verdict);
}

static void refuse(struct checking *c, int status, const char *code, const char *detail) {
    const struct confirm_verdict verdict = {.status = status, .code = code, .detail = detail};
    metrics_add(M_CONFIRMS_REFUSED, 1);
    finish(c, &verdict);
}

static void unavailable(struct checking *c) {
    refuse(c, 503, NULL, "The store cannot be reached; try again.");
}

static bool has_drifted(uint64_t shown, uint64_t now, int64_t percent) {
    uint64_t drift = now > shown ? now - shown : shown - now;
    return drift > DRIFT_DEVICES && (double)drift * 100 > (double)shown * (double)percent;
}

static void on_counted(void *user, enum err err, struct audience_counts *counts) {
    struct checking *c = user;
    if (err) {
        unavailable(c);
        return;
    }
    uint64_t now = audience_total(counts);
    if (has_drifted(c->shown, now, c->room->cfg->newsroom_confirm_drift_percent)) {
        char detail[160];
        (void)snprintf(detail, sizeof(detail),
                       "The alert was confirmed for %" PRIu64
                       " devices and would now reach %" PRIu64 "; look at the preview again.",
                       c->shown, now);
        refuse(c, 409, "audience_changed", detail);
        return;
    }
    const struct confirm_verdict verdict = {.audience = now};
    metrics_add(M_CONFIRMS, 1);
    finish(c, &verdict);
}

static enum confirm_fault judge(struct checking *c, struct str secret) {
    struct buf canonical;
    struct confirm_claim claim = {.key_id = c->key_id};
    buf_init(&canonical, CANONICAL_BYTES_MAX);
    put_canonical(c->room, c->alert, &canonical);
    claim.alert = buf_str(&canonical);
    enum confirm_fault fault = buf_check(&canonical) ? CONFIRM_MISMATCH
                                                     : confirm_token_check(secret, str_of(c->token),
                                                                           clock_wall_ms(), &claim);
    c->shown = claim.audience;
    buf_finish(&canonical);
    return fault;
}

static void on_secret_to_check(void *user, enum err err, struct str secret) {
    struct checking *c = user;
    if (err) {
        unavailable(c);
        return;
    }
    switch (judge(c, secret)) {
    case CONFIRM_FINE:
        audience_count(c->room->store, c->room->t, c->alert, NULL, on_counted, c);
        return;
    case CONFIRM_MISMATCH:
        refuse(c, 409, "confirm_mismatch",
               "This is not what was confirmed: the alert, the key or the token is another. "
               "Look at the preview again.");
        return;
    case CONFIRM_EXPIRED:
        refuse(c, 409, "confirm_expired",
               "The confirmation has expired; look at the preview again.");
        return;
    }
}

void confirm_check(struct room *room, const struct api_key *key, const struct alert *a,
                   struct str token, confirm_fn *done, void *user) {
    struct checking *c = mem_zalloc(1, sizeof(*c));
    *c = (struct checking){.room = room, .alert = a, .done = done, .user = user};
    memcpy(c->key_id, key->id, sizeof(c->key_id));
    c->token = mem_strndup(token.n ? token.p : "", token.n);
    if (token.n) {
        shared_secret_read(room->store, KEY_CONFIRM, on_secret_to_check, c);
    } else if (confirm_is_needed(key, a)) {
        refuse(c, 428, "confirm_required",
               "A person sends an actual alert only after its preview: give the preview's "
               "confirm_token.");
    } else {
        finish(c, &(struct confirm_verdict){0});
    }
}

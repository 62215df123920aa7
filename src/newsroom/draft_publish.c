#include "newsroom/draft_publish.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "newsroom/breaker.h"
#include "newsroom/clearance.h"
#include "newsroom/draft_text.h"
#include "store/alert_store.h"
#include "store/key_store.h"

struct sending {
    struct room *room;
    char id[UUID_BYTES];
    int64_t version;
    int64_t due_ms;
    uint32_t about;
    bool allow_duplicate;
    struct alert *alert;
    struct api_key key; /* that submitted it */
    draft_publish_fn *done;
    void *user;
};

static void finish(struct sending *s, enum draft_fate fate) {
    static const enum metric metrics[] = {[DRAFT_FATE_SENT] = M_DRAFTS_SENT,
                                          [DRAFT_FATE_NOT_NOW] = M_DRAFTS_NOT_CLAIMED,
                                          [DRAFT_FATE_FAILED] = M_DRAFTS_FAILED,
                                          [DRAFT_FATE_EXPIRED] = M_DRAFTS_EXPIRED,
                                          [DRAFT_FATE_LATER] = M_DRAFTS_DELAYED};
    draft_publish_fn *done = s->done;
    void *user = s->user;
    metrics_add(metrics[fate], 1);
    alert_destroy(s->alert);
    free(s);
    done(user, fate);
}

/* --- what cannot be sent --- */

static void on_failed(void *user, enum draft_result result, const struct draft *draft) {
    (void)draft;
    finish(user, result == DRAFT_DONE          ? DRAFT_FATE_FAILED
                 : result == DRAFT_UNAVAILABLE ? DRAFT_FATE_LATER
                                               : DRAFT_FATE_NOT_NOW);
}

static void put_failure(const struct sending *s, const char *code, struct buf *audit) {
    char detail[64];
    (void)snprintf(detail, sizeof(detail), "\"reason\":\"%s\"", code);
    draft_text_put_audit("draft.failed", &s->key, s->id, detail, audit);
}

static void fail(struct sending *s, const char *code) {
    struct args fields;
    struct buf audit;
    log_warn("draft_failed", LOG_S("draft_id", s->id), LOG_S("reason", code));
    args_init(&fields);
    draft_put_text(&fields, "reason_code", str_of(code));
    put_failure(s, code, &audit);
    const struct draft_wish wish = {.id = str_of(s->id),
                                    .move = DRAFT_FAIL,
                                    .version = s->version,
                                    .fields = &fields,
                                    .audit = buf_str(&audit)};
    draft_store_move(s->room->store, &wish, on_failed, s);
    buf_finish(&audit);
    args_finish(&fields);
}

/* --- publishing --- */

static void sent(struct sending *s, const struct publish_result *r) {
    double late_ms = (double)(r->sent_ms - s->due_ms);
    metrics_add(M_ALERTS_ACCEPTED, 1);
    metrics_observe_ms(M_DRAFT_LATE_MS, late_ms > 0 ? late_ms : 0);
    log_info("alert_accepted", LOG_S("alert_id", r->id), LOG_I("revision", r->revision),
             LOG_I("seq", r->position.seq), LOG_S("draft_id", s->id), LOG_S("key_id", s->key.id),
             LOG_S("msg_type", msg_type_names[s->alert->msg_type]),
             LOG_S("status", alert_status_names[s->alert->status]),
             LOG_S("urgency", urgency_names[s->alert->urgency]), LOG_I("late_ms", late_ms));
    finish(s, DRAFT_FATE_SENT);
}

/* The script has noted it. */
static void failed(struct sending *s, const struct publish_result *r) {
    log_warn("draft_failed", LOG_S("draft_id", s->id), LOG_I("publish_status", r->status));
    finish(s, DRAFT_FATE_FAILED);
}

static void on_published(void *user, const struct publish_result *r) {
    struct sending *s = user;
    switch (r->status) {
    case PUBLISH_ACCEPTED:
    case PUBLISH_REPLAYED:
        sent(s, r);
        return;
    case PUBLISH_STATUS_DIFFERS:
        fail(s, "status_differs"); /* found before the script */
        return;
    case PUBLISH_REVISED:
        fail(s, "revised"); /* likewise */
        return;
    case PUBLISH_BREAKER_TRIPPED:
    case PUBLISH_BREAKER_OPEN:
        breaker_note(s->room->cfg, s->key.id, r->status);
        failed(s, r);
        return;
    case PUBLISH_DUPLICATE:
        metrics_add(M_DUPLICATES_REFUSED, 1);
        failed(s, r);
        return;
    case PUBLISH_WAITS:
    case PUBLISH_KEY_REUSED:
    case PUBLISH_REFERENCE_UNKNOWN:
    case PUBLISH_REFERENCE_ENDED:
    case PUBLISH_REVISIONS_FULL:
        failed(s, r);
        return;
    case PUBLISH_EXPIRED:
        log_warn("draft_expired", LOG_S("draft_id", s->id));
        finish(s, DRAFT_FATE_EXPIRED);
        return;
    case PUBLISH_NOT_DUE:
        finish(s, DRAFT_FATE_NOT_NOW);
        return;
    case PUBLISH_OVERLOADED:
    case PUBLISH_UNAVAILABLE:
        finish(s, DRAFT_FATE_LATER);
        return;
    }
}

static void publish(struct sending *s) {
    struct room *room = s->room;
    char idempotency_key[UUID_BYTES + 8];
    char fingerprint[24];
    struct buf audits[3];
    /* No header can hold a blank, so no client can use this. */
    (void)snprintf(idempotency_key, sizeof(idempotency_key), "draft %s", s->id);
    (void)snprintf(fingerprint, sizeof(fingerprint), "%" PRId64, s->version);
    draft_text_put_audit("draft.sent", &s->key, s->id, "", &audits[0]);
    draft_text_put_audit("draft.expired", &s->key, s->id, "", &audits[1]);
    put_failure(s, "\3", &audits[2]);
    if (s->alert->msg_type == MSG_ALERT) {
        memcpy(s->alert->id, s->id, sizeof(s->id));
        if (!s->alert->ttl_given) {
            s->alert->ttl_s = room->cfg->newsroom_ttl_default_s;
        }
    }
    s->alert->created_by = mem_strdup(s->key.id);
    s->alert->sent_ms = clock_wall_ms();
    const struct draft_claim claim = {.id = str_of(s->id),
                                      .version = s->version,
                                      .sent_audit = buf_str(&audits[0]),
                                      .expired_audit = buf_str(&audits[1]),
                                      .failed_audit = buf_str(&audits[2])};
    const struct publish_request request = {.alert = s->alert,
                                            .idempotency_key = str_of(idempotency_key),
                                            .fingerprint = str_of(fingerprint),
                                            .key_name = s->key.name,
                                            .about = s->about,
                                            .allow_duplicate = s->allow_duplicate,
                                            .claim = &claim};
    alert_store_publish(room->store, room->t, &request, on_published, s);
    for (size_t i = 0; i < sizeof(audits) / sizeof(audits[0]); i++) {
        buf_finish(&audits[i]);
    }
}

/* --- the last look --- */

static void on_scope(void *user, struct clearance *clearance) {
    struct sending *s = user;
    if (clearance->status == 503) {
        finish(s, DRAFT_FATE_LATER);
    } else if (clearance->status == 403) {
        fail(s, "out_of_scope");
    } else if (clearance->status == 422) {
        fail(s, "unknown"); /* the alert it is about */
    } else if (clearance->status) {
        fail(s, "ended");
    } else {
        publish(s);
    }
}

static void on_key(void *user, enum err err, struct str json) {
    struct sending *s = user;
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        finish(s, DRAFT_FATE_LATER);
        return;
    }
    struct api_key key = {.revoked = true};
    if (err == ERR_OK && api_key_parse_json(s->room->t, json, &key) == ERR_OK) {
        s->key = key;
    }
    if (key.revoked) {
        fail(s, "key_revoked");
    } else if (!s->alert) {
        fail(s, "faulty");
    } else {
        clearance_ask_scope(s->room, &s->key, s->alert, on_scope, s);
    }
}

/* Reads what it says anew, under the taxonomy of now; NULL when that is not acceptable. What was
 * confirmed is what is sent: `out_changed` when it would not be. */
static struct alert *read_alert(const struct room *room, const struct draft *d, bool *out_changed) {
    struct problem *p = problem_create();
    struct alert *a = NULL;
    struct buf canonical;
    *out_changed = false;
    if (alert_parse_request(room->t, d->body, &a, p) == ERR_OK) {
        draft_text_put_canonical(room, a, &canonical);
        *out_changed = !str_eq(buf_str(&canonical), d->canonical);
        buf_finish(&canonical);
    }
    problem_destroy(p);
    return a;
}

static void copy_view(char *to, size_t size, struct str from) {
    size_t n = from.n < size ? from.n : size - 1;
    if (n) {
        memcpy(to, from.p, n);
    }
    to[n] = '\0';
}

static void on_draft(void *user, enum draft_result result, const struct draft *d) {
    struct sending *s = user;
    bool changed;
    if (result == DRAFT_MISSING) {
        fail(s, "missing"); /* takes it off the list of what is due */
        return;
    }
    if (result != DRAFT_DONE) {
        finish(s, DRAFT_FATE_LATER);
        return;
    }
    if (d->state != DRAFT_STATE_HELD && d->state != DRAFT_STATE_SCHEDULED) {
        finish(s, DRAFT_FATE_NOT_NOW);
        return;
    }
    s->version = d->version;
    s->due_ms = d->due_ms;
    s->about = (uint32_t)d->about;
    s->allow_duplicate = d->allow_duplicate == 1;
    copy_view(s->key.id, sizeof(s->key.id), d->submitted.key_id);
    copy_view(s->key.name, sizeof(s->key.name), d->submitted.name);
    s->alert = read_alert(s->room, d, &changed);
    if (changed) {
        fail(s, "changed");
        return;
    }
    key_store_get(s->room->store, d->submitted.key_id, on_key, s);
}

void draft_publish(struct room *room, struct str id, draft_publish_fn *done, void *user) {
    struct sending *s = mem_zalloc(1, sizeof(*s));
    *s = (struct sending){.room = room, .done = done, .user = user};
    copy_view(s->id, sizeof(s->id), id);
    draft_store_get(room->store, id, on_draft, s);
}

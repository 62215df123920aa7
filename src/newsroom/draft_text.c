#include "newsroom/draft_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/json.h"
#include "store/audit.h"

static const int64_t day_ms = INT64_C(86400000);

/* What somebody who is still writing cannot have done yet, or will put right. */
static const char *const lack_codes[] = {"required",   "empty",    "blank",
                                         "no_content", "too_long", "invalid_url"};

enum err draft_text_read(const struct room *room, struct str body, struct alert **out_alert,
                         struct problem *lacks, struct problem *broken) {
    enum err err = alert_parse_draft(room->t, body, out_alert, broken);
    if (err == ERR_PROTOCOL) {
        return err;
    }
    problem_move(broken, lack_codes, sizeof(lack_codes) / sizeof(lack_codes[0]), lacks);
    /* It is given back as it came, inside an answer. */
    if (!str_is_utf8(body)) {
        problem_add(broken, "", "invalid_utf8", "is not well-formed UTF-8");
    }
    return problem_is_empty(broken) ? ERR_OK : ERR_INVALID;
}

/* --- times --- */

static void check_horizon(const struct room *room, const char *pointer, int64_t at_ms,
                          int64_t now_ms, struct problem *p) {
    int64_t days = room->cfg->newsroom_schedule_max_days;
    if (at_ms > now_ms + days * day_ms) {
        problem_add(p, pointer, "too_far", "is more than %lld days ahead", (long long)days);
    }
}

void draft_text_check_times(const struct room *room, const struct alert *a, struct problem *p) {
    int64_t now_ms = clock_wall_ms();
    check_horizon(room, "/send_at", a->send_at_ms, now_ms, p);
    check_horizon(room, "/embargoed_until", a->embargo_ms, now_ms, p);
    if (a->send_at_ms && a->send_at_ms < now_ms - room->cfg->newsroom_late_max_s * 1000) {
        problem_add(p, "/send_at", "past", "is over; leave it out to send at once");
    }
}

int64_t draft_text_hold_ms(const struct room *room, const struct alert *a, bool by_default) {
    if (a->hold_s >= 0) {
        return a->hold_s * 1000;
    }
    bool waits = by_default && a->msg_type == MSG_ALERT && a->urgency != URGENCY_FLASH;
    return waits ? room->cfg->newsroom_hold_s * 1000 : 0;
}

/* --- fields --- */

void draft_text_put_canonical(const struct room *room, const struct alert *a, struct buf *b) {
    struct alert said = *a;
    said.created_by = NULL; /* nothing that a send adds */
    buf_init(b, 4 * ALERT_JSON_BYTES_MAX);
    alert_put_stored(&said, room->t, b);
}

void draft_text_put_fields(const struct room *room, struct args *fields, struct str body,
                           const struct alert *a, bool is_whole) {
    struct buf canonical;
    draft_text_put_canonical(room, a, &canonical);
    draft_put_text(fields, "body", body);
    draft_put_text(fields, "canonical", is_whole ? buf_str(&canonical) : STR(""));
    draft_put_number(fields, "send_at", a->send_at_ms);
    draft_put_number(fields, "embargo", a->embargo_ms);
    draft_put_number(fields, "hold_s", a->hold_s);
    buf_finish(&canonical);
}

/* --- the object --- */

static void put_act(struct buf *b, const char *by, const char *at, const struct draft_act *act) {
    if (act->key_id.n) {
        json_put_name(b, by);
        buf_putc(b, '{');
        json_put_view(b, "key_id", act->key_id);
        json_put_view(b, "name", act->name);
        buf_putc(b, '}');
        json_put_time(b, at, act->at_ms);
    }
}

/* All who ever edited it: none of them may approve it. */
static void put_editors(struct str ids, struct buf *b) {
    struct str id;
    json_put_name(b, "editors");
    buf_putc(b, '[');
    while (str_split(&ids, ' ', &id)) {
        json_put_comma(b);
        buf_put_json(b, id);
    }
    buf_putc(b, ']');
}

/* Judged anew: times pass, and a taxonomy changes. */
static void put_faults(const struct room *room, const struct draft *d, struct buf *b) {
    struct problem *p = problem_create();
    struct alert *a = NULL;
    if (d->state == DRAFT_STATE_DRAFT || d->state == DRAFT_STATE_FAILED ||
        d->state == DRAFT_STATE_EXPIRED) {
        if (alert_parse_draft(room->t, d->body, &a, p) != ERR_PROTOCOL) {
            draft_text_check_times(room, a, p);
        }
    }
    json_put_name(b, "faults");
    problem_put_errors(p, b);
    alert_destroy(a);
    problem_destroy(p);
}

const char *draft_text_reason(struct str reason_code) {
    static const struct {
        const char *code;
        const char *reason;
    } reasons[] = {
        {"late", "It could not be sent in time: it was over newsroom.late_max_s late."},
        {"unknown", "The alert that it is about is not there any more."},
        {"ended", "The alert that it is about is cancelled already."},
        {"full", "The alert that it is about was updated newsroom.revisions_max times."},
        {"revised", "The alert that it is about was corrected since it was confirmed."},
        {"duplicate", "An alert said the same a short while ago (duplicate_of); to send it all "
                      "the same say allow_duplicate."},
        {"tripped", "Its key sent too many alerts; an admin must reset its breaker."},
        {"broken", "Its key sent too many alerts; an admin must reset its breaker."},
        {"status_differs", "Its status is not that of the alert that it is about."},
        {"key_revoked", "The key that sent it was revoked."},
        {"out_of_scope", "The key that sent it may not do that any more."},
        {"faulty", "It is not acceptable any more: regions, sections or editions have changed."},
        {"changed", "It would not be what was confirmed: regions, sections or editions have "
                    "changed."},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (str_eq(reason_code, str_of(reasons[i].code))) {
            return reasons[i].reason;
        }
    }
    return NULL;
}

static void put_reason(const struct draft *d, struct buf *b) {
    const char *known = draft_text_reason(d->reason_code);
    json_put_view(b, "reason_code", d->reason_code);
    if (d->reason.n) {
        json_put_view(b, "reason", d->reason);
    } else if (known) {
        json_put_text(b, "reason", known);
    } else {
        json_put_view(b, "reason", d->reason_code);
    }
}

void draft_text_put_json(const struct room *room, const struct draft *d, struct buf *b) {
    buf_putc(b, '{');
    json_put_view(b, "id", d->id);
    json_put_int(b, "version", d->version);
    json_put_text(b, "state", draft_state_names[d->state]);
    json_put_name(b, "alert");
    buf_put_str(b, d->body);
    json_put_time(b, "send_at", d->send_ms);
    json_put_time(b, "embargoed_until", d->embargo_ms);
    if (d->hold_s >= 0) {
        json_put_int(b, "hold_s", d->hold_s);
    }
    json_put_time(b, "due_at", d->due_ms);
    put_act(b, "created_by", "created_at", &d->created);
    put_act(b, "edited_by", "edited_at", &d->edited);
    if (d->editors.n) {
        put_editors(d->editors, b);
    }
    put_act(b, "submitted_by", "submitted_at", &d->submitted);
    put_act(b, "approved_by", "approved_at", &d->approved);
    json_put_int(b, "approvals_needed", d->state == DRAFT_STATE_AWAITING);
    put_faults(room, d, b);
    put_reason(d, b);
    json_put_view(b, "duplicate_of", d->duplicate_of);
    if (d->alert_id.n) {
        json_put_view(b, "alert_id", d->alert_id);
        json_put_int(b, "revision", d->revision);
        json_put_time(b, "sent_at", d->sent_ms);
    }
    buf_putc(b, '}');
}

void draft_text_put_audit(const char *action, const struct api_key *key, const char *id,
                          const char *detail, struct buf *b) {
    struct buf all;
    buf_init(&all, AUDIT_EVENT_BYTES_MAX);
    buf_printf(&all, "{\"state\":\"\1\",\"version\":\2%s%s}", detail[0] ? "," : "", detail);
    const struct audit_event event = {.action = action,
                                      .key_id = key->id,
                                      .key_name = key->name,
                                      .alert_id = id,
                                      .detail_json = buf_str(&all)};
    buf_init(b, AUDIT_EVENT_BYTES_MAX);
    audit_put_event(&event, b);
    buf_finish(&all);
}

#include "newsroom/draft_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/metrics.h"
#include "newsroom/draft_text.h"

enum { OVERHEAD_BYTES_MAX = 1 << 17 }; /* of a draft object beside its body */

void draft_answer(struct call *call, int status, const struct draft *d) {
    if (call->rq) {
        char text[80];
        struct buf b;
        buf_init(&b, d->body.n + OVERHEAD_BYTES_MAX);
        draft_text_put_json(call->room, d, &b);
        (void)snprintf(text, sizeof(text), "\"%" PRId64 "\"", d->version);
        http_add_header(call->rq, "ETag", text);
        if (status == 201) {
            (void)snprintf(text, sizeof(text), "/v1/drafts/%.*s", STR_ARG(d->id));
            http_add_header(call->rq, "Location", text);
        }
        http_answer(call->rq, status, "application/json", buf_str(&b));
        buf_finish(&b);
    }
    call_end(call);
}

void draft_refuse_all(struct call *call, int status, const char *detail, const struct problem *p) {
    metrics_add(M_DRAFTS_REFUSED, 1);
    call_problem(call, status, detail, p);
}

void draft_refuse(struct call *call, int status, const char *pointer, const char *code,
                  const char *detail) {
    struct problem *p = problem_create();
    problem_add(p, pointer, code, "%s", detail);
    draft_refuse_all(call, status, detail, p);
    problem_destroy(p);
}

void draft_unavailable(struct call *call, const char *detail) {
    metrics_add(M_DRAFTS_UNAVAILABLE, 1);
    call_unavailable(call, detail);
}

static void refuse_state(struct call *call, const struct draft *d) {
    const char *code = "wrong_state";
    const char *detail = "A draft can do that only in another state.";
    if (d && d->state == DRAFT_STATE_SENT) {
        code = "claimed";
        detail = "It is sent already: correct or retract the alert instead.";
    } else if (d && d->state == DRAFT_STATE_CANCELLED) {
        code = "cancelled";
        detail = "It was discarded.";
    } else if (d && d->state == DRAFT_STATE_DRAFT) {
        code = "not_submitted";
        detail = "It is a draft and waits for nothing.";
    } else if (d && (d->state == DRAFT_STATE_HELD || d->state == DRAFT_STATE_SCHEDULED ||
                     d->state == DRAFT_STATE_AWAITING)) {
        code = "submitted";
        detail = "It is on its way already: cancel that first.";
    }
    draft_refuse(call, 409, "", code, detail);
}

void draft_refuse_result(struct call *call, enum draft_result result, const struct draft *d) {
    switch (result) {
    case DRAFT_MISSING:
        draft_refuse(call, 404, "", "unknown_draft",
                     "There is no such draft, or it is no longer kept.");
        return;
    case DRAFT_STALE:
        draft_refuse(call, 412, "/version", "stale_version",
                     "It was changed meanwhile: look at it again, then decide.");
        return;
    case DRAFT_WRONG:
        refuse_state(call, d);
        return;
    case DRAFT_OWN:
        draft_refuse(call, 403, "", "own_draft",
                     "A second person must approve what one wrote or sent.");
        return;
    case DRAFT_EDITORS:
        draft_refuse(call, 409, "", "too_many_editors",
                     "Too many people edited it already: make a new draft of it.");
        return;
    case DRAFT_KEY_REUSED:
        draft_refuse(call, 422, "Idempotency-Key", "idempotency_key_reused",
                     "This Idempotency-Key was used for something else; choose a new one.");
        return;
    case DRAFT_FULL:
        draft_unavailable(call, "Too many drafts are open; discard some.");
        return;
    case DRAFT_DONE:
    case DRAFT_REPEATED:
    case DRAFT_UNAVAILABLE:
        draft_unavailable(call, "The store cannot be reached; try again.");
        return;
    }
}

bool draft_refuse_if_failed(struct call *call, enum draft_result result, const struct draft *d) {
    if (result != DRAFT_DONE) {
        draft_refuse_result(call, result, d);
        return true;
    }
    if (d->state != DRAFT_STATE_FAILED) {
        return false;
    }
    char code[64] = "";
    memcpy(code, d->reason_code.p, d->reason_code.n < sizeof(code) ? d->reason_code.n : 0);
    const char *reason = draft_text_reason(d->reason_code);
    draft_refuse(call, 409, "", code, reason ? reason : code);
    return true;
}

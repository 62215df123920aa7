#include "newsroom/later.h"

#include <stdio.h>

#include "base/log.h"
#include "base/metrics.h"
#include "model/json.h"
#include "newsroom/draft_answer.h"
#include "newsroom/draft_moves.h"
#include "newsroom/draft_text.h"

static void put_waiting(const struct draft *d, struct buf *b) {
    buf_putc(b, '{');
    json_put_view(b, "id", d->id);
    json_put_text(b, "state", draft_state_names[d->state]);
    json_put_time(b, "due_at", d->due_ms);
    json_put_int(b, "version", d->version);
    buf_putc(b, '}');
}

static void on_settled(void *user, enum draft_result result, const struct draft *draft) {
    struct call *call = user;
    if (draft_refuse_if_failed(call, result, draft)) {
        return;
    }
    if (call->rq) {
        char location[64];
        struct buf body;
        buf_init(&body, 1024);
        put_waiting(draft, &body);
        (void)snprintf(location, sizeof(location), "/v1/drafts/%.*s", STR_ARG(draft->id));
        http_add_header(call->rq, "Location", location);
        http_answer(call->rq, 202, "application/json", buf_str(&body));
        buf_finish(&body);
    }
    call_end(call);
}

static void on_kept(void *user, enum draft_result result, const struct draft *draft) {
    struct call *call = user;
    bool is_new = result == DRAFT_DONE;
    if (!is_new && result != DRAFT_REPEATED) {
        draft_refuse_result(call, result, draft);
        return;
    }
    metrics_add(is_new ? M_DRAFTS_CREATED : M_ALERTS_REPLAYED, 1);
    log_info(is_new ? "alert_waits" : "alert_replayed", LOG_STR("draft_id", draft->id),
             LOG_S("key_id", call->key.id), LOG_S("state", draft_state_names[draft->state]));
    if (!is_new && call->rq) {
        http_add_header(call->rq, "Idempotency-Replayed", "true");
    }
    draft_moves_settle(call->room, draft, on_settled, call);
}

void later_keep(struct call *call, const struct later_post *post) {
    const struct api_key *key = &call->key;
    char id[UUID_BYTES];
    struct args fields;
    struct buf created;
    struct buf submitted;
    codec_uuid7(id);
    args_init(&fields);
    draft_text_put_fields(call->room, &fields, post->body, post->alert, true);
    draft_put_act(&fields, "created", key->id, key->name);
    draft_put_act(&fields, "submitted", key->id, key->name);
    draft_put_number(&fields, "hold_ms", post->hold_ms);
    draft_put_number(&fields, "about", post->about);
    draft_put_number(&fields, "allow_duplicate", post->allow_duplicate);
    draft_text_put_audit("draft.created", key, id, "", &created);
    draft_text_put_audit("draft.submitted", key, id, "", &submitted);
    const struct draft_new n = {.id = str_of(id),
                                .created_by = key->id,
                                .idempotency_key = post->idempotency_key,
                                .fingerprint = post->fingerprint,
                                .fields = &fields,
                                .audit = buf_str(&created),
                                .submit_audit = buf_str(&submitted),
                                .needs_approval = post->needs_approval};
    draft_store_create(call->room->store, &n, on_kept, call);
    buf_finish(&submitted);
    buf_finish(&created);
    args_finish(&fields);
}

static void on_found(void *user, enum draft_result result, const struct draft *draft) {
    on_kept(user, result == DRAFT_DONE ? DRAFT_REPEATED : result, draft);
}

void later_answer_again(struct call *call, struct str id) {
    draft_store_get(call->room->store, id, on_found, call);
}

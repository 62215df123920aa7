#pragma once
/* A post that is not sent at once: it waits for its time, for somebody to take it back, or for a
 * second person, as a draft that was submitted in the same step. */
#include "newsroom/call.h"
#include "store/draft_store.h"

/* Borrowed for the call. */
struct later_post {
    const struct alert *alert;
    struct str body; /* as it is for POST /v1/alerts */
    struct str idempotency_key;
    struct str fingerprint;
    int64_t hold_ms;
    bool needs_approval;
    uint32_t about; /* see struct publish_request */
    bool allow_duplicate;
};
/* 202 {"id","state","due_at","version"}; ends the call. */
void later_keep(struct call *call, const struct later_post *post);
/* Answers the repeat of such a post, which was kept as the draft `id`; ends the call. */
void later_answer_again(struct call *call, struct str id);

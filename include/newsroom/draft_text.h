#pragma once
/* What a draft says: reading it, what it still lacks, when it is to be sent; and showing it. */
#include "newsroom/call.h"
#include "store/draft_store.h"

/* Reads the body of a draft. What only lacks or has to be shortened goes to `lacks`: it may be kept
 * like that, but not sent. ERR_PROTOCOL (400) when it is no JSON, ERR_INVALID (422) for what cannot
 * be kept, told in `broken`. `out_alert` is the caller's, and all that could be read. */
MUST_CHECK enum err draft_text_read(const struct room *room, struct str body,
                                    struct alert **out_alert, struct problem *lacks,
                                    struct problem *broken);
/* Faults of the times an alert wants to be sent at, at this moment. */
void draft_text_check_times(const struct room *room, const struct alert *a, struct problem *p);
/* The undo window, ms; `by_default` when there is one though none is asked for. */
int64_t draft_text_hold_ms(const struct room *room, const struct alert *a, bool by_default);
/* The fields body, canonical (when it is whole) and the times. */
void draft_text_put_fields(const struct room *room, struct args *fields, struct str body,
                           const struct alert *a, bool is_whole);
/* The stored form that is compared before it is sent. */
void draft_text_put_canonical(const struct room *room, const struct alert *a, struct buf *b);
/* The draft object of the API. */
void draft_text_put_json(const struct room *room, const struct draft *d, struct buf *b);
/* Why it failed or expired, in words; NULL for none. */
const char *draft_text_reason(struct str reason_code);
/* An audit entry of a move; `detail` are further members of its detail, "" = none. */
void draft_text_put_audit(const char *action, const struct api_key *key, const char *id,
                          const char *detail, struct buf *b);

#pragma once
/* Answers about drafts; each ends the call. */
#include "newsroom/call.h"
#include "store/draft_store.h"

/* The draft object, with its version as ETag. 201 also says where it is. */
void draft_answer(struct call *call, int status, const struct draft *d);
/* One fault, counted as a refusal. */
void draft_refuse(struct call *call, int status, const char *pointer, const char *code,
                  const char *detail);
/* The same with faults. */
void draft_refuse_all(struct call *call, int status, const char *detail, const struct problem *p);
/* 404, 409, 412, 422 or 503, for all but DRAFT_DONE and DRAFT_REPEATED. `d` may be NULL. */
void draft_refuse_result(struct call *call, enum draft_result result, const struct draft *d);
/* The same for what was to be settled: true when it was answered. Who asked for a draft to go at
 * once is told at once that it cannot (409). */
bool draft_refuse_if_failed(struct call *call, enum draft_result result, const struct draft *d);
void draft_unavailable(struct call *call, const char *detail);

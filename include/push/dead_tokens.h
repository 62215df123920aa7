#pragma once
/* Takes dead tokens out of the registry, off the hot path: they are collected per job and decided
 * on when the job ends. The circuit breaker: when too large a share of an alert's answers calls
 * tokens dead, it is the environment or the key that is wrong, and nothing is removed. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/config.h"
#include "base/str.h"
#include "model/taxonomy.h"
#include "push/campaign.h"
#include "store/store.h"

struct dead_tokens;
struct dead_list;

struct dead_tokens *dead_tokens_create(struct store *store, const struct config *cfg,
                                       const struct taxonomy *t);
/* After its store, whose callbacks may still come. Accepts NULL. */
void dead_tokens_destroy(struct dead_tokens *d);

/* Adds to a job's list (`*list` NULL = none yet). The token is copied. */
void dead_list_add(struct dead_list **list, uint32_t number, struct str token, int64_t before_ms);
/* Takes the job's list (NULL = nothing) and decides: removal in batches or quarantine. */
void dead_tokens_settle(struct dead_tokens *d, struct campaign *c, struct dead_list *take_list);
/* Tries again what Redis did not take; called several times a second. */
void dead_tokens_tick(struct dead_tokens *d);
/* True when nothing is under way or waiting. */
bool dead_tokens_is_idle(const struct dead_tokens *d);
/* The rule itself: `dead` of `answered` targets. Pure. */
bool dead_tokens_is_storm(uint64_t dead, uint64_t answered, uint64_t least, uint64_t percent);

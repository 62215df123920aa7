#pragma once
/* Whether a key may send an alert now: its scope (of an update or cancel, for what it will say once
 * it has inherited), what a person has confirmed, and whether a second person must approve. */
#include "newsroom/call.h"

struct clearance {
    int status; /* 0: it may; else the status to answer with, 503 when Redis is away */
    struct problem
        *problems; /* why not; NULL with 0 and 503. Who wants it takes it, leaving NULL */
    bool needs_approval;
    uint32_t about; /* the revision that a correction was confirmed for; 0 = not confirmed so */
};
/* `clearance` is valid during the call, which may come at once. */
typedef void clearance_fn(void *user, struct clearance *clearance);

struct clearance_wish {
    struct str token;          /* what confirms; the empty view when nothing does */
    const char *token_pointer; /* where that was looked for; a constant */
    bool is_by_path;           /* the path named the alert that is corrected */
};

/* `alert` and `wish` are borrowed for the call. */
void clearance_ask(struct room *room, const struct api_key *key, const struct alert *alert,
                   const struct clearance_wish *wish, clearance_fn *done, void *user);
/* The scope only: for what was confirmed before, and for who approves. */
void clearance_ask_scope(struct room *room, const struct api_key *key, const struct alert *alert,
                         clearance_fn *done, void *user);

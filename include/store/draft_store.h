#pragma once
/* Drafts: alerts that are not sent yet. Every move (edit, submit, approve, …) is one script that
 * compares state and version, so of two who try only one succeeds; which moves there are says
 * lib_draft.lua. Sending one is alert_store_publish with a claim. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "store/args.h"
#include "store/store.h"

enum draft_state {
    DRAFT_STATE_DRAFT,
    DRAFT_STATE_AWAITING,
    DRAFT_STATE_SCHEDULED,
    DRAFT_STATE_HELD,
    DRAFT_STATE_SENT,
    DRAFT_STATE_CANCELLED,
    DRAFT_STATE_EXPIRED,
    DRAFT_STATE_FAILED,
    DRAFT_STATE_COUNT
};
extern const char *const draft_state_names[DRAFT_STATE_COUNT];

/* Who did something, and when; empty and 0 when nobody did. */
struct draft_act {
    struct str key_id;
    struct str name;
    int64_t at_ms;
};

/* Views are valid during the call that brings it. Times are wall clock, 0 = none. */
struct draft {
    struct str id;
    int64_t version;
    enum draft_state state;
    struct str body;      /* as given */
    struct str canonical; /* the stored form of the alert, once it was whole */
    int64_t send_ms;
    int64_t embargo_ms;
    int64_t hold_s;  /* as given; -1 = not */
    int64_t hold_ms; /* as it was when it was submitted */
    int64_t due_ms;
    struct draft_act created;
    struct draft_act edited; /* the last time */
    struct str editors;      /* ids of all keys that ever edited it, a blank between two */
    struct draft_act submitted;
    int64_t submitted_from; /* the version that was; 0 when it is not (any more) */
    struct draft_act approved;
    int64_t about;           /* the revision that a correction was confirmed for */
    int64_t allow_duplicate; /* 1: also when the same was sent a short while ago */
    struct str reason_code;  /* why it failed or expired */
    struct str reason;       /* the same, or why it was rejected, in words */
    struct str duplicate_of; /* the alert that said the same */
    struct str alert_id;     /* what it was sent as */
    int64_t revision;
    int64_t sent_ms;
};

/* Whether that key made, ever edited or submitted it; such a one may not approve it. */
bool draft_is_own(const struct draft *draft, struct str key_id);

/* For scripts, a field and its value; an empty value is none. The names are those of the hash:
 * body, canonical, send_at, embargo, hold_s, hold_ms, about, allow_duplicate, duplicate_of,
 * reason_code, reason. */
void draft_put_text(struct args *fields, const char *name, struct str value);
void draft_put_number(struct args *fields, const char *name, int64_t value);
/* Who does it, now: `act` is created, edited, submitted or approved. NULL key = nobody (clears). */
void draft_put_act(struct args *fields, const char *act, const char *key_id, const char *key_name);

enum draft_result {
    DRAFT_DONE,
    DRAFT_REPEATED,   /* was done before, from the same version: harmless */
    DRAFT_MISSING,    /* there is no such draft (any more) */
    DRAFT_STALE,      /* it has another version by now */
    DRAFT_WRONG,      /* its state forbids the move */
    DRAFT_OWN,        /* who approves made, edited or submitted it */
    DRAFT_EDITORS,    /* as many keys as can be kept edited it, and this is one more */
    DRAFT_FULL,       /* newsroom.drafts_max are open */
    DRAFT_KEY_REUSED, /* the Idempotency-Key was used for something else */
    DRAFT_UNAVAILABLE /* Redis away; may be repeated */
};

/* `draft` as it is now; NULL with DRAFT_MISSING, DRAFT_FULL, _KEY_REUSED and _UNAVAILABLE. */
typedef void draft_fn(void *user, enum draft_result result, const struct draft *draft);

enum draft_move {
    DRAFT_EDIT,
    DRAFT_DISCARD,
    DRAFT_SUBMIT,
    DRAFT_APPROVE,
    DRAFT_REJECT,
    DRAFT_CANCEL,
    DRAFT_FAIL,
    DRAFT_MOVE_COUNT
};

/* Everything is borrowed for the call. */
struct draft_new {
    struct str id;
    const char *created_by;     /* key id, which scopes the next */
    struct str idempotency_key; /* empty = none */
    struct str fingerprint;
    struct args *fields;
    struct str audit;
    /* Submitted in the same step unless the entry is empty. */
    struct str submit_audit;
    bool needs_approval;
};
/* DRAFT_REPEATED for the second use of an Idempotency-Key. */
void draft_store_create(struct store *store, const struct draft_new *n, draft_fn *done, void *user);

struct draft_wish {
    struct str id;
    enum draft_move move;
    int64_t version;     /* 0 = whichever */
    bool needs_approval; /* DRAFT_SUBMIT: it waits for one */
    struct args *fields; /* NULL = none */
    struct str audit;    /* \1, \2 and \3 in it become state, version and reason */
};
void draft_store_move(struct store *store, const struct draft_wish *wish, draft_fn *done,
                      void *user);
/* DRAFT_DONE, _MISSING or _UNAVAILABLE. */
void draft_store_get(struct store *store, struct str id, draft_fn *done, void *user);

enum { DRAFT_CURSOR_BYTES = 64 };
struct draft_list_wish {
    bool open;         /* those not sent and not ended, else those that are */
    const char *state; /* only these; NULL = all */
    struct str before; /* a cursor, empty = from the newest */
    size_t limit;
};
/* `next` is the cursor to go on with, empty at the end. */
typedef void draft_list_fn(void *user, enum err err, const struct draft *drafts, size_t count,
                           struct str next);
/* ERR_INVALID for a cursor that is none: then `done` does not come. */
MUST_CHECK enum err draft_store_list(struct store *store, const struct draft_list_wish *wish,
                                     draft_list_fn *done, void *user);

/* Ids that are due, the longest due first, and the time until the next that is not (-1 = none). */
typedef void draft_due_fn(void *user, enum err err, const struct str *ids, size_t count,
                          int64_t next_ms);
void draft_store_due(struct store *store, size_t limit, draft_due_fn *done, void *user);

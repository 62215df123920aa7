#pragma once
/* One alert of the log, parsed once, with its wire forms built when first asked for and shared by
 * all readers: a form per set of editions, replay mark and transport. */
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "gateway/frame.h"
#include "model/alert.h"
#include "model/filter.h"
#include "model/position.h"
#include "model/taxonomy.h"
#include "store/alert_store.h"

struct entry {
    struct position position;
    struct alert *alert;      /* NULL when the log's text could not be read: matches nobody */
    uint64_t editions;        /* what the alert has text for */
    int64_t heard_ms;         /* monotonic, for the fan-out time */
    struct list active;       /* ring.active while it is the latest word of a live alert */
    size_t bytes;             /* memory held, forms included */
    size_t *account;          /* a sum that follows `bytes`, or NULL */
    struct entry_form *forms; /* owned; private */
    int form_count;
};

/* Never NULL; an unreadable text is logged. `t` is borrowed by the forms' builder at each call. */
struct entry *entry_create(const struct taxonomy *t, const struct log_entry *log);
/* Accepts NULL. */
void entry_destroy(struct entry *e);
bool entry_matches(const struct entry *e, const struct filter *f);
/* The bytes to send to a reader of `editions` (mask as in its filter, 0 = all). With `replay` the
 * message is marked so and an SSE event carries no id (its position lies behind the reader's).
 * Valid until the next call for this entry. */
struct str entry_frame(struct entry *e, const struct taxonomy *t, enum frame_kind kind,
                       uint64_t editions, bool replay);
/* True once sent + ttl has passed. */
bool entry_is_expired(const struct entry *e, int64_t wall_ms);

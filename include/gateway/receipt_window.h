#pragma once
/* Which of the newest alerts one connection has told of, so that each counts once. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "store/receipt_store.h"

enum { RECEIPT_WINDOW = 64 };

struct receipt_window {
    uint64_t top;                       /* newest seq told of; 0 = none yet */
    uint64_t told[RECEIPT_EVENT_COUNT]; /* bit n: seq top - n */
};

/* Notes it and sets in `out_new` what is to be counted: an alert that was opened was received, too.
 * False when nothing is new, or it lies more than RECEIPT_WINDOW alerts behind. */
bool receipt_window_take(struct receipt_window *w, uint64_t seq, enum receipt_event event,
                         bool out_new[RECEIPT_EVENT_COUNT]);

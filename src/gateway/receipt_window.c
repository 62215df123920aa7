#include "gateway/receipt_window.h"

static void move_up(struct receipt_window *w, uint64_t seq) {
    uint64_t steps = seq - w->top;
    for (int e = 0; e < RECEIPT_EVENT_COUNT; e++) {
        w->told[e] = steps < RECEIPT_WINDOW ? w->told[e] << steps : 0;
    }
    w->top = seq;
}

bool receipt_window_take(struct receipt_window *w, uint64_t seq, enum receipt_event event,
                         bool out_new[RECEIPT_EVENT_COUNT]) {
    out_new[RECEIPT_RECEIVED] = out_new[RECEIPT_OPENED] = false;
    if (seq > w->top) {
        move_up(w, seq);
    }
    if (w->top - seq >= RECEIPT_WINDOW) {
        return false;
    }
    uint64_t bit = UINT64_C(1) << (w->top - seq);
    for (int e = 0; e <= (int)event; e++) {
        out_new[e] = !(w->told[e] & bit);
        w->told[e] |= bit;
    }
    return out_new[RECEIPT_RECEIVED] || out_new[RECEIPT_OPENED];
}

/* Each alert of a connection counts once per event, beside a plain set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "gateway/receipt_window.h"

static bool take(struct receipt_window *w, uint64_t seq, enum receipt_event event,
                 const char *expected) {
    bool is_new[RECEIPT_EVENT_COUNT];
    bool any = receipt_window_take(w, seq, event, is_new);
    assert_int_equal(any, is_new[RECEIPT_RECEIVED] || is_new[RECEIPT_OPENED]);
    assert_int_equal(is_new[RECEIPT_RECEIVED], strchr(expected, 'r') != NULL);
    assert_int_equal(is_new[RECEIPT_OPENED], strchr(expected, 'o') != NULL);
    return any;
}

static void each_event_counts_once(void **state) {
    (void)state;
    struct receipt_window w = {0};
    take(&w, 10, RECEIPT_RECEIVED, "r");
    take(&w, 10, RECEIPT_RECEIVED, "");
    take(&w, 10, RECEIPT_OPENED, "o");
    take(&w, 10, RECEIPT_OPENED, "");
    take(&w, 10, RECEIPT_RECEIVED, "");
}

static void opened_means_received(void **state) {
    (void)state;
    struct receipt_window w = {0};
    take(&w, 1, RECEIPT_OPENED, "ro");
    take(&w, 1, RECEIPT_RECEIVED, "");
}

static void what_is_too_far_behind_does_not_count(void **state) {
    (void)state;
    struct receipt_window w = {0};
    take(&w, 1, RECEIPT_RECEIVED, "r");
    take(&w, RECEIPT_WINDOW, RECEIPT_RECEIVED, "r");
    take(&w, 1, RECEIPT_OPENED, "o");
    take(&w, RECEIPT_WINDOW + 1, RECEIPT_RECEIVED, "r");
    take(&w, 1, RECEIPT_OPENED, "");
    take(&w, 2, RECEIPT_OPENED, "ro");
    take(&w, UINT64_MAX, RECEIPT_RECEIVED, "r");
    take(&w, UINT64_MAX - RECEIPT_WINDOW + 1, RECEIPT_RECEIVED, "r");
    take(&w, RECEIPT_WINDOW + 1, RECEIPT_RECEIVED, "");
}

/* 20,000 random receipts: exactly those count that a set of (seq, event) lacks and that lie in
 * reach. */
static void as_a_set_would(void **state) {
    (void)state;
    enum { SEQS = 2000, ROUNDS = 20000 };
    struct receipt_window w = {0};
    bool told[SEQS][RECEIPT_EVENT_COUNT] = {{false}};
    unsigned seed = 7;
    uint64_t top = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t base = (uint64_t)i / 11 + 1;
        uint64_t seq = base + (uint64_t)rand_r(&seed) % 100;
        enum receipt_event event = (enum receipt_event)(rand_r(&seed) % RECEIPT_EVENT_COUNT);
        top = seq > top ? seq : top;
        bool in_reach = top - seq < RECEIPT_WINDOW;
        bool received = in_reach && !told[seq][RECEIPT_RECEIVED];
        bool opened = in_reach && event == RECEIPT_OPENED && !told[seq][RECEIPT_OPENED];
        told[seq][RECEIPT_RECEIVED] |= received;
        told[seq][RECEIPT_OPENED] |= opened;
        char expected[3] = {received ? 'r' : 'o', received && opened ? 'o' : '\0', '\0'};
        take(&w, seq, event, received || opened ? expected : "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_event_counts_once),
        cmocka_unit_test(opened_means_received),
        cmocka_unit_test(what_is_too_far_behind_does_not_count),
        cmocka_unit_test(as_a_set_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

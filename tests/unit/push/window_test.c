/* How many pushes may be under way: news in, sizes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "push/window.h"

/* `n` accepted pushes of a full window, each sent at `sent_ms` and answered `took_ms` later. */
static void accept(struct window *w, size_t n, int64_t sent_ms, int64_t took_ms) {
    for (size_t i = 0; i < n; i++) {
        (void)window_note(w, WINDOW_ACCEPTED, sent_ms, sent_ms + took_ms, w->size);
    }
}

static void it_begins_wide_open(void **state) {
    (void)state;
    struct window w;
    window_init(&w, 8, 1000, 2000);
    assert_int_equal(window_room(&w, 0), 1000);
    assert_int_equal(window_room(&w, 999), 1);
    assert_int_equal(window_room(&w, 1000), 0);
    assert_int_equal(window_room(&w, 5000), 0);
    window_init(&w, 50, 10, 0); /* bounds the wrong way round */
    assert_int_equal(window_room(&w, 0), 10);
    assert_true(window_note(&w, WINDOW_TROUBLE, 1, 2, 10));
    assert_int_equal(window_room(&w, 0), 10);
}

static void trouble_halves_what_is_under_way(void **state) {
    (void)state;
    static const struct {
        size_t in_flight;
        size_t size;
    } rows[] = {{1000, 500}, {400, 200}, {17, 8}, {16, 8}, {3, 8}, {0, 8}, {5000, 500}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct window w;
        window_init(&w, 8, 1000, 2000);
        assert_true(window_note(&w, WINDOW_TROUBLE, 100, 150, rows[i].in_flight));
        assert_int_equal(w.size, rows[i].size);
    }
}

static void one_burst_of_trouble_cuts_once(void **state) {
    (void)state;
    struct window w;
    window_init(&w, 8, 1000, 2000);
    for (size_t i = 0; i < 1000; i++) {
        (void)window_note(&w, WINDOW_TROUBLE, 100, 150 + (int64_t)i, 1000 - i);
    }
    assert_int_equal(w.size, 500);
    assert_true(window_note(&w, WINDOW_TROUBLE, 1200, 1300, 500)); /* sent since */
    assert_int_equal(w.size, 250);
    assert_int_equal(w.cuts, 2);
}

static void it_grows_by_a_hundredth_of_most_each_round(void **state) {
    (void)state;
    struct window w;
    window_init(&w, 10, 1000, 2000);
    (void)window_note(&w, WINDOW_TROUBLE, 1, 2, 100);
    assert_int_equal(w.size, 50);
    accept(&w, 49, 10, 5);
    assert_int_equal(w.size, 50);
    accept(&w, 1, 10, 5);
    assert_int_equal(w.size, 61);
    int rounds = 0;
    for (; w.size < 1000; rounds++) {
        accept(&w, w.size, 10, 5);
    }
    assert_true(rounds > 50 && rounds <= WINDOW_ROUNDS);
    accept(&w, 5000, 10, 5);
    assert_int_equal(w.size, 1000);
}

static void what_is_not_used_does_not_grow(void **state) {
    (void)state;
    struct window w;
    window_init(&w, 10, 1000, 2000);
    (void)window_note(&w, WINDOW_TROUBLE, 1, 2, 100);
    for (int i = 0; i < 1000; i++) {
        (void)window_note(&w, WINDOW_ACCEPTED, 10, 15, 24);
        (void)window_note(&w, WINDOW_OTHER, 10, 15, 50);
    }
    assert_int_equal(w.size, 50);
}

static void answers_that_become_slow_are_trouble(void **state) {
    (void)state;
    static const struct {
        int64_t slow_ms;
        int64_t usual_ms;
        int64_t later_ms;
        bool is_cut;
    } rows[] = {
        {2000, 50, 300, false},                         /* slower, but nothing to worry about */
        {2000, 50, 5000, true},                         /* much slower */
        {2000, 900, 2500, false},                       /* far away: not four times as long */
        {2000, 900, 6000, true},  {0, 50, 5000, false}, /* switched off */
        {100, 10, 300, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct window w;
        window_init(&w, 8, 1000, rows[i].slow_ms);
        accept(&w, 1000, 1000, rows[i].usual_ms);
        assert_int_equal(w.cuts, 0);
        accept(&w, 200, 2000, rows[i].later_ms);
        assert_int_equal(w.cuts, rows[i].is_cut ? 1 : 0); /* the rest was sent before the cut */
    }
}

static void one_slow_answer_is_none(void **state) {
    (void)state;
    struct window w;
    window_init(&w, 8, 1000, 2000);
    accept(&w, 1000, 1000, 50);
    accept(&w, 1, 2000, 15000);
    accept(&w, 100, 20000, 50);
    assert_int_equal(w.cuts, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_wide_open),
        cmocka_unit_test(trouble_halves_what_is_under_way),
        cmocka_unit_test(one_burst_of_trouble_cuts_once),
        cmocka_unit_test(it_grows_by_a_hundredth_of_most_each_round),
        cmocka_unit_test(what_is_not_used_does_not_grow),
        cmocka_unit_test(answers_that_become_slow_are_trouble),
        cmocka_unit_test(one_slow_answer_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

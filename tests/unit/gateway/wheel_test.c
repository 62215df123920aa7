#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/wheel.h"

struct item {
    struct wheel_timer timer;
    int64_t fired_ms; /* -1 = not yet */
    int fires;
};

struct world {
    struct wheel *wheel;
    int64_t now_ms;
    struct item *rearm;  /* armed again by its own callback */
    struct item *cancel; /* cancelled by the callback of any other */
};

static void on_due(void *user, struct wheel_timer *timer) {
    struct world *w = user;
    struct item *item = LIST_ENTRY(timer, struct item, timer);
    assert_false(wheel_is_set(timer));
    item->fired_ms = w->now_ms;
    item->fires++;
    if (item == w->rearm) {
        wheel_set(w->wheel, timer, 0);
    }
    if (w->cancel && item != w->cancel) {
        wheel_cancel(&w->cancel->timer);
    }
}

static void advance(struct world *w, int64_t to_ms, int64_t step_ms) {
    while (w->now_ms < to_ms) {
        w->now_ms += step_ms;
        wheel_advance(w->wheel, w->now_ms);
    }
}

/* Never early, at most two ticks late; also far beyond one turn of the wheel. */
static void test_fires_in_time(void **state) {
    (void)state;
    static const int64_t delays[] = {0,    1,     99,     100,    101,    2500,
                                     9999, 60000, 102300, 102400, 102500, 350000};
    enum { COUNT = sizeof(delays) / sizeof(delays[0]) };
    struct item items[COUNT];
    struct world w = {.now_ms = 5000};
    w.wheel = wheel_create(100, 5000, on_due, &w);
    for (size_t i = 0; i < COUNT; i++) {
        items[i] = (struct item){.fired_ms = -1};
        wheel_timer_init(&items[i].timer);
        wheel_set(w.wheel, &items[i].timer, delays[i]);
    }
    advance(&w, 5000 + 360000, 10);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(items[i].fires, 1);
        assert_true(items[i].fired_ms >= 5000 + delays[i]);
        assert_true(items[i].fired_ms <= 5000 + delays[i] + 200);
    }
    wheel_destroy(w.wheel);
}

/* A stalled loop fires everything that became due, once. */
static void test_catches_up(void **state) {
    (void)state;
    struct item items[300];
    struct world w = {0};
    w.wheel = wheel_create(100, 0, on_due, &w);
    for (int i = 0; i < 300; i++) {
        items[i] = (struct item){.fired_ms = -1};
        wheel_timer_init(&items[i].timer);
        wheel_set(w.wheel, &items[i].timer, i * 1000);
    }
    advance(&w, 150000, 150000);
    for (int i = 0; i < 300; i++) {
        assert_int_equal(items[i].fires, i * 1000 + 100 <= 150000);
    }
    wheel_destroy(w.wheel);
}

static void test_rearm_and_cancel_inside(void **state) {
    (void)state;
    struct item a = {0};
    struct item b = {0};
    struct world w = {.rearm = &a, .cancel = &b};
    w.wheel = wheel_create(100, 0, on_due, &w);
    wheel_timer_init(&a.timer);
    wheel_timer_init(&b.timer);
    wheel_set(w.wheel, &a.timer, 0);
    wheel_set(w.wheel, &b.timer, 0); /* same slot: cancelled while that slot fires */
    advance(&w, 1000, 100);
    assert_int_equal(b.fires, 0);
    assert_int_equal(a.fires, 10);
    wheel_set(w.wheel, &a.timer, 5000); /* moving a timer leaves one */
    advance(&w, 5000, 100);
    assert_int_equal(a.fires, 10);
    wheel_cancel(&a.timer);
    wheel_cancel(&a.timer);
    advance(&w, 20000, 100);
    assert_int_equal(a.fires, 10);
    wheel_destroy(w.wheel);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fires_in_time),
        cmocka_unit_test(test_catches_up),
        cmocka_unit_test(test_rearm_and_cancel_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#pragma once
/* A loop, a store and a private Redis for the tests of src/store. */
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/taxonomy.h"
#include "store/args.h"
#include "store/script.h"
#include "store/store.h"
#include "support_redis.h"

struct fixture {
    struct test_redis redis;
    uv_loop_t loop;
    struct config *cfg;
    struct taxonomy *t;
    struct store *store;
};

static inline void on_nap_over(uv_timer_t *timer) {
    *(bool *)timer->data = true;
}

/* Runs the loop for `ms`. */
static inline void run_for(uv_loop_t *loop, uint64_t ms) {
    bool over = false;
    uv_timer_t timer;
    (void)uv_timer_init(loop, &timer);
    timer.data = &over;
    (void)uv_timer_start(&timer, on_nap_over, ms, 0);
    while (!over) {
        (void)uv_run(loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(loop, UV_RUN_NOWAIT);
}

/* Runs the loop until the condition holds; fails the test after `ms`. */
#define RUN_UNTIL(loop, ms, condition)                                                             \
    do {                                                                                           \
        int64_t run_until_end = clock_mono_ms() + (ms);                                            \
        while (!(condition)) {                                                                     \
            if (clock_mono_ms() > run_until_end) {                                                 \
                fail_msg("not within %d ms: %s", (int)(ms), #condition);                           \
            }                                                                                      \
            run_for((loop), 1);                                                                    \
        }                                                                                          \
    } while (0)

static inline struct config *fixture_config(const struct test_redis *redis) {
    struct config *cfg = config_create();
    free(cfg->redis_url);
    cfg->redis_url = mem_strdup(redis->url);
    cfg->redis_reconnect_max_ms = 200;
    cfg->newsroom_duplicate_window_s = 0;
    cfg->newsroom_breaker_alerts = 0;
    return cfg;
}

static inline void fixture_start(struct fixture *f, bool persistent) {
    log_setup(LOG_FORMAT_KV, getenv("TEST_VERBOSE") ? LOG_DEBUG : LOG_ERROR);
    memset(f, 0, sizeof(*f));
    test_redis_start(&f->redis, persistent);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->cfg = fixture_config(&f->redis);
    f->t = taxonomy_builtin();
    assert_int_equal(store_create(&f->loop, f->cfg, &f->store), ERR_OK);
    assert_int_equal(store_wait_up(f->store, &f->loop, 5000), ERR_OK);
}

static inline void fixture_stop(struct fixture *f) {
    store_destroy(f->store);
    run_for(&f->loop, 1);
    assert_int_equal(uv_run(&f->loop, UV_RUN_NOWAIT), 0); /* no handle is left */
    assert_int_equal(uv_loop_close(&f->loop), 0);
    taxonomy_destroy(f->t);
    config_destroy(f->cfg);
    test_redis_stop(&f->redis);
}

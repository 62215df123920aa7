#pragma once
/* A dispatcher with a private Redis and the provider simulator, and the newsroom's and the app's
 * side of it: registering devices, publishing, reading the counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_redis.h"
#include "support_sim.h"

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/mem.h"
#include "push/dispatcher.h"
#include "store/alert_store.h"
#include "store/device_store.h"

struct fixture {
    struct test_redis redis;
    struct test_sim *sim;
    uv_loop_t loop;
    struct config *cfg;
    struct taxonomy *t;
    struct store *store;
    struct dispatcher *dispatcher;
    int pending;     /* calls to the store under way */
    enum err err;    /* of the last */
    bool is_stopped; /* the dispatcher said so */
    char alert_id[UUID_BYTES];
    cJSON *stats;
};

static inline void on_nap(uv_timer_t *timer) {
    (void)timer;
}

/* Runs the loop until the condition holds; fails the test after `limit_ms` of real time. */
#define RUN_UNTIL(f, limit_ms, condition)                                                          \
    do {                                                                                           \
        uint64_t end_ns = uv_hrtime() + (uint64_t)(limit_ms)*1000000;                              \
        while (!(condition)) {                                                                     \
            if (uv_hrtime() > end_ns) {                                                            \
                fail_msg("not within %d ms: %s", (int)(limit_ms), #condition);                     \
            }                                                                                      \
            run_once(f);                                                                           \
        }                                                                                          \
    } while (0)

static inline void run_once(struct fixture *f) {
    uv_timer_t timer;
    (void)uv_timer_init(&f->loop, &timer);
    (void)uv_timer_start(&timer, on_nap, 5, 0);
    (void)uv_run(&f->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

static inline void run_for(struct fixture *f, int ms) {
    uint64_t end_ns = uv_hrtime() + (uint64_t)ms * 1000000;
    while (uv_hrtime() < end_ns) {
        run_once(f);
    }
}

static inline void set_text(char **field, const char *text) {
    free(*field);
    *field = mem_strdup(text);
}

/* Moves our clocks and the simulator's. All tests of a program share the sum. */
static inline void push_advance(const struct test_sim *sim, int64_t ms) {
    static int64_t offset_ms;
    char clock[64];
    offset_ms += ms;
    if (ms) {
        clock_advance_for_test(ms);
    }
    (void)snprintf(clock, sizeof(clock), "{\"clock\":{\"offset_s\":%lld}}",
                   (long long)offset_ms / 1000);
    test_sim_post(sim, "/faults", clock);
}

/* Redis, simulator and settings, no dispatcher yet. */
static inline void push_setup(struct fixture *f, struct test_sim *sim, bool persistent) {
    memset(f, 0, sizeof(*f));
    log_setup(LOG_FORMAT_KV, getenv("TEST_VERBOSE") ? LOG_DEBUG : LOG_ERROR);
    f->sim = sim;
    test_sim_post(sim, "/reset", "");
    push_advance(sim, 0);
    test_redis_start(&f->redis, persistent);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->cfg = config_create();
    f->cfg->newsroom_duplicate_window_s = 0; /* tests repeat themselves */
    f->cfg->newsroom_breaker_alerts = 0;
    f->t = taxonomy_builtin();
    set_text(&f->cfg->redis_url, f->redis.url);
    f->cfg->redis_reconnect_max_ms = 200;
    f->cfg->queue_claim_ms = 500;
    set_text(&f->cfg->apns_url, sim->apns);
    set_text(&f->cfg->apns_ca_file, sim->ca_file);
    set_text(&f->cfg->apns_key_file, sim->apns_key);
    set_text(&f->cfg->apns_key_id, "ABC123DEFG");
    set_text(&f->cfg->apns_team_id, "TEAM123456");
    set_text(&f->cfg->apns_topic, "com.example.tocsin");
    set_text(&f->cfg->fcm_url, sim->fcm);
    set_text(&f->cfg->fcm_ca_file, sim->ca_file);
    set_text(&f->cfg->fcm_service_account_file, sim->fcm_account);
    assert_int_equal(store_create(&f->loop, f->cfg, &f->store), ERR_OK);
    assert_int_equal(store_wait_up(f->store, &f->loop, 5000), ERR_OK);
}

static inline void push_start(struct fixture *f) {
    assert_int_equal(dispatcher_create(&f->loop, f->cfg, f->t, &f->dispatcher), ERR_OK);
}

static inline void push_teardown(struct fixture *f) {
    cJSON_Delete(f->stats);
    dispatcher_destroy(f->dispatcher);
    store_destroy(f->store);
    for (int i = 0; i < 50; i++) {
        run_once(f);
    }
    assert_int_equal(uv_run(&f->loop, UV_RUN_NOWAIT), 0); /* no handle is left */
    assert_int_equal(uv_loop_close(&f->loop), 0);
    taxonomy_destroy(f->t);
    config_destroy(f->cfg);
    test_redis_stop(&f->redis);
}

/* --- the app's side --- */

static inline void on_put(void *user, const struct device_put_result *result) {
    struct fixture *f = user;
    assert_int_equal(result->status, DEVICE_PUT_CREATED);
    f->pending--;
}

static inline void token_of(enum platform platform, int i, char out_token[80]) {
    (void)snprintf(out_token, 80, platform == PLATFORM_APNS ? "%064x" : "fcm-token-%d", i + 1);
}

static inline void device_id_of(enum platform platform, int i, char out_id[32]) {
    (void)snprintf(out_id, 32, "%s-device-%d", platform_names[platform], i + 1);
}

/* Devices number from..to-1 of a platform, following everything, editions in turn. */
static inline void push_register(struct fixture *f, enum platform platform, int from, int to) {
    static const char secret[] = "0000000000000000000000000000000000000000000000000000000000000000";
    for (int i = from; i < to; i++) {
        char token[80];
        char id[32];
        token_of(platform, i, token);
        device_id_of(platform, i, id);
        const struct device d = {
            .id = id,
            .platform = platform,
            .token = token,
            .edition = i % taxonomy_count(f->t, DIM_EDITION),
            .min_urgency = URGENCY_LOW,
            .registered_ms = clock_wall_ms(),
        };
        f->pending++;
        device_store_put(f->store, f->t, &d, str_of(secret), false, on_put, f);
        if (f->pending > 200) {
            RUN_UNTIL(f, 10000, f->pending < 50);
        }
    }
    RUN_UNTIL(f, 10000, f->pending == 0);
}

static inline void on_walked(void *user, enum err err, const struct device *device,
                             struct str secret) {
    struct fixture *f = user;
    (void)secret;
    assert_int_equal(err, ERR_OK);
    f->pending -= device ? 0 : 1000000;
    f->pending += device ? 1 : 0;
}

/* Devices in the registry (all of them in block 0). */
static inline int push_registered(struct fixture *f) {
    f->pending = 1000000;
    device_store_walk_block(f->store, f->t, 0, on_walked, f);
    RUN_UNTIL(f, 5000, f->pending < 1000000);
    int count = f->pending;
    f->pending = 0;
    return count;
}

/* --- the newsroom's side --- */

static inline void on_published(void *user, const struct publish_result *result) {
    struct fixture *f = user;
    assert_int_equal(result->status, PUBLISH_ACCEPTED);
    memcpy(f->alert_id, result->id, sizeof(f->alert_id));
    f->pending--;
}

static inline struct alert *push_alert(struct fixture *f) {
    struct alert *a = alert_create();
    codec_uuid7(a->id);
    a->revision = 1;
    a->urgency = URGENCY_HIGH;
    a->audience.regions_all = true;
    a->audience.regions_match = taxonomy_all(f->t, DIM_REGION);
    for (int e = 0; e < taxonomy_count(f->t, DIM_EDITION); e++) {
        char headline[64];
        (void)snprintf(headline, sizeof(headline), "Headline %s",
                       taxonomy_name(f->t, DIM_EDITION, e));
        a->content[e].headline = mem_strdup(headline);
        a->content[e].body = mem_strdup("What is known so far.");
    }
    a->ttl_s = 3600;
    a->sent_ms = clock_wall_ms();
    a->created_by = mem_strdup("key1");
    return a;
}

static inline void push_publish(struct fixture *f, struct alert *take_alert) {
    char key[UUID_BYTES];
    codec_uuid7(key);
    const struct publish_request request = {
        .alert = take_alert, .idempotency_key = str_of(key), .fingerprint = STR("f")};
    f->pending++;
    alert_store_publish(f->store, f->t, &request, on_published, f);
    RUN_UNTIL(f, 5000, f->pending == 0);
    alert_destroy(take_alert);
}

static inline void on_stats(void *user, enum err err, struct str json) {
    struct fixture *f = user;
    f->err = err;
    f->pending--;
    if (!err) {
        cJSON_Delete(f->stats);
        f->stats = cJSON_ParseWithLength(json.p, json.n);
    }
}

static inline void read_stats(struct fixture *f) {
    f->pending++;
    alert_store_stats(f->store, f->t, str_of(f->alert_id), 0, on_stats, f);
    RUN_UNTIL(f, 5000, f->pending == 0);
}

/* stats.<group>[.<name>].<counter>, e.g. count(f, "platforms", "apns", "accepted"). */
static inline int count_of(const struct fixture *f, const char *group, const char *name,
                           const char *counter) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(f->stats, group);
    item = name ? cJSON_GetObjectItemCaseSensitive(item, name) : item;
    item = cJSON_GetObjectItemCaseSensitive(item, counter);
    return cJSON_IsNumber(item) ? item->valueint : 0;
}

static inline int total_of(const struct fixture *f, const char *counter) {
    return count_of(f, "total", NULL, counter);
}

static inline bool is_done(struct fixture *f) {
    read_stats(f);
    const cJSON *state = cJSON_GetObjectItemCaseSensitive(f->stats, "state");
    return f->err == ERR_OK && cJSON_IsString(state) && strcmp(state->valuestring, "done") == 0;
}

/* Waits for the end and checks that every device has exactly one outcome. */
static inline void push_finish(struct fixture *f, int targeted, int limit_ms) {
    RUN_UNTIL(f, limit_ms, is_done(f));
    assert_int_equal(total_of(f, "targeted"), targeted);
    assert_int_equal(total_of(f, "to_go"), 0);
    assert_int_equal(total_of(f, "accepted") + total_of(f, "suppressed") + total_of(f, "expired") +
                         total_of(f, "aborted") + total_of(f, "superseded") +
                         total_of(f, "payload_rejected") + total_of(f, "token_dead") +
                         total_of(f, "failed") + total_of(f, "unknown"),
                     targeted);
}

/* A number of the simulator's ledger: "accepted", "tokens", "duplicates", "places". */
static inline int ledger_of(const struct fixture *f, const char *name) {
    return (int)test_sim_stat(f->sim, "ledger", name);
}

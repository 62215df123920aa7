/* The dispatcher role: a queue of jobs, a lane per platform, one pump. The store plans; we take
 * jobs, and everything else happens in the lanes. */
#include "push/dispatcher.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "push/apns.h"
#include "push/dead_tokens.h"
#include "push/fcm.h"
#include "push/lane.h"
#include "store/push_control.h"
#include "store/push_queue.h"
#include "store/store.h"

enum {
    TICK_BUSY_MS = 20,
    TICK_IDLE_MS = 200,
    CONSUMER_BYTES = 160,
    CONTROL_MS = 200,  /* how often the switch and aborts are looked at: well within a second */
    STOP_MARGIN_S = 3, /* of serve.stop_timeout_s, left for the rest of the shutdown */
};

struct dispatcher {
    const struct config *cfg;
    const struct taxonomy *taxonomy;
    struct store *store;
    struct push_queue *queue;
    struct dead_tokens *dead_tokens;
    struct lane *lanes[PLATFORM_COUNT]; /* none for PLATFORM_STREAM */
    uv_idle_t pump;                     /* running while a lane may send */
    uv_timer_t tick;
    int handles;
    bool is_asking;              /* a look at the switch and aborts is under way */
    int64_t ask_ms;              /* monotonic, when the next is due */
    struct push_revision *asked; /* room for all alerts that can be under way; owned */
    int64_t stop_by_ms;          /* monotonic; 0 = not stopping */
    void (*on_stopped)(void *user);
    void *on_stopped_user;
};

#define EACH_LANE(p) for (int p = PLATFORM_STREAM + 1; p < PLATFORM_COUNT; p++)

/* Unique among live dispatchers, and the same again for a worker restarted in the place of one that
 * died: it takes up that one's jobs at once instead of after queue.claim_ms. With the embedded
 * Redis that holds over a restart of everything, as nobody else can be connected there. */
static void name_consumer(const struct config *cfg, char out_name[CONSUMER_BYTES]) {
    const char *instance = cfg->redis_url[0] ? cfg->instance : "embedded";
    (void)snprintf(out_name, CONSUMER_BYTES, "%s-%d", instance, metrics_slot());
}

/* --- pump and time --- */

static void on_pump(uv_idle_t *idle) {
    struct dispatcher *d = idle->data;
    bool is_more = false;
    enum urgency least = URGENCY_LOW;
    (void)uv_idle_stop(idle);
    EACH_LANE(p) {
        enum urgency urgency = lane_urgency(d->lanes[p]);
        least = urgency < least ? urgency : least;
    }
    EACH_LANE(p) {
        is_more = lane_pump(d->lanes[p], least) || is_more;
    }
    if (is_more) {
        (void)uv_idle_start(idle, on_pump);
    }
}

static void want_pump(void *user) {
    struct dispatcher *d = user;
    if (!uv_is_active((uv_handle_t *)&d->pump) && !uv_is_closing((uv_handle_t *)&d->pump)) {
        (void)uv_idle_start(&d->pump, on_pump);
    }
}

/* --- control --- */

static void on_control(void *user, enum err err, uint32_t paused, const struct push_ending *endings,
                       size_t count) {
    struct dispatcher *d = user;
    d->is_asking = false;
    if (err) {
        return; /* what was known holds until Redis answers again */
    }
    int64_t switched_off = 0;
    EACH_LANE(p) {
        bool is_off = paused >> p & 1;
        lane_switch(d->lanes[p], is_off);
        switched_off += is_off;
        for (size_t i = 0; i < count; i++) {
            lane_end(d->lanes[p], &endings[i]);
        }
    }
    metrics_set(M_PUSH_LANES_PAUSED, switched_off);
}

/* That a lane can hold: the full number of each urgency, if they came least urgent first. */
static size_t jobs_max(const struct config *cfg) {
    return (size_t)cfg->dispatcher_jobs * URGENCY_COUNT;
}

static void ask_if_due(struct dispatcher *d, int64_t now_ms) {
    if (d->is_asking || now_ms < d->ask_ms || !store_is_up(d->store)) {
        return;
    }
    size_t count = 0;
    EACH_LANE(p) {
        count += lane_alerts(d->lanes[p], d->asked + count, jobs_max(d->cfg));
    }
    d->is_asking = true;
    d->ask_ms = now_ms + CONTROL_MS;
    push_control_ask(d->store, d->asked, count, on_control, d);
}

/* --- health --- */

static void report_health(const struct dispatcher *d) {
    char trouble[METRICS_REASON_MAX] = "";
    size_t n = 0;
    EACH_LANE(p) {
        const char *of_lane = lane_trouble(d->lanes[p]);
        if (*of_lane && n < sizeof(trouble)) {
            n += (size_t)snprintf(trouble + n, sizeof(trouble) - n, "%s%s", n ? "; " : "", of_lane);
        }
    }
    metrics_set_health(d->stop_by_ms            ? "stopping"
                       : !store_is_up(d->store) ? "redis is away"
                                                : trouble);
}

static bool is_quiet(const struct dispatcher *d) {
    EACH_LANE(p) {
        if (!lane_is_quiet(d->lanes[p])) {
            return false;
        }
    }
    return true;
}

static bool is_busy(const struct dispatcher *d) {
    bool busy = !dead_tokens_is_idle(d->dead_tokens) || d->stop_by_ms;
    EACH_LANE(p) {
        busy = busy || lane_is_busy(d->lanes[p]);
    }
    return busy;
}

static void on_tick(uv_timer_t *timer) {
    struct dispatcher *d = timer->data;
    int64_t now_ms = clock_mono_ms();
    ask_if_due(d, now_ms);
    EACH_LANE(p) {
        lane_tick(d->lanes[p], now_ms);
    }
    dead_tokens_tick(d->dead_tokens);
    report_health(d);
    (void)uv_timer_start(timer, on_tick, is_busy(d) ? TICK_BUSY_MS : TICK_IDLE_MS, 0);
    bool is_over = d->stop_by_ms && (is_quiet(d) || now_ms >= d->stop_by_ms);
    if (is_over && d->on_stopped) {
        void (*on_stopped)(void *user) = d->on_stopped;
        d->on_stopped = NULL;
        on_stopped(d->on_stopped_user);
    }
}

/* --- the queue --- */

static void on_planned(void *user, struct str alert_id, uint64_t targeted, uint64_t jobs) {
    (void)user;
    log_info("push_planned", LOG_STR("alert_id", alert_id), LOG_I("targeted", targeted),
             LOG_I("jobs", jobs));
}

static void on_job(void *user, const struct push_job *job, struct str alert_json) {
    struct dispatcher *d = user;
    struct lane *lane = d->lanes[job->platform];
    if (!lane) {
        log_error("push_job_misplaced", LOG_S("job_id", job->stream_id),
                  LOG_S("alert_id", job->alert_id));
        return;
    }
    lane_take_job(lane, job, alert_json);
    if (uv_timer_get_due_in(&d->tick) > TICK_BUSY_MS) {
        (void)uv_timer_start(&d->tick, on_tick, TICK_BUSY_MS, 0);
    }
}

static void on_lost(void *user, const struct push_job *job) {
    struct dispatcher *d = user;
    if (d->lanes[job->platform]) {
        lane_lose_job(d->lanes[job->platform], job);
    }
}

/* --- life --- */

static enum err open_provider(struct dispatcher *d, uv_loop_t *loop, enum platform platform) {
    struct lane *lane = d->lanes[platform];
    struct provider *provider = NULL;
    enum err err = ERR_OK;
    if (platform == PLATFORM_APNS && *d->cfg->apns_key_file) {
        err = apns_create(loop, d->cfg, d->taxonomy, &lane_events, lane, &provider);
    } else if (platform == PLATFORM_FCM && *d->cfg->fcm_service_account_file) {
        err = fcm_create(loop, d->cfg, d->taxonomy, &lane_events, lane, &provider);
    }
    if (provider) {
        lane_set_provider(lane, provider);
    } else if (!err) {
        log_info("push_platform_off", LOG_S("platform", platform_names[platform]),
                 LOG_S("outcome", outcome_names[OUTCOME_SUPPRESSED]));
    }
    return err;
}

static void open_lanes(struct dispatcher *d) {
    EACH_LANE(p) {
        const struct lane_options options = {
            .platform = (enum platform)p,
            .cfg = d->cfg,
            .taxonomy = d->taxonomy,
            .queue = d->queue,
            .dead_tokens = d->dead_tokens,
            .want_pump = want_pump,
            .user = d,
        };
        d->lanes[p] = lane_create(&options);
    }
}

static enum err open_queue(struct dispatcher *d, uv_loop_t *loop) {
    char consumer[CONSUMER_BYTES];
    name_consumer(d->cfg, consumer);
    enum err err = store_create(loop, d->cfg, &d->store);
    if (err) {
        return err;
    }
    d->dead_tokens = dead_tokens_create(d->store, d->cfg, d->taxonomy);
    return push_queue_create(loop, d->store, d->cfg, d->taxonomy, consumer, &d->queue);
}

static void start(struct dispatcher *d) {
    static const struct push_queue_handlers handlers = {
        .on_planned = on_planned, .on_job = on_job, .on_lost = on_lost};
    push_queue_start(d->queue, &handlers, d);
    EACH_LANE(p) {
        push_queue_allow(d->queue, (enum platform)p, (int)d->cfg->dispatcher_jobs);
    }
    (void)uv_timer_start(&d->tick, on_tick, 0, 0);
}

enum err dispatcher_create(uv_loop_t *loop, const struct config *cfg, const struct taxonomy *t,
                           struct dispatcher **out_dispatcher) {
    struct dispatcher *d = mem_zalloc(1, sizeof(*d));
    d->cfg = cfg;
    d->taxonomy = t;
    (void)uv_idle_init(loop, &d->pump);
    (void)uv_timer_init(loop, &d->tick);
    d->pump.data = d->tick.data = d;
    d->handles = 2;
    d->asked = mem_zalloc(jobs_max(cfg) * PLATFORM_COUNT, sizeof(*d->asked));
    enum err err = open_queue(d, loop);
    if (!err) {
        open_lanes(d);
    }
    for (int p = PLATFORM_STREAM + 1; p < PLATFORM_COUNT && !err; p++) {
        err = open_provider(d, loop, (enum platform)p);
    }
    if (err) {
        dispatcher_destroy(d);
        return err;
    }
    start(d);
    *out_dispatcher = d;
    return ERR_OK;
}

void dispatcher_stop(struct dispatcher *d, void (*on_stopped)(void *user), void *user) {
    int64_t limit_s = d->cfg->serve_stop_timeout_s;
    d->on_stopped = on_stopped;
    d->on_stopped_user = user;
    d->stop_by_ms = clock_mono_ms() +
                    (limit_s > 2 * STOP_MARGIN_S ? limit_s - STOP_MARGIN_S : limit_s / 2) * 1000;
    EACH_LANE(p) {
        lane_stop(d->lanes[p]);
    }
    (void)uv_timer_start(&d->tick, on_tick, 0, 0);
}

static void on_handle_closed(uv_handle_t *handle) {
    struct dispatcher *d = handle->data;
    if (--d->handles == 0) {
        free(d->asked);
        free(d);
    }
}

void dispatcher_destroy(struct dispatcher *d) {
    if (!d) {
        return;
    }
    EACH_LANE(p) {
        if (d->lanes[p]) {
            lane_close(d->lanes[p]);
        }
    }
    push_queue_destroy(d->queue);
    EACH_LANE(p) {
        lane_destroy(d->lanes[p]);
    }
    store_destroy(d->store);
    dead_tokens_destroy(d->dead_tokens);
    uv_close((uv_handle_t *)&d->pump, on_handle_closed);
    uv_close((uv_handle_t *)&d->tick, on_handle_closed);
}

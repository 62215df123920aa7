/* The stream is the truth, pub/sub is the bell.
 *
 *   subscriber up -> SUBSCRIBE -> both acks -> sync -> bells are applied as they come
 *
 * sync = read the epoch and the head, settle whether our place still exists, read the log from the
 * last seq to its end. It runs after every (re)subscription and whenever something does not fit: a
 * bell that skips a seq, a head that the watchdog finds elsewhere. A bell is applied directly only
 * if it is the very next seq of the current epoch and no sync is under way; every other bell just
 * asks for a sync. The bus is live when it is subscribed and synced, a heartbeat (through PUBLISH)
 * came back over this subscription, and since then something was heard, and the watchdog (through
 * the command connection) answered, within SILENCE_MS. Silence rebuilds both connections: perhaps
 * they lead to different servers, and which of them is the right one cannot be told from here. */
#include "store/bus.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "store/epoch.h"
#include "store/keys.h"
#include "store/script.h"

enum {
    TICK_MS = 1000,
    SILENCE_MS = 3000,
    RETRY_MS = 100, /* after a failed sync */
    PAGE_ENTRIES = 256,
    HEARTBEAT_BYTES = 48,
    SUBSCRIPTIONS = 2, /* bell and heartbeat */
};

struct bus {
    uv_loop_t *loop;
    struct store *store;
    struct redis_conn *subscriber;
    struct bus_options options;
    struct bus_handlers handlers;
    void *user;
    char heartbeat[HEARTBEAT_BYTES]; /* channel of this process */
    struct position last;            /* delivered; epoch "" before the first reset */
    int acks;                        /* of the current subscription */
    bool is_proven;                  /* a heartbeat came over the current subscription */
    bool is_synced;                  /* read to the end of the log since the last loss */
    bool is_syncing;
    bool sync_again;    /* something came while it ran */
    bool verify_wanted; /* by a sync that has not begun */
    bool is_verifying;  /* the sync under way, or the next try of it, is to be told of */
    bool is_live;
    bool closing;
    int64_t heard_ms;   /* last message of the subscriber */
    int64_t watched_ms; /* last answer to the watchdog */
    int calls;          /* store calls under way that hold this struct */
    int handles;
    uv_timer_t tick;
    uv_timer_t retry;
};

static void start_sync(struct bus *bus);
static void read_log(struct bus *bus);

static void free_when_idle(struct bus *bus) {
    if (bus->closing && !bus->calls && !bus->handles) {
        free(bus);
    }
}

/* Every reply handler begins with this; false: the bus is gone or going. */
static bool end_call(struct bus *bus) {
    bus->calls--;
    if (bus->closing) {
        free_when_idle(bus);
        return false;
    }
    return true;
}

static void update_live(struct bus *bus) {
    int64_t now = clock_mono_ms();
    bool live = bus->is_proven && bus->is_synced && now - bus->heard_ms <= SILENCE_MS &&
                now - bus->watched_ms <= SILENCE_MS;
    if (live == bus->is_live) {
        return;
    }
    bus->is_live = live;
    if (live) {
        log_info("bus_live", LOG_S("epoch", bus->last.epoch), LOG_I("seq", bus->last.seq));
    } else {
        log_warn("bus_down", LOG_S("epoch", bus->last.epoch), LOG_I("seq", bus->last.seq));
    }
    if (bus->handlers.on_live) {
        bus->handlers.on_live(bus->user, live);
    }
}

static void deliver(struct bus *bus, const struct log_entry *entry) {
    struct log_entry current = *entry;
    /* Entries of an epoch before are ours as well: positions carry the current one. */
    memcpy(current.position.epoch, bus->last.epoch, EPOCH_BYTES);
    bus->last.seq = entry->position.seq;
    bus->handlers.on_entry(bus->user, &current);
}

/* ---- sync ---- */

static void on_retry(uv_timer_t *timer) {
    start_sync(timer->data);
}

static void fail_sync(struct bus *bus, const char *what, enum err err) {
    log_warn("bus_sync_failed", LOG_S("what", what), LOG_ERR(err));
    bus->is_syncing = bus->is_synced = false;
    (void)uv_timer_start(&bus->retry, on_retry, RETRY_MS, 0);
    update_live(bus);
}

static void reset_to(struct bus *bus, const struct epoch_view *view, uint64_t seq) {
    bus->is_synced = false;
    update_live(bus); /* not live until the new log is delivered as well */
    if (bus->closing) {
        return;
    }
    memcpy(bus->last.epoch, view->head.epoch, EPOCH_BYTES);
    bus->last.seq = seq;
    log_info("bus_reset", LOG_S("epoch", bus->last.epoch), LOG_I("seq", seq),
             LOG_I("head", view->head.seq));
    bus->handlers.on_reset(bus->user, &bus->last, view->oldest_seq, view->past, view->past_count);
}

/* Where to go on from after reading `view`; may call on_reset or on_epoch. */
static void settle(struct bus *bus, const struct epoch_view *view) {
    uint64_t first = view->oldest_seq;
    bool had_epoch = bus->last.epoch[0] != '\0';
    /* A log that no longer reaches back to our place has lost entries that nobody can deliver. */
    if (!had_epoch || !epoch_has_survived(view, &bus->last) || first > bus->last.seq + 1) {
        uint64_t start =
            view->head.seq -
            (view->head.seq < bus->options.preload ? view->head.seq : bus->options.preload);
        if (had_epoch) {
            metrics_add(M_BUS_RESETS, 1);
            log_warn("bus_log_is_another", LOG_S("epoch", bus->last.epoch),
                     LOG_I("seq", bus->last.seq));
        }
        reset_to(bus, view, start + 1 < first ? first - 1 : start);
    } else if (strcmp(bus->last.epoch, view->head.epoch) != 0) {
        memcpy(bus->last.epoch, view->head.epoch, EPOCH_BYTES);
        log_info("bus_epoch", LOG_S("epoch", bus->last.epoch), LOG_I("seq", bus->last.seq));
        if (bus->handlers.on_epoch) {
            bus->handlers.on_epoch(bus->user, &bus->last, view->past, view->past_count);
        }
    }
}

static void on_epoch(void *user, enum err err, const struct redisReply *reply) {
    struct bus *bus = user;
    struct epoch_view view;
    if (!end_call(bus)) {
        return;
    }
    if (store_failed("bus_epoch", err, reply)) {
        fail_sync(bus, "epoch", err ? err : ERR_PROTOCOL);
        return;
    }
    err = epoch_parse(reply, &view);
    if (err) {
        fail_sync(bus, "epoch", err);
        return;
    }
    settle(bus, &view);
    if (!bus->closing) {
        read_log(bus);
    }
}

static void start_sync(struct bus *bus) {
    if (bus->is_syncing) {
        bus->sync_again = true;
        return;
    }
    bus->is_syncing = true;
    bus->sync_again = false;
    bus->is_verifying = bus->is_verifying || bus->verify_wanted;
    bus->verify_wanted = false;
    bus->calls++;
    epoch_read(bus->store, on_epoch, bus);
}

/* True when every entry fitted. */
static bool deliver_page(struct bus *bus, const struct log_entry *entries, size_t count) {
    for (size_t i = 0; i < count && !bus->closing; i++) {
        if (entries[i].position.seq <= bus->last.seq) {
            continue;
        }
        if (entries[i].position.seq != bus->last.seq + 1) {
            return false;
        }
        deliver(bus, &entries[i]);
    }
    return true;
}

static void finish_sync(struct bus *bus) {
    bool tell = bus->is_verifying;
    bus->is_synced = true;
    bus->is_syncing = bus->is_verifying = false;
    if (bus->sync_again) {
        start_sync(bus);
    }
    update_live(bus);
    if (tell && !bus->closing && bus->handlers.on_verified) {
        bus->handlers.on_verified(bus->user);
    }
}

static void on_page(void *user, enum err err, const struct log_entry *entries, size_t count) {
    struct bus *bus = user;
    if (!end_call(bus)) {
        return;
    }
    if (err) {
        fail_sync(bus, "log", err);
        return;
    }
    bool fitted = deliver_page(bus, entries, count);
    if (bus->closing) {
        return; /* a handler destroyed the bus; its memory lasts until the loop's next turn */
    }
    if (!fitted) {
        /* Trimmed past our place meanwhile, or another history: settle it anew. */
        bus->is_syncing = false;
        start_sync(bus);
    } else if (count == PAGE_ENTRIES) {
        read_log(bus);
    } else {
        finish_sync(bus);
    }
}

static void read_log(struct bus *bus) {
    bus->calls++;
    alert_log_read(bus->store, bus->last.seq + 1, PAGE_ENTRIES, on_page, bus);
}

/* ---- bells ---- */

/* "<epoch> <seq> <json>" */
static void on_bell(struct bus *bus, struct str message) {
    struct log_entry entry = {0};
    struct str epoch;
    struct str seq;
    if (!str_split(&message, ' ', &epoch) || !str_split(&message, ' ', &seq) ||
        str_to_u64(seq, &entry.position.seq) || !message.n) {
        log_warn("bus_bell_malformed");
        return;
    }
    entry.json = message;
    bool same = str_eq(epoch, str_of(bus->last.epoch));
    if (same && entry.position.seq <= bus->last.seq) {
        return;
    }
    if (same && bus->is_synced && !bus->is_syncing && entry.position.seq == bus->last.seq + 1) {
        deliver(bus, &entry);
        return;
    }
    if (bus->is_synced && !bus->is_syncing) {
        metrics_add(M_BUS_GAPS, 1);
    }
    start_sync(bus);
}

static void on_ignored(void *user, enum err err, const struct redisReply *reply) {
    (void)err;
    (void)reply;
    (void)end_call(user);
}

static void send_heartbeat(struct bus *bus) {
    const struct str argv[] = {STR("PUBLISH"), str_of(bus->heartbeat), STR("1")};
    bus->calls++;
    store_command(bus->store, argv, 3, on_ignored, bus);
}

static void on_message(void *user, const struct redisReply *message) {
    struct bus *bus = user;
    struct str kind = reply_str_at(message, 0);
    bool is_ack = str_eq(kind, STR("subscribe"));
    if (is_ack || bus->acks == SUBSCRIPTIONS) {
        bus->heard_ms = clock_mono_ms(); /* half a subscription is silence, whatever it says */
    }
    if (is_ack) {
        if (++bus->acks == SUBSCRIPTIONS) {
            bus->watched_ms = bus->heard_ms;
            send_heartbeat(bus);
            start_sync(bus);
        }
    } else if (!str_eq(kind, STR("message"))) {
        log_warn("bus_message_unknown", LOG_STR("kind", kind));
    } else if (str_eq(reply_str_at(message, 1), STR(KEY_BELL))) {
        on_bell(bus, reply_str_at(message, 2));
    } else {
        bus->is_proven = bus->acks == SUBSCRIPTIONS;
    }
    if (!bus->closing) {
        update_live(bus);
    }
}

static void on_subscriber_state(void *user, bool up) {
    struct bus *bus = user;
    bus->acks = 0;
    bus->is_proven = false;
    if (up) {
        const struct str channels[SUBSCRIPTIONS] = {STR(KEY_BELL), str_of(bus->heartbeat)};
        bus->heard_ms = clock_mono_ms();
        redis_conn_subscribe(bus->subscriber, channels, SUBSCRIPTIONS);
    } else {
        bus->is_synced = false;
    }
    update_live(bus);
}

/* ---- watchdog ---- */

static void on_heads(void *user, enum err err, const struct redisReply *reply) {
    struct bus *bus = user;
    uint64_t seq = 0;
    if (!end_call(bus) || err || reply_is_error(reply)) {
        return;
    }
    bus->watched_ms = clock_mono_ms();
    bool same = str_eq(reply_str_at(reply, 0), str_of(bus->last.epoch)) &&
                !str_to_u64(reply_str_at(reply, 1), &seq) && seq == bus->last.seq;
    if (!same && bus->is_synced && !bus->is_syncing) {
        /* A bell may still be on its way; then this sync finds nothing new to do. */
        metrics_add(M_BUS_GAPS, seq > bus->last.seq);
        start_sync(bus);
    }
    update_live(bus);
}

static void on_tick(uv_timer_t *timer) {
    struct bus *bus = timer->data;
    const struct str heads[] = {STR("HMGET"), STR(KEY_EPOCH), STR("id"), STR("seq")};
    if (redis_conn_is_up(bus->subscriber) && clock_mono_ms() - bus->heard_ms > SILENCE_MS) {
        log_warn("bus_silent");
        bus->acks = 0;
        bus->is_proven = false;
        redis_conn_reset(bus->subscriber);
        store_reconnect(bus->store);
    }
    send_heartbeat(bus);
    bus->calls++;
    store_command(bus->store, heads, 4, on_heads, bus);
    update_live(bus);
}

/* ---- create, destroy ---- */

enum err bus_create(uv_loop_t *loop, struct store *store, const struct config *cfg,
                    const struct bus_options *options, const struct bus_handlers *handlers,
                    void *user, struct bus **out_bus) {
    struct bus *bus = mem_zalloc(1, sizeof(*bus));
    char id[EPOCH_BYTES];
    struct buf channel;
    (void)cfg;
    bus->loop = loop;
    bus->store = store;
    bus->options = *options;
    bus->handlers = *handlers;
    bus->user = user;
    epoch_make(id);
    buf_init(&channel, HEARTBEAT_BYTES - 1);
    buf_printf(&channel, "{t}:heartbeat:%s", id);
    memcpy(bus->heartbeat, channel.p, channel.n);
    buf_finish(&channel);
    struct redis_options redis = store_redis_options(store);
    redis.on_push = on_message;
    enum err err = redis_conn_create(loop, &redis, on_subscriber_state, bus, &bus->subscriber);
    if (err) {
        free(bus);
        return err;
    }
    (void)uv_timer_init(loop, &bus->tick);
    (void)uv_timer_init(loop, &bus->retry);
    bus->handles = 2;
    bus->tick.data = bus->retry.data = bus;
    (void)uv_timer_start(&bus->tick, on_tick, TICK_MS, TICK_MS);
    *out_bus = bus;
    return ERR_OK;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct bus *bus = handle->data;
    bus->handles--;
    free_when_idle(bus);
}

void bus_destroy(struct bus *bus) {
    if (!bus || bus->closing) {
        return;
    }
    bus->closing = true;
    redis_conn_destroy(bus->subscriber);
    uv_close((uv_handle_t *)&bus->tick, on_handle_closed);
    uv_close((uv_handle_t *)&bus->retry, on_handle_closed);
}

void bus_verify(struct bus *bus) {
    bus->verify_wanted = true;
    start_sync(bus);
}

bool bus_is_live(const struct bus *bus) {
    return bus->is_live;
}

#include "newsroom/key_rate.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

enum {
    BUCKETS_MAX = 4096, /* keys watched at a time; full buckets are forgotten first */
    MINUTE_MS = 60000
};

/* Levels are counted in tokens × MINUTE_MS, so that `per_min` per millisecond is exact. */
struct bucket {
    int64_t level;
    int64_t updated_ms;
};

struct key_rate {
    int64_t per_min;
    int64_t full;
    struct map *buckets; /* key id → struct bucket, owned */
};

struct key_rate *key_rate_create(int64_t per_min, int64_t burst) {
    struct key_rate *rate = mem_zalloc(1, sizeof(*rate));
    *rate = (struct key_rate){.per_min = per_min, .full = burst * MINUTE_MS};
    rate->buckets = map_create();
    return rate;
}

static void refill(const struct key_rate *rate, struct bucket *b, int64_t now_ms) {
    int64_t passed_ms = now_ms > b->updated_ms ? now_ms - b->updated_ms : 0;
    int64_t enough_ms = (rate->full - b->level) / rate->per_min + 1;
    b->level = passed_ms >= enough_ms ? rate->full : b->level + passed_ms * rate->per_min;
    b->updated_ms = now_ms;
}

/* Drops the buckets that are full again; with `all`, every one. */
static void forget(struct key_rate *rate, int64_t now_ms, bool all) {
    size_t cursor = 0;
    struct str id;
    void *value;
    while (map_next(rate->buckets, &cursor, &id, &value)) {
        struct bucket *b = value;
        refill(rate, b, now_ms);
        if (all || b->level == rate->full) {
            (void)map_remove(rate->buckets, id);
            free(b);
        }
    }
}

void key_rate_destroy(struct key_rate *rate) {
    if (!rate) {
        return;
    }
    forget(rate, 0, true);
    map_destroy(rate->buckets);
    free(rate);
}

static struct bucket *bucket_of(struct key_rate *rate, struct str key_id, int64_t now_ms) {
    struct bucket *b = map_get(rate->buckets, key_id);
    if (b) {
        refill(rate, b, now_ms);
        return b;
    }
    if (map_count(rate->buckets) >= BUCKETS_MAX) {
        forget(rate, now_ms, false);
    }
    if (map_count(rate->buckets) >= BUCKETS_MAX) {
        forget(rate, now_ms, true);
    }
    b = mem_zalloc(1, sizeof(*b));
    *b = (struct bucket){.level = rate->full, .updated_ms = now_ms};
    (void)map_set(rate->buckets, key_id, b);
    return b;
}

int64_t key_rate_take(struct key_rate *rate, struct str key_id, int64_t now_ms) {
    struct bucket *b = bucket_of(rate, key_id, now_ms);
    if (b->level >= MINUTE_MS) {
        b->level -= MINUTE_MS;
        return 0;
    }
    return (MINUTE_MS - b->level + rate->per_min - 1) / rate->per_min;
}

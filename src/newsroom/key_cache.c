#include "newsroom/key_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/key_store.h"

enum { KEYS_MAX = 1024 }; /* remembered at a time, unknown ids included */

struct key_entry {
    struct api_key key;
    bool exists;
    int64_t until_ms; /* monotonic */
};

struct key_cache {
    struct store *store;
    const struct taxonomy *t;
    int64_t keep_ms;
    struct map *entries; /* key id → struct key_entry, owned */
};

struct look_up {
    struct key_cache *cache;
    char id[API_KEY_ID_BYTES];
    char secret_sha256[SHA256_HEX_BYTES];
    key_check_fn *done;
    void *user;
};

struct key_cache *key_cache_create(struct store *store, const struct taxonomy *t, int64_t keep_ms) {
    struct key_cache *cache = mem_zalloc(1, sizeof(*cache));
    *cache = (struct key_cache){.store = store, .t = t, .keep_ms = keep_ms};
    cache->entries = map_create();
    return cache;
}

/* Forgets what is older than keep_ms; everything with `all`. */
static void forget(struct key_cache *cache, bool all) {
    size_t cursor = 0;
    struct str id;
    void *value;
    while (map_next(cache->entries, &cursor, &id, &value)) {
        struct key_entry *entry = value;
        if (all || entry->until_ms <= clock_mono_ms()) {
            (void)map_remove(cache->entries, id);
            free(entry);
        }
    }
}

void key_cache_destroy(struct key_cache *cache) {
    if (!cache) {
        return;
    }
    forget(cache, true);
    map_destroy(cache->entries);
    free(cache);
}

static void remember(struct key_cache *cache, const char *id, const struct api_key *key) {
    if (map_count(cache->entries) >= KEYS_MAX) {
        forget(cache, false);
    }
    if (map_count(cache->entries) >= KEYS_MAX) {
        forget(cache, true);
    }
    struct key_entry *entry = mem_zalloc(1, sizeof(*entry));
    entry->exists = key != NULL;
    if (key) {
        entry->key = *key;
    }
    entry->until_ms = clock_mono_ms() + cache->keep_ms;
    free(map_set(cache->entries, str_of(id), entry));
}

static void judge(const struct api_key *key, const char *secret_sha256, key_check_fn *done,
                  void *user) {
    if (key && api_key_is_match(key, secret_sha256)) {
        done(user, ERR_OK, key);
    } else {
        done(user, ERR_DENIED, NULL);
    }
}

static void on_key(void *user, enum err err, struct str json) {
    struct look_up look = *(struct look_up *)user;
    struct api_key key;
    free(user);
    if (err != ERR_OK && err != ERR_NOT_FOUND) {
        look.done(look.user, ERR_UNAVAILABLE, NULL);
        return;
    }
    bool exists = err == ERR_OK;
    if (exists && api_key_parse_json(look.cache->t, json, &key) != ERR_OK) {
        log_error("key_malformed", LOG_S("key_id", look.id));
        exists = false;
    }
    remember(look.cache, look.id, exists ? &key : NULL);
    judge(exists ? &key : NULL, look.secret_sha256, look.done, look.user);
}

void key_cache_check(struct key_cache *cache, struct str text, key_check_fn *done, void *user) {
    struct look_up look = {.cache = cache, .done = done, .user = user};
    if (api_key_split(text, look.id, look.secret_sha256) != ERR_OK) {
        done(user, ERR_DENIED, NULL);
        return;
    }
    const struct key_entry *entry = map_get(cache->entries, str_of(look.id));
    if (entry && entry->until_ms > clock_mono_ms()) {
        struct api_key key = entry->key; /* `done` may make the cache forget the entry */
        judge(entry->exists ? &key : NULL, look.secret_sha256, done, user);
        return;
    }
    struct look_up *kept = mem_alloc(sizeof(*kept));
    *kept = look;
    key_store_get(cache->store, str_of(kept->id), on_key, kept);
}

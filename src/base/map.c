/* Open addressing with linear probing over a power-of-two table, at most 3/4 full counting
 * tombstones. The hash is FNV-1a from a random start: enough against chosen collisions at the
 * sizes used here (cohorts, API keys, requests in flight), where every table is bounded anyway. */
#include "base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"

struct slot {
    char *key; /* NULL: free; value NULL with a key of size SIZE_MAX: tombstone */
    size_t size;
    uint64_t hash;
    void *value;
};

struct map {
    struct slot *slots;
    size_t capacity; /* power of two */
    size_t used;     /* live and tombstones */
    size_t live;
    uint64_t seed;
};

enum { FIRST_CAPACITY = 16 };

static bool is_tombstone(const struct slot *s) {
    return !s->key && s->size == SIZE_MAX;
}

static uint64_t hash_of(const struct map *m, struct str key) {
    uint64_t h = m->seed;
    for (size_t i = 0; i < key.n; i++) {
        h = (h ^ (unsigned char)key.p[i]) * 0x100000001B3U; /* FNV-1a 64-bit prime */
    }
    return h ^ h >> 29;
}

struct map *map_create(void) {
    struct map *m = mem_zalloc(1, sizeof(*m));
    m->capacity = FIRST_CAPACITY;
    m->slots = mem_zalloc(m->capacity, sizeof(*m->slots));
    codec_random(&m->seed, sizeof(m->seed));
    return m;
}

void map_destroy(struct map *m) {
    if (!m) {
        return;
    }
    for (size_t i = 0; i < m->capacity; i++) {
        free(m->slots[i].key);
    }
    free(m->slots);
    free(m);
}

static struct slot *find(const struct map *m, struct str key, uint64_t hash) {
    for (size_t i = hash & (m->capacity - 1);; i = (i + 1) & (m->capacity - 1)) {
        struct slot *s = &m->slots[i];
        if (!s->key && !is_tombstone(s)) {
            return NULL;
        }
        if (s->key && s->hash == hash && str_eq((struct str){s->key, s->size}, key)) {
            return s;
        }
    }
}

void *map_get(const struct map *m, struct str key) {
    const struct slot *s = find(m, key, hash_of(m, key));
    return s ? s->value : NULL;
}

static void place(struct map *m, struct slot entry) {
    size_t i = entry.hash & (m->capacity - 1);
    while (m->slots[i].key) {
        i = (i + 1) & (m->capacity - 1);
    }
    if (!is_tombstone(&m->slots[i])) {
        m->used++;
    }
    m->slots[i] = entry;
    m->live++;
}

static void grow(struct map *m) {
    struct slot *old = m->slots;
    size_t count = m->capacity;
    if (m->live * 2 >= m->capacity) {
        m->capacity *= 2;
    }
    m->slots = mem_zalloc(m->capacity, sizeof(*m->slots));
    m->used = m->live = 0;
    for (size_t i = 0; i < count; i++) {
        if (old[i].key) {
            place(m, old[i]);
        }
    }
    free(old);
}

void *map_set(struct map *m, struct str key, void *value) {
    uint64_t hash = hash_of(m, key);
    struct slot *s = find(m, key, hash);
    if (s) {
        void *former = s->value;
        s->value = value;
        return former;
    }
    if ((m->used + 1) * 4 > m->capacity * 3) {
        grow(m);
    }
    place(m, (struct slot){mem_strndup(key.p, key.n), key.n, hash, value});
    return NULL;
}

void *map_remove(struct map *m, struct str key) {
    struct slot *s = find(m, key, hash_of(m, key));
    if (!s) {
        return NULL;
    }
    void *value = s->value;
    free(s->key);
    *s = (struct slot){.size = SIZE_MAX};
    m->live--;
    return value;
}

size_t map_count(const struct map *m) {
    return m->live;
}

bool map_next(const struct map *m, size_t *cursor, struct str *out_key, void **out_value) {
    for (; *cursor < m->capacity; ++*cursor) {
        const struct slot *s = &m->slots[*cursor];
        if (s->key) {
            *out_key = (struct str){s->key, s->size};
            *out_value = s->value;
            ++*cursor;
            return true;
        }
    }
    return false;
}

#include "intern.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { CHUNK_BYTES = 1 << 20, FIRST_SLOTS = 1024 };

struct entry {
    const char *p;
    uint32_t n;
    uint32_t hash_low;
};

struct chunk {
    struct chunk *next;
    char bytes[];
};

struct intern {
    struct entry *entries; /* entry i has number i + 1 */
    uint32_t count;
    uint32_t room;
    uint32_t *slots; /* numbers; 0 = free */
    uint32_t slot_count;
    struct chunk *chunks;
    size_t chunk_used;
    size_t chunk_size;
};

static uint64_t mix(uint64_t h) {
    h = (h ^ h >> 32) * 0xD6E8FEB86659FD93U;
    return (h ^ h >> 32) * 0xD6E8FEB86659FD93U;
}

/* Eight bytes at a step: payloads of some hundred bytes are hashed once per push. Peers are our
 * own tests, so chosen collisions are no concern. */
static uint64_t hash_of(struct str s) {
    uint64_t h = s.n * 0x9E3779B97F4A7C15U;
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) {
        uint64_t word;
        memcpy(&word, s.p + i, 8);
        h = (h ^ word) * 0x9FB21C651E98DF25U;
        h ^= h >> 29;
    }
    uint64_t tail = 0;
    if (i < s.n) {
        memcpy(&tail, s.p + i, s.n - i);
    }
    return mix(h ^ tail);
}

struct intern *intern_create(void) {
    struct intern *in = mem_zalloc(1, sizeof(*in));
    in->slot_count = FIRST_SLOTS;
    in->slots = mem_zalloc(in->slot_count, sizeof(*in->slots));
    return in;
}

void intern_destroy(struct intern *in) {
    if (!in) {
        return;
    }
    while (in->chunks) {
        struct chunk *next = in->chunks->next;
        free(in->chunks);
        in->chunks = next;
    }
    free(in->entries);
    free(in->slots);
    free(in);
}

static uint32_t *slot_for(const struct intern *in, struct str s, uint64_t hash) {
    uint32_t mask = in->slot_count - 1;
    for (uint32_t i = (uint32_t)(hash >> 32) & mask;; i = (i + 1) & mask) {
        uint32_t id = in->slots[i];
        if (!id) {
            return &in->slots[i];
        }
        const struct entry *e = &in->entries[id - 1];
        if (e->hash_low == (uint32_t)hash && str_eq((struct str){e->p, e->n}, s)) {
            return &in->slots[i];
        }
    }
}

static void grow_slots(struct intern *in) {
    uint32_t *old = in->slots;
    uint32_t old_count = in->slot_count;
    in->slot_count *= 2;
    in->slots = mem_zalloc(in->slot_count, sizeof(*in->slots));
    for (uint32_t i = 0; i < old_count; i++) {
        if (old[i]) {
            struct str s = intern_get(in, old[i]);
            *slot_for(in, s, hash_of(s)) = old[i];
        }
    }
    free(old);
}

static const char *keep(struct intern *in, struct str s) {
    if (!in->chunks || in->chunk_size - in->chunk_used < s.n) {
        in->chunk_size = s.n > CHUNK_BYTES ? s.n : CHUNK_BYTES;
        struct chunk *c = mem_alloc(sizeof(*c) + in->chunk_size);
        c->next = in->chunks;
        in->chunks = c;
        in->chunk_used = 0;
    }
    char *at = in->chunks->bytes + in->chunk_used;
    if (s.n) {
        memcpy(at, s.p, s.n);
    }
    in->chunk_used += s.n;
    return at;
}

uint32_t intern_put(struct intern *in, struct str s, bool *out_is_new) {
    uint64_t hash = hash_of(s);
    uint32_t *slot = slot_for(in, s, hash);
    if (out_is_new) {
        *out_is_new = !*slot;
    }
    if (*slot) {
        return *slot;
    }
    if ((in->count + 1) * 4ULL > in->slot_count * 3ULL) {
        grow_slots(in);
        slot = slot_for(in, s, hash);
    }
    if (in->count == in->room) {
        in->room = in->room ? in->room * 2 : FIRST_SLOTS;
        in->entries = mem_resize(in->entries, in->room, sizeof(*in->entries));
    }
    in->entries[in->count++] = (struct entry){keep(in, s), (uint32_t)s.n, (uint32_t)hash};
    *slot = in->count;
    return in->count;
}

uint32_t intern_find(const struct intern *in, struct str s) {
    return *slot_for(in, s, hash_of(s));
}

struct str intern_get(const struct intern *in, uint32_t id) {
    if (!id || id > in->count) {
        return (struct str){"", 0};
    }
    const struct entry *e = &in->entries[id - 1];
    return (struct str){e->p, e->n};
}

uint32_t intern_count(const struct intern *in) {
    return in->count;
}

struct pair {
    uint64_t key;
    uint32_t times;
};

struct pair_set {
    struct pair *slots;
    size_t slot_count;
    size_t count;
};

struct pair_set *pair_set_create(void) {
    struct pair_set *set = mem_zalloc(1, sizeof(*set));
    set->slot_count = FIRST_SLOTS;
    set->slots = mem_zalloc(set->slot_count, sizeof(*set->slots));
    return set;
}

void pair_set_destroy(struct pair_set *set) {
    if (set) {
        free(set->slots);
        free(set);
    }
}

static struct pair *pair_for(const struct pair_set *set, uint64_t key) {
    size_t mask = set->slot_count - 1;
    size_t i = mix(key) & mask;
    while (set->slots[i].key && set->slots[i].key != key) {
        i = (i + 1) & mask;
    }
    return &set->slots[i];
}

uint32_t pair_set_add(struct pair_set *set, uint64_t key) {
    if ((set->count + 1) * 4 > set->slot_count * 3) {
        struct pair *old = set->slots;
        size_t old_count = set->slot_count;
        set->slot_count *= 2;
        set->slots = mem_zalloc(set->slot_count, sizeof(*set->slots));
        for (size_t i = 0; i < old_count; i++) {
            if (old[i].key) {
                *pair_for(set, old[i].key) = old[i];
            }
        }
        free(old);
    }
    struct pair *p = pair_for(set, key);
    if (!p->key) {
        p->key = key;
        set->count++;
    }
    return p->times++;
}

size_t pair_set_count(const struct pair_set *set) {
    return set->count;
}

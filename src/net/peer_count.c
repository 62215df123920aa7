#include "net/peer_count.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "net/address.h"

struct peer_count {
    int64_t most;
    const struct address_set *trusted;
    struct map *peers; /* address_key → struct peer_connections */
};

struct peer_connections {
    int64_t count;
};

struct peer_count *peer_count_create(int64_t most, const struct address_set *trusted) {
    struct peer_count *counts = mem_zalloc(1, sizeof(*counts));
    *counts = (struct peer_count){.most = most, .trusted = trusted, .peers = map_create()};
    return counts;
}

void peer_count_destroy(struct peer_count *counts) {
    size_t cursor = 0;
    struct str key;
    void *connections = NULL;
    while (counts && map_next(counts->peers, &cursor, &key, &connections)) {
        free(connections);
    }
    if (counts) {
        map_destroy(counts->peers);
        free(counts);
    }
}

static bool is_free(const struct peer_count *counts, const struct sockaddr_storage *peer) {
    return counts->most <= 0 || address_set_has(counts->trusted, peer);
}

bool peer_count_take(struct peer_count *counts, const struct sockaddr_storage *peer) {
    if (is_free(counts, peer)) {
        return true;
    }
    char bytes[ADDRESS_KEY_BYTES];
    struct str key = address_key(peer, bytes);
    struct peer_connections *connections = map_get(counts->peers, key);
    if (!connections) {
        connections = mem_zalloc(1, sizeof(*connections));
        map_set(counts->peers, key, connections);
    }
    if (connections->count >= counts->most) {
        return false;
    }
    connections->count++;
    return true;
}

void peer_count_give_back(struct peer_count *counts, const struct sockaddr_storage *peer) {
    if (is_free(counts, peer)) {
        return;
    }
    char bytes[ADDRESS_KEY_BYTES];
    struct str key = address_key(peer, bytes);
    struct peer_connections *connections = map_get(counts->peers, key);
    if (connections && --connections->count == 0) {
        map_remove(counts->peers, key);
        free(connections);
    }
}

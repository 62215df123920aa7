#pragma once
/* How many connections each peer has (address_key: an IPv4 address, an IPv6 /64), up to a limit.
 * Trusted proxies are not counted: they hold the connections of everybody. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/address_set.h"

struct peer_count;

/* `most` 0 = no limit. `trusted` is borrowed, may be NULL. */
struct peer_count *peer_count_create(int64_t most, const struct address_set *trusted);
/* Accepts NULL. */
void peer_count_destroy(struct peer_count *counts);
/* Counts one more; false, and nothing counted, when the peer has as many as it may. */
bool peer_count_take(struct peer_count *counts, const struct sockaddr_storage *peer);
/* One that was taken has ended. */
void peer_count_give_back(struct peer_count *counts, const struct sockaddr_storage *peer);

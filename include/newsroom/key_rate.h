#pragma once
/* How fast one key may post: a token bucket per key id. */
#include <stdint.h>

#include "base/str.h"

struct key_rate;

/* A bucket holds `burst` tokens and gains `per_min` a minute. Never NULL. */
struct key_rate *key_rate_create(int64_t per_min, int64_t burst);
/* Accepts NULL. */
void key_rate_destroy(struct key_rate *rate);
/* Takes one token of the key: 0, or else the milliseconds until there will be one. */
int64_t key_rate_take(struct key_rate *rate, struct str key_id, int64_t now_ms);

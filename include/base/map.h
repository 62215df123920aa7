#pragma once
/* Hash map from bytes to a pointer (open addressing, FNV-1a from a random
 * seed per map, so that a peer cannot choose collisions). Keys are copied, values borrowed. */
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct map;

struct map *map_create(void);
/* Accepts NULL. Values are not touched. */
void map_destroy(struct map *m);
/* The value, or NULL. */
void *map_get(const struct map *m, struct str key);
/* Sets and returns the former value, or NULL. `value` must not be NULL. */
void *map_set(struct map *m, struct str key, void *value);
/* Removes and returns the value, or NULL. */
void *map_remove(struct map *m, struct str key);
size_t map_count(const struct map *m);
/* Walks all pairs in no order: start with *cursor = 0, ends with false. No set while walking;
 * removing the pair just returned is allowed. */
bool map_next(const struct map *m, size_t *cursor, struct str *out_key, void **out_value);

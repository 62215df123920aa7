#pragma once
/* A table of distinct byte strings, each with a small number: a million tokens or payloads cost
 * little more than their bytes. Numbers start at 1; strings stay where they are until destroy. */
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct intern;

struct intern *intern_create(void);
/* Accepts NULL. */
void intern_destroy(struct intern *in);
/* The number of `s`, made if new. `out_is_new` may be NULL. */
uint32_t intern_put(struct intern *in, struct str s, bool *out_is_new);
/* The number of `s`, 0 when absent. */
uint32_t intern_find(const struct intern *in, struct str s);
/* The string with that number; the empty view for 0. */
struct str intern_get(const struct intern *in, uint32_t id);
/* How many strings. */
uint32_t intern_count(const struct intern *in);

/* A set of 64-bit keys (none of them 0) with a count each. */
struct pair_set;

struct pair_set *pair_set_create(void);
/* Accepts NULL. */
void pair_set_destroy(struct pair_set *set);
/* Adds one occurrence; returns how often the key had been added before. */
uint32_t pair_set_add(struct pair_set *set, uint64_t key);
size_t pair_set_count(const struct pair_set *set);

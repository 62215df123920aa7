#pragma once
/* Regions (with parents), sections and editions: configuration, not code. Each value has an index
 * below TAXONOMY_MAX, so a set of values is one 64-bit mask. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { TAXONOMY_MAX = 64, TAXONOMY_VALUE_MAX = 32 };
enum dimension { DIM_REGION, DIM_SECTION, DIM_EDITION, DIM_COUNT };

struct taxonomy;

/* Parses the JSON text of config/taxonomy.json. Faults are appended to `problems`, a line each. */
MUST_CHECK enum err taxonomy_parse(struct str json, struct taxonomy **out_taxonomy,
                                   struct buf *problems);
/* Reads the file; a missing file is ERR_NOT_FOUND. */
MUST_CHECK enum err taxonomy_load(const char *path, struct taxonomy **out_taxonomy,
                                  struct buf *problems);
/* The built-in copy of config/taxonomy.json. Never NULL. */
struct taxonomy *taxonomy_builtin(void);
void taxonomy_destroy(struct taxonomy *t);

int taxonomy_count(const struct taxonomy *t, enum dimension dim);
/* Index of a value, -1 when unknown. */
int taxonomy_find(const struct taxonomy *t, enum dimension dim, struct str value);
/* Name of a value ("mena"), borrowed. */
const char *taxonomy_name(const struct taxonomy *t, enum dimension dim, int index);
/* Label of a value in an edition's language, borrowed; falls back to the name. */
const char *taxonomy_label(const struct taxonomy *t, enum dimension dim, int index, int edition);
/* True for an edition written right to left. */
bool taxonomy_is_rtl(const struct taxonomy *t, int edition);
/* The regions plus all their ancestors: who follows any of these gets the alert. */
uint64_t taxonomy_with_parents(const struct taxonomy *t, uint64_t regions);
/* All values of a dimension as a mask. */
uint64_t taxonomy_all(const struct taxonomy *t, enum dimension dim);
/* The taxonomy as the API serves it (GET /v1/taxonomy). */
void taxonomy_put_json(const struct taxonomy *t, struct buf *b);

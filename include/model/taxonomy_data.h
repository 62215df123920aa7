#pragma once
/* What a taxonomy holds; shared by its parser (taxonomy_parse.c) and its answers (taxonomy.c). */
#include <stdbool.h>
#include <stdint.h>

#include "model/taxonomy.h"

struct taxonomy_value {
    char name[TAXONOMY_VALUE_MAX + 1];
    char *labels[TAXONOMY_MAX]; /* by edition; owned, NULL = none */
    int parent;                 /* regions: index, -1 = none */
    uint64_t with_parents;      /* regions: this one and all its ancestors */
    bool rtl;                   /* editions */
};

struct taxonomy {
    struct taxonomy_value *values[DIM_COUNT]; /* owned arrays */
    int counts[DIM_COUNT];
};

/* "regions", "sections", "editions": members of the file, by enum dimension. */
extern const char *const taxonomy_members[DIM_COUNT];

#pragma once
/* A reader's place in the log, "<epoch>:<seq>": one cursor whatever it follows, valid on every
 * node and transport. */
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum { EPOCH_BYTES = 17, POSITION_BYTES = 40 };

struct position {
    char epoch[EPOCH_BYTES]; /* 1..16 characters [a-z0-9], NUL-terminated */
    uint64_t seq;
};

/* ERR_INVALID for anything that position_format cannot have written. */
MUST_CHECK enum err position_parse(struct str text, struct position *out_position);
void position_format(const struct position *p, char out_text[POSITION_BYTES]);

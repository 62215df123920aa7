#pragma once
/* How long something took, in steps of an eighth of an octave (9 %), so that a hash of counters
 * holds a distribution. 30, 60 and 120 seconds are exact steps: what the counters say of those is
 * no estimate. */
#include <stdint.h>

enum { TOOK_COUNT = 232, TOOK_30_S = 112, TOOK_60_S = 120, TOOK_120_S = 128 };

/* The lowest step that is not below `ms`; the last one for whatever takes longer (ten days). */
int took_step(int64_t ms);
/* Upper end of a step, ms. */
int64_t took_ms(int step);

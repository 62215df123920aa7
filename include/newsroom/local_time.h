#pragma once
/* What time it is where the readers are. */
#include <stdint.h>

#include "store/args.h"
#include "store/audience.h"

enum { NIGHT_FROM_H = 22, NIGHT_UNTIL_H = 7 };

/* Adds two values to count by: the zones where it is night at that moment, and those where it is
 * not. `zones` as audience_zones gives them. */
void local_time_put_values(struct args *zones, int64_t at_ms, struct args *values);

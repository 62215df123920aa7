#pragma once
/* Names of time zones, as phones know their own. */
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { TIME_ZONE_BYTES_MAX = 64 };

/* "+05:30": from -12:00 to +14:00 in quarters of an hour, as zones in use have them. */
bool time_zone_is_offset(struct str s);
/* True for a name that could be one of the IANA database: letters, digits, '/', '_', '+', '-'. */
bool time_zone_is_name(struct str s);
/* True for a well-formed name that this machine's database (/usr/share/zoneinfo) has. Reads a few
 * bytes of a small local file. */
bool time_zone_is_known(struct str s);
/* Seconds that local time is ahead of UTC at a moment; for an offset ("+05:30") and for a zone that
 * this machine knows, else false. Reads a small local file. Right until 2037, as far as the files
 * of Debian list their changes one by one. */
bool time_zone_offset_s(struct str s, int64_t wall_ms, int32_t *out_offset_s);

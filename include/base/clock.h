#pragma once
/* Wall and monotonic time in milliseconds; tests move it. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* Milliseconds since the UNIX epoch. */
int64_t clock_wall_ms(void);
/* Milliseconds of a clock that never steps back; only differences mean anything. */
int64_t clock_mono_ms(void);
/* Microseconds of the same clock. */
int64_t clock_mono_us(void);
/* Tests: adds `offset_ms` to both clocks from now on. */
void clock_advance_for_test(int64_t offset_ms);

enum { CLOCK_ISO_BYTES = 25 };
/* RFC 3339 in UTC with milliseconds, "2026-11-23T20:50:56.123Z", NUL-terminated. Times before 1970
 * and after 9999 give the nearest one inside. */
void clock_format_iso(int64_t wall_ms, char out_text[CLOCK_ISO_BYTES]);
/* RFC 3339 as people and programs write it: any offset from UTC ("Z", "+03:00"), any number of
 * decimals, of which three count. ERR_INVALID for all else, for days that are not, and for times
 * before 1970. */
MUST_CHECK enum err clock_parse_iso(struct str text, int64_t *out_wall_ms);

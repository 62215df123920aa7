#pragma once
/* Is this text exactly one JSON value (RFC 8259), in well-formed UTF-8? Stricter than cJSON, which
 * lets raw control characters, "01", trailing bytes and broken UTF-8 pass. */
#include <stdbool.h>

#include "base/str.h"

enum { JSON_DEPTH_MAX = 64 };

/* True when the whole text is one JSON object. */
bool json_is_object(struct str text);

#pragma once
/* The flags of "tocsin publish" and "tocsin preview" as the JSON of POST /v1/alerts. They are not
 * judged here: the service knows the rules and names every fault. */
#include <stdbool.h>

#include "app/options.h"
#include "base/buf.h"

/* Takes the flags of an alert out of `o` and appends one JSON object, "{}" when there were none.
 * False after printing what is wrong with a flag. */
bool publish_flags_put(struct options *o, struct buf *b);
/* Takes the rest of the command line as the body to send: an alert's flags, or a file or "-", which
 * is read. `is_bare`: nothing was given at all. False after printing what is wrong. */
bool publish_flags_read(struct options *o, bool is_bare, struct buf *b);

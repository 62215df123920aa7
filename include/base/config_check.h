#pragma once
/* What a single value cannot show: rules over several keys, words out of a fixed set, files. */
#include "base/config.h"

/* The roles of serve.roles as bits, in the order newsroom, gateway, dispatcher. */
enum { CONFIG_ROLE_NEWSROOM = 1, CONFIG_ROLE_GATEWAY = 2, CONFIG_ROLE_DISPATCHER = 4 };
/* Unknown words are left out (config_check reports them). */
unsigned config_roles(const struct config *cfg);
/* After all sources. Faults are appended to `problems`, one per line, as "section.key: what is
 * wrong"; ERR_INVALID if there was any. */
MUST_CHECK enum err config_check(const struct config *cfg, struct buf *problems);

#pragma once
/* The INI file of the configuration (syntax: inih). */
#include "base/config.h"

/* Reads an INI file over `cfg`. Every fault is appended to `problems`, one per line, as
 * "FILE:LINE: section.key: what is wrong". ERR_INVALID if there was any, ERR_NOT_FOUND when the
 * file cannot be opened. */
MUST_CHECK enum err config_read_file(struct config *cfg, const char *path, struct buf *problems);

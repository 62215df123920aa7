#pragma once
/* The limit of open files (RLIMIT_NOFILE). */
#include <stdint.h>

#include "base/err.h"

/* Sets the soft limit to `wanted`, or to the hard limit where that is lower. Before any worker:
 * libwebsockets sizes its table by the soft limit when it starts (8 bytes and more per possible
 * descriptor), falls back to 2560 above ten million, as with "infinity" in containers, and writes
 * out of bounds when the limit is raised later. Logs a limit that had to be lowered and one too
 * low to serve many readers. */
MUST_CHECK enum err open_files_limit(int64_t wanted);

#pragma once
/* Small files read whole: keys, certificates, credentials. */
#include "base/buf.h"
#include "base/err.h"

/* Appends the content, up to the cap of `b`. Blocks: at the start of a process and on reload only.
 * ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_IO (errno says why). */
MUST_CHECK enum err file_read(const char *path, struct buf *b);

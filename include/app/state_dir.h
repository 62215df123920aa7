#pragma once
/* serve.state_dir: made with mode 0700, and held by one supervisor at a time. */
#include "base/buf.h"
#include "base/err.h"

/* Makes the folder if absent and locks it for the life of this process; the lock goes with the
 * process, however it ends. Call once a process: a second call on the same folder does not notice
 * the first. What is wrong is appended to `problems`: ERR_EXISTS when another process holds the
 * folder, ERR_IO when it cannot be made or used. `out_lock_fd` is to be kept open. */
MUST_CHECK enum err state_dir_lock(const char *path, int *out_lock_fd, struct buf *problems);

#pragma once
/* The supervisor of `tocsin serve`: one process without libuv that starts the embedded Redis and
 * the workers, restarts what ends, and stops all in order. */
#include "base/config.h"
#include "model/taxonomy.h"

/* Runs until SIGTERM or SIGINT (a second one stops everything at once), or until the embedded
 * Redis cannot be brought up. In a forked worker it returns as well, with that worker's status.
 * Returns an enum app_exit. `cfg` was checked; the state directory is locked by this process when
 * redis.url is empty. */
int supervisor_run(const struct config *cfg, const struct taxonomy *taxonomy);

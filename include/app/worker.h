#pragma once
/* A worker process: one role on one libuv loop. */
#include "base/config.h"
#include "model/taxonomy.h"

enum worker_role { ROLE_NEWSROOM, ROLE_GATEWAY, ROLE_DISPATCHER, ROLE_OPS, ROLE_COUNT };
extern const char *const worker_role_names[ROLE_COUNT];

/* Which worker of its role, from 0, and its slot in the metrics. */
struct worker_place {
    enum worker_role role;
    int index;
    int slot;
};

/* Runs the role until SIGTERM, then stops it in order. Called in the forked child; returns its
 * exit status: 0 after an orderly stop, 1 when the role could not start (logged). */
int worker_run(const struct worker_place *place, const struct config *cfg,
               const struct taxonomy *taxonomy);

#include "app/command_serve.h"

#include <stdio.h>
#include <unistd.h>

#include "app/app.h"
#include "app/open_files.h"
#include "app/options.h"
#include "app/preflight.h"
#include "app/state_dir.h"
#include "app/supervisor.h"

static const char usage[] =
    "Usage: tocsin serve [OPTIONS]\n"
    "\n"
    "Runs the service: a supervisor, worker processes by role, and, when redis.url is empty, a\n"
    "private redis-server in serve.state_dir. SIGTERM or Ctrl-C stops all in order; a second one\n"
    "at once. SIGUSR2 replaces the gateways one after another, without a gap.\n"
    "\n"
    "  --roles=LIST           any of newsroom,gateway,dispatcher (short for --serve.roles=LIST)\n"
    "\n" OPTIONS_USAGE;

/* Everything that may refuse to start. */
static bool prepare(const struct config *cfg, int *out_lock_fd, struct buf *problems) {
    *out_lock_fd = -1;
    if (!cfg->redis_url[0] && state_dir_lock(cfg->serve_state_dir, out_lock_fd, problems)) {
        return false;
    }
    return preflight_ports(cfg, problems) == ERR_OK &&
           open_files_limit(cfg->serve_open_files) == ERR_OK;
}

int command_serve(int argc, char **argv) {
    struct options o;
    struct buf problems;
    struct taxonomy *taxonomy = NULL;
    int lock_fd = -1;
    int status;
    buf_init(&problems, OPTIONS_PROBLEMS_MAX_BYTES);
    if (!options_collect(&o, argc, argv, usage, &problems, &status)) {
        return status;
    }
    status = APP_USAGE;
    if (options_done(&o)) {
        enum err err = preflight_check(o.cfg, &problems, &taxonomy);
        if (!err && !problems.n) {
            status = APP_FAILED;
            if (prepare(o.cfg, &lock_fd, &problems)) {
                status = supervisor_run(o.cfg, taxonomy);
            }
        }
        (void)fputs(buf_str(&problems).p, stderr);
    }
    if (lock_fd >= 0) {
        (void)close(lock_fd);
    }
    taxonomy_destroy(taxonomy);
    buf_finish(&problems);
    options_finish(&o);
    return status;
}

/* One loop over signals and time: advance() does what is due and says for how long nothing will
 * be, poll() waits that long for a signal, on_signal() takes note of it. Order of things:
 *
 *   start: Redis answers -> workers -> "ready" once all of them are
 *   stop:  workers get SIGTERM (and SIGKILL after serve.stop_timeout_s) -> Redis -> "stopped"
 *   roll:  (SIGUSR2) for one gateway after another: a new one in the spare slot -> it is ready ->
 *          SIGTERM to the old one -> it has drained and ended, its slot is the spare one */
#include "app/supervisor.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/app.h"
#include "app/process.h"
#include "app/redis_child.h"
#include "app/respawn.h"
#include "app/worker.h"
#include "base/clock.h"
#include "base/config_check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

enum { READY_CHECK_MS = 20 };

struct worker_child {
    struct worker_place place;
    pid_t pid; /* 0 = does not run */
    int64_t restarts;
    struct respawn respawn;
};

/* At most one worker is being replaced at a time. */
struct roll {
    int left;       /* gateways still to be replaced, the current one included */
    int next;       /* index into supervisor.workers of the current or the next one */
    int spare_slot; /* of the metrics, free unless `old` has a process */
    struct worker_child old;
    int64_t kill_at_ms; /* 0 = `old` still serves, until the new one is ready */
};

struct supervisor {
    const struct config *cfg;
    const struct taxonomy *taxonomy;
    struct worker_child workers[METRICS_WORKERS_MAX];
    int worker_count;
    struct roll roll;
    struct redis_child *redis; /* NULL: redis.url is set */
    int signal_fd;
    int64_t started_ms;
    bool ready; /* all workers were, once */
    bool stopping;
    int64_t kill_at_ms; /* when stopping */
    bool failed;
    int worker_status; /* in a worker, after its end */
};

/* --- set-up --- */

static void add_workers(struct supervisor *s, enum worker_role role, int64_t count) {
    for (int i = 0; i < count; i++) {
        struct worker_child *w = &s->workers[s->worker_count];
        w->place = (struct worker_place){role, i, s->worker_count++};
        respawn_init(&w->respawn, s->cfg->serve_restart_min_ms, s->cfg->serve_restart_max_ms);
        metrics_set_worker(w->place.slot, worker_role_names[role], 0, 0);
    }
}

/* config_check keeps the sum below METRICS_WORKERS_MAX, so that one slot is spare. */
static void add_all_workers(struct supervisor *s) {
    unsigned roles = config_roles(s->cfg);
    if (roles & CONFIG_ROLE_NEWSROOM) {
        add_workers(s, ROLE_NEWSROOM, s->cfg->newsroom_workers);
    } else if (s->cfg->ops_listen[0]) {
        add_workers(s, ROLE_OPS, 1);
    }
    if (roles & CONFIG_ROLE_GATEWAY) {
        add_workers(s, ROLE_GATEWAY, s->cfg->gateway_workers);
    }
    if (roles & CONFIG_ROLE_DISPATCHER) {
        add_workers(s, ROLE_DISPATCHER, s->cfg->dispatcher_workers);
    }
    s->roll.spare_slot = s->worker_count;
}

static int open_signals(void) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR2);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    /* A peer that hangs up is an error of write(), here and in the workers, never a death. */
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* --- workers --- */

static void signal_workers(const struct supervisor *s, int number) {
    for (int i = 0; i < s->worker_count; i++) {
        if (s->workers[i].pid) {
            (void)kill(s->workers[i].pid, number);
        }
    }
    if (s->roll.old.pid) {
        (void)kill(s->roll.old.pid, number);
    }
}

static bool is_any_running(const struct supervisor *s) {
    for (int i = 0; i < s->worker_count; i++) {
        if (s->workers[i].pid) {
            return true;
        }
    }
    return s->roll.old.pid != 0;
}

/* True in the new worker, once it has ended. */
static bool start_worker(struct supervisor *s, struct worker_child *w, int64_t now_ms) {
    const char *role = worker_role_names[w->place.role];
    bool again = w->respawn.started_ms != 0;
    respawn_started(&w->respawn, now_ms);
    pid_t pid = process_fork();
    if (pid == 0) {
        (void)close(s->signal_fd);
        s->worker_status = worker_run(&w->place, s->cfg, s->taxonomy);
        return true;
    }
    if (pid < 0) {
        log_error("fork_failed", LOG_S("role", role), LOG_S("reason", strerror(errno)));
        (void)respawn_ended(&w->respawn, now_ms);
        return false;
    }
    w->pid = pid;
    if (again) {
        w->restarts++;
        metrics_add(M_WORKER_RESTARTS, 1);
    }
    metrics_set_worker(w->place.slot, role, pid, w->restarts);
    log_info("worker_started", LOG_S("role", role), LOG_I("worker", w->place.index),
             LOG_I("pid", pid));
    return false;
}

static void on_worker_exit(struct supervisor *s, struct worker_child *w, int wait_status,
                           int64_t now_ms) {
    const char *role = worker_role_names[w->place.role];
    int64_t delay_ms = s->stopping ? -1 : respawn_ended(&w->respawn, now_ms);
    process_log_exit("worker_exited", role, w->place.index, w->pid, wait_status, delay_ms);
    w->pid = 0;
    metrics_set_worker(w->place.slot, role, 0, w->restarts);
}

static void on_old_exit(struct roll *r, int wait_status) {
    process_log_exit("worker_exited", worker_role_names[r->old.place.role], r->old.place.index,
                     r->old.pid, wait_status, -1);
    r->old.pid = 0;
    r->kill_at_ms = INT64_MAX; /* also when it crashed before its time: it has its successor */
    r->spare_slot = r->old.place.slot;
    metrics_set_worker(r->spare_slot, "", 0, 0);
}

static void reap(struct supervisor *s, int64_t now_ms) {
    for (;;) {
        int wait_status;
        pid_t pid = waitpid(-1, &wait_status, WNOHANG);
        if (pid <= 0) {
            return;
        }
        if (s->redis && redis_child_on_exit(s->redis, pid, wait_status, now_ms)) {
            continue;
        }
        if (s->roll.old.pid == pid) {
            on_old_exit(&s->roll, wait_status);
            continue;
        }
        for (int i = 0; i < s->worker_count; i++) {
            if (s->workers[i].pid == pid) {
                on_worker_exit(s, &s->workers[i], wait_status, now_ms);
            }
        }
    }
}

/* --- stop --- */

static void stop(struct supervisor *s, const char *reason, int64_t now_ms) {
    s->stopping = true;
    s->kill_at_ms = now_ms + s->cfg->serve_stop_timeout_s * 1000;
    log_info("stopping", LOG_S("reason", reason));
    signal_workers(s, SIGTERM);
}

static void stop_at_once(struct supervisor *s) {
    log_warn("stopping_at_once", LOG_S("reason", "second signal"));
    signal_workers(s, SIGKILL);
    if (s->redis) {
        redis_child_kill(s->redis);
    }
}

static bool is_redis_gone(const struct supervisor *s) {
    if (!s->redis) {
        return true;
    }
    enum redis_child_state state = redis_child_state(s->redis);
    return state == REDIS_CHILD_STOPPED || state == REDIS_CHILD_FAILED;
}

/* Milliseconds until something is due, -1 when all has ended. */
static int64_t advance_stop(struct supervisor *s, int64_t now_ms) {
    if (is_any_running(s)) {
        if (now_ms < s->kill_at_ms) {
            return s->kill_at_ms - now_ms;
        }
        log_warn("workers_killed", LOG_S("reason", "serve.stop_timeout_s"));
        signal_workers(s, SIGKILL);
        s->kill_at_ms = INT64_MAX;
        return INT_MAX;
    }
    if (is_redis_gone(s)) {
        return -1;
    }
    if (redis_child_state(s->redis) != REDIS_CHILD_STOPPING) {
        redis_child_stop(s->redis, now_ms);
    }
    int64_t wait_ms = redis_child_advance(s->redis, now_ms);
    return is_redis_gone(s) ? -1 : wait_ms < 0 ? INT_MAX : wait_ms;
}

static int64_t sooner(int64_t a_ms, int64_t b_ms) {
    return a_ms < b_ms ? a_ms : b_ms;
}

/* --- rolling restart --- */

static void roll_begin(struct supervisor *s) {
    struct roll *r = &s->roll;
    if (s->stopping || !s->ready) {
        log_warn("rolling_restart_refused", LOG_S("reason", "not all workers were ready yet"));
        return;
    }
    /* Asked again on the way, the ones already replaced are replaced again. */
    r->left = (config_roles(s->cfg) & CONFIG_ROLE_GATEWAY) ? (int)s->cfg->gateway_workers : 0;
    log_info("rolling_restart", LOG_I("gateways", r->left));
    if (r->old.pid || r->kill_at_ms) {
        r->left++; /* the one under way */
    }
}

/* True in the new worker, once it has ended. */
static bool roll_replace(struct supervisor *s, int64_t now_ms) {
    struct roll *r = &s->roll;
    while (s->workers[r->next].place.role != ROLE_GATEWAY) {
        r->next = (r->next + 1) % s->worker_count;
    }
    struct worker_child *w = &s->workers[r->next];
    if (!w->pid) {
        r->next = (r->next + 1) % s->worker_count; /* crashed: a new one is due anyhow */
        r->left--;
        return false;
    }
    r->old = *w;
    r->kill_at_ms = 0;
    w->pid = 0;
    w->place.slot = r->spare_slot;
    return start_worker(s, w, now_ms);
}

static void roll_retire_old(struct supervisor *s, int64_t now_ms) {
    struct roll *r = &s->roll;
    log_info("worker_replaced", LOG_I("worker", r->old.place.index), LOG_I("pid", r->old.pid));
    r->kill_at_ms = now_ms + s->cfg->serve_stop_timeout_s * 1000;
    (void)kill(r->old.pid, SIGTERM);
}

/* True in a worker that has ended. */
static bool advance_roll(struct supervisor *s, int64_t now_ms, int64_t *wait_ms) {
    struct roll *r = &s->roll;
    if (r->old.pid && !r->kill_at_ms) {
        if (metrics_health(s->workers[r->next].place.slot).ready) {
            roll_retire_old(s, now_ms);
        } else {
            *wait_ms = sooner(*wait_ms, READY_CHECK_MS);
        }
    } else if (r->old.pid) {
        if (now_ms >= r->kill_at_ms) {
            log_warn("workers_killed", LOG_S("reason", "serve.stop_timeout_s"));
            (void)kill(r->old.pid, SIGKILL);
            r->kill_at_ms = INT64_MAX;
        }
        *wait_ms = sooner(*wait_ms, r->kill_at_ms - now_ms);
    } else if (r->kill_at_ms) { /* it has gone */
        r->kill_at_ms = 0;
        r->next = (r->next + 1) % s->worker_count;
        *wait_ms = 0;
        if (--r->left <= 0) {
            log_info("rolling_restart_done");
        }
    } else if (r->left > 0) {
        *wait_ms = 0;
        return roll_replace(s, now_ms);
    }
    return false;
}

/* --- run --- */

static void check_ready(struct supervisor *s, int64_t now_ms) {
    for (int i = 0; i < s->worker_count; i++) {
        if (!metrics_health(s->workers[i].place.slot).ready) {
            return;
        }
    }
    s->ready = true;
    log_info("ready", LOG_I("workers", s->worker_count), LOG_I("ms", now_ms - s->started_ms));
}

/* Starts the workers that are due; true in a worker that has ended. */
static bool advance_workers(struct supervisor *s, int64_t now_ms, int64_t *wait_ms) {
    for (int i = 0; i < s->worker_count; i++) {
        struct worker_child *w = &s->workers[i];
        if (w->pid) {
            continue;
        }
        int64_t due_ms = respawn_wait_ms(&w->respawn, now_ms);
        if (!due_ms && start_worker(s, w, now_ms)) {
            return true;
        }
        *wait_ms = sooner(*wait_ms, w->pid ? INT_MAX : due_ms);
    }
    return false;
}

/* True in a worker that has ended. */
static bool advance_run(struct supervisor *s, int64_t now_ms, int64_t *out_wait_ms) {
    int64_t wait_ms = INT_MAX;
    bool first = !s->workers[0].respawn.started_ms;
    if (s->redis) {
        int64_t redis_ms = redis_child_advance(s->redis, now_ms);
        wait_ms = sooner(wait_ms, redis_ms < 0 ? INT_MAX : redis_ms);
        enum redis_child_state state = redis_child_state(s->redis);
        if (state == REDIS_CHILD_FAILED) {
            s->failed = true;
            stop(s, "redis", now_ms);
            *out_wait_ms = 0;
            return false;
        }
        if (first && state != REDIS_CHILD_UP) {
            *out_wait_ms = wait_ms;
            return false;
        }
    }
    if (advance_workers(s, now_ms, &wait_ms)) {
        return true;
    }
    if (advance_roll(s, now_ms, &wait_ms)) {
        return true;
    }
    if (!s->ready) {
        check_ready(s, now_ms);
        wait_ms = sooner(wait_ms, READY_CHECK_MS);
    }
    *out_wait_ms = wait_ms;
    return false;
}

static void on_signal(struct supervisor *s, int number, int64_t now_ms) {
    switch (number) {
    case SIGCHLD:
        reap(s, now_ms);
        break;
    case SIGHUP:
        log_info("hangup_passed_on");
        signal_workers(s, SIGHUP);
        break;
    case SIGUSR2:
        roll_begin(s);
        break;
    default:
        if (s->stopping) {
            stop_at_once(s);
        } else {
            stop(s, number == SIGINT ? "SIGINT" : "SIGTERM", now_ms);
        }
    }
}

static void read_signals(struct supervisor *s) {
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        on_signal(s, (int)info.ssi_signo, clock_mono_ms());
    }
}

/* True in a worker that has ended. */
static bool loop(struct supervisor *s) {
    for (;;) {
        int64_t wait_ms;
        if (s->stopping) {
            wait_ms = advance_stop(s, clock_mono_ms());
            if (wait_ms < 0) {
                return false;
            }
        } else if (advance_run(s, clock_mono_ms(), &wait_ms)) {
            return true;
        }
        struct pollfd signals = {.fd = s->signal_fd, .events = POLLIN};
        (void)poll(&signals, 1, (int)sooner(wait_ms, INT_MAX));
        read_signals(s);
    }
}

int supervisor_run(const struct config *cfg, const struct taxonomy *taxonomy) {
    struct supervisor *s = mem_zalloc(1, sizeof(*s));
    s->cfg = cfg;
    s->taxonomy = taxonomy;
    s->started_ms = clock_mono_ms();
    s->signal_fd = open_signals();
    metrics_setup();
    add_all_workers(s);
    if (!cfg->redis_url[0]) {
        s->redis = redis_child_create(cfg);
    }
    log_info("starting", LOG_S("version", TOCSIN_VERSION), LOG_I("pid", getpid()),
             LOG_I("workers", s->worker_count));
    int status;
    if (loop(s)) {
        status = s->worker_status;
    } else {
        status = s->failed ? APP_FAILED : APP_OK;
        log_info("stopped");
        (void)close(s->signal_fd);
    }
    redis_child_destroy(s->redis);
    free(s);
    return status;
}

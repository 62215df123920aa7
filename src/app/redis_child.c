/*            due                free               PONG
 *   WAITING -----> CLEARING -----------> STARTING -------> UP
 *      ^               |                    |              |
 *      |               | not free in time   | exit         | exit
 *      |               v                    v              |
 *      +------- (up before, or few tries) <----------------+     stop: STOPPING -> STOPPED
 *                 else FAILED
 *
 * Once it was up, it is started again whatever happens: the workers stay and reconnect. */
#include "app/redis_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/process.h"
#include "app/respawn.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    PROBE_EVERY_MS = 20,
    PROBE_ANSWER_MS = 1000,   /* then the probe connects anew */
    CLEAR_TIMEOUT_MS = 10000, /* the kernel ends a killed process within milliseconds; a process
                                 stuck in disk I/O takes longer */
    FIRST_TRIES = 3,          /* ends before it was ever up: then something is wrong with it */
    EXIT_NO_PROGRAM = 127     /* as shells say it */
};

struct redis_child {
    const struct config *cfg;
    enum redis_child_state state;
    pid_t pid; /* 0 = none */
    struct respawn respawn;
    int failures; /* ends in a row without being up */
    bool was_up;
    int probe_fd; /* -1 = none */
    int64_t probe_since_ms;
    int64_t deadline_ms; /* of CLEARING and STOPPING */
    struct sockaddr_un address;
};

struct redis_child *redis_child_create(const struct config *cfg) {
    struct redis_child *r = mem_zalloc(1, sizeof(*r));
    r->cfg = cfg;
    r->probe_fd = -1;
    r->address.sun_family = AF_UNIX;
    (void)snprintf(r->address.sun_path, sizeof(r->address.sun_path), "%s/redis.sock",
                   cfg->serve_state_dir);
    respawn_init(&r->respawn, cfg->serve_restart_min_ms, cfg->serve_restart_max_ms);
    return r;
}

static void close_probe(struct redis_child *r) {
    if (r->probe_fd >= 0) {
        (void)close(r->probe_fd);
        r->probe_fd = -1;
    }
}

void redis_child_destroy(struct redis_child *r) {
    if (r) {
        close_probe(r);
        free(r);
    }
}

enum redis_child_state redis_child_state(const struct redis_child *r) {
    return r->state;
}

/* A connected socket, or -1 when nobody listens. */
static int connect_socket(const struct redis_child *r) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    if (connect(fd, (const struct sockaddr *)&r->address, sizeof(r->address)) == 0 ||
        errno == EAGAIN) { /* a full backlog: somebody listens */
        return fd;
    }
    (void)close(fd);
    return -1;
}

/* In the child: the folder becomes the working directory, so the socket's name is short whatever
 * the folder's is. */
static _Noreturn void run_server(const struct config *cfg) {
    char *program = strchr(cfg->redis_server, '/') ? realpath(cfg->redis_server, NULL) : NULL;
    const char *const argv[] = {
        program ? program : cfg->redis_server,
        "--port",
        "0", /* no TCP at all */
        "--unixsocket",
        "redis.sock",
        "--unixsocketperm",
        "600",
        "--dir",
        ".",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--save",
        "",
        "--maxmemory",
        "0",
        "--maxmemory-policy",
        "noeviction",
        "--daemonize",
        "no",
        "--supervised",
        "no",
        "--hash-max-listpack-value",
        "512", /* tokens of FCM too lie packed: 335 bytes a device instead of 384 */
        "--logfile",
        "redis.log",
        NULL,
    };
    (void)umask(077);
    if (chdir(cfg->serve_state_dir) != 0) {
        _exit(1);
    }
    (void)execvp(argv[0], (char *const *)argv);
    _exit(EXIT_NO_PROGRAM);
}

static void start(struct redis_child *r, int64_t now_ms) {
    pid_t pid = process_fork();
    if (pid == 0) {
        run_server(r->cfg);
    }
    respawn_started(&r->respawn, now_ms);
    if (pid < 0) {
        log_error("fork_failed", LOG_S("role", "redis"), LOG_S("reason", strerror(errno)));
        (void)respawn_ended(&r->respawn, now_ms);
        r->state = REDIS_CHILD_WAITING;
        return;
    }
    r->pid = pid;
    r->state = REDIS_CHILD_STARTING;
    log_info("redis_started", LOG_I("pid", pid), LOG_S("socket", r->address.sun_path));
}

/* Waits until nobody answers on the socket: a Redis of a killed supervisor is about to die, and
 * two servers on one append-only file would ruin it. */
static void clear(struct redis_child *r, int64_t now_ms) {
    int fd = connect_socket(r);
    if (fd < 0) {
        start(r, now_ms);
        return;
    }
    (void)close(fd);
    if (now_ms >= r->deadline_ms) {
        log_error("redis_socket_taken", LOG_S("socket", r->address.sun_path),
                  LOG_S("reason", "another redis-server answers there"));
        r->state = REDIS_CHILD_FAILED;
    }
}

/* One step of "PING": connect and send, or look for the answer. True once it is +PONG. */
static bool probe(struct redis_child *r, int64_t now_ms) {
    char answer[64];
    if (r->probe_fd < 0) {
        r->probe_fd = connect_socket(r);
        r->probe_since_ms = now_ms;
        if (r->probe_fd >= 0 && send(r->probe_fd, "PING\r\n", 6, MSG_NOSIGNAL) != 6) {
            close_probe(r);
        }
        return false;
    }
    ssize_t n = recv(r->probe_fd, answer, sizeof(answer), 0);
    if (n < 0 && errno == EAGAIN && now_ms - r->probe_since_ms < PROBE_ANSWER_MS) {
        return false;
    }
    close_probe(r); /* also after -LOADING: asked again on the next call */
    return n >= 5 && memcmp(answer, "+PONG", 5) == 0;
}

int64_t redis_child_advance(struct redis_child *r, int64_t now_ms) {
    switch (r->state) {
    case REDIS_CHILD_WAITING: {
        int64_t wait_ms = respawn_wait_ms(&r->respawn, now_ms);
        if (wait_ms > 0) {
            return wait_ms;
        }
        r->state = REDIS_CHILD_CLEARING;
        r->deadline_ms = now_ms + CLEAR_TIMEOUT_MS;
        return 0;
    }
    case REDIS_CHILD_CLEARING:
        clear(r, now_ms);
        return r->state == REDIS_CHILD_FAILED ? -1 : PROBE_EVERY_MS;
    case REDIS_CHILD_STARTING:
        if (!probe(r, now_ms)) {
            return PROBE_EVERY_MS;
        }
        r->state = REDIS_CHILD_UP;
        r->was_up = true;
        r->failures = 0;
        log_info("redis_ready", LOG_I("pid", r->pid), LOG_I("ms", now_ms - r->respawn.started_ms));
        return -1;
    case REDIS_CHILD_STOPPING:
        if (now_ms < r->deadline_ms) {
            return r->deadline_ms - now_ms;
        }
        log_warn("redis_killed", LOG_I("pid", r->pid), LOG_S("reason", "redis.stop_timeout_s"));
        redis_child_kill(r);
        return -1;
    case REDIS_CHILD_UP:
    case REDIS_CHILD_STOPPED:
    case REDIS_CHILD_FAILED:
        return -1;
    }
    return -1;
}

static void explain_failure(const struct redis_child *r, int wait_status) {
    char where[sizeof(r->address.sun_path) + 16];
    (void)snprintf(where, sizeof(where), "%s/redis.log", r->cfg->serve_state_dir);
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EXIT_NO_PROGRAM) {
        log_error("redis_failed", LOG_S("program", r->cfg->redis_server),
                  LOG_S("reason", "redis.server cannot be run"));
    } else {
        log_error("redis_failed", LOG_S("program", r->cfg->redis_server),
                  LOG_S("reason", "it ended before it answered; see its log"), LOG_S("log", where));
    }
}

bool redis_child_on_exit(struct redis_child *r, pid_t pid, int wait_status, int64_t now_ms) {
    if (!r->pid || pid != r->pid) {
        return false;
    }
    r->pid = 0;
    close_probe(r);
    if (r->state == REDIS_CHILD_STOPPING) {
        r->state = REDIS_CHILD_STOPPED;
        process_log_exit("redis_exited", "redis", -1, pid, wait_status, -1);
        return true;
    }
    r->failures++;
    bool no_program = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == EXIT_NO_PROGRAM;
    if (!r->was_up && (no_program || r->failures >= FIRST_TRIES)) {
        explain_failure(r, wait_status);
        r->state = REDIS_CHILD_FAILED;
        return true;
    }
    int64_t delay_ms = respawn_ended(&r->respawn, now_ms);
    process_log_exit("redis_exited", "redis", -1, pid, wait_status, delay_ms);
    r->state = REDIS_CHILD_WAITING;
    return true;
}

void redis_child_stop(struct redis_child *r, int64_t now_ms) {
    close_probe(r);
    if (!r->pid) {
        if (r->state != REDIS_CHILD_FAILED) {
            r->state = REDIS_CHILD_STOPPED;
        }
        return;
    }
    r->state = REDIS_CHILD_STOPPING;
    r->deadline_ms = now_ms + r->cfg->redis_stop_timeout_s * 1000;
    (void)kill(r->pid, SIGTERM);
}

void redis_child_kill(struct redis_child *r) {
    if (r->pid) {
        r->state = REDIS_CHILD_STOPPING;
        r->deadline_ms = INT64_MAX;
        (void)kill(r->pid, SIGKILL);
    }
}

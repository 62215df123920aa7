#pragma once
/* A private real redis-server for a test: unix socket and data in a fresh directory, no port.
 * Only the process started here is ever signalled. */
#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

struct test_redis {
    char dir[64];
    char socket[96];
    char url[128];   /* for cfg->redis_url */
    bool persistent; /* append-only file, fsync always */
    pid_t pid;
};

static inline void test_redis_exec(const struct test_redis *r) {
    int log = open("redis.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)dup2(log, 1);
    (void)dup2(log, 2);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", r->socket, "--save",
                 "", "--appendonly", r->persistent ? "yes" : "no", "--appendfsync", "always",
                 (char *)NULL);
    _exit(127);
}

/* True when the server accepts and answers PING. */
static inline bool test_redis_answers(const struct test_redis *r) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char reply[8] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", r->socket);
    bool ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
              write(fd, "PING\r\n", 6) == 6 && read(fd, reply, 7) == 7 &&
              memcmp(reply, "+PONG\r\n", 7) == 0;
    (void)close(fd);
    return ok;
}

/* Starts the server (again) on the same directory and waits until it answers. */
static inline void test_redis_launch(struct test_redis *r) {
    (void)fflush(NULL);
    r->pid = fork();
    if (r->pid == 0) {
        if (chdir(r->dir) == 0) {
            test_redis_exec(r);
        }
        _exit(127);
    }
    for (int i = 0; i < 1000; i++) {
        if (test_redis_answers(r)) {
            return;
        }
        (void)usleep(10000);
    }
    (void)fprintf(stderr, "redis-server did not start in %s\n", r->dir);
    abort();
}

static inline void test_redis_start(struct test_redis *r, bool persistent) {
    (void)signal(SIGPIPE,
                 SIG_IGN); /* as the program does: writing to a killed server is an error */
    memset(r, 0, sizeof(*r));
    r->persistent = persistent;
    (void)snprintf(r->dir, sizeof(r->dir), "/tmp/tocsin-test-XXXXXX");
    if (!mkdtemp(r->dir)) {
        abort();
    }
    (void)snprintf(r->socket, sizeof(r->socket), "%s/redis.sock", r->dir);
    (void)snprintf(r->url, sizeof(r->url), "unix://%s", r->socket);
    test_redis_launch(r);
}

static inline void test_redis_signal(struct test_redis *r, int signal_number) {
    if (r->pid > 0) {
        (void)kill(r->pid, signal_number);
        if (signal_number == SIGKILL || signal_number == SIGTERM) {
            (void)waitpid(r->pid, NULL, 0);
            r->pid = 0;
        }
    }
}

/* Ends the server as a power cut would; the files stay. */
static inline void test_redis_kill(struct test_redis *r) {
    test_redis_signal(r, SIGKILL);
}

static inline void test_redis_restart(struct test_redis *r) {
    test_redis_kill(r);
    test_redis_launch(r);
}

/* Ends the server and removes everything. */
static inline void test_redis_stop(struct test_redis *r) {
    char command[128];
    test_redis_kill(r);
    (void)snprintf(command, sizeof(command), "rm -rf '%s'", r->dir);
    if (system(command) != 0) {
        abort();
    }
}

/* Sends one inline command ("FLUSHALL", "XLEN key") on a connection of its own and returns the
 * raw reply (static storage): the way to do behind the program's back what it must survive. */
static inline const char *test_redis_raw(const struct test_redis *r, const char *command) {
    static char reply[65536];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", r->socket);
    ssize_t size = -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
        dprintf(fd, "%s\r\n", command) > 0) {
        size = read(fd, reply, sizeof(reply) - 1);
    }
    (void)close(fd);
    reply[size > 0 ? size : 0] = '\0';
    return reply;
}

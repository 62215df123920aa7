/* The real binary with a state directory of its own: what it does when its children die, and when
 * it is told to stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

enum { WAIT_MS = 30000, ARGS_MAX = 16, PIDS_MAX = 64 };

struct fixture {
    char binary[4096];
    char folder[48];
    char state_dir[64];
    char log_path[64];
    pid_t pid; /* 0 = none */
    char log[1 << 20];
};

static void sleep_ms(int ms) {
    (void)poll(NULL, 0, ms);
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    const char *build = getenv("TEST_BINARY_DIR");
    if (!f || !build) {
        (void)fprintf(stderr, "TEST_BINARY_DIR is not set: run by ctest\n");
        return -1;
    }
    (void)snprintf(f->binary, sizeof(f->binary), "%s/tocsin", build);
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/supervisor_test.XXXXXX");
    if (!mkdtemp(f->folder)) {
        return -1;
    }
    (void)snprintf(f->state_dir, sizeof(f->state_dir), "%s/state", f->folder);
    (void)snprintf(f->log_path, sizeof(f->log_path), "%s/log", f->folder);
    *state = f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    if (f->pid) { /* a test failed half-way */
        (void)kill(f->pid, SIGKILL);
        (void)waitpid(f->pid, NULL, 0);
        sleep_ms(200);
    }
    (void)nftw(f->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

/* Starts the binary with a log of its own (appended to) and without the environment's TOCSIN_*. */
static pid_t spawn(struct fixture *f, const char *const *args) {
    char state_dir[96];
    const char *argv[ARGS_MAX + 8] = {f->binary};
    int argc = 1;
    (void)snprintf(state_dir, sizeof(state_dir), "--serve.state_dir=%s", f->state_dir);
    for (; *args; args++) {
        argv[argc++] = *args;
        if (argc == 2) {
            argv[argc++] = state_dir;
            argv[argc++] = "--newsroom.listen=127.0.0.1:0";
            argv[argc++] = "--gateway.listen=127.0.0.1:0";
        }
    }
    pid_t pid = fork();
    if (pid == 0) {
        char path[4096];
        (void)snprintf(path, sizeof(path), "PATH=%s", getenv("PATH"));
        char *const env[] = {path, NULL};
        int fd = open(f->log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
        (void)execve(f->binary, (char *const *)(uintptr_t)argv, env);
        _exit(126);
    }
    assert_true(pid > 0);
    return pid;
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *read_log(struct fixture *f) {
    int fd = open(f->log_path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, f->log, sizeof(f->log) - 1);
    f->log[n < 0 ? 0 : n] = '\0';
    if (fd >= 0) {
        (void)close(fd);
    }
    return f->log;
}

/* For a failing test: cmocka cuts long messages. */
static void show_log(struct fixture *f) {
    (void)fprintf(stderr, "--- log ---\n%s--- end of log ---\n", read_log(f));
}

static void forget_log(struct fixture *f) {
    assert_int_equal(truncate(f->log_path, 0), 0);
}

static void wait_for(struct fixture *f, const char *text) {
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    while (!strstr(read_log(f), text)) {
        if (clock_mono_ms() > end_ms) {
            show_log(f);
            fail_msg("no \"%s\"", text);
        }
        sleep_ms(10);
    }
}

/* Starts the service and waits until all of it is ready. */
static void start(struct fixture *f, const char *const *args) {
    f->pid = spawn(f, args);
    wait_for(f, " event=ready ");
}

/* Waits for the end of the supervisor; returns its wait status. */
static int wait_end(struct fixture *f) {
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    int status;
    while (waitpid(f->pid, &status, WNOHANG) == 0) {
        if (clock_mono_ms() > end_ms) {
            show_log(f);
            fail_msg("does not end");
        }
        sleep_ms(10);
    }
    f->pid = 0;
    return status;
}

/* The pid of the last line with `event`, which names the child. */
static pid_t pid_of(struct fixture *f, const char *event) {
    const char *last = NULL;
    for (const char *at = read_log(f); (at = strstr(at, event)) != NULL; at++) {
        last = at;
    }
    const char *pid = last ? strstr(last, " pid=") : NULL;
    if (!pid) {
        show_log(f);
        fail_msg("no \"%s\"", event);
        return 0;
    }
    return (pid_t)strtol(pid + 5, NULL, 10);
}

/* All processes started according to the log. */
static int pids_of_log(struct fixture *f, pid_t pids[PIDS_MAX]) {
    int n = 0;
    const char *at = read_log(f);
    while ((at = strstr(at, "_started ")) != NULL && n < PIDS_MAX) {
        at = strstr(at, " pid=") + 5;
        pids[n++] = (pid_t)strtol(at, NULL, 10);
    }
    return n;
}

static void assert_all_gone(const pid_t *pids, int count) {
    int64_t end_ms = clock_mono_ms() + 5000;
    for (int i = 0; i < count; i++) {
        while (kill(pids[i], 0) == 0) {
            if (clock_mono_ms() > end_ms) {
                fail_msg("process %d lives", (int)pids[i]);
            }
            sleep_ms(10);
        }
    }
}

/* Sends the signal and waits for the orderly end of everything. */
static void stop(struct fixture *f, int number) {
    pid_t pids[PIDS_MAX];
    int count = pids_of_log(f, pids);
    assert_int_equal(kill(f->pid, number), 0);
    int status = wait_end(f);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(count > 0);
    assert_all_gone(pids, count);
}

static void assert_order(struct fixture *f, const char *first, const char *then) {
    const char *a = strstr(read_log(f), first);
    const char *b = strstr(f->log, then);
    if (!a || !b || a > b) {
        show_log(f);
        fail_msg("not \"%s\" before \"%s\"", first, then);
    }
}

/* --- the tests --- */

/* Every child ended with status 0: by itself, and with a sanitizer's approval where it has one. */
static void assert_clean_ends(struct fixture *f, int expected) {
    int count = 0;
    for (const char *at = read_log(f); (at = strstr(at, "_exited ")) != NULL; at++) {
        struct str line = {at, strcspn(at, "\n")};
        if (line.n < 9 || memcmp(line.p + line.n - 9, " status=0", 9) != 0) {
            show_log(f);
            fail_msg("%.*s", STR_ARG(line));
        }
        count++;
    }
    assert_int_equal(count, expected);
}

static void starts_and_stops_in_order(void **state) {
    struct fixture *f = *state;
    struct stat st;
    start(f, ARGS("serve", "--gateway.workers=2"));
    assert_order(f, "event=redis_ready", "event=worker_started role=newsroom worker=0");
    assert_order(f, "event=worker_started role=gateway worker=1", "event=ready workers=4");
    assert_order(f, "event=worker_started role=dispatcher worker=0", "event=ready workers=4");
    assert_int_equal(stat(f->state_dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    stop(f, SIGTERM);
    assert_order(f, "event=stopping reason=SIGTERM", "event=worker_exited role=newsroom");
    assert_order(f, "event=worker_exited role=gateway worker=1", "event=redis_exited");
    assert_order(f, "event=worker_exited role=dispatcher", "event=redis_exited");
    assert_order(f, "event=redis_exited", "event=stopped");
    assert_null(strstr(f->log, "killed"));
    assert_null(strstr(f->log, "loop_still_busy"));
    assert_clean_ends(f, 5);
}

static void killed_workers_come_back(void **state) {
    static const char *const started[] = {"event=worker_started role=newsroom worker=0",
                                          "event=worker_started role=gateway worker=0",
                                          "event=worker_started role=dispatcher worker=0"};
    struct fixture *f = *state;
    start(f, ARGS("serve"));
    for (int i = 0; i < 3; i++) {
        pid_t before[3];
        for (int k = 0; k < 3; k++) {
            before[k] = pid_of(f, started[k]);
        }
        assert_int_equal(kill(before[i], SIGKILL), 0);
        int64_t end_ms = clock_mono_ms() + WAIT_MS;
        while (pid_of(f, started[i]) == before[i] && clock_mono_ms() < end_ms) {
            sleep_ms(10);
        }
        for (int k = 0; k < 3; k++) {
            if (k == i) {
                assert_int_not_equal(pid_of(f, started[k]), before[k]);
            } else {
                assert_int_equal(pid_of(f, started[k]), before[k]);
                assert_int_equal(kill(before[k], 0), 0);
            }
        }
    }
    assert_non_null(strstr(f->log, "signal=9 restart_in_ms=100"));
    stop(f, SIGINT);
    assert_non_null(strstr(read_log(f), "event=stopping reason=SIGINT"));
}

static void killed_redis_comes_back_and_workers_stay(void **state) {
    struct fixture *f = *state;
    start(f, ARGS("serve"));
    pid_t worker = pid_of(f, "event=worker_started role=gateway");
    pid_t redis = pid_of(f, "event=redis_started");
    assert_int_equal(kill(redis, SIGKILL), 0);
    wait_for(f, "event=redis_exited");
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    while (pid_of(f, "event=redis_ready") == redis && clock_mono_ms() < end_ms) {
        sleep_ms(10);
    }
    assert_int_not_equal(pid_of(f, "event=redis_ready"), redis);
    assert_int_equal(pid_of(f, "event=worker_started role=gateway"), worker);
    assert_null(strstr(f->log, "event=worker_exited"));
    stop(f, SIGTERM);
}

static void nothing_outlives_a_killed_supervisor(void **state) {
    struct fixture *f = *state;
    pid_t pids[PIDS_MAX];
    start(f, ARGS("serve"));
    int count = pids_of_log(f, pids);
    assert_int_equal(count, 4);
    assert_int_equal(kill(f->pid, SIGKILL), 0);
    assert_int_equal(waitpid(f->pid, NULL, 0), f->pid);
    f->pid = 0;
    forget_log(f);
    start(f, ARGS("serve")); /* at once, on the same folder */
    assert_all_gone(pids, count);
    stop(f, SIGTERM);
}

static void a_state_dir_has_one_supervisor(void **state) {
    struct fixture *f = *state;
    char expected[128];
    int status;
    start(f, ARGS("serve"));
    pid_t second = spawn(f, ARGS("serve"));
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    (void)snprintf(expected, sizeof(expected), "serve.state_dir: %s is in use by process %d,",
                   f->state_dir, (int)f->pid);
    assert_non_null(strstr(read_log(f), expected));
    stop(f, SIGTERM);
}

/* A stopped process ignores SIGTERM, as one that hangs would. */
static void a_worker_that_hangs_is_killed(void **state) {
    struct fixture *f = *state;
    start(f, ARGS("serve", "--serve.stop_timeout_s=1", "--gateway.drain_s=0"));
    assert_int_equal(kill(pid_of(f, "event=worker_started role=gateway"), SIGSTOP), 0);
    stop(f, SIGTERM);
    assert_order(f, "event=workers_killed", "event=worker_exited role=gateway");
    assert_order(f, "event=worker_exited role=gateway", "event=redis_exited");
}

static void a_second_signal_ends_all_at_once(void **state) {
    struct fixture *f = *state;
    start(f, ARGS("serve", "--serve.stop_timeout_s=600"));
    assert_int_equal(kill(pid_of(f, "event=worker_started role=newsroom"), SIGSTOP), 0);
    assert_int_equal(kill(f->pid, SIGTERM), 0);
    wait_for(f, "event=stopping ");
    stop(f, SIGTERM);
    assert_non_null(strstr(read_log(f), "event=stopping_at_once"));
}

static void hangup_ends_nothing(void **state) {
    struct fixture *f = *state;
    start(f, ARGS("serve", "--log.level=debug"));
    assert_int_equal(kill(f->pid, SIGHUP), 0);
    wait_for(f, "event=hangup role=newsroom");
    wait_for(f, "event=hangup role=gateway");
    wait_for(f, "event=hangup role=dispatcher");
    stop(f, SIGTERM);
    assert_clean_ends(f, 4);
}

static void roles_and_open_files(void **state) {
    struct fixture *f = *state;
    char path[64];
    char limits[4096] = "";
    start(f, ARGS("serve", "--roles=dispatcher", "--serve.open_files=1500"));
    assert_non_null(strstr(f->log, "event=ready workers=1 "));
    (void)snprintf(path, sizeof(path), "/proc/%d/limits",
                   (int)pid_of(f, "event=worker_started role=dispatcher"));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(limits, 1, sizeof(limits) - 1, file) > 0);
    (void)fclose(file);
    const char *line = strstr(limits, "Max open files");
    assert_non_null(line);
    assert_int_equal(strtol(line + strlen("Max open files"), NULL, 10), 1500);
    stop(f, SIGTERM);
}

/* GET from 127.0.0.1; the whole answer. */
static const char *http_get(int port, const char *path, char *out, size_t size) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char request[256];
    size_t n = 0;
    ssize_t got;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    (void)snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while ((got = recv(fd, out + n, size - 1 - n, 0)) > 0) {
        n += (size_t)got;
    }
    (void)close(fd);
    out[n] = '\0';
    return out;
}

static int port_of(struct fixture *f, const char *role) {
    char text[64];
    (void)snprintf(text, sizeof(text), "event=listening role=%s worker=0 address=127.0.0.1:", role);
    const char *at = strstr(read_log(f), text);
    assert_non_null(at);
    return (int)strtol(at + strlen(text), NULL, 10);
}

/* Metrics and health of a machine without newsroom, summed over its workers. */
static void ops_role(void **state) {
    struct fixture *f = *state;
    static char page[1 << 20];
    start(f, ARGS("serve", "--roles=gateway,dispatcher", "--ops.listen=127.0.0.1:0"));
    int port = port_of(f, "ops");
    assert_non_null(strstr(http_get(port, "/healthz", page, sizeof(page)), "HTTP/1.1 200"));
    assert_non_null(strstr(http_get(port, "/readyz", page, sizeof(page)), "HTTP/1.1 200"));
    assert_non_null(strstr(page, "\"role\":\"dispatcher\",\"worker\":0,"));
    pid_t gateway = pid_of(f, "event=worker_started role=gateway");
    assert_int_equal(kill(gateway, SIGKILL), 0);
    wait_for(f, "event=worker_exited role=gateway");
    int64_t end_ms = clock_mono_ms() + WAIT_MS;
    while (!strstr(http_get(port, "/readyz", page, sizeof(page)), "\"restarts\":1") ||
           !strstr(page, "HTTP/1.1 200")) {
        assert_true(clock_mono_ms() < end_ms);
        sleep_ms(20);
    }
    assert_non_null(strstr(http_get(port, "/metrics", page, sizeof(page)),
                           "\ntocsin_worker_restarts_total 1\n"));
    assert_non_null(strstr(page, "\ntocsin_worker_ready{role=\"gateway\",slot=\"1\"} 1\n"));
    stop(f, SIGTERM);
}

static void assert_refuses(struct fixture *f, const char *const *args, int status,
                           const char *text) {
    f->pid = spawn(f, args);
    int ended = wait_end(f);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), status);
    if (!strstr(read_log(f), text)) {
        show_log(f);
        fail_msg("no \"%s\"", text);
    }
    forget_log(f);
}

static void says_why_it_does_not_start(void **state) {
    struct fixture *f = *state;
    char listen_arg[64];
    char expected[128];
    assert_refuses(f, ARGS("serve", "--redis.server=/nonexistent"), 2,
                   "redis.server: no program /nonexistent;");
    assert_refuses(f, ARGS("serve", "--redis.server=/bin/false"), 1,
                   "event=redis_failed program=/bin/false");
    assert_refuses(f, ARGS("serve", "--gateway.listen=nowhere"), 2,
                   "gateway.listen: \"nowhere\" is no address");
    assert_refuses(f, ARGS("serve", "--nope"), 2, "unknown option \"--nope\"");
    assert_refuses(f, ARGS("serve", "--serve.taxonomy=/nonexistent"), 2,
                   "serve.taxonomy: /nonexistent cannot be read");

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int on = 1;
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    (void)snprintf(listen_arg, sizeof(listen_arg), "--gateway.listen=127.0.0.1:%d",
                   ntohs(address.sin_port));
    (void)snprintf(expected, sizeof(expected),
                   "gateway.listen: 127.0.0.1:%d cannot be listened on: Address already in use",
                   ntohs(address.sin_port));
    assert_refuses(f, ARGS("serve", listen_arg), 1, expected);
    (void)close(fd);
}

static void check_config(void **state) {
    struct fixture *f = *state;
    assert_refuses(f, ARGS("check-config"), 0, "configuration ok\n");
    assert_refuses(f, ARGS("check-config", "--print"), 0, "\n[gateway]\n");
    assert_refuses(f, ARGS("check-config", "--log.level=loud", "--log.x=1"), 2,
                   "command line: log.x: unknown key\n"
                   "log.level: \"loud\" is none of debug, info, warn, error\n");
}

static void words(void **state) {
    struct fixture *f = *state;
    assert_refuses(f, ARGS("--version"), 0, "tocsin ");
    assert_refuses(f, ARGS("--help"), 0, "check-config");
    assert_refuses(f, ARGS("nope"), 2, "tocsin: no command \"nope\"\n");
    static const char *const commands[] = {"serve",   "check-config", "key",  "devices",
                                           "publish", "listen",       "stats"};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        char expected[64];
        (void)snprintf(expected, sizeof(expected), "Usage: tocsin %s", commands[i]);
        assert_refuses(f, ARGS(commands[i], "--help"), 0, expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(starts_and_stops_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_workers_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(killed_redis_comes_back_and_workers_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_outlives_a_killed_supervisor, setup, teardown),
        cmocka_unit_test_setup_teardown(a_state_dir_has_one_supervisor, setup, teardown),
        cmocka_unit_test_setup_teardown(a_worker_that_hangs_is_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_signal_ends_all_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(hangup_ends_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(roles_and_open_files, setup, teardown),
        cmocka_unit_test_setup_teardown(ops_role, setup, teardown),
        cmocka_unit_test_setup_teardown(says_why_it_does_not_start, setup, teardown),
        cmocka_unit_test_setup_teardown(check_config, setup, teardown),
        cmocka_unit_test_setup_teardown(words, setup, teardown),
    };
    return cmocka_run_group_tests_name("supervisor", tests, NULL, NULL);
}

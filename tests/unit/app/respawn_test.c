/* Back-off, the folder lock, the limit of open files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/open_files.h"
#include "app/respawn.h"
#include "app/state_dir.h"
#include "base/log.h"

static void delays_double_up_to_the_longest(void **state) {
    static const int64_t expected_ms[] = {100, 200, 400, 800, 1000, 1000};
    struct respawn r;
    int64_t now_ms = 5000;
    (void)state;
    respawn_init(&r, 100, 1000);
    assert_int_equal(respawn_wait_ms(&r, now_ms), 0);
    for (size_t i = 0; i < sizeof(expected_ms) / sizeof(expected_ms[0]); i++) {
        respawn_started(&r, now_ms);
        now_ms += 10;
        assert_int_equal(respawn_ended(&r, now_ms), expected_ms[i]);
        assert_int_equal(respawn_wait_ms(&r, now_ms), expected_ms[i]);
        now_ms += expected_ms[i] - 1;
        assert_int_equal(respawn_wait_ms(&r, now_ms), 1);
        assert_int_equal(respawn_wait_ms(&r, ++now_ms), 0);
    }
}

static void a_healthy_while_starts_over(void **state) {
    struct respawn r;
    (void)state;
    respawn_init(&r, 100, 1000);
    respawn_started(&r, 0);
    (void)respawn_ended(&r, 10);
    respawn_started(&r, 110);
    assert_int_equal(respawn_ended(&r, 120), 200);
    respawn_started(&r, 320);
    assert_int_equal(respawn_ended(&r, 320 + 999), 400);
    respawn_started(&r, 2000);
    assert_int_equal(respawn_ended(&r, 2000 + 1000), 100);
    respawn_started(&r, 3100);
    assert_int_equal(respawn_ended(&r, 3110), 200);
}

static void one_delay_only(void **state) {
    struct respawn r;
    (void)state;
    respawn_init(&r, 500, 500);
    for (int64_t now_ms = 0; now_ms < 5000; now_ms += 510) {
        respawn_started(&r, now_ms);
        assert_int_equal(respawn_ended(&r, now_ms + 10), 500);
    }
}

static void assert_mode(const char *path, mode_t mode) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

/* Tries the lock in another process: 0 taken, else the error; the text is checked there. */
static int lock_elsewhere(const char *path, int holder) {
    pid_t pid = fork();
    if (pid == 0) {
        struct buf problems;
        char expected[64];
        int fd = -1;
        buf_init(&problems, 4096);
        enum err err = state_dir_lock(path, &fd, &problems);
        (void)snprintf(expected, sizeof(expected), "is in use by process %d,", holder);
        if (err && !strstr(buf_str(&problems).p, expected)) {
            err = ERR_COUNT;
        }
        _exit((int)err);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void folder_is_made_and_locked(void **state) {
    char folder[] = "/tmp/state_test.XXXXXX";
    char path[64];
    char lock[80];
    struct buf problems;
    int fd = -1;
    (void)state;
    buf_init(&problems, 4096);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/state", folder);
    (void)snprintf(lock, sizeof(lock), "%s/lock", path);
    assert_int_equal(state_dir_lock(path, &fd, &problems), ERR_OK);
    assert_mode(path, 0700);
    assert_int_equal(lock_elsewhere(path, (int)getpid()), ERR_EXISTS);
    (void)close(fd);
    assert_int_equal(lock_elsewhere(path, (int)getpid()), ERR_OK);

    /* A folder that was there keeps its mode: it may be shared. */
    log_setup(LOG_FORMAT_KV, LOG_ERROR);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(state_dir_lock(path, &fd, &problems), ERR_OK);
    assert_mode(path, 0755);
    (void)close(fd);
    assert_int_equal(problems.n, 0);

    assert_int_equal(state_dir_lock("/nonexistent/state", &fd, &problems), ERR_IO);
    assert_int_equal(state_dir_lock("/dev/null", &fd, &problems), ERR_IO);
    assert_string_equal(
        buf_str(&problems).p,
        "serve.state_dir: /nonexistent/state cannot be made: No such file or directory\n"
        "serve.state_dir: /dev/null is not a folder\n");
    buf_finish(&problems);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void open_files(void **state) {
    struct rlimit before;
    struct rlimit now;
    (void)state;
    log_setup(LOG_FORMAT_KV, LOG_ERROR);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(before.rlim_max >= 1024);
    assert_int_equal(open_files_limit(1024), ERR_OK);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, 1024);
    assert_int_equal(now.rlim_max, before.rlim_max);
    assert_int_equal(open_files_limit(10000000), ERR_OK);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, before.rlim_max < 10000000 ? before.rlim_max : 10000000);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays_double_up_to_the_longest),
        cmocka_unit_test(a_healthy_while_starts_over),
        cmocka_unit_test(one_delay_only),
        cmocka_unit_test(folder_is_made_and_locked),
        cmocka_unit_test(open_files),
    };
    return cmocka_run_group_tests_name("respawn, state_dir, open_files", tests, NULL, NULL);
}

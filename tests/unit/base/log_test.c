/* Standard error becomes a pipe that the test reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static int saved_stderr;
static int reader;
static char output[1 << 20];

static int setup(void **state) {
    int fds[2];
    (void)state;
    if (pipe2(fds, O_CLOEXEC) != 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) != 0) {
        return -1;
    }
    saved_stderr = dup(STDERR_FILENO);
    reader = fds[0];
    (void)dup2(fds[1], STDERR_FILENO);
    (void)close(fds[1]);
    log_setup(LOG_FORMAT_KV, LOG_INFO);
    log_set_worker(NULL, -1);
    clock_advance_for_test(2000); /* past what an earlier test used of the limits */
    return 0;
}

static int teardown(void **state) {
    (void)state;
    (void)dup2(saved_stderr, STDERR_FILENO);
    (void)close(saved_stderr);
    (void)close(reader);
    return 0;
}

/* What was written since the last call. */
static const char *read_output(void) {
    size_t n = 0;
    for (;;) {
        ssize_t got = read(reader, output + n, sizeof(output) - 1 - n);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
    }
    output[n] = '\0';
    return output;
}

/* The part of the one line after the time stamp, without the line feed. */
static const char *read_line(const char *before) {
    char *text = (char *)(uintptr_t)read_output();
    size_t n = strlen(text);
    assert_true(n > 0);
    assert_int_equal(text[n - 1], '\n');
    text[n - 1] = '\0';
    assert_null(strchr(text, '\n'));
    assert_int_equal(strncmp(text, before, strlen(before)), 0);
    return text + strlen(before) + 24; /* the time */
}

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text; text++) {
        n += *text == '\n';
    }
    return n;
}

static void key_value_lines(void **state) {
    (void)state;
    log_info("plain");
    assert_string_equal(read_line("ts="), " level=info event=plain");
    log_error("fields", LOG_S("id", "a-1"), LOG_I("n", -5), LOG_ERR(ERR_TIMEOUT));
    assert_string_equal(read_line("ts="), " level=error event=fields id=a-1 n=-5 err=timeout");
    log_warn("quoting", LOG_S("a", "two words"), LOG_S("b", ""), LOG_S("c", "x=y"),
             LOG_S("d", "say \"no\"\n"), LOG_S("e", NULL), LOG_S("f", "عاجل"));
    assert_string_equal(read_line("ts="), " level=warn event=quoting a=\"two words\" b=\"\" "
                                          "c=\"x=y\" d=\"say \\\"no\\\"\\n\" e=\"\" f=عاجل");
    log_info("not_utf8", LOG_S("a", "x\xFFy"));
    assert_string_equal(read_line("ts="), " level=info event=not_utf8 a=\"x?y\"");
}

static void json_lines(void **state) {
    (void)state;
    log_setup(LOG_FORMAT_JSON, LOG_INFO);
    log_set_worker("gateway", 3);
    log_info("fields", LOG_S("id", "a\"b"), LOG_I("n", INT64_MIN), LOG_S("bad", "\xC3("));
    assert_string_equal(
        read_line("{\"ts\":\""),
        "\",\"level\":\"info\",\"event\":\"fields\",\"role\":\"gateway\","
        "\"worker\":3,\"id\":\"a\\\"b\",\"n\":-9223372036854775808,\"bad\":\"?(\"}");
}

static void worker_and_level(void **state) {
    (void)state;
    log_set_worker("newsroom", 0);
    log_debug("hidden");
    assert_string_equal(read_output(), "");
    log_setup(LOG_FORMAT_KV, LOG_DEBUG);
    log_debug("shown");
    assert_string_equal(read_line("ts="), " level=debug event=shown role=newsroom worker=0");
    log_setup(LOG_FORMAT_KV, LOG_ERROR);
    log_warn("hidden");
    assert_string_equal(read_output(), "");
}

static void level_names(void **state) {
    (void)state;
    enum log_level level;
    assert_int_equal(log_level_parse(STR("warn"), &level), ERR_OK);
    assert_int_equal(level, LOG_WARN);
    assert_int_equal(log_level_parse(STR("WARN"), &level), ERR_INVALID);
    assert_int_equal(log_level_parse(STR(""), &level), ERR_INVALID);
}

/* A loop must not fill the disk, nor hide other events while it runs. */
static void repeats_are_limited(void **state) {
    (void)state;
    clock_advance_for_test(1000 - clock_mono_ms() % 1000); /* a second just began */
    for (int i = 0; i < 2000; i++) {
        log_info("flood");
    }
    log_info("other");
    const char *text = read_output();
    assert_int_equal(count_lines(text), LOG_BURST + 1);
    assert_non_null(strstr(text, "event=other"));
    clock_advance_for_test(1000);
    log_info("flood");
    assert_string_equal(read_line("ts="), " level=info event=flood suppressed=1950");
    log_info("flood");
    assert_string_equal(read_line("ts="), " level=info event=flood");
}

static void long_lines_lose_their_fields(void **state) {
    static char text[LOG_LINE_MAX + 1];
    (void)state;
    memset(text, 'x', LOG_LINE_MAX);
    log_info("long", LOG_S("text", text));
    assert_string_equal(read_line("ts="), " level=info event=long truncated=1");
}

/* Nobody reads: the process must not wait, and says later what was lost. */
static void full_pipe_does_not_block(void **state) {
    static char text[1001];
    (void)state;
    memset(text, 'x', 1000);
    log_set_worker("gateway", 1);
    size_t written = 0;
    for (int second = 0; second < 5; second++) {
        clock_advance_for_test(1000 - clock_mono_ms() % 1000);
        for (int i = 0; i < LOG_BURST; i++) {
            log_info("stuck", LOG_S("text", text)); /* 250 lines of 1 KB into a pipe of 64 KB */
            written++;
        }
    }
    size_t arrived = count_lines(read_output());
    assert_in_range(arrived, 1, 64);
    log_info("after");
    char expected[100];
    (void)snprintf(expected, sizeof(expected),
                   " level=info event=after role=gateway worker=1 dropped=%zu", written - arrived);
    assert_string_equal(read_line("ts="), expected);
    log_info("after");
    assert_string_equal(read_line("ts="), " level=info event=after role=gateway worker=1");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(key_value_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(json_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(worker_and_level, setup, teardown),
        cmocka_unit_test_setup_teardown(level_names, setup, teardown),
        cmocka_unit_test_setup_teardown(repeats_are_limited, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines_lose_their_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(full_pipe_does_not_block, setup, teardown),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"

enum { PAGE_MAX = 1 << 20 };

static int setup(void **state) {
    (void)state;
    log_setup(LOG_FORMAT_KV, LOG_ERROR); /* health changes are logged */
    metrics_setup();
    return 0;
}

static char *page(void) {
    struct buf b;
    buf_init(&b, PAGE_MAX);
    metrics_render(&b);
    assert_int_equal(buf_check(&b), ERR_OK);
    return buf_take(&b);
}

static void assert_has_line(const char *text, const char *line) {
    size_t n = strlen(line);
    for (const char *at = text; (at = strstr(at, line)) != NULL; at++) {
        if ((at == text || at[-1] == '\n') && at[n] == '\n') {
            return;
        }
    }
    fail_msg("no line \"%s\"", line);
}

static void counters_and_gauges(void **state) {
    (void)state;
    metrics_add(M_WORKER_RESTARTS, 2);
    metrics_add(M_WORKER_RESTARTS, 3);
    metrics_set(M_HTTP_CONNECTIONS, 7);
    metrics_set(M_HTTP_CONNECTIONS, 4);
    assert_int_equal(metrics_read(M_WORKER_RESTARTS), 5);
    assert_int_equal(metrics_read(M_HTTP_CONNECTIONS), 4);
    char *text = page();
    assert_has_line(text, "tocsin_worker_restarts_total 5");
    assert_has_line(text, "tocsin_http_connections 4");
    assert_has_line(text, "tocsin_http_answers_total{code=\"2xx\"} 0");
    free(text);
}

static void histograms(void **state) {
    (void)state;
    metrics_observe_ms(M_GATEWAY_FANOUT, 0.4);
    metrics_observe_ms(M_GATEWAY_FANOUT, 1); /* a bound belongs to its bucket */
    metrics_observe_ms(M_GATEWAY_FANOUT, 1.5);
    metrics_observe_ms(M_GATEWAY_FANOUT, 60000);
    metrics_observe_ms(M_GATEWAY_FANOUT, 60001);
    metrics_observe_ms(M_GATEWAY_FANOUT, -5);
    metrics_observe_ms(M_GATEWAY_FANOUT, NAN);
    assert_int_equal(metrics_read(M_GATEWAY_FANOUT), 7);
    char *text = page();
    assert_has_line(text, "# TYPE tocsin_gateway_fanout_seconds histogram");
    assert_has_line(text, "tocsin_gateway_fanout_seconds_bucket{le=\"0.001\"} 4");
    assert_has_line(text, "tocsin_gateway_fanout_seconds_bucket{le=\"0.002\"} 5");
    assert_has_line(text, "tocsin_gateway_fanout_seconds_bucket{le=\"20\"} 5");
    assert_has_line(text, "tocsin_gateway_fanout_seconds_bucket{le=\"60\"} 6");
    assert_has_line(text, "tocsin_gateway_fanout_seconds_bucket{le=\"+Inf\"} 7");
    assert_has_line(text, "tocsin_gateway_fanout_seconds_sum 120.003900");
    assert_has_line(text, "tocsin_gateway_fanout_seconds_count 7");
    free(text);
}

/* One absurd value must not turn the sum negative for ever. */
static void absurd_observations(void **state) {
    (void)state;
    metrics_observe_ms(M_GATEWAY_FANOUT, INFINITY);
    metrics_observe_ms(M_GATEWAY_FANOUT, 1e300);
    char *text = page();
    assert_has_line(text, "tocsin_gateway_fanout_seconds_sum 172800.000000");
    assert_has_line(text, "tocsin_gateway_fanout_seconds_count 2");
    free(text);
}

static void in_child(int slot, uint64_t amount) {
    pid_t pid = fork();
    if (pid == 0) {
        metrics_attach(slot);
        metrics_add(M_WORKER_RESTARTS, amount);
        metrics_set(M_HTTP_CONNECTIONS, (int64_t)amount);
        metrics_observe_ms(M_GATEWAY_FANOUT, 5);
        metrics_set_health(slot == 1 ? "" : "Redis is away");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void workers_are_summed(void **state) {
    (void)state;
    metrics_set_worker(1, "gateway", 0, 0);
    metrics_set_worker(2, "newsroom", 0, 0);
    metrics_add(M_WORKER_RESTARTS, 1);
    in_child(1, 10);
    in_child(2, 20);
    assert_int_equal(metrics_read(M_WORKER_RESTARTS), 31);
    assert_int_equal(metrics_read(M_HTTP_CONNECTIONS), 30);
    assert_int_equal(metrics_read(M_GATEWAY_FANOUT), 2);
    char *text = page();
    assert_has_line(text, "tocsin_worker_ready{role=\"gateway\",slot=\"1\"} 1");
    assert_has_line(text, "tocsin_worker_ready{role=\"newsroom\",slot=\"2\"} 0");
    free(text);

    /* The worker of slot 1 ends: its counters stay (they never step back), its gauges go. */
    metrics_set_worker(1, "gateway", 0, 0);
    assert_int_equal(metrics_read(M_WORKER_RESTARTS), 31);
    assert_int_equal(metrics_read(M_HTTP_CONNECTIONS), 20);
    metrics_set_worker(1, "gateway", 4711, 1);
    in_child(1, 5);
    assert_int_equal(metrics_read(M_WORKER_RESTARTS), 36);
    assert_int_equal(metrics_read(M_HTTP_CONNECTIONS), 25);
}

static void health(void **state) {
    (void)state;
    struct worker_health h = metrics_health(3);
    assert_string_equal(h.role, "");
    metrics_set_worker(3, "dispatcher", 0, 0);
    metrics_set_worker(3, "dispatcher", 1234, 2);
    h = metrics_health(3);
    assert_string_equal(h.role, "dispatcher");
    assert_int_equal(h.pid, 1234);
    assert_int_equal(h.restarts, 2);
    assert_int_equal(h.ready, 0);
    assert_string_equal(h.reason, "not running");
    metrics_attach(3);
    metrics_set_health("");
    h = metrics_health(3);
    assert_int_equal(h.ready, 1);
    assert_string_equal(h.reason, "");
    assert_true(h.changed_ms > 0);
    char longer[300];
    memset(longer, 'r', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    metrics_set_health(longer);
    h = metrics_health(3);
    assert_int_equal(h.ready, 0);
    assert_int_equal(strlen(h.reason), METRICS_REASON_MAX - 1);
    metrics_set_worker(3, "", 0, 0);
    assert_string_equal(metrics_health(3).role, "");
}

static pid_t writer; /* 0 = none */

static int kill_writer(void **state) {
    (void)state;
    if (writer) {
        (void)kill(writer, SIGKILL);
        (void)waitpid(writer, NULL, 0);
        writer = 0;
    }
    return 0;
}

/* A reader never sees half of one reason and half of another, whenever the writer is interrupted:
 * it is stopped at random moments while the reader looks. */
static void health_is_whole(void **state) {
    static const char *const reasons[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                          "bbbbbbbbbbbbbbbbbbbb"};
    (void)state;
    metrics_set_worker(4, "gateway", 1, 0);
    writer = fork();
    if (writer == 0) {
        metrics_attach(4);
        for (unsigned i = 0;; i++) {
            metrics_set_health(reasons[i % 2]);
        }
    }
    while (metrics_health(4).changed_ms == 0) {
        (void)usleep(100);
    }
    unsigned seen = 0;
    for (int i = 0; i < 20000; i++) {
        if (i % 100 == 0) {
            (void)kill(writer, i % 200 ? SIGCONT : SIGSTOP);
            (void)usleep(i % 200 ? 200 : 0);
        }
        struct worker_health h = metrics_health(4);
        int which = h.reason[0] == 'b';
        assert_string_equal(h.reason, reasons[which]);
        seen |= 1U << which;
    }
    assert_int_equal(seen, 3);
    (void)kill_writer(state);
    metrics_set_worker(4, "gateway", 0, 1);
    assert_string_equal(metrics_health(4).reason, "not running");
}

static void assert_matches(const regex_t *re, const char *line) {
    if (regexec(re, line, 0, NULL, 0) != 0) {
        fail_msg("not in the text format: %s", line);
    }
}

static void assert_new(struct map *seen, struct str key) {
    static int mark;
    if (map_set(seen, key, &mark)) {
        fail_msg("twice: %.*s", STR_ARG(key));
    }
}

/* The text format 0.0.4: one HELP and one TYPE a name, before its samples; no series twice;
 * names of the usual form. Holds for every row anybody adds to the table. */
static void page_is_well_formed(void **state) {
    (void)state;
    regex_t help;
    regex_t type;
    regex_t sample;
    const char *name = "tocsin_[a-z0-9_]+";
    char pattern[300];
    (void)snprintf(pattern, sizeof(pattern), "^# HELP %s [^\\\\]+[^.\\\\]$", name);
    assert_int_equal(regcomp(&help, pattern, REG_EXTENDED), 0);
    (void)snprintf(pattern, sizeof(pattern),
                   "^# TYPE (%s_total counter|%s_seconds histogram|%s gauge)$", name, name, name);
    assert_int_equal(regcomp(&type, pattern, REG_EXTENDED), 0);
    (void)snprintf(
        pattern, sizeof(pattern),
        "^%s([{][a-z_]+=\"[^\"\\\\]*\"(,[a-z_]+=\"[^\"\\\\]*\")*[}])? -?[0-9]+([.][0-9]+)?$", name);
    assert_int_equal(regcomp(&sample, pattern, REG_EXTENDED), 0);

    struct map *names = map_create();
    struct map *series = map_create();
    char *text = page();
    char current[128] = "";
    char *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# HELP ", 7) == 0) {
            assert_matches(&help, line);
            assert_new(names, (struct str){line + 7, strcspn(line + 7, " ")});
            (void)snprintf(current, sizeof(current), "%.*s", (int)strcspn(line + 7, " "), line + 7);
        } else if (line[0] == '#') {
            assert_matches(&type, line);
            assert_int_equal(strncmp(line + 7, current, strlen(current)), 0);
        } else {
            assert_matches(&sample, line);
            assert_int_equal(strncmp(line, current, strlen(current)), 0);
            assert_new(series, (struct str){line, strcspn(line, " ")});
        }
    }
    assert_true(map_count(series) > 10);
    map_destroy(names);
    map_destroy(series);
    free(text);
    regfree(&help);
    regfree(&type);
    regfree(&sample);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counters_and_gauges, setup),
        cmocka_unit_test_setup(histograms, setup),
        cmocka_unit_test_setup(absurd_observations, setup),
        cmocka_unit_test_setup(workers_are_summed, setup),
        cmocka_unit_test_setup(health, setup),
        cmocka_unit_test_setup_teardown(health_is_whole, setup, kill_writer),
        cmocka_unit_test_setup(page_is_well_formed, setup),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/options.h"
#include "base/mem.h"

static const char usage[] = "Usage: tocsin test\n" OPTIONS_USAGE;

struct fixture {
    char folder[32];
    char path[64];
    int saved[3];
    char output[65536]; /* standard output and error since the last start_capture */
};

static void start_capture(struct fixture *f) {
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/output", f->folder);
    (void)fflush(NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    for (int i = 1; i <= 2; i++) {
        f->saved[i] = dup(i);
        (void)dup2(fd, i);
    }
    (void)close(fd);
}

static const char *end_capture(struct fixture *f) {
    (void)fflush(NULL);
    ssize_t n = pread(STDERR_FILENO, f->output, sizeof(f->output) - 1, 0);
    f->output[n < 0 ? 0 : n] = '\0';
    for (int i = 1; i <= 2; i++) {
        (void)dup2(f->saved[i], i);
        (void)close(f->saved[i]);
    }
    return f->output;
}

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f) {
        return -1;
    }
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/options_test.XXXXXX");
    if (!mkdtemp(f->folder)) {
        return -1;
    }
    (void)snprintf(f->path, sizeof(f->path), "%s/t.conf", f->folder);
    *state = f;
    return unsetenv("TOCSIN_CONFIG");
}

static int teardown(void **state) {
    struct fixture *f = *state;
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/output", f->folder);
    (void)unlink(path);
    (void)unlink(f->path);
    int status = rmdir(f->folder);
    free(f);
    return status;
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* options_parse of "test WORDS…"; what it printed is in f->output. */
static bool parse(struct fixture *f, struct options *o, const char *const *words, int *out_status) {
    static char *argv[32];
    int argc = 0;
    argv[argc++] = (char *)(uintptr_t) "test";
    for (; *words; words++) {
        argv[argc++] = (char *)(uintptr_t)*words;
    }
    *out_status = -1;
    start_capture(f);
    bool go_on = options_parse(o, argc, argv, usage, out_status);
    (void)end_capture(f);
    return go_on;
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void no_words(void **state) {
    struct options o;
    int status;
    assert_true(parse(*state, &o, WORDS(), &status));
    assert_string_equal(o.cfg->newsroom_listen, "127.0.0.1:8081");
    assert_int_equal(o.rest_count, 0);
    assert_null(options_next(&o));
    assert_true(options_done(&o));
    options_finish(&o);
}

static void later_sources_win(void **state) {
    struct fixture *f = *state;
    struct options o;
    int status;
    write_file(f->path, "[gateway]\nworkers = 2\n[newsroom]\nworkers = 2\n[log]\nlevel = warn\n"
                        "[dispatcher]\nworkers = 2\n");
    assert_int_equal(setenv("TOCSIN_GATEWAY_WORKERS", "3", 1), 0);
    assert_int_equal(setenv("TOCSIN_NEWSROOM_WORKERS", "3", 1), 0);
    assert_true(parse(f, &o, WORDS("--gateway.workers=4", "--config", f->path, "--roles=gateway"),
                      &status));
    assert_int_equal(unsetenv("TOCSIN_GATEWAY_WORKERS"), 0);
    assert_int_equal(unsetenv("TOCSIN_NEWSROOM_WORKERS"), 0);
    assert_int_equal(o.cfg->gateway_workers, 4);
    assert_int_equal(o.cfg->newsroom_workers, 3);
    assert_int_equal(o.cfg->dispatcher_workers, 2);
    assert_string_equal(o.cfg->serve_roles, "gateway");
    assert_string_equal(o.cfg->source, f->path);
    options_finish(&o);
}

static void which_file(void **state) {
    struct fixture *f = *state;
    struct options o;
    int status;
    write_file(f->path, "[gateway]\nworkers = 2\n");
    assert_int_equal(setenv("TOCSIN_CONFIG", f->path, 1), 0);
    assert_true(parse(f, &o, WORDS(), &status));
    assert_int_equal(o.cfg->gateway_workers, 2);
    options_finish(&o);
    assert_true(parse(f, &o, WORDS("--config=/dev/null"), &status));
    assert_int_equal(o.cfg->gateway_workers, 1);
    options_finish(&o);
    assert_int_equal(setenv("TOCSIN_CONFIG", "", 1), 0);
    assert_true(parse(f, &o, WORDS(), &status));
    assert_null(o.cfg->source);
    options_finish(&o);
    assert_false(parse(f, &o, WORDS("--config", "/nonexistent"), &status));
    assert_int_equal(status, APP_USAGE);
    assert_string_equal(f->output, "/nonexistent: cannot be read: No such file or directory\n");
    assert_false(parse(f, &o, WORDS("--config"), &status));
    assert_int_equal(status, APP_USAGE);
    assert_string_equal(f->output, "tocsin test: --config lacks its FILE\n");
}

static void every_problem_is_printed(void **state) {
    struct fixture *f = *state;
    struct options o;
    int status;
    write_file(f->path, "[gateway]\nworkers = none\n");
    assert_int_equal(setenv("TOCSIN_LOG_NOPE", "1", 1), 0);
    assert_false(parse(f, &o, WORDS("--config", f->path, "--nope.x=1", "--log.x=2"), &status));
    assert_int_equal(unsetenv("TOCSIN_LOG_NOPE"), 0);
    assert_int_equal(status, APP_USAGE);
    assert_non_null(strstr(f->output, "t.conf:2: gateway.workers: \"none\" is not"));
    assert_non_null(strstr(f->output, "environment TOCSIN_LOG_NOPE: no such key\n"));
    assert_non_null(strstr(f->output, "command line: nope.x: unknown section\n"));
    assert_non_null(strstr(f->output, "command line: log.x: unknown key\n"));
}

static void help(void **state) {
    struct fixture *f = *state;
    struct options o;
    int status;
    assert_false(parse(f, &o, WORDS("--nope.x=1", "--help"), &status));
    assert_int_equal(status, APP_OK);
    assert_string_equal(f->output, usage);
    assert_false(parse(f, &o, WORDS("-h"), &status));
    assert_int_equal(status, APP_OK);
    assert_true(parse(f, &o, WORDS("--", "--help"), &status));
    assert_string_equal(options_next(&o), "--help");
    options_finish(&o);
}

static void own_words(void **state) {
    struct fixture *f = *state;
    struct options o;
    int status;
    assert_true(parse(f, &o,
                      WORDS("create", "--name", "desk one", "--region=mena", "--log.level=warn",
                            "--region", "europe", "--json", "--json", "--n", "-5", "-", "last"),
                      &status));
    assert_string_equal(options_value(&o, "--region"), "mena");
    assert_string_equal(options_value(&o, "--region"), "europe");
    assert_null(options_value(&o, "--region"));
    assert_string_equal(options_value(&o, "--name"), "desk one");
    assert_string_equal(options_value(&o, "--n"), "-5");
    assert_true(options_switch(&o, "--json"));
    assert_false(options_switch(&o, "--json"));
    assert_string_equal(options_next(&o), "create");
    assert_string_equal(options_next(&o), "-");
    assert_string_equal(options_next(&o), "last");
    assert_null(options_next(&o));
    assert_true(options_done(&o));
    assert_string_equal(o.cfg->log_level, "warn");
    options_finish(&o);
}

/* A URL has dots after its "=": it is no configuration key. */
static void values_with_dots(void **state) {
    struct options o;
    int status;
    assert_true(parse(*state, &o, WORDS("--url=http://a.b/c", "--headline", "en=a.b"), &status));
    assert_string_equal(options_value(&o, "--url"), "http://a.b/c");
    assert_string_equal(options_value(&o, "--headline"), "en=a.b");
    assert_true(options_done(&o));
    options_finish(&o);
}

static void after_two_dashes_all_are_words(void **state) {
    struct options o;
    int status;
    assert_true(
        parse(*state, &o, WORDS("a", "--", "--json", "--name", "x", "--log.level=warn"), &status));
    assert_false(options_switch(&o, "--json"));
    assert_null(options_value(&o, "--name"));
    assert_string_equal(options_next(&o), "a");
    assert_string_equal(options_next(&o), "--json");
    assert_string_equal(options_next(&o), "--name");
    assert_string_equal(options_next(&o), "x");
    assert_string_equal(options_next(&o), "--log.level=warn");
    assert_null(options_next(&o));
    assert_true(options_done(&o));
    assert_string_equal(o.cfg->log_level, "info");
    options_finish(&o);
}

static void what_is_left_over(void **state) {
    struct fixture *f = *state;
    struct options o;
    int status;
    assert_true(parse(f, &o, WORDS("--jsno", "word", "--name"), &status));
    start_capture(f);
    assert_null(options_value(&o, "--name"));
    bool done = options_done(&o);
    (void)end_capture(f);
    assert_false(done);
    assert_string_equal(f->output, "tocsin test: --name lacks its value\n"
                                   "tocsin test: unknown option \"--jsno\"\n"
                                   "tocsin test: unexpected word \"word\"\n"
                                   "\"tocsin test --help\" shows the usage.\n");
    options_finish(&o);
}

static void taxonomy(void **state) {
    struct fixture *f = *state;
    char folder[4096];
    struct config *cfg = config_create();
    assert_non_null(getcwd(folder, sizeof(folder)));
    assert_int_equal(chdir(f->folder), 0); /* the default path does not exist here */
    struct taxonomy *t = options_load_taxonomy(cfg);
    assert_int_equal(chdir(folder), 0);
    assert_non_null(t);
    assert_true(taxonomy_find(t, DIM_REGION, STR("mena")) >= 0);
    taxonomy_destroy(t);

    free(cfg->serve_taxonomy);
    cfg->serve_taxonomy = mem_strdup("/nonexistent/t.json");
    start_capture(f);
    t = options_load_taxonomy(cfg);
    (void)end_capture(f);
    assert_null(t);
    assert_non_null(strstr(f->output, "serve.taxonomy: /nonexistent/t.json cannot be read\n"));

    write_file(f->path, "{\"regions\": 5}");
    free(cfg->serve_taxonomy);
    cfg->serve_taxonomy = mem_strdup(f->path);
    start_capture(f);
    t = options_load_taxonomy(cfg);
    (void)end_capture(f);
    assert_null(t);
    assert_non_null(strstr(f->output, "is faulty\n"));
    config_destroy(cfg);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_words, setup, teardown),
        cmocka_unit_test_setup_teardown(later_sources_win, setup, teardown),
        cmocka_unit_test_setup_teardown(which_file, setup, teardown),
        cmocka_unit_test_setup_teardown(every_problem_is_printed, setup, teardown),
        cmocka_unit_test_setup_teardown(help, setup, teardown),
        cmocka_unit_test_setup_teardown(own_words, setup, teardown),
        cmocka_unit_test_setup_teardown(values_with_dots, setup, teardown),
        cmocka_unit_test_setup_teardown(after_two_dashes_all_are_words, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_left_over, setup, teardown),
        cmocka_unit_test_setup_teardown(taxonomy, setup, teardown),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}

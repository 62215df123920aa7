#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/config_check.h"
#include "base/config_file.h"

enum { TEXT_MAX = 1 << 20 };

struct fixture {
    char folder[32];
    char path[64];
    struct config *cfg;
    struct buf problems;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/config_test.XXXXXX");
    if (!f || !mkdtemp(f->folder)) {
        return -1;
    }
    (void)snprintf(f->path, sizeof(f->path), "%s/t.conf", f->folder);
    f->cfg = config_create();
    buf_init(&f->problems, TEXT_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    (void)unlink(f->path);
    (void)rmdir(f->folder);
    config_destroy(f->cfg);
    buf_finish(&f->problems);
    free(f);
    return 0;
}

static enum err read_text(struct fixture *f, struct str text) {
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
    assert_int_equal(fclose(file), 0);
    buf_clear(&f->problems);
    return config_read_file(f->cfg, f->path, &f->problems);
}

/* The problems are exactly these lines, each after "FILE:". */
static void assert_problems(struct fixture *f, const char *const *lines, size_t count) {
    struct buf expected;
    buf_init(&expected, TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&expected, "%s:%s\n", f->path, lines[i]);
    }
    assert_string_equal(buf_str(&f->problems).p, buf_str(&expected).p);
    buf_finish(&expected);
}

static void assert_fault(struct fixture *f, const char *text, const char *line) {
    assert_int_equal(read_text(f, str_of(text)), ERR_INVALID);
    assert_problems(f, &line, 1);
}

static void defaults(void **state) {
    struct fixture *f = *state;
    assert_string_equal(f->cfg->newsroom_listen, "127.0.0.1:8081");
    assert_int_equal(f->cfg->newsroom_workers, 1);
    assert_null(f->cfg->source);
    assert_int_equal(config_check(f->cfg, &f->problems), ERR_OK);
    assert_int_equal(f->problems.n, 0);
    config_destroy(NULL);
}

static void a_good_file(void **state) {
    struct fixture *f = *state;
    assert_int_equal(read_text(f, STR("\xEF\xBB\xBF# comment\n"
                                      "; another\n"
                                      "\n"
                                      "  [gateway]  \r\n"
                                      "  listen = [::]:9000  ; public\n"
                                      "workers=4\r\n"
                                      "[redis]\n"
                                      "url = redis://user:a=b:c@host:6379/2\n"
                                      "[gateway]\n"
                                      "[log]\n"
                                      "format =\n"
                                      "level=debug")), /* no line feed at the end */
                     ERR_OK);
    assert_int_equal(f->problems.n, 0);
    assert_string_equal(f->cfg->gateway_listen, "[::]:9000");
    assert_int_equal(f->cfg->gateway_workers, 4);
    assert_string_equal(f->cfg->redis_url, "redis://user:a=b:c@host:6379/2");
    assert_string_equal(f->cfg->log_format, "");
    assert_string_equal(f->cfg->log_level, "debug");
    assert_string_equal(f->cfg->source, f->path);
    assert_int_equal(f->cfg->newsroom_workers, 1);
    assert_int_equal(read_text(f, STR("")), ERR_OK);
}

static void each_kind_of_fault(void **state) {
    struct fixture *f = *state;
    assert_fault(f, "[gateway]\nworkers = 0\n",
                 "2: gateway.workers: \"0\" is not a whole number from 1 to 32 (processes)");
    assert_fault(f, "[gateway]\nworkers = 33\n",
                 "2: gateway.workers: \"33\" is not a whole number from 1 to 32 (processes)");
    assert_fault(f, "[gateway]\n\nworkers = 2x\n",
                 "3: gateway.workers: \"2x\" is not a whole number from 1 to 32 (processes)");
    assert_fault(f, "[gateway]\nworkers =\n",
                 "2: gateway.workers: \"\" is not a whole number from 1 to 32 (processes)");
    assert_fault(f, "[gateway]\nworkers = 99999999999999999999\n",
                 "2: gateway.workers: \"99999999999999999999\" is not a whole number from 1 to 32 "
                 "(processes)");
    assert_fault(f, "[gateway]\nlisten = a\x01z\n",
                 "2: gateway.listen: the value has a control character");
    assert_fault(f, "[gateway]\nlisten = \xC3(\n", "2: gateway.listen: the value is not UTF-8");
    assert_fault(f, "# a\n[gateway]\nwokers = 1\n", "3: gateway.wokers: unknown key");
    assert_fault(f, "[gateway]\nWorkers = 1\n", "2: gateway.Workers: unknown key");
    assert_fault(f, "[gatway]\nworkers = 1\nlisten = x\n", "1: [gatway]: unknown section");
    assert_fault(f, "[gatway]\n", "1: [gatway]: unknown section");
    assert_fault(f, "[]\n", "1: []: unknown section");
    assert_fault(f, "[gateway\nworkers = 1\n", "1: a section without its closing bracket");
    assert_fault(f, "workers = 1\n[gateway]\n", "1: a key before any [section]");
    assert_fault(f, "[gateway]\nworkers\n", "2: neither [section] nor key = value");
    assert_fault(f, "[gateway]\nworkers: 1\n", "2: neither [section] nor key = value");
    assert_fault(f, "[gateway]\nworkers = 2\n[log]\n[gateway]\nworkers = 3\n",
                 "5: gateway.workers: already set on line 2");
    assert_int_equal(f->cfg->gateway_workers, 2);
    assert_int_equal(read_text(f, STR("[gateway]\nlisten = a\0b\n")), ERR_INVALID);
    assert_problems(f, (const char *const[]){"2: a NUL byte"}, 1);
}

/* inih alone would read the tail of a long line as a line of its own. */
static void long_lines(void **state) {
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, TEXT_MAX);
    buf_puts(&text, "# ");
    for (int i = 0; i < 1000; i++) {
        buf_puts(&text, "comment = 1 ");
    }
    buf_puts(&text, "\n[gateway]\nlisten = ");
    for (int i = 0; i < 300; i++) {
        buf_puts(&text, "x");
    }
    buf_puts(&text, "\nworkers = 3\n");
    assert_int_equal(read_text(f, buf_str(&text)), ERR_INVALID);
    assert_problems(f, (const char *const[]){"3: longer than 198 bytes"}, 1);
    assert_int_equal(f->cfg->gateway_workers, 3);
    buf_clear(&text);
    buf_puts(&text, "[gateway]\nlisten = ");
    while (text.n < 10 + 198) {
        buf_putc(&text, 'x');
    }
    buf_putc(&text, '\n');
    assert_int_equal(read_text(f, buf_str(&text)), ERR_OK);
    assert_int_equal(strlen(f->cfg->gateway_listen), 189);
    buf_finish(&text);
}

static void all_faults_at_once(void **state) {
    struct fixture *f = *state;
    assert_int_equal(read_text(f, STR("x = 1\n[log]\nlevle = info\n[nope]\na = 1\nnothing\n"
                                      "[gateway]\nworkers = no\nlisten = 1\n")),
                     ERR_INVALID);
    assert_problems(
        f,
        (const char *const[]){
            "1: a key before any [section]", "3: log.levle: unknown key",
            "4: [nope]: unknown section", "6: neither [section] nor key = value",
            "8: gateway.workers: \"no\" is not a whole number from 1 to 32 (processes)"},
        5);
    assert_string_equal(f->cfg->gateway_listen, "1"); /* what is right is taken */
    assert_int_equal(f->cfg->gateway_workers, 1);
}

static void unreadable_files(void **state) {
    struct fixture *f = *state;
    assert_int_equal(config_read_file(f->cfg, "/nonexistent/t.conf", &f->problems), ERR_NOT_FOUND);
    assert_string_equal(buf_str(&f->problems).p,
                        "/nonexistent/t.conf: cannot be read: No such file or directory\n");
    buf_clear(&f->problems);
    assert_int_equal(config_read_file(f->cfg, f->folder, &f->problems), ERR_INVALID);
    assert_non_null(strstr(buf_str(&f->problems).p, "cannot be read"));
}

static void environment(void **state) {
    struct fixture *f = *state;
    static const char *const good[] = {"PATH=/bin",
                                       "TOCSIN_GATEWAY_WORKERS=5",
                                       "TOCSIN_NEWSROOM_BODY_MAX_BYTES= 2048 ",
                                       "TOCSIN_REDIS_URL=redis://h/1?a=b",
                                       "TOCSIN_LOG_FORMAT=",
                                       "TOCSIN_KEY=tcn_x",
                                       "TOCSIN_URL=http://h",
                                       "TOCSIN_CONFIG=/x",
                                       "TOCSIN_PORT=tcp://10.0.0.1:80",
                                       "TOCSIN_PORT_80_TCP_ADDR=10.0.0.1",
                                       "TOCSIN_SERVICE_HOST=10.0.0.1",
                                       "TOCSIN=x",
                                       "TOCSIN_NOTHING",
                                       NULL};
    assert_int_equal(config_read_env(f->cfg, (char *const *)good, &f->problems), ERR_OK);
    assert_string_equal(buf_str(&f->problems).p, "");
    assert_int_equal(f->cfg->gateway_workers, 5);
    assert_int_equal(f->cfg->newsroom_body_max_bytes, 2048);
    assert_string_equal(f->cfg->redis_url, "redis://h/1?a=b");
    assert_string_equal(f->cfg->log_format, "");

    static const char *const bad[] = {"TOCSIN_GATEWAY_WORKERS=99", "TOCSIN_GATEWY_WORKERS=1",
                                      "TOCSIN_GATEWAY_WORKERSX=1", "TOCSIN_LOG_LEVEL=warn", NULL};
    assert_int_equal(config_read_env(f->cfg, (char *const *)bad, &f->problems), ERR_INVALID);
    assert_string_equal(
        buf_str(&f->problems).p,
        "environment TOCSIN_GATEWAY_WORKERS: gateway.workers: \"99\" is not a whole number from 1 "
        "to 32 (processes)\n"
        "environment TOCSIN_GATEWY_WORKERS: no such key\n"
        "environment TOCSIN_GATEWAY_WORKERSX: no such key\n");
    assert_string_equal(f->cfg->log_level, "warn");
}

static void set_one(void **state) {
    struct fixture *f = *state;
    assert_int_equal(
        config_set(f->cfg, "command line", STR("gateway"), STR("workers"), STR("3"), &f->problems),
        ERR_OK);
    assert_int_equal(f->cfg->gateway_workers, 3);
    assert_int_equal(
        config_set(f->cfg, "command line", STR("gateway"), STR("nope"), STR("3"), &f->problems),
        ERR_INVALID);
    assert_int_equal(
        config_set(f->cfg, "command line", STR("nope"), STR(""), STR("3"), &f->problems),
        ERR_INVALID);
    /* A value that config_print could not write so that it is read back. */
    assert_int_equal(
        config_set(f->cfg, "command line", STR("redis"), STR("url"), STR("a ;b"), &f->problems),
        ERR_INVALID);
    assert_string_equal(buf_str(&f->problems).p,
                        "command line: gateway.nope: unknown key\n"
                        "command line: nope.: unknown section\n"
                        "command line: redis.url: the value has \" ;\", which starts a comment in "
                        "the file\n");
    assert_true(config_has_section(STR("gateway")));
    assert_false(config_has_section(STR("gatewa")));
}

/* The first key of that kind in the table, whatever its name. */
static void booleans(void **state) {
    struct fixture *f = *state;
    const char *section = NULL;
    const char *key = NULL;
    const bool *value = NULL;
#define CONFIG_INT(section, key, def, min, max, unit, help)
#define CONFIG_STR(section, key, def, help)
#define CONFIG_BOOL(s, k, def, help) section = #s, key = #k, value = &f->cfg->s##_##k;
#include "base/config_table.h"
#undef CONFIG_INT
#undef CONFIG_STR
#undef CONFIG_BOOL
    assert_non_null(value); /* the table has a key of this kind */
    static const char *const yes[] = {"true", "yes", "On", "1"};
    static const char *const no[] = {"false", "No", "off", "0"};
    static const char *const bad[] = {"", "2", "tru", "y"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(
            config_set(f->cfg, "o", str_of(section), str_of(key), str_of(yes[i]), &f->problems),
            ERR_OK);
        assert_true(*value);
        assert_int_equal(
            config_set(f->cfg, "o", str_of(section), str_of(key), str_of(bad[i]), &f->problems),
            ERR_INVALID);
        assert_true(*value);
        assert_int_equal(
            config_set(f->cfg, "o", str_of(section), str_of(key), str_of(no[i]), &f->problems),
            ERR_OK);
        assert_false(*value);
    }
    assert_non_null(strstr(buf_str(&f->problems).p, "\"tru\" is neither true nor false"));
}

static void set(struct fixture *f, const char *section, const char *key, const char *value) {
    assert_int_equal(
        config_set(f->cfg, "test", str_of(section), str_of(key), str_of(value), &f->problems),
        ERR_OK);
}

/* One rule broken at a time, then all right again. */
static void rules_over_keys(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *section;
        const char *key;
        const char *value;
        const char *problem;
    } rows[] = {
        {"serve", "roles", "gateway,nope",
         "serve.roles: \"nope\" is none of newsroom, gateway, dispatcher\n"},
        {"serve", "roles", "", "serve.roles: \"\" is none of newsroom, gateway, dispatcher\n"},
        {"serve", "roles", "gateway, gateway", "serve.roles: \"gateway\" stands twice\n"},
        {"serve", "state_dir", "", "serve.state_dir: empty\n"},
        {"serve", "restart_min_ms", "6000", "serve.restart_min_ms: above serve.restart_max_ms\n"},
        {"log", "format", "xml", "log.format: \"xml\" is neither kv nor json\n"},
        {"log", "level", "loud", "log.level: \"loud\" is none of debug, info, warn, error\n"},
        {"redis", "url", "http://x", "redis.url: starts with neither redis:// nor unix://\n"},
        {"redis", "server", "", "redis.server: empty, but the embedded Redis needs a program\n"},
        {"gateway", "heartbeat_s", "60",
         "gateway.idle_timeout_s: not above gateway.heartbeat_s, so quiet readers would be closed "
         "between two heartbeats\n"},
        {"gateway", "drain_s", "20",
         "gateway.drain_s: not below serve.stop_timeout_s, so the drain would be cut short\n"},
        {"apns", "url", "http://a", "apns.url: \"http://a\" does not start with https://\n"},
        {"fcm", "url", "", "fcm.url: \"\" does not start with https://\n"},
        {"fcm", "token_url", "x", "fcm.token_url: \"x\" does not start with https://\n"},
        {"apns", "key_file", "/dev/null",
         "apns.key_id: empty, but apns.key_file is set\n"
         "apns.team_id: empty, but apns.key_file is set\n"
         "apns.topic: empty, but apns.key_file is set\n"},
        {"redis", "password_file", "/nonexistent",
         "redis.password_file: /nonexistent cannot be read: No such file or directory\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        config_destroy(f->cfg);
        f->cfg = config_create();
        buf_clear(&f->problems);
        set(f, rows[i].section, rows[i].key, rows[i].value);
        assert_int_equal(config_check(f->cfg, &f->problems), ERR_INVALID);
        assert_string_equal(buf_str(&f->problems).p, rows[i].problem);
    }
}

static void worker_counts(void **state) {
    struct fixture *f = *state;
    set(f, "newsroom", "workers", "8");
    set(f, "gateway", "workers", "32");
    set(f, "dispatcher", "workers", "23");
    assert_int_equal(config_check(f->cfg, &f->problems), ERR_OK);
    set(f, "dispatcher", "workers", "24");
    assert_int_equal(config_check(f->cfg, &f->problems), ERR_INVALID);
    assert_string_equal(buf_str(&f->problems).p, "gateway.workers: more than 63 workers in all\n");
    buf_clear(&f->problems);
    set(f, "dispatcher", "workers", "0");
    assert_int_equal(config_check(f->cfg, &f->problems), ERR_OK);
    set(f, "serve", "roles", "dispatcher");
    assert_int_equal(config_check(f->cfg, &f->problems), ERR_INVALID);
}

static void roles(void **state) {
    struct fixture *f = *state;
    assert_int_equal(config_roles(f->cfg), 7);
    set(f, "serve", "roles", " dispatcher , newsroom ");
    assert_int_equal(config_roles(f->cfg), CONFIG_ROLE_NEWSROOM | CONFIG_ROLE_DISPATCHER);
}

static char *print(const struct config *cfg) {
    struct buf b;
    buf_init(&b, TEXT_MAX);
    config_print(cfg, &b);
    assert_int_equal(buf_check(&b), ERR_OK);
    return buf_take(&b);
}

/* What is printed reads back as the same, every key once. */
static void print_reads_back(void **state) {
    struct fixture *f = *state;
    set(f, "gateway", "workers", "7");
    set(f, "redis", "url", "unix:///run/redis.sock");
    char *text = print(f->cfg);
    struct config *changed = f->cfg;
    f->cfg = config_create();
    assert_int_equal(read_text(f, str_of(text)), ERR_OK);
    assert_string_equal(buf_str(&f->problems).p, "");
    char *again = print(f->cfg);
    assert_string_equal(text, again);
    assert_int_equal(f->cfg->gateway_workers, 7);
    assert_non_null(strstr(text, "# processes, 1 to 32, default 1\nworkers = 7\n"));
    free(text);
    free(again);
    config_destroy(changed);
}

/* Regenerate with: tocsin check-config --print > config/tocsin.conf */
static void shipped_file_is_up_to_date(void **state) {
    struct fixture *f = *state;
    const char *source = getenv("TEST_SOURCE_DIR");
    char path[4096];
    assert_non_null(source); /* ctest sets it */
    (void)snprintf(path, sizeof(path), "%s/config/tocsin.conf", source);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *shipped = calloc(1, TEXT_MAX);
    assert_non_null(shipped);
    assert_true(fread(shipped, 1, TEXT_MAX - 1, file) > 0);
    (void)fclose(file);
    char *text = print(f->cfg);
    assert_string_equal(shipped, text);
    free(text);
    free(shipped);
}

/* Rows of a section stand together, names fit inih, defaults are inside their ranges. */
static void the_table_itself(void **state) {
    struct fixture *f = *state;
    char *text = print(f->cfg);
    const char *section = "";
#define CONFIG_CHECK_ROW(s, k, help)                                                               \
    assert_in_range(strlen(#s), 1, 40);                                                            \
    assert_in_range(strlen(#k), 1, 48);                                                            \
    assert_true(strlen(help) > 0);                                                                 \
    section = #s;
#define CONFIG_INT(s, k, def, min, max, unit, help)                                                \
    CONFIG_CHECK_ROW(s, k, help)                                                                   \
    assert_true((min) <= (def) && (def) <= (max));                                                 \
    assert_true(strlen(unit) > 0);
#define CONFIG_BOOL(s, k, def, help) CONFIG_CHECK_ROW(s, k, help)
#define CONFIG_STR(s, k, def, help)  CONFIG_CHECK_ROW(s, k, help)
#include "base/config_table.h"
#undef CONFIG_INT
#undef CONFIG_BOOL
#undef CONFIG_STR
    assert_true(config_has_section(str_of(section)));
    struct str rest = str_of(text);
    struct str line;
    while (str_split(&rest, '\n', &line)) {
        if (line.n && line.p[0] == '[') {
            char header[64];
            (void)snprintf(header, sizeof(header), "\n%.*s\n", STR_ARG(line));
            assert_null(strstr(line.p + line.n, header));
        }
        if (line.n && line.p[0] != '#') {
            assert_in_range(line.n, 0, 198); /* what config_read_file takes */
        }
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(a_good_file, setup, teardown),
        cmocka_unit_test_setup_teardown(each_kind_of_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(all_faults_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(unreadable_files, setup, teardown),
        cmocka_unit_test_setup_teardown(environment, setup, teardown),
        cmocka_unit_test_setup_teardown(set_one, setup, teardown),
        cmocka_unit_test_setup_teardown(booleans, setup, teardown),
        cmocka_unit_test_setup_teardown(rules_over_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(worker_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(roles, setup, teardown),
        cmocka_unit_test_setup_teardown(print_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(shipped_file_is_up_to_date, setup, teardown),
        cmocka_unit_test_setup_teardown(the_table_itself, setup, teardown),
    };
    return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}

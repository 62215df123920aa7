#include "app/cli_store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "base/log.h"

enum { CONNECT_WAIT_MS = 5000 };

/* A person at a terminal wants the result; connections are told of only on demand. */
static void be_quiet(const struct config *cfg) {
    if (strcmp(cfg->log_level, "info") == 0) {
        log_setup(strcmp(cfg->log_format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_KV,
                  LOG_ERROR);
    }
}

enum err cli_store_open(struct cli_store *c, const struct config *cfg) {
    be_quiet(cfg);
    (void)signal(SIGPIPE, SIG_IGN); /* a Redis that goes away is an error, not the end */
    if (uv_loop_init(&c->loop) != 0) {
        (void)fputs("tocsin: no event loop: too few file descriptors\n", stderr);
        return ERR_IO;
    }
    enum err err = store_create(&c->loop, cfg, &c->store);
    if (err) {
        (void)fputs("tocsin: redis.url or redis.password_file cannot be used\n", stderr);
        (void)uv_loop_close(&c->loop);
        return err;
    }
    err = store_wait_up(c->store, &c->loop, CONNECT_WAIT_MS);
    if (err) {
        char *url = store_url(cfg);
        (void)fprintf(stderr, "tocsin: no Redis at %s within %d s%s\n",
                      cfg->redis_url[0] ? "redis.url" : url, CONNECT_WAIT_MS / 1000,
                      cfg->redis_url[0] ? "" : "; is \"tocsin serve\" running here?");
        free(url);
        cli_store_close(c);
    }
    return err;
}

void cli_store_close(struct cli_store *c) {
    store_destroy(c->store);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&c->loop);
}

void cli_store_run(struct cli_store *c, const bool *done) {
    while (!*done) {
        (void)uv_run(&c->loop, UV_RUN_ONCE);
    }
}

int cli_run_verb(int argc, char **argv, const char *usage, cli_verb_fn *run) {
    /* The verb is a word like an id or a file, and words are read after the flags: take it out
     * first. */
    const char *verb = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    struct options o;
    int status;
    if (verb) {
        argv[1] = argv[0];
        argc--;
        argv++;
    }
    if (!options_parse(&o, argc, argv, usage, &status)) {
        return status;
    }
    struct taxonomy *t = options_load_taxonomy(o.cfg);
    if (!t) {
        status = APP_USAGE;
    } else if (!verb) {
        (void)fputs(usage, stderr);
        status = APP_USAGE;
    } else {
        status = run(&o, verb, t);
    }
    taxonomy_destroy(t);
    options_finish(&o);
    return status;
}

#pragma once
/* What the commands on Redis share: they run one verb, with a loop and a store of their own. */
#include <uv.h>

#include "app/options.h"
#include "base/config.h"
#include "model/taxonomy.h"
#include "store/store.h"

struct cli_store {
    uv_loop_t loop;
    struct store *store;
};

/* Connects; on failure says why on standard error, and nothing is left to close. */
MUST_CHECK enum err cli_store_open(struct cli_store *c, const struct config *cfg);
void cli_store_close(struct cli_store *c);
/* Runs the loop until `*done` is true. */
void cli_store_run(struct cli_store *c, const bool *done);

/* `verb` is not NULL; returns an enum app_exit. */
typedef int cli_verb_fn(struct options *o, const char *verb, const struct taxonomy *t);
/* Runs "COMMAND VERB …": options and taxonomy around `run`. */
int cli_run_verb(int argc, char **argv, const char *usage, cli_verb_fn *run);

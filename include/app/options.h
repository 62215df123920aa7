#pragma once
/* What every command understands: --config FILE, --section.key=VALUE, --roles=LIST (short for
 * --serve.roles), --help. The configuration is read in this order, later wins: defaults, file
 * (--config, else TOCSIN_CONFIG, else none), TOCSIN_<SECTION>_<KEY>, flags. What is left of the
 * command line is kept for the command:
 *
 *     struct options o;
 *     int status;
 *     if (!options_parse(&o, argc, argv, usage, &status)) {
 *         return status;
 *     }
 *     const char *name = options_value(&o, "--name");
 *     bool force = options_switch(&o, "--force");
 *     const char *id = options_next(&o);
 *     if (!options_done(&o)) { ... APP_USAGE }
 *     ...
 *     options_finish(&o);
 */
#include <stdbool.h>

#include "base/config.h"
#include "model/taxonomy.h"

/* For the end of a command's usage text. */
#define OPTIONS_USAGE                                                                              \
    "Common options:\n"                                                                            \
    "  --config FILE          read FILE (default: $TOCSIN_CONFIG, else built-in values)\n"         \
    "  --section.key=VALUE    set one key of the configuration, e.g. --log.level=debug\n"          \
    "  --help                 show this text\n"

enum { OPTIONS_PROBLEMS_MAX_BYTES = 1 << 20 };

struct options {
    struct config *cfg; /* owned; see above */
    const char *usage;  /* borrowed */
    const char *command;
    char **rest; /* owned array of borrowed words: flags and words of the command */
    int rest_count;
    bool faulty; /* a flag lacked its value; options_done tells */
};

/* Reads the common options out of argv (argv[0] is the command word) and loads the configuration;
 * sets up the log by it. False: the command ends now with *out_status, because of --help
 * (`usage` was printed) or of problems (all printed); nothing is left to finish. */
bool options_parse(struct options *o, int argc, char **argv, const char *usage, int *out_status);
/* The same for a command that has more to check: faults of the configuration are appended to
 * `problems`, a line each, instead of printed, and do not end the command. */
bool options_collect(struct options *o, int argc, char **argv, const char *usage,
                     struct buf *problems, int *out_status);
void options_finish(struct options *o);

/* Takes the first "--name VALUE" or "--name=VALUE" out of the rest and returns the value
 * (borrowed from argv), NULL when absent. Call again for a flag that may be repeated. */
const char *options_value(struct options *o, const char *name);
/* Takes every "--name" out of the rest; true when there was one. */
bool options_switch(struct options *o, const char *name);
/* Takes the next word that is not a flag; NULL when none is left. Take the flags first. "-" is a
 * word; after "--" everything is. */
const char *options_next(struct options *o);
/* False after printing what is left over, unknown or lacks its value. */
bool options_done(struct options *o);

/* The taxonomy the configuration names; the built-in copy when serve.taxonomy is its default and
 * that file does not exist. NULL after printing what is wrong. */
struct taxonomy *options_load_taxonomy(const struct config *cfg);
/* The same, with what is wrong appended to `problems`. */
struct taxonomy *options_find_taxonomy(const struct config *cfg, struct buf *problems);

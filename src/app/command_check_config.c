#include "app/command_check_config.h"

#include <stdio.h>

#include "app/app.h"
#include "app/options.h"
#include "app/preflight.h"

static const char usage[] =
    "Usage: tocsin check-config [--print] [OPTIONS]\n"
    "\n"
    "Reads the configuration as \"tocsin serve\" would and says all that is wrong with it, with\n"
    "file, line and key. Ends with 0 when it is right, else with 2.\n"
    "\n"
    "  --print                write the whole configuration with every key explained; for the\n"
    "                         built-in values: tocsin check-config --print > config/tocsin.conf\n"
    "\n" OPTIONS_USAGE;

int command_check_config(int argc, char **argv) {
    struct options o;
    struct buf problems;
    int status;
    buf_init(&problems, OPTIONS_PROBLEMS_MAX_BYTES);
    if (!options_collect(&o, argc, argv, usage, &problems, &status)) {
        return status;
    }
    bool print = options_switch(&o, "--print");
    status = APP_USAGE;
    if (!options_done(&o)) {
        goto out;
    }
    /* A value refused while reading left the one before it, which is checked all the same: one
     * run tells everything. */
    enum err err = preflight_check(o.cfg, &problems, NULL);
    (void)fputs(buf_str(&problems).p, stderr);
    if (err || problems.n) {
        goto out;
    }
    if (print) {
        struct buf text;
        buf_init(&text, OPTIONS_PROBLEMS_MAX_BYTES);
        config_print(o.cfg, &text);
        (void)fputs(buf_str(&text).p, stdout);
        buf_finish(&text);
    } else {
        (void)puts("configuration ok");
    }
    status = fflush(stdout) == 0 ? APP_OK : APP_FAILED;
out:
    buf_finish(&problems);
    options_finish(&o);
    return status;
}

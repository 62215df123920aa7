#include "app/command_devices.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/cli_store.h"
#include "app/devices_transfer.h"
#include "app/options.h"

static const char usage[] =
    "Usage: tocsin devices import FILE|- [OPTIONS]\n"
    "       tocsin devices export [FILE] [OPTIONS]\n"
    "       tocsin devices check [--repair] [OPTIONS]\n"
    "\n"
    "The device registry as NDJSON: one device a line, as PUT /v1/devices/{id} takes it, with\n"
    "\"id\" and, if wanted, \"secret\" or \"secret_sha256\" and \"registered_at\". A device that "
    "is\n"
    "there already is replaced, so an import can be repeated. A device imported without a secret\n"
    "belongs to the first app that registers it with one. \"-\" is standard input; export writes "
    "to\n"
    "standard output unless a FILE is named.\n"
    "\n"
    "check compares the records with the bitmaps, indexes and counts made of them, and says what\n"
    "does not fit; --repair makes it fit. Devices may register meanwhile. It ends with 0 when all\n"
    "is well, or was repaired.\n"
    "\n" OPTIONS_USAGE;

static int run_import(struct options *o, const struct taxonomy *t) {
    const char *path = options_next(o);
    struct cli_store c;
    if (!path) {
        (void)fputs("tocsin devices import: which FILE? \"-\" is standard input\n", stderr);
        return APP_USAGE;
    }
    if (!options_done(o)) {
        return APP_USAGE;
    }
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!file) {
        (void)fprintf(stderr, "tocsin devices: %s: %m\n", path);
        return APP_FAILED;
    }
    bool ok = cli_store_open(&c, o->cfg) == ERR_OK;
    if (ok) {
        ok = devices_import(&c, t, file);
        cli_store_close(&c);
    }
    if (file != stdin) {
        (void)fclose(file);
    }
    return ok ? APP_OK : APP_FAILED;
}

/* Tokens are in it: for the owner's eyes only. */
static FILE *open_private(const char *path) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

static int run_export(struct options *o, const struct taxonomy *t) {
    const char *path = options_next(o);
    struct cli_store c;
    if (!options_done(o)) {
        return APP_USAGE;
    }
    if (cli_store_open(&c, o->cfg)) {
        return APP_FAILED;
    }
    FILE *file = path ? open_private(path) : stdout;
    if (!file) {
        (void)fprintf(stderr, "tocsin devices: %s: %m\n", path);
        cli_store_close(&c);
        return APP_FAILED;
    }
    bool ok = devices_export(&c, t, file);
    ok = fflush(file) == 0 && ok;
    if (file != stdout) {
        ok = fclose(file) == 0 && ok;
    }
    cli_store_close(&c);
    return ok ? APP_OK : APP_FAILED;
}

static int run_check(struct options *o) {
    struct cli_store c;
    bool repair = options_switch(o, "--repair");
    if (!options_done(o)) {
        return APP_USAGE;
    }
    if (cli_store_open(&c, o->cfg)) {
        return APP_FAILED;
    }
    bool ok = devices_check(&c, repair);
    cli_store_close(&c);
    return ok ? APP_OK : APP_FAILED;
}

static int run(struct options *o, const char *verb, const struct taxonomy *t) {
    if (strcmp(verb, "import") == 0) {
        return run_import(o, t);
    }
    if (strcmp(verb, "export") == 0) {
        return run_export(o, t);
    }
    if (strcmp(verb, "check") == 0) {
        return run_check(o);
    }
    (void)fprintf(stderr, "tocsin devices: no \"%s\"; import, export or check\n", verb);
    return APP_USAGE;
}

int command_devices(int argc, char **argv) {
    return cli_run_verb(argc, argv, usage, run);
}

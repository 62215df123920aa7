#include "app/app.h"

#include <stdio.h>
#include <string.h>

#include "app/command_audit.h"
#include "app/command_check_config.h"
#include "app/command_control.h"
#include "app/command_devices.h"
#include "app/command_drafts.h"
#include "app/command_key.h"
#include "app/command_listen.h"
#include "app/command_preview.h"
#include "app/command_publish.h"
#include "app/command_serve.h"
#include "app/command_stats.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"serve", command_serve, "run the service: supervisor, workers, embedded Redis"},
    {"check-config", command_check_config, "say what is wrong with the configuration, or print it"},
    {"key", command_key, "create, list and revoke newsroom API keys"},
    {"devices", command_devices, "import and export the device registry"},
    {"publish", command_publish, "post an alert"},
    {"preview", command_preview, "whom an alert would reach"},
    {"listen", command_listen, "follow alerts live in the terminal"},
    {"stats", command_stats, "what became of an alert"},
    {"abort", command_abort, "stop the pushes of an alert"},
    {"drafts", command_drafts, "what is not sent yet: list, show, cancel"},
    {"push", command_push, "pause and resume pushes"},
    {"audit", command_audit, "who did what, and whether the record is whole"},
};
enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void print_usage(FILE *to) {
    (void)fputs("Usage: tocsin COMMAND [OPTIONS]\n\nCommands:\n", to);
    for (int i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(to, "  %-14s %s\n", commands[i].name, commands[i].summary);
    }
    (void)fputs(
        "\n\"tocsin COMMAND --help\" tells more. \"tocsin --version\" prints the version.\n", to);
}

int app_main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    for (int i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(word, commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (strcmp(word, "--version") == 0) {
        (void)puts("tocsin " TOCSIN_VERSION);
        return APP_OK;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        print_usage(stdout);
        return APP_OK;
    }
    if (word[0]) {
        (void)fprintf(stderr, "tocsin: no command \"%s\"\n", word);
    }
    print_usage(stderr);
    return APP_USAGE;
}

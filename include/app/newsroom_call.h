#pragma once
/* One call of a command to the newsroom listener, with the key of whoever runs it. */
#include "app/options.h"
#include "base/str.h"

/* For the end of the usage of such a command. */
#define NEWSROOM_CALL_USAGE                                                                        \
    "  --newsroom URL         the newsroom listener (default: $TOCSIN_URL, else "                  \
    "newsroom.listen)\n"                                                                           \
    "  --key-file FILE        API key (default: $TOCSIN_KEY)\n"                                    \
    "  --tls.ca_file=FILE     authorities to trust for an https:// URL (default: the system's)\n"  \
    "\n" OPTIONS_USAGE

/* Who calls whom; all borrowed. */
struct newsroom_call {
    const char *command;
    const struct config *cfg;
    const char *newsroom; /* --newsroom, or NULL */
    const char *key_file; /* --key-file, or NULL */
};
/* Calls `show` with a 200's body, else says what is wrong. `body` NULL = GET, else POST of what may
 * be repeated. Returns an enum app_exit. */
int newsroom_call(const struct newsroom_call *call, const char *path, const char *body,
                  void show(struct str json));
/* The body as it is. */
void newsroom_call_print(struct str json);

#pragma once
/* redis://[user[:password]@]host[:port][/db], redis://[::1]:6379, unix:///path[?db=n]. User and
 * password may be percent-encoded (RFC 3986 section 2.1). */
#include "base/err.h"

struct redis_url {
    char *host; /* owned, or NULL with a path */
    char *port; /* owned decimal */
    char *path; /* owned path of a unix socket, or NULL */
    char *user; /* owned, or NULL */
    char *password;
    unsigned db;
};

/* ERR_INVALID for anything else; `out_url` is written only on success. */
MUST_CHECK enum err redis_url_parse(const char *text, struct redis_url *out_url);
/* Frees the members and wipes the password. */
void redis_url_finish(struct redis_url *url);

#pragma once
/* The files of a web page that the program carries in itself: tocsin_embed_assets() of
 * src/embed.cmake makes a `struct assets` of a folder. */
#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "net/http_server.h"

struct asset {
    const char *path; /* "/app.js"; index.html of the folder has "/" */
    const char *content_type;
    const char *etag; /* with its quotes; names the bytes */
    struct str bytes;
};

struct assets {
    const struct asset *files;
    size_t count;
};

/* What the pages may do beyond the strictest (Content Security Policy Level 3). */
struct asset_policy {
    const char *connect_src; /* whom scripts may call, e.g. "'self'" */
    /* Files whose path begins so are loaded by pages of other sites, too; NULL = none. They and
     * whoever is between keep those for `shared_max_age_s`; all else is asked for each time (304).
     */
    const char *shared_prefix;
    int shared_max_age_s;
};

/* `routes`, then a GET for each file with `handler`, as one array; free() it. Shared files may be
 * read by pages of other origins. */
struct http_route *assets_add_routes(const struct assets *a, const struct asset_policy *policy,
                                     http_handler_fn *handler, const struct http_route *routes,
                                     size_t route_count, size_t *out_count);
/* Answers 200, or 304 when the client names the bytes it has (RFC 9110 section 13.1.2). */
void assets_answer(const struct assets *a, const struct asset_policy *policy,
                   struct http_request *rq);

#include "net/assets.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static bool is_shared(const struct asset_policy *policy, const char *path) {
    return policy->shared_prefix && str_starts(str_of(path), str_of(policy->shared_prefix));
}

struct http_route *assets_add_routes(const struct assets *a, const struct asset_policy *policy,
                                     http_handler_fn *handler, const struct http_route *routes,
                                     size_t route_count, size_t *out_count) {
    struct http_route *all = mem_zalloc(route_count + a->count, sizeof(*all));
    memcpy(all, routes, route_count * sizeof(*all));
    for (size_t i = 0; i < a->count; i++) {
        const char *path = a->files[i].path;
        all[route_count + i] = (struct http_route){
            .method = "GET", .pattern = path, .handler = handler, .cors = is_shared(policy, path)};
    }
    *out_count = route_count + a->count;
    return all;
}

static const struct asset *find(const struct assets *a, struct str path) {
    for (size_t i = 0; i < a->count; i++) {
        if (str_eq(str_of(a->files[i].path), path)) {
            return &a->files[i];
        }
    }
    return NULL;
}

/* Is `etag` in the value of If-None-Match? The weak comparison: a proxy that compressed the bytes
 * marks our tag with W/. */
static bool names_etag(struct str header, const char *etag) {
    struct str rest = header;
    struct str item;
    while (rest.n && str_split(&rest, ',', &item)) {
        item = str_trim(item);
        if (str_starts(item, STR("W/"))) {
            item = (struct str){item.p + 2, item.n - 2};
        }
        if (str_eq(item, str_of(etag)) || str_eq(item, STR("*"))) {
            return true;
        }
    }
    return false;
}

static void add_cache_control(struct http_request *rq, const struct asset_policy *policy,
                              bool shared) {
    char text[64] = "no-cache";
    if (shared) {
        (void)snprintf(text, sizeof(text), "public, max-age=%d", policy->shared_max_age_s);
        http_add_header(rq, "Cross-Origin-Resource-Policy", "cross-origin");
    }
    http_add_header(rq, "Cache-Control", text);
}

static void add_policy(struct http_request *rq, const struct asset_policy *policy) {
    struct buf b;
    buf_init(&b, 1024);
    buf_puts(&b, "default-src 'none'; script-src 'self'; style-src 'self'; "
                 "img-src 'self' data: https:; font-src 'self'; manifest-src 'self'; connect-src ");
    buf_puts(&b, policy->connect_src);
    buf_puts(&b, "; base-uri 'none'; form-action 'self'; frame-ancestors 'none'");
    http_add_header(rq, "Content-Security-Policy", b.p);
    http_add_header(rq, "Referrer-Policy", "strict-origin-when-cross-origin");
    http_add_header(rq, "Permissions-Policy", "camera=(), geolocation=(), microphone=()");
    buf_finish(&b);
}

void assets_answer(const struct assets *a, const struct asset_policy *policy,
                   struct http_request *rq) {
    const struct asset *asset = find(a, http_path(rq));
    if (!asset) { /* written with escapes that the router undid */
        http_problem(rq, 404, NULL, "There is nothing here.", NULL);
        return;
    }
    http_add_header(rq, "ETag", asset->etag);
    add_cache_control(rq, policy, is_shared(policy, asset->path));
    if (names_etag(http_header(rq, "If-None-Match"), asset->etag)) {
        http_answer(rq, 304, NULL, (struct str){NULL, 0});
        return;
    }
    add_policy(rq, policy);
    http_answer(rq, 200, asset->content_type, asset->bytes);
}

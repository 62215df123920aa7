#include "gateway/routes.h"

#include "gateway/http_reply.h"
#include "net/assets.h"
#include "reader_assets.h"

#define HANDLER(name, call, part)                                                                  \
    static void name(void *user, struct http_request *rq) {                                        \
        const struct routes *r = user;                                                             \
        call(&r->part, rq);                                                                        \
    }
HANDLER(get_events, sse_open, sse)
HANDLER(get_alerts, longpoll_open, longpoll)
HANDLER(put_device, device_api_put, devices)
HANDLER(get_device, device_api_get, devices)
HANDLER(delete_device, device_api_delete, devices)
HANDLER(post_receipts, receipt_api_post, receipts)
#undef HANDLER

static void get_taxonomy(void *user, struct http_request *rq) {
    enum { TAXONOMY_BYTES_MAX = 1 << 20 };
    const struct routes *r = user;
    struct buf b;
    buf_init(&b, TAXONOMY_BYTES_MAX);
    taxonomy_put_json(r->taxonomy, &b);
    http_add_header(rq, "Cache-Control", "public, max-age=300");
    http_answer(rq, 200, "application/json", buf_str(&b));
    buf_finish(&b);
}

static void get_healthz(void *user, struct http_request *rq) {
    (void)user;
    http_reply_json(rq, STR("{\"ok\":true}"));
}

static void get_readyz(void *user, struct http_request *rq) {
    const struct routes *r = user;
    const char *reason = r->not_ready(r->user);
    struct buf b;
    buf_init(&b, 1024);
    buf_printf(&b, "{\"ready\":%s,\"reasons\":[", *reason ? "false" : "true");
    if (*reason) {
        buf_put_json(&b, str_of(reason));
    }
    buf_puts(&b, "]}");
    http_add_header(rq, "Cache-Control", "no-store");
    http_answer(rq, *reason ? 503 : 200, "application/json", buf_str(&b));
    buf_finish(&b);
}

/* The readers' page, and the client that other sites' pages load from here. Browsers of before 2022
 * do not take "'self'" for WebSocket, and its port may be another one (TLS). */
static const struct asset_policy reader_policy = {
    .connect_src = "'self' ws: wss:", .shared_prefix = "/tocsin", .shared_max_age_s = 600};

static void get_page(void *user, struct http_request *rq) {
    (void)user;
    assets_answer(&reader_assets, &reader_policy, rq);
}

struct http_route *routes_make(const struct routes *r, size_t *out_count) {
    const struct http_route routes[] = {
        {.method = "GET", .pattern = "/v1/events", .handler = get_events, .cors = true},
        {.method = "GET", .pattern = "/v1/alerts", .handler = get_alerts, .cors = true},
        {.method = "PUT",
         .pattern = "/v1/devices/{id}",
         .handler = put_device,
         .body_max_bytes = r->device_body_max,
         .cors = r->own_pages},
        {.method = "GET",
         .pattern = "/v1/devices/{id}",
         .handler = get_device,
         .cors = r->own_pages},
        {.method = "DELETE",
         .pattern = "/v1/devices/{id}",
         .handler = delete_device,
         .cors = r->own_pages},
        {.method = "POST",
         .pattern = "/v1/receipts",
         .handler = post_receipts,
         .body_max_bytes = receipt_api_body_max(r->receipts.batch_max),
         .cors = r->own_pages},
        {.method = "GET", .pattern = "/v1/taxonomy", .handler = get_taxonomy, .cors = true},
        {.method = "GET", .pattern = "/healthz", .handler = get_healthz},
        {.method = "GET", .pattern = "/readyz", .handler = get_readyz},
    };
    return assets_add_routes(&reader_assets, &reader_policy, get_page, routes,
                             sizeof(routes) / sizeof(routes[0]), out_count);
}

#include "newsroom/newsroom.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "console_assets.h"
#include "net/http_port.h"
#include "net/ops_routes.h"
#include "net/tls_server.h"
#include "newsroom/audit_api.h"
#include "newsroom/audit_watch.h"
#include "newsroom/breaker.h"
#include "newsroom/call.h"
#include "newsroom/control.h"
#include "newsroom/draft_moves.h"
#include "newsroom/drafts.h"
#include "newsroom/ingest.h"
#include "newsroom/preview.h"
#include "newsroom/reads.h"
#include "newsroom/scheduler.h"
#include "newsroom/session.h"
#include "newsroom/stats_stream.h"

enum {
    TICK_MS = 100,           /* how often readiness is looked at, and the end of a stop */
    STOP_WAIT_MAX_MS = 10000 /* requests under way get so long, then they are cut */
};

struct newsroom {
    struct room room; /* what the handlers share */
    uv_loop_t *loop;
    struct tls_server *tls;     /* NULL: no TLS port */
    struct http_port *ports[2]; /* plain, TLS; NULL when not wanted */
    int open_ports;             /* during a stop: those not yet gone */
    int parts;                  /* likewise during newsroom_destroy, with the timer */
    struct audit_watch *audit_watch;
    struct scheduler *scheduler;
    uv_timer_t tick;
    uint64_t stop_by_ms; /* 0 = not stopping */
    void (*on_stopped)(void *user);
    void *stopped_user;
};

/* --- routes --- */

#define HANDLER(name, call)                                                                        \
    static void name(void *user, struct http_request *rq) {                                        \
        struct newsroom *n = user;                                                                 \
        call(&n->room, rq);                                                                        \
    }
HANDLER(post_head, ingest_head)
HANDLER(post_alert, ingest_post)
HANDLER(post_update, ingest_update)
HANDLER(post_retract, ingest_retract)
HANDLER(post_preview, preview_post)
HANDLER(get_alerts, reads_list)
HANDLER(get_alert, reads_alert)
HANDLER(get_revisions, reads_revisions)
HANDLER(get_stats, reads_stats)
HANDLER(get_stats_stream, stats_stream_get)
HANDLER(get_taxonomy, reads_taxonomy)
HANDLER(control_opened, control_head)
HANDLER(post_abort, control_abort)
HANDLER(post_breaker, breaker_reset)
HANDLER(get_push, control_read)
HANDLER(post_pause, control_pause)
HANDLER(post_resume, control_resume)
HANDLER(get_audit, audit_api_list)
HANDLER(get_audit_verdict, audit_api_verify)
HANDLER(post_session, session_post)
HANDLER(get_session, session_get)
HANDLER(delete_session, session_delete)
HANDLER(draft_opened, drafts_head)
HANDLER(post_draft, drafts_post)
HANDLER(get_drafts, drafts_list)
HANDLER(get_draft, drafts_get)
HANDLER(put_draft, drafts_put)
HANDLER(delete_draft, drafts_delete)
HANDLER(move_opened, draft_moves_head)
HANDLER(send_draft, draft_moves_send)
HANDLER(approve_draft, draft_moves_approve)
HANDLER(reject_draft, draft_moves_reject)
HANDLER(cancel_draft, draft_moves_cancel)
#undef HANDLER

/* The console asks nobody but the listener it came from. */
static const struct asset_policy console_policy = {.connect_src = "'self'"};

static void get_console(void *user, struct http_request *rq) {
    (void)user;
    assets_answer(&console_assets, &console_policy, rq);
}

/* POST and PUT take a body. */
static const struct http_route routes[] = {
    {.method = "POST", .pattern = "/v1/alerts", .handler = post_alert, .on_head = post_head},
    {.method = "POST",
     .pattern = "/v1/alerts:preview",
     .handler = post_preview,
     .on_head = post_head},
    {.method = "POST",
     .pattern = "/v1/alerts/{id}:update",
     .handler = post_update,
     .on_head = post_head},
    {.method = "POST",
     .pattern = "/v1/alerts/{id}:retract",
     .handler = post_retract,
     .on_head = post_head},
    {.method = "GET", .pattern = "/v1/alerts", .handler = get_alerts},
    {.method = "GET", .pattern = "/v1/alerts/{id}/revisions", .handler = get_revisions},
    {.method = "GET", .pattern = "/v1/alerts/{id}", .handler = get_alert},
    {.method = "GET", .pattern = "/v1/alerts/{id}/stats", .handler = get_stats},
    {.method = "GET", .pattern = "/v1/alerts/{id}/stats/stream", .handler = get_stats_stream},
    {.method = "POST",
     .pattern = "/v1/alerts/{id}:abort",
     .handler = post_abort,
     .on_head = control_opened},
    {.method = "GET", .pattern = "/v1/push", .handler = get_push},
    {.method = "POST",
     .pattern = "/v1/push:pause",
     .handler = post_pause,
     .on_head = control_opened},
    {.method = "POST",
     .pattern = "/v1/push:resume",
     .handler = post_resume,
     .on_head = control_opened},
    {.method = "POST", .pattern = "/v1/drafts", .handler = post_draft, .on_head = draft_opened},
    {.method = "GET", .pattern = "/v1/drafts", .handler = get_drafts},
    {.method = "GET", .pattern = "/v1/drafts/{id}", .handler = get_draft},
    {.method = "PUT", .pattern = "/v1/drafts/{id}", .handler = put_draft, .on_head = draft_opened},
    {.method = "DELETE", .pattern = "/v1/drafts/{id}", .handler = delete_draft},
    {.method = "POST",
     .pattern = "/v1/drafts/{id}:send",
     .handler = send_draft,
     .on_head = move_opened},
    {.method = "POST",
     .pattern = "/v1/drafts/{id}:approve",
     .handler = approve_draft,
     .on_head = move_opened},
    {.method = "POST",
     .pattern = "/v1/drafts/{id}:reject",
     .handler = reject_draft,
     .on_head = move_opened},
    {.method = "POST",
     .pattern = "/v1/drafts/{id}:cancel",
     .handler = cancel_draft,
     .on_head = move_opened},
    {.method = "GET", .pattern = "/v1/audit", .handler = get_audit},
    {.method = "GET", .pattern = "/v1/audit:verify", .handler = get_audit_verdict},
    {.method = "POST", .pattern = "/v1/session", .handler = post_session},
    {.method = "GET", .pattern = "/v1/session", .handler = get_session},
    {.method = "DELETE", .pattern = "/v1/session", .handler = delete_session},
    {.method = "POST",
     .pattern = "/v1/keys/{id}:reset-breaker",
     .handler = post_breaker,
     .on_head = control_opened},
    {.method = "GET", .pattern = "/v1/taxonomy", .handler = get_taxonomy},
    {.method = "GET", .pattern = "/metrics", .handler = ops_metrics},
    {.method = "GET", .pattern = "/healthz", .handler = ops_healthz},
    {.method = "GET", .pattern = "/readyz", .handler = ops_readyz},
};

static enum err open_port(struct newsroom *n, const char *address, struct tls_server *tls,
                          struct http_port **out_port) {
    const struct config *cfg = n->room.cfg;
    const struct http_port_options options = {
        .listener = {.address = address},
        .server = {.header_max_bytes = cfg->newsroom_header_max_bytes,
                   .request_timeout_s = cfg->newsroom_request_timeout_s,
                   .connections_max = (unsigned)cfg->newsroom_connections_max,
                   .tls = tls,
                   .handshake_timeout_s = cfg->newsroom_handshake_timeout_s,
                   .handshakes_max = (unsigned)cfg->newsroom_connections_max},
    };
    size_t count;
    struct http_route *all = assets_add_routes(&console_assets, &console_policy, get_console,
                                               routes, sizeof(routes) / sizeof(routes[0]), &count);
    for (size_t i = 0; i < count; i++) {
        if (all[i].method[0] == 'P') {
            all[i].body_max_bytes = cfg->newsroom_body_max_bytes;
        }
    }
    enum err err = http_port_create(n->loop, &options, all, count, n, out_port);
    free(all);
    return err;
}

static enum err open_ports(struct newsroom *n) {
    const struct config *cfg = n->room.cfg;
    enum err err = ERR_OK;
    if (cfg->newsroom_listen[0]) {
        err = open_port(n, cfg->newsroom_listen, NULL, &n->ports[0]);
    }
    if (err == ERR_OK && cfg->newsroom_tls_listen[0]) {
        err = tls_server_create(cfg, cfg->newsroom_tls_cert_file, cfg->newsroom_tls_key_file,
                                &n->tls);
        if (err == ERR_OK) {
            err = open_port(n, cfg->newsroom_tls_listen, n->tls, &n->ports[1]);
        }
    }
    return err;
}

/* --- stopping --- */

static void on_port_gone(void *user) {
    struct newsroom *n = user;
    if (--n->open_ports == 0 && n->on_stopped) {
        n->on_stopped(n->stopped_user);
    }
}

static void close_ports(struct newsroom *n) {
    uv_timer_stop(&n->tick);
    n->open_ports = (n->ports[0] != NULL) + (n->ports[1] != NULL);
    for (int i = 0; i < 2; i++) {
        struct http_port *port = n->ports[i];
        n->ports[i] = NULL;
        http_port_destroy(port, on_port_gone, n);
    }
}

static bool is_busy(const struct newsroom *n) {
    return http_port_request_count(n->ports[0]) + http_port_request_count(n->ports[1]) > 0;
}

static void on_tick(uv_timer_t *timer) {
    struct newsroom *n = timer->data;
    stats_streams_tick(n->room.streams);
    audit_watch_tick(n->audit_watch);
    if (!n->stop_by_ms) {
        metrics_set_health(store_is_up(n->room.store) ? "" : "no connection to Redis");
    } else if (!is_busy(n) || uv_now(n->loop) >= n->stop_by_ms) {
        close_ports(n);
    }
}

void newsroom_stop(struct newsroom *n, void (*on_stopped)(void *user), void *user) {
    n->on_stopped = on_stopped;
    n->stopped_user = user;
    n->stop_by_ms = uv_now(n->loop) + STOP_WAIT_MAX_MS;
    metrics_set_health("stopping");
    stats_streams_stop(n->room.streams);
    scheduler_stop(n->scheduler);
    http_port_drain(n->ports[0]);
    http_port_drain(n->ports[1]);
    uv_timer_start(&n->tick, on_tick, 0, TICK_MS);
}

/* --- life --- */

static enum err open_all(struct newsroom *n) {
    const struct config *cfg = n->room.cfg;
    enum err err = store_create(n->loop, cfg, &n->room.store);
    if (err == ERR_OK) {
        n->room.keys = key_cache_create(n->room.store, n->room.t, cfg->newsroom_key_cache_s * 1000);
        n->room.rate = key_rate_create(cfg->newsroom_key_rate_per_min, cfg->newsroom_key_burst);
        n->room.sign_ins =
            key_rate_create(cfg->newsroom_sign_in_per_min, cfg->newsroom_sign_in_burst);
        n->scheduler = scheduler_create(n->loop, &n->room);
        err = open_ports(n);
    }
    return err;
}

enum err newsroom_create(uv_loop_t *loop, const struct config *cfg, const struct taxonomy *t,
                         struct newsroom **out_newsroom) {
    struct newsroom *n = mem_zalloc(1, sizeof(*n));
    *n = (struct newsroom){.room = {.cfg = cfg, .t = t}, .loop = loop};
    n->room.streams = stats_streams_create(&n->room);
    n->audit_watch = audit_watch_create(&n->room);
    uv_timer_init(loop, &n->tick);
    n->tick.data = n;
    enum err err = open_all(n);
    if (err != ERR_OK) {
        log_error("newsroom_failed", LOG_ERR(err));
        newsroom_destroy(n);
        return err;
    }
    metrics_set_health("no connection to Redis");
    uv_timer_start(&n->tick, on_tick, 0, TICK_MS);
    *out_newsroom = n;
    return ERR_OK;
}

void newsroom_reload(struct newsroom *n) {
    if (n->tls) {
        tls_server_reload(n->tls);
    }
}

/* Connections that end late still use the identity. */
static void part_gone(void *user) {
    struct newsroom *n = user;
    if (--n->parts == 0) {
        tls_server_destroy(n->tls);
        free(n);
    }
}

static void on_tick_closed(uv_handle_t *handle) {
    part_gone(handle->data);
}

void newsroom_destroy(struct newsroom *n) {
    if (!n) {
        return;
    }
    n->on_stopped = NULL;
    n->parts = 1 + (n->ports[0] != NULL) + (n->ports[1] != NULL);
    for (int i = 0; i < 2; i++) {
        /* Its waiting requests are told now; it calls no handler of ours afterwards. */
        http_port_destroy(n->ports[i], part_gone, n);
    }
    if (n->scheduler) {
        scheduler_stop(n->scheduler);
    }
    store_destroy(n->room.store); /* ends what is pending, so before what that uses */
    scheduler_destroy(n->scheduler);
    stats_streams_destroy(n->room.streams);
    audit_watch_destroy(n->audit_watch);
    key_cache_destroy(n->room.keys);
    key_rate_destroy(n->room.rate);
    key_rate_destroy(n->room.sign_ins);
    uv_close((uv_handle_t *)&n->tick, on_tick_closed);
}

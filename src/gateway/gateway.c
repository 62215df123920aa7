/* The assembly: listener → WebSocket edge or HTTP server; bus → hub; hub → readers. */
#include "gateway/gateway.h"

#include <malloc.h>
#include <stdlib.h>

#include "auth/token_gate.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/hub.h"
#include "gateway/reader_count.h"
#include "gateway/routes.h"
#include "gateway/slack.h"
#include "gateway/ws_edge.h"
#include "net/http_port.h"
#include "net/http_server.h"
#include "net/listener.h"
#include "net/tls_server.h"
#include "store/alert_store.h"
#include "store/bus.h"
#include "store/store.h"

enum {
    STOP_GRACE_MS = 3000,   /* after the drain window: Close frames and last answers */
    LAST_LINE_MS = 1000,    /* for a request line that was on its way when the drain began */
    OWN_DESCRIPTORS = 1024, /* Redis, timers, logs, listeners, what is being refused */
};

struct gateway {
    uv_loop_t *loop;
    const struct config *cfg;
    const struct taxonomy *taxonomy;
    struct token_gate *gate; /* NULL = no token is needed */
    struct origins *origins;
    struct store *store;
    struct bus *bus;
    struct hub *hub;
    struct ws_edge *edge;
    struct http_server *http;
    struct address_set *trusted;   /* proxies */
    struct listener *listener;     /* NULL: no plain port */
    struct tls_server *tls;        /* NULL: no TLS port */
    struct listener *tls_listener; /* WebSocket over TLS; NULL: not wanted */
    struct http_port *tls_port;    /* the rest; NULL: not wanted */
    struct routes routes;          /* what they need */
    struct slack slack;
    struct reader_count *reader_count;
    uv_timer_t tick;
    uv_idle_t work;
    bool draining;
    int64_t stop_deadline_ms;
    void (*on_stopped)(void *user);
    void *stopped_user;
    int parts; /* still letting go during gateway_destroy */
};

/* --- health --- */

static const char *not_ready_reason(const struct gateway *g) {
    if (g->draining) {
        return "draining";
    }
    if (!g->hub->settled) {
        return "the alert log is not known yet";
    }
    return g->hub->live ? "" : "the bus is not proven alive";
}

static void update_health(const struct gateway *g) {
    metrics_set_health(not_ready_reason(g));
}

/* --- bus --- */

static void on_bus_entry(void *user, const struct log_entry *entry) {
    struct gateway *g = user;
    hub_on_entry(g->hub, entry);
}

static void on_bus_reset(void *user, const struct position *head, uint64_t oldest_seq,
                         const struct epoch_past *past, int past_count) {
    struct gateway *g = user;
    hub_on_reset(g->hub, head, oldest_seq, past, past_count);
    update_health(g);
}

static void on_bus_epoch(void *user, const struct position *head, const struct epoch_past *past,
                         int past_count) {
    struct gateway *g = user;
    hub_on_epoch(g->hub, head, past, past_count);
}

static void on_bus_verified(void *user) {
    struct gateway *g = user;
    hub_on_verified(g->hub);
}

static void verify(void *user) {
    const struct gateway *g = user;
    bus_verify(g->bus);
}

static void on_bus_live(void *user, bool live) {
    struct gateway *g = user;
    hub_on_live(g->hub, live);
    update_health(g);
}

static const struct bus_handlers bus_handlers = {
    .on_entry = on_bus_entry,
    .on_reset = on_bus_reset,
    .on_epoch = on_bus_epoch,
    .on_verified = on_bus_verified,
    .on_live = on_bus_live,
};

/* --- HTTP --- */

static const char *tell_not_ready(void *user) {
    return not_ready_reason(user);
}

static struct http_server_options http_options(const struct gateway *g) {
    const struct config *cfg = g->cfg;
    return (struct http_server_options){
        .header_max_bytes = cfg->gateway_http_header_max_bytes,
        .request_timeout_s = cfg->gateway_http_timeout_s,
        .connections_max = (unsigned)cfg->gateway_http_connections_max,
        .origins = g->origins,
    };
}

static enum err create_http(struct gateway *g,
                            void (*on_closed)(void *user, const struct sockaddr_storage *)) {
    struct http_server_options options = http_options(g);
    size_t count;
    struct http_route *routes = routes_make(&g->routes, &count);
    options.on_closed = on_closed;
    options.closed_user = g;
    enum err err = http_server_create(g->loop, &options, routes, count, &g->routes, &g->http);
    free(routes);
    return err;
}

/* --- sockets --- */

static void on_connection_closed(void *user, const struct sockaddr_storage *peer) {
    struct gateway *g = user;
    if (g->listener) {
        listener_closed(g->listener, peer);
    }
}

static void on_reader_closed(void *user, const struct sockaddr_storage *peer, bool secure) {
    struct gateway *g = user;
    if (!secure) {
        on_connection_closed(g, peer);
    } else if (g->tls_listener) {
        listener_closed(g->tls_listener, peer);
    }
}

/* "GET /v1/stream" and then the query or the end of the path. */
static bool is_stream(struct str line) {
    struct str prefix = STR("GET /v1/stream");
    return str_starts(line, prefix) && line.n > prefix.n &&
           (line.p[prefix.n] == ' ' || line.p[prefix.n] == '?');
}

static void on_socket(void *user, int take_fd, const struct sockaddr_storage *peer,
                      socklen_t peer_size, struct str request_line) {
    struct gateway *g = user;
    if (is_stream(request_line)) {
        ws_edge_adopt(g->edge, take_fd, peer, false);
    } else if (http_server_adopt(g->http, take_fd, (const struct sockaddr *)peer, peer_size) !=
               ERR_OK) {
        on_connection_closed(g, peer);
    }
}

static struct listener_options listener_options(const struct config *cfg, const char *address) {
    return (struct listener_options){
        .address = address,
        .per_ip_max = cfg->gateway_per_ip_max,
        .accept_rate = cfg->gateway_accept_rate,
        .send_buffer_bytes = (int)cfg->gateway_send_buffer_bytes,
    };
}

static enum err create_listener(struct gateway *g) {
    const struct config *cfg = g->cfg;
    struct listener_options options = listener_options(cfg, cfg->gateway_listen);
    options.peek = true;
    options.peek_timeout_ms = cfg->gateway_handshake_timeout_s * 1000;
    options.pending_max = cfg->gateway_handshakes_max;
    /* Half an upgrade would hold one of the WebSocket library's header buffers, and when those run
     * out it lets honest clients wait; here the oldest has to go. */
    options.whole_head = STR("GET /v1/stream");
    options.proxy_protocol = cfg->gateway_proxy_protocol;
    if (!cfg->gateway_listen[0]) {
        return ERR_OK;
    }
    if (address_set_create(str_of(cfg->gateway_trusted_proxies), &g->trusted, NULL) != ERR_OK) {
        return ERR_INVALID; /* preflight_check has told it */
    }
    options.trusted = g->trusted;
    return listener_create(g->loop, &options, on_socket, g, &g->listener);
}

/* --- TLS: a port for each library, as nothing before the handshake tells what will come --- */

static enum err create_tls(struct gateway *g) {
    const struct config *cfg = g->cfg;
    if (!cfg->gateway_tls_listen[0] && !cfg->gateway_tls_http_listen[0]) {
        return ERR_OK;
    }
    return tls_server_create(cfg, cfg->gateway_tls_cert_file, cfg->gateway_tls_key_file, &g->tls);
}

static void on_tls_socket(void *user, int take_fd, const struct sockaddr_storage *peer,
                          socklen_t peer_size, struct str request_line) {
    const struct gateway *g = user;
    (void)peer_size;
    (void)request_line;
    ws_edge_adopt(g->edge, take_fd, peer, true);
}

static enum err create_tls_port(struct gateway *g) {
    const struct config *cfg = g->cfg;
    size_t count;
    struct http_port_options options = {
        .listener = listener_options(cfg, cfg->gateway_tls_http_listen),
        .server = http_options(g),
    };
    options.server.tls = g->tls;
    options.server.handshake_timeout_s = cfg->gateway_handshake_timeout_s;
    options.server.handshakes_max = (unsigned)cfg->gateway_handshakes_max;
    struct http_route *routes = routes_make(&g->routes, &count);
    enum err err = http_port_create(g->loop, &options, routes, count, &g->routes, &g->tls_port);
    free(routes);
    return err;
}

static enum err create_tls_listeners(struct gateway *g) {
    const struct config *cfg = g->cfg;
    struct listener_options options = listener_options(cfg, cfg->gateway_tls_listen);
    enum err err = ERR_OK;
    if (cfg->gateway_tls_listen[0]) {
        err = listener_create(g->loop, &options, on_tls_socket, g, &g->tls_listener);
    }
    return err == ERR_OK && cfg->gateway_tls_http_listen[0] ? create_tls_port(g) : err;
}

/* --- the loop --- */

static void on_work(uv_idle_t *idle) {
    struct gateway *g = idle->data;
    if (!hub_turn(g->hub)) {
        uv_idle_stop(idle);
    }
}

static void want_turn(void *user) {
    struct gateway *g = user;
    if (!uv_is_closing((const uv_handle_t *)&g->work)) {
        uv_idle_start(&g->work, on_work);
    }
}

static bool is_drained(const struct gateway *g) {
    return hub_reader_count(g->hub) == 0 && listener_pending_count(g->listener) == 0 &&
           http_server_request_count(g->http) == 0 && http_port_request_count(g->tls_port) == 0 &&
           receipts_are_written(g->routes.receipts.receipts);
}

static void check_stopped(struct gateway *g) {
    if (!g->on_stopped || (!is_drained(g) && clock_mono_ms() < g->stop_deadline_ms)) {
        return;
    }
    void (*on_stopped)(void *user) = g->on_stopped;
    g->on_stopped = NULL;
    log_info("gateway_drained", LOG_I("left", hub_reader_count(g->hub)));
    on_stopped(g->stopped_user);
}

static void on_tick(uv_timer_t *timer) {
    struct gateway *g = timer->data;
    hub_tick(g->hub);
    if (slack_is_due(&g->slack, hub_reader_count(g->hub))) {
        (void)malloc_trim(0);
    }
    reader_count_tick(g->reader_count, g->hub->now_ms);
    receipts_tick(g->routes.receipts.receipts, g->hub->now_ms, g->draining);
    check_stopped(g);
}

/* --- life --- */

static void create_receipts(struct gateway *g) {
    const struct config *cfg = g->cfg;
    const struct receipts_options options = {
        .store = g->store,
        .taxonomy = g->taxonomy,
        .flush_ms = cfg->gateway_receipts_flush_ms,
        .rate = cfg->gateway_receipts_rate,
        .waiting_max = (size_t)cfg->gateway_receipts_waiting_max,
        .alerts_max = (size_t)cfg->gateway_receipts_alerts_max,
    };
    g->routes.receipts =
        (struct receipt_api){receipts_create(&options), cfg->gateway_receipts_batch_max};
}

static void create_hub(struct gateway *g) {
    const struct config *cfg = g->cfg;
    create_receipts(g);
    struct hub_options options = {
        .ring_entries = (size_t)cfg->gateway_ring_entries,
        .ring_bytes = (size_t)cfg->gateway_ring_bytes,
        .snapshot_max = (size_t)cfg->gateway_snapshot_max,
        .heartbeat_ms = cfg->gateway_heartbeat_s * 1000,
        .idle_timeout_ms = cfg->gateway_idle_timeout_s * 1000,
        .hello_timeout_ms = cfg->gateway_hello_timeout_s * 1000,
        .token_hint_ms = cfg->gateway_token_hint_s * 1000,
        .frame_rate = (uint32_t)cfg->gateway_frame_rate,
        .frame_burst = (uint32_t)cfg->gateway_frame_burst,
        .admission = {g->taxonomy, g->gate, (int)cfg->gateway_filter_tags_max},
        .want_turn = want_turn,
        .verify = verify,
        .user = g,
        .receipts = g->routes.receipts.receipts,
        .read_log = alert_log_read,
        .store = g->store,
    };
    g->hub = hub_create(g->taxonomy, &options);
    g->routes.sse = (struct sse_options){g->hub, (size_t)cfg->gateway_sse_max,
                                         (size_t)cfg->gateway_sse_queue_bytes};
    g->routes.longpoll = (struct longpoll_options){g->hub, (size_t)cfg->gateway_longpoll_max,
                                                   cfg->gateway_longpoll_wait_max_s};
    g->routes.devices = (struct device_api){g->taxonomy, g->store};
    g->routes.taxonomy = g->taxonomy;
    g->routes.own_pages = origins_are_limited(g->origins);
    g->routes.device_body_max = cfg->gateway_device_body_max_bytes;
    g->routes.not_ready = tell_not_ready;
    g->routes.user = g;
    g->reader_count = reader_count_create(g->store, g->hub);
}

static void start_loop_handles(struct gateway *g) {
    uv_timer_init(g->loop, &g->tick);
    uv_idle_init(g->loop, &g->work);
    g->tick.data = g;
    g->work.data = g;
    uv_timer_start(&g->tick, on_tick, HUB_TICK_MS, HUB_TICK_MS);
}

static void log_faults(const char *event, const struct buf *problems) {
    struct str rest = str_trim(buf_str(problems));
    struct str line;
    while (rest.n && str_split(&rest, '\n', &line)) {
        log_error(event, LOG_STR("why", line));
    }
}

/* Who may come in. */
static enum err create_doors(struct gateway *g) {
    const struct config *cfg = g->cfg;
    struct buf problems;
    buf_init(&problems, 16384);
    enum err err = origins_create(str_of(cfg->gateway_allowed_origins), &g->origins, &problems);
    if (err == ERR_OK && cfg->gateway_token_required) {
        err = token_gate_create(cfg, g->taxonomy, &g->gate, &problems);
    }
    log_faults("config_fault", &problems);
    buf_finish(&problems);
    return err;
}

/* What the rate gives for a period, and room for one large message and the handshake. */
static unsigned heartbeat_kb_max(const struct config *cfg) {
    enum { HANDSHAKE_BYTES = 16384, KB_MAX = 65535 /* the counter has 16 bits */ };
    int64_t bytes = cfg->gateway_receive_rate * cfg->gateway_heartbeat_s +
                    cfg->gateway_message_max_bytes + HANDSHAKE_BYTES;
    return bytes / 1024 < KB_MAX ? (unsigned)(bytes / 1024) : KB_MAX;
}

static enum err create_parts(struct gateway *g) {
    const struct config *cfg = g->cfg;
    enum err err = create_doors(g);
    if (err == ERR_OK) {
        err = store_create(g->loop, cfg, &g->store);
    }
    if (err == ERR_OK) {
        err = create_tls(g);
    }
    if (err != ERR_OK) {
        return err;
    }
    create_hub(g);
    struct ws_edge_options edge = {
        .taxonomy = g->taxonomy,
        .hub = g->hub,
        .connections_max = (size_t)cfg->gateway_connections_max,
        .descriptors_beside = (size_t)cfg->gateway_http_connections_max +
                              (size_t)cfg->gateway_handshakes_max + OWN_DESCRIPTORS,
        .handshakes_max = (unsigned)cfg->gateway_handshakes_max,
        .handshake_timeout_s = (unsigned)cfg->gateway_handshake_timeout_s,
        .message_max_bytes = (size_t)cfg->gateway_message_max_bytes,
        .heartbeat_kb_max = heartbeat_kb_max(cfg),
        .origins = g->origins,
        .tls = g->tls,
        .on_closed = on_reader_closed,
        .user = g,
    };
    if ((err = ws_edge_create(g->loop, &edge, &g->edge)) != ERR_OK ||
        (err = create_http(g, on_connection_closed)) != ERR_OK) {
        return err;
    }
    struct bus_options bus = {.preload = (uint64_t)cfg->gateway_ring_entries};
    err = bus_create(g->loop, g->store, cfg, &bus, &bus_handlers, g, &g->bus);
    if (err == ERR_OK) {
        err = create_listener(g);
    }
    return err == ERR_OK ? create_tls_listeners(g) : err;
}

enum err gateway_create(uv_loop_t *loop, const struct config *cfg, const struct taxonomy *t,
                        struct gateway **out_gateway) {
    if (cfg->gateway_idle_timeout_s <= cfg->gateway_heartbeat_s) {
        log_error("config_conflict", LOG_S("key", "gateway.idle_timeout_s"),
                  LOG_S("why", "must be longer than gateway.heartbeat_s"));
        return ERR_INVALID;
    }
    struct gateway *g = mem_zalloc(1, sizeof(*g));
    g->loop = loop;
    g->cfg = cfg;
    g->taxonomy = t;
    start_loop_handles(g);
    enum err err = create_parts(g);
    if (err != ERR_OK) {
        gateway_destroy(g);
        return err;
    }
    update_health(g);
    *out_gateway = g;
    return ERR_OK;
}

void gateway_reload(struct gateway *g) {
    struct buf problems;
    if (g->tls) {
        tls_server_reload(g->tls);
    }
    buf_init(&problems, 16384);
    if (g->gate && token_gate_reload(g->gate, &problems) == ERR_OK) {
        log_info("token_keys_reloaded");
    } else if (g->gate) {
        log_faults("token_keys_kept", &problems);
    }
    buf_finish(&problems);
}

int gateway_port(const struct gateway *g) {
    return g->listener ? listener_port(g->listener) : 0;
}

void gateway_stop(struct gateway *g, void (*on_stopped)(void *user), void *user) {
    int64_t window_ms = g->cfg->gateway_drain_s * 1000;
    g->draining = true;
    g->on_stopped = on_stopped;
    g->stopped_user = user;
    g->stop_deadline_ms = clock_mono_ms() + window_ms + STOP_GRACE_MS;
    update_health(g);
    listener_drain(g->listener, LAST_LINE_MS);
    listener_drain(g->tls_listener, 0);
    http_server_wind_down(g->http);
    http_port_wind_down(g->tls_port);
    log_info("gateway_draining", LOG_I("readers", hub_reader_count(g->hub)),
             LOG_I("window_ms", window_ms));
    hub_drain(g->hub, window_ms);
}

/* Called once per part that let go; the last one frees the rest. */
static void part_gone(void *user) {
    struct gateway *g = user;
    if (--g->parts > 0) {
        return;
    }
    reader_count_destroy(g->reader_count);
    hub_destroy(g->hub);
    receipts_destroy(g->routes.receipts.receipts);
    token_gate_destroy(g->gate);
    origins_destroy(g->origins);
    tls_server_destroy(g->tls);
    free(g);
}

static void on_handle_closed(uv_handle_t *handle) {
    part_gone(handle->data);
}

void gateway_destroy(struct gateway *g) {
    if (!g) {
        return;
    }
    g->on_stopped = NULL;
    listener_destroy(g->listener);
    listener_destroy(g->tls_listener);
    g->listener = g->tls_listener = NULL;
    address_set_destroy(g->trusted);
    bus_destroy(g->bus);
    store_destroy(g->store);
    g->parts = 2 + (g->http != NULL) + (g->tls_port != NULL) + (g->edge != NULL);
    uv_close((uv_handle_t *)&g->tick, on_handle_closed);
    uv_close((uv_handle_t *)&g->work, on_handle_closed);
    if (g->http) {
        http_server_destroy(g->http, part_gone, g);
    }
    http_port_destroy(g->tls_port, part_gone, g);
    if (g->edge) {
        ws_edge_destroy(g->edge, part_gone, g);
    }
}

#include "gateway/ws_edge.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/params.h"
#include "gateway/ws_contexts.h"
#include "gateway/ws_session.h"
#include "net/received.h"
#include "net/tls_send.h"

/* How libwebsockets 4.1.6 is used here, and why (all measured or read in its source):
 * - Sockets come from our own listener; the vhost has none (its accept loop is unfair, slow to
 *   close and spins on EMFILE).
 * - Its validity timers are off (a sorted list: hundreds of microseconds per connection at 20,000);
 *   timeouts of ours are in the hub's wheel.
 * - Frames are built once and written straight from the fan-out, only when lws_partial_buffered()
 *   says that nothing is pending: one send() each, on the descriptor itself (the library counts no
 *   bytes, and its own way there costs half a microsecond). What the kernel does not take is given
 *   to the library with LWS_WRITE_RAW; the reader is choked until WRITEABLE. Over TLS everything
 *   goes through the library.
 * - tx_packet_size must be set, or the small receive buffer would also split what we send.
 * - Anything but a WebSocket upgrade is answered and closed: a second request on the connection
 *   can hang the library's parser for ever.
 * - Plain sockets are spread over several contexts, as closing one walks the whole table of its
 *   context (ws_contexts).
 * - TLS has a vhost of its own in one context. It gets no certificate (that of another kind of
 *   key would stay beside a new one): tls_server gives each handshake the one in use.
 * - No extensions (its permessage-deflate asserts), no HTTP/2. */

enum {
    /* Control frames of up to 125 bytes must fit, or PINGs are answered in halves. */
    RX_BUFFER_BYTES = 128,
    TX_PACKET_BYTES = 1 << 20,
    SERV_BUFFER_BYTES = 16384,
    HEADER_BYTES = 8192,
    URL_PARAM_BYTES = 4096,
    /* Readers over the limit that are still told so (4103), as a part of the limit. */
    POLITE_SHARE = 20,
    REAP_TURNS = 5, /* see ws_edge_destroy; two would do */
};

struct ws_edge {
    struct ws_edge_options options;
    struct ws_contexts *contexts;
    struct lws_vhost *tls_vhost; /* NULL without TLS */
    struct list young;           /* peers of tls_vhost without a reader yet, oldest first */
    unsigned young_count;
    struct lws_protocols protocols[2];
    size_t created;     /* sockets the library took, ever */
    size_t connections; /* sockets it has now */
    uv_loop_t *loop;
    uv_idle_t reaper; /* runs while the library lets go */
    int quiet_turns;  /* of the loop, since the last socket was closed */
    void (*on_gone)(void *user);
    void *gone_user;
};

/* Kept by the library for us with each socket, from adoption until it is a reader; then its session
 * has all of it that counts. */
struct ws_peer {
    struct ws_edge *edge;
    struct list young; /* ws_edge.young */
    int fd;            /* the library's; valid as long as the peer */
    bool secure;
    struct address_short address;
};

static const lws_retry_bo_t no_validity_timers;

/* --- transport --- */

static struct ws_edge *edge_of(struct lws *wsi) {
    return lws_vhost_user(lws_get_vhost(wsi));
}

static struct ws_session *session_of(const struct reader *r) {
    return (struct ws_session *)r;
}

static bool ws_can_write(const struct reader *r) {
    return !lws_partial_buffered(session_of(r)->wsi);
}

static void prefetch(const void *object, const uint16_t *members, size_t count) {
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch((const char *)object + members[i]);
    }
}
#define PREFETCH(object, ...)                                                                      \
    prefetch(object, (const uint16_t[]){__VA_ARGS__},                                              \
             sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

/* Members that a send looks at, fetched during the sends before: 0.2 µs of 5 a delivery, over TLS
 * 1.3 of 9 (measured with 18,000). The offsets are those of libwebsockets 4.1.6 and OpenSSL 3.0; a
 * wrong one costs time and nothing else. */
static void ws_warm(const struct reader *r, int ahead) {
    if (ahead == 2) {
        PREFETCH(session_of(r)->wsi, 0x2d0); /* what lws_partial_buffered reads */
    }
}

static void ws_warm_tls(const struct reader *r, int ahead) {
    const struct ws_session *s = session_of(r);
    if (ahead == 3) {
        PREFETCH(s->wsi, 0x000, 0x0c0, 0x240, 0x2c0, 0x300);
        return;
    }
    const SSL *ssl = lws_get_ssl(s->wsi);
    if (!ssl) {
        return;
    }
    if (ahead == 2) {
        PREFETCH(ssl, 0x000, 0x040, 0x878, 0x9c0, 0x1c80, 0x1cc0, 0x1d40, 0x1d80);
    } else {
        PREFETCH(SSL_get0_session(ssl), 0x340);
        PREFETCH(SSL_get_wbio(ssl), 0x00, 0x40);
    }
}

/* Takes what the kernel has room for off `bytes`. */
static enum err send_plain(const struct ws_session *s, struct str *bytes) {
    ssize_t n = send(s->plain_fd, bytes->p, bytes->n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? ERR_OK : ERR_CLOSED;
    }
    bytes->p += n;
    bytes->n -= (size_t)n;
    return ERR_OK;
}

static enum err ws_write(struct reader *r, struct str bytes) {
    struct ws_session *s = session_of(r);
    if (s->plain_fd >= 0 && !lws_partial_buffered(s->wsi)) {
        enum err err = send_plain(s, &bytes);
        if (err || bytes.n == 0) {
            return err;
        }
    }
    if (s->plain_fd < 0 && !lws_partial_buffered(s->wsi)) {
        tls_send_sized(lws_get_ssl(s->wsi), bytes.n);
    }
    /* With LWS_WRITE_RAW the library only reads the bytes; its signature predates const. */
    int n = lws_write(s->wsi, (unsigned char *)bytes.p, bytes.n, LWS_WRITE_RAW);
    return n < 0 ? ERR_CLOSED : ERR_OK;
}

static void ws_want_writable(struct reader *r) {
    (void)lws_callback_on_writable(session_of(r)->wsi);
}

/* Never LWS_TO_KILL_SYNC: we may be inside a walk over readers or a callback of this one. */
static void ws_kill(struct reader *r) {
    if (r->state < READER_CLOSING) {
        reader_move(r, READER_CLOSING);
    }
    wheel_cancel(&r->timer);
    lws_set_timeout(session_of(r)->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
}

/* RAW bytes are queued in order even behind a partial write. The peer's Close or our timer ends it.
 */
static void ws_end(struct reader *r, struct str bytes) {
    if (ws_write(r, bytes) != ERR_OK) {
        ws_kill(r);
    }
}

/* The library answers PINGs itself, one a turn of the loop, and tells nobody; frames without
 * payload it drops. So the kernel is asked how much came in. */
static bool ws_is_flooding(struct reader *r) {
    struct ws_session *s = session_of(r);
    uint16_t now_kb = (uint16_t)(received_bytes(lws_get_socket_fd(s->wsi)) / 1024);
    uint16_t more_kb = (uint16_t)(now_kb - r->received_kb);
    r->received_kb = now_kb;
    return more_kb > edge_of(s->wsi)->options.heartbeat_kb_max;
}

/* Frames without payload are a sign of life, too; the kernel counts them. */
static int64_t ws_silent_ms(const struct reader *r) {
    return received_ms_ago(lws_get_socket_fd(session_of(r)->wsi));
}

#define WS_TRANSPORT(warm_it)                                                                      \
    {                                                                                              \
        .kind = FRAME_WS, .can_write = ws_can_write, .warm = (warm_it), .write = ws_write,         \
        .want_writable = ws_want_writable, .end = ws_end, .kill = ws_kill,                         \
        .is_flooding = ws_is_flooding, .silent_ms = ws_silent_ms,                                  \
    }
static const struct transport ws_transport = WS_TRANSPORT(ws_warm);
static const struct transport ws_tls_transport = WS_TRANSPORT(ws_warm_tls);
#undef WS_TRANSPORT

/* --- reasons --- */

/* libwebsockets takes any version; RFC 6455 section 4.4 knows 13 alone. An absent one passes: the
 * library loses a header that follows one whose name begins like a known one ("X-Auth"). */
static bool is_version_13(struct lws *wsi) {
    char version[8];
    int n = lws_hdr_copy(wsi, version, sizeof(version), WSI_TOKEN_VERSION);
    return n == 0 || (n > 0 && strcmp(version, "13") == 0);
}

static int refuse_version(struct lws *wsi) {
    enum { UPGRADE_REQUIRED = 426, HEAD_BYTES = 512 };
    unsigned char head[LWS_PRE + HEAD_BYTES];
    unsigned char *start = head + LWS_PRE;
    unsigned char *p = start;
    unsigned char *end = head + sizeof(head) - 1;
    metrics_add(M_GATEWAY_UPGRADES_BAD, 1);
    if (lws_add_http_header_status(wsi, UPGRADE_REQUIRED, &p, end) ||
        lws_add_http_header_by_name(wsi, (const unsigned char *)"sec-websocket-version:",
                                    (const unsigned char *)"13", 2, &p, end) ||
        lws_add_http_header_by_name(wsi, (const unsigned char *)"connection:",
                                    (const unsigned char *)"close", 5, &p, end) ||
        lws_add_http_header_content_length(wsi, 0, &p, end) ||
        lws_finalize_write_http_header(wsi, start, &p, end)) {
        log_debug("refusal_not_sent");
    }
    return -1;
}

/* The page that opens the connection; apps have none. */
static bool is_origin_allowed(const struct ws_edge *edge, struct lws *wsi) {
    char origin[ORIGIN_BYTES_MAX + 1];
    int size = lws_hdr_total_length(wsi, WSI_TOKEN_ORIGIN);
    int n = lws_hdr_copy(wsi, origin, sizeof(origin), WSI_TOKEN_ORIGIN);
    if (size > ORIGIN_BYTES_MAX) {
        return !origins_are_limited(edge->options.origins);
    }
    struct str none = {NULL, 0};
    return origins_allow(edge->options.origins, n > 0 ? (struct str){origin, (size_t)n} : none);
}

static int refuse_origin(struct lws *wsi) {
    metrics_add(M_ORIGINS_REFUSED_WS, 1);
    (void)lws_return_http_status(wsi, HTTP_STATUS_FORBIDDEN,
                                 "Pages of this origin may not use this service");
    return -1;
}

/* The library's answer to the upgrade waits for our welcome, which mostly follows at once: a crowd
 * that comes back is sent one segment each instead of two. The kernel sends what is corked after
 * 200 ms or when the socket is closed, whatever happens (tcp(7)). */
static void cork(struct lws *wsi, int on) {
    (void)setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

/* Only "websocket". The header is looked up again instead of using the callback's argument, which
 * can point to freed memory (CVE-2025-11677); then the header is gone, too, and we refuse. */
static int confirm_upgrade(const struct ws_edge *edge, struct lws *wsi) {
    char value[16];
    int n = lws_hdr_copy(wsi, value, sizeof(value), WSI_TOKEN_UPGRADE);
    if (n > 0 && strcasecmp(value, "websocket") == 0) {
        if (!is_version_13(wsi)) {
            return refuse_version(wsi);
        }
        if (!is_origin_allowed(edge, wsi)) {
            return refuse_origin(wsi);
        }
        cork(wsi, true);
        return 0;
    }
    metrics_add(M_GATEWAY_UPGRADES_BAD, 1);
    if (n != 0) {
        (void)lws_return_http_status(wsi, HTTP_STATUS_BAD_REQUEST, NULL);
    }
    return -1;
}

static int refuse_plain(struct lws *wsi) {
    enum { UPGRADE_REQUIRED = 426 };
    metrics_add(M_GATEWAY_UPGRADES_BAD, 1);
    (void)lws_return_http_status(wsi, UPGRADE_REQUIRED, "WebSocket only");
    return -1;
}

static void read_params(struct lws *wsi, struct params *params) {
    char text[URL_PARAM_BYTES];
    for (int i = 0;; i++) {
        int n = lws_hdr_copy_fragment(wsi, text, sizeof(text), WSI_TOKEN_HTTP_URI_ARGS, i);
        if (n < 0) {
            break; /* no more; one that is too long to be true ends the list as well */
        }
        struct str rest = {text, (size_t)n};
        struct str name = rest;
        (void)str_split(&rest, '=', &name);
        if (name.n > 0) {
            params_set(params, name, rest.p ? rest : STR(""));
        }
    }
}

/* Its handshakes, of TLS and WebSocket, are done, or it ends. */
static void peer_grown(struct ws_peer *peer) {
    if (!list_is_empty(&peer->young)) {
        list_remove(&peer->young);
        peer->edge->young_count--;
    }
}

static void on_established(struct ws_peer *take_peer, struct ws_session *s, struct lws *wsi) {
    struct ws_edge *edge = take_peer->edge;
    struct params params;
    peer_grown(take_peer);
    s->wsi = wsi;
    s->address = take_peer->address;
    lws_set_opaque_user_data(wsi, NULL);
    free(take_peer);
    s->plain_fd = lws_is_ssl(wsi) ? -1 : lws_get_socket_fd(wsi);
    if (s->plain_fd < 0) {
        tls_send_directly(lws_get_ssl(wsi));
    }
    params_init(&params, edge->options.taxonomy, PARAM_POSITION | PARAM_TOKEN);
    read_params(wsi, &params);
    ws_session_open(s, edge->options.hub, s->plain_fd < 0 ? &ws_tls_transport : &ws_transport,
                    &params, edge->options.hub->counts[FRAME_WS] >= edge->options.connections_max);
    params_finish(&params);
    cork(wsi, false);
}

static void on_receive(struct ws_edge *edge, struct ws_session *s, const void *in, size_t len) {
    struct ws_piece piece = {
        .bytes = {in, len},
        .to_come = lws_remaining_packet_payload(s->wsi),
        .first = lws_is_first_fragment(s->wsi) != 0,
        .final = lws_is_final_fragment(s->wsi) != 0,
        .binary = lws_frame_is_binary(s->wsi) != 0,
    };
    ws_session_receive(s, &piece, edge->options.message_max_bytes);
}

static void on_destroyed(struct ws_edge *edge, const struct address_short *address, bool secure) {
    struct sockaddr_storage full;
    address_expand(address, &full);
    edge->connections--;
    edge->options.on_closed(edge->options.user, &full, secure);
}

static void on_peer_destroyed(struct ws_peer *take_peer) {
    if (!list_is_empty(&take_peer->young)) {
        metrics_add(M_CONNECTIONS_REFUSED_TLS, 1);
        peer_grown(take_peer);
    }
    on_destroyed(take_peer->edge, &take_peer->address, take_peer->secure);
    free(take_peer);
}

static void on_wsi_destroyed(struct lws *wsi, struct ws_session *s, struct ws_peer *peer) {
    if (peer) {
        on_peer_destroyed(peer);
    } else if (s && s->wsi) {
        ws_session_close(s);
        on_destroyed(edge_of(wsi), &s->address, s->plain_fd < 0);
    }
}

static int ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len) {
    struct ws_session *s = user;
    struct ws_peer *peer = wsi ? lws_get_opaque_user_data(wsi) : NULL;
    switch ((int)reason) {
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
        tls_server_setup_openssl(edge_of(wsi)->options.tls, user);
        return 0;
    case LWS_CALLBACK_WSI_CREATE:
        edge_of(wsi)->created++;
        return 0;
    case LWS_CALLBACK_HTTP:
        return refuse_plain(wsi);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return peer ? confirm_upgrade(peer->edge, wsi) : -1;
    case LWS_CALLBACK_ESTABLISHED:
        on_established(peer, s, wsi);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        on_receive(edge_of(wsi), s, in, len);
        return 0;
    case LWS_CALLBACK_RECEIVE_PONG:
        ws_session_pong(s);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        /* The answer to a Close of ours, which the library knows nothing of: it would answer with
         * one more, and browsers take that for a fault and hide the code (1006). */
        return s->reader.state >= READER_CLOSING ? -1 : 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        reader_on_writable(&s->reader);
        return 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_WS_SERVER_DROP_PROTOCOL:
        ws_session_close(s);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        on_wsi_destroyed(wsi, s, peer);
        return 0;
    default:
        return 0;
    }
}

/* --- life --- */

static void on_library_log(int level, const char *line) {
    struct str text = str_trim(str_of(line));
    if (level == LLL_ERR) {
        log_error("libwebsockets", LOG_STR("line", text));
    } else {
        log_warn("libwebsockets", LOG_STR("line", text));
    }
}

static void fill_info(struct ws_edge *edge, void **loops, struct lws_context_creation_info *info) {
    memset(info, 0, sizeof(*info));
    info->options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    if (edge->options.tls) {
        info->options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    }
    info->foreign_loops = loops;
    info->protocols = edge->protocols;
    info->retry_and_idle_policy = &no_validity_timers;
    info->port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info->vhost_name = "tocsin";
    info->server_string = "tocsin";
    info->user = edge;
    info->alpn = "http/1.1";
    info->gid = -1;
    info->uid = -1;
    info->max_http_header_data2 = HEADER_BYTES;
    info->max_http_header_pool2 = edge->options.handshakes_max;
    info->pt_serv_buf_size = SERV_BUFFER_BYTES;
    info->timeout_secs = edge->options.handshake_timeout_s;
    info->timeout_secs_ah_idle = edge->options.handshake_timeout_s;
}

static size_t sockets_max(const struct ws_edge_options *options) {
    return options->connections_max + options->connections_max / POLITE_SHARE + 1;
}

enum err ws_edge_create(uv_loop_t *loop, const struct ws_edge_options *options,
                        struct ws_edge **out_edge) {
    struct ws_edge *edge = mem_zalloc(1, sizeof(*edge));
    edge->options = *options;
    edge->loop = loop;
    list_init(&edge->young);
    edge->protocols[0] = (struct lws_protocols){.name = "tocsin.v1",
                                                .callback = ws_callback,
                                                .per_session_data_size = sizeof(struct ws_session),
                                                .rx_buffer_size = RX_BUFFER_BYTES,
                                                .tx_packet_size = TX_PACKET_BYTES};
    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    void *loops[1] = {loop};
    struct lws_context_creation_info info;
    fill_info(edge, loops, &info);
    enum err err = ws_contexts_create(&info, sockets_max(options) + options->descriptors_beside,
                                      &edge->contexts);
    if (err == ERR_OK && options->tls) {
        info.vhost_name = "tocsin-tls";
        info.options |= LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
        edge->tls_vhost = lws_create_vhost(ws_contexts_whole(edge->contexts), &info);
        if (!edge->tls_vhost) {
            log_error("websocket_library_failed", LOG_S("vhost", info.vhost_name));
            err = ERR_IO;
        }
    }
    if (err != ERR_OK) {
        /* The library may leave handles on the loop; the caller gives up and the process ends. */
        return err;
    }
    *out_edge = edge;
    return ERR_OK;
}

static void on_reaper_closed(uv_handle_t *handle) {
    struct ws_edge *edge = handle->data;
    edge->on_gone(edge->gone_user);
    free(edge);
}

static void on_reap(uv_idle_t *reaper) {
    struct ws_edge *edge = reaper->data;
    if (edge->connections > 0 || ++edge->quiet_turns < REAP_TURNS) {
        return;
    }
    ws_contexts_destroy(edge->contexts);
    uv_close((uv_handle_t *)reaper, on_reaper_closed);
}

/* On a foreign libuv loop the library destroys its context in two calls: the first closes sockets
 * and handles, the second frees, and must not come before the handles' close callbacks ran. Those
 * of our sockets are counted; those of its own pipe, timer and idle handle come one and two turns
 * of the loop later. */
void ws_edge_destroy(struct ws_edge *edge, void (*on_gone)(void *user), void *user) {
    edge->on_gone = on_gone;
    edge->gone_user = user;
    uv_idle_init(edge->loop, &edge->reaper);
    edge->reaper.data = edge;
    uv_idle_start(&edge->reaper, on_reap);
    ws_contexts_close(edge->contexts);
}

/* The library would let any number wait; the one that takes longest makes room. */
static void add_young(struct ws_edge *edge, struct ws_peer *peer) {
    if (edge->young_count >= edge->options.handshakes_max) {
        struct ws_peer *oldest = LIST_ENTRY(edge->young.next, struct ws_peer, young);
        peer_grown(oldest);
        metrics_add(M_CONNECTIONS_REFUSED_PENDING, 1);
        (void)shutdown(oldest->fd, SHUT_RDWR); /* which the library sees and closes it */
    }
    list_push_back(&edge->young, &peer->young);
    edge->young_count++;
}

void ws_edge_adopt(struct ws_edge *edge, int take_fd, const struct sockaddr_storage *peer,
                   bool secure) {
    if (edge->connections >= sockets_max(&edge->options)) {
        metrics_add(M_GATEWAY_REFUSED, 1);
        close(take_fd);
        edge->options.on_closed(edge->options.user, peer, secure);
        return;
    }
    struct ws_peer *record = mem_zalloc(1, sizeof(*record));
    record->edge = edge;
    record->address = address_shorten(peer);
    record->fd = take_fd;
    record->secure = secure;
    list_init(&record->young);
    if (secure) {
        add_young(edge, record);
    }
    lws_adopt_desc_t desc = {
        .vh = secure ? edge->tls_vhost : ws_contexts_vhost(edge->contexts, take_fd),
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | (secure ? LWS_ADOPT_ALLOW_SSL : 0),
        .fd = {.sockfd = take_fd},
        .opaque = record,
    };
    edge->connections++;
    size_t created = edge->created;
    if (!lws_adopt_descriptor_vhost_via_info(&desc) && edge->created == created) {
        /* It could make nothing of the socket and closed it. (In the other failures it did, and
         * WSI_DESTROY has come or will.) */
        on_peer_destroyed(record);
    }
}

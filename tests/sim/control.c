#include "control.h"

#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"
#include "control_calls.h"
#include "ledger.h"
#include "listener.h"

enum {
    BODY_MAX = 256 << 20,
    ANSWER_MAX = 64 << 20,
    BLOCK_BYTES = 64 << 10,
    LINE_MAX_BYTES = 1 << 20
};

struct control {
    struct sim *sim;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    char host[ADDRESS_BYTES];
    int port;
    int open_handles;
};

/* One request under way. */
struct call {
    struct buf body;
};

static const struct {
    const char *method;
    const char *path;
    unsigned (*run)(struct sim *s, struct str body, struct buf *out);
} calls[] = {
    {"GET", "/stats", control_get_stats},    {"GET", "/ledger/summary", control_get_summary},
    {"GET", "/faults", control_get_faults},  {"POST", "/faults", control_set_faults},
    {"POST", "/tokens", control_set_tokens}, {"POST", "/keys", control_add_key},
    {"POST", "/reset", control_reset},
};

/* A ledger being sent: written line by line as the client reads. */
struct ledger_reader {
    struct sim *sim;
    struct ledger_query query;
    char *token;
    char *alert_id;
    uint64_t cursor;
    uint64_t left;
    struct buf line;
    size_t line_sent;
};

static ssize_t read_ledger(void *user, uint64_t position, char *out, size_t size) {
    struct ledger_reader *r = user;
    size_t done = 0;
    (void)position;
    while (done < size) {
        if (r->line_sent == r->line.n) {
            buf_clear(&r->line);
            r->line_sent = 0;
            if (!r->left || !ledger_next_line(r->sim->ledger, &r->query, &r->cursor, &r->line)) {
                break;
            }
            r->left--;
        }
        size_t n = r->line.n - r->line_sent;
        n = n < size - done ? n : size - done;
        memcpy(out + done, r->line.p + r->line_sent, n);
        r->line_sent += n;
        done += n;
    }
    return done ? (ssize_t)done : MHD_CONTENT_READER_END_OF_STREAM;
}

static void free_reader(void *user) {
    struct ledger_reader *r = user;
    buf_finish(&r->line);
    free(r->token);
    free(r->alert_id);
    free(r);
}

static uint64_t number_argument(struct MHD_Connection *connection, const char *name,
                                uint64_t otherwise) {
    uint64_t value;
    const char *text = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
    return text && str_to_u64(str_of(text), &value) == ERR_OK ? value : otherwise;
}

static enum MHD_Result send_ledger(struct control *c, struct MHD_Connection *connection) {
    const char *platform =
        MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "platform");
    struct ledger_reader *r = mem_zalloc(1, sizeof(*r));
    r->sim = c->sim;
    r->token = mem_strdup(MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "token"));
    r->alert_id =
        mem_strdup(MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "alert_id"));
    r->query = (struct ledger_query){
        .provider = !platform                       ? -1
                    : strcmp(platform, "apns") == 0 ? PROVIDER_APNS
                                                    : PROVIDER_FCM,
        .token = str_of(r->token),
        .alert_id = str_of(r->alert_id),
        .since = number_argument(connection, "since", 0),
        .skip = number_argument(connection, "skip", 0),
    };
    r->left = number_argument(connection, "limit", UINT64_MAX);
    buf_init(&r->line, LINE_MAX_BYTES);
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES,
                                                                      read_ledger, r, free_reader);
    (void)MHD_add_response_header(response, "Content-Type", "application/x-ndjson");
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              struct buf *take_body) {
    size_t size = take_body->n;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, buf_take(take_body), MHD_RESPMEM_MUST_FREE);
    (void)MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result run_call(struct control *c, struct MHD_Connection *connection,
                                const char *path, const char *method, const struct call *call) {
    struct buf out;
    unsigned status = MHD_HTTP_NOT_FOUND;
    if (strcmp(path, "/ledger") == 0 && strcmp(method, "GET") == 0) {
        return send_ledger(c, connection);
    }
    buf_init(&out, ANSWER_MAX);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(path, calls[i].path) == 0 && strcmp(method, calls[i].method) == 0) {
            status = call->body.overflow ? MHD_HTTP_CONTENT_TOO_LARGE
                                         : calls[i].run(c->sim, buf_str(&call->body), &out);
        }
    }
    if (!out.n) {
        buf_puts(&out, "{}\n");
    }
    return answer(connection, status, &out);
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *size, void **state) {
    struct call *call = *state;
    (void)version;
    if (!call) {
        call = mem_zalloc(1, sizeof(*call));
        buf_init(&call->body, BODY_MAX);
        *state = call;
        return MHD_YES;
    }
    if (*size) {
        buf_put(&call->body, bytes, *size);
        *size = 0;
        return MHD_YES;
    }
    return run_call(user, connection, path, method, call);
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code) {
    struct call *call = *state;
    (void)user;
    (void)connection;
    (void)code;
    if (call) {
        buf_finish(&call->body);
        free(call);
    }
}

static void run(struct control *c);

static void on_timer(uv_timer_t *timer) {
    run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events) {
    (void)status;
    (void)events;
    run(poll->data);
}

static void run(struct control *c) {
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    (void)MHD_run(c->daemon);
    if (MHD_get_timeout(c->daemon, &timeout_ms) == MHD_YES) {
        uv_timer_start(&c->timer, on_timer, timeout_ms, 0);
    } else {
        uv_timer_stop(&c->timer);
    }
}

enum err control_create(struct sim *s, const char *address, struct control **out) {
    struct control *c = mem_zalloc(1, sizeof(*c));
    c->sim = s;
    int fd = listener_bind(address, c->host, &c->port);
    if (fd < 0) {
        free(c);
        return ERR_IO;
    }
    c->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request, c,
                         MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, c,
                         MHD_OPTION_CONNECTION_TIMEOUT, 120U, MHD_OPTION_END);
    if (!c->daemon) {
        free(c);
        return ERR_IO;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(c->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_poll_init(s->loop, &c->poll, info->epoll_fd);
    uv_timer_init(s->loop, &c->timer);
    c->poll.data = c->timer.data = c;
    c->open_handles = 2;
    uv_poll_start(&c->poll, UV_READABLE, on_poll);
    *out = c;
    return ERR_OK;
}

static void on_handle_closed(uv_handle_t *handle) {
    struct control *c = handle->data;
    if (--c->open_handles == 0) {
        MHD_stop_daemon(c->daemon);
        free(c);
    }
}

void control_destroy(struct control *c) {
    if (c) {
        uv_close((uv_handle_t *)&c->poll, on_handle_closed);
        uv_close((uv_handle_t *)&c->timer, on_handle_closed);
    }
}

const char *control_host(const struct control *c) {
    return c->host;
}

int control_port(const struct control *c) {
    return c->port;
}

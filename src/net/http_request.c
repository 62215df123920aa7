#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "http_internal.h"

/* --- life --- */

struct http_request *http_request_create(struct http_conn *conn, const char *target) {
    struct http_request *rq = mem_zalloc(1, sizeof(*rq));
    rq->server = conn->server;
    rq->conn = conn;
    buf_init(&rq->allow, 256);
    buf_init(&rq->body, 0);
    buf_init(&rq->queue, SIZE_MAX / 4);
    http_router_parse(rq, target);
    conn->rq = rq;
    conn->server->request_count++;
    http_conn_grown(conn);
    http_conn_set_deadline(conn);
    return rq;
}

void http_request_free(struct http_request *rq) {
    for (int i = 0; i < rq->added_count; i++) {
        free((char *)(uintptr_t)rq->added[i].name.p);
        free((char *)(uintptr_t)rq->added[i].value.p);
    }
    buf_finish(&rq->allow);
    buf_finish(&rq->text);
    buf_finish(&rq->body);
    buf_finish(&rq->queue);
    free(rq->kept);
    free(rq->method);
    free(rq->target);
    free(rq);
}

void http_request_completed(struct http_request *rq) {
    struct http_conn *conn = rq->conn;
    struct http_server *server = rq->server;
    bool was_answered = rq->phase == HTTP_ANSWERED;
    conn->rq = NULL;
    server->request_count--;
    http_conn_unwatch(conn);
    http_conn_set_deadline(conn);
    if (rq->phase == HTTP_HANDLING || rq->phase == HTTP_STREAMING) {
        http_request_gone(rq);
    }
    if (rq->phase == HTTP_HANDLING) {
        /* Its handler has not answered and did not ask to be told: it frees when it answers. */
        rq->conn = NULL;
        rq->server = NULL;
        rq->suspended = false;
    } else {
        http_request_free(rq);
    }
    if (was_answered) {
        http_server_check_flushed(server);
    }
}

void http_request_gone(struct http_request *rq) {
    bool waits = rq->phase == HTTP_STREAMING || (rq->phase == HTTP_HANDLING && rq->deferred);
    if (waits && rq->on_gone) {
        if (rq->phase == HTTP_STREAMING) {
            metrics_set(M_HTTP_STREAMS, --rq->server->stream_count);
        }
        metrics_add(M_HTTP_CLIENTS_GONE, 1);
        rq->phase = HTTP_DEAD;
        rq->on_gone(rq->gone_user);
    }
    bool is_library_unaware = rq->conn->rq == rq;
    if (is_library_unaware && (waits || rq->phase == HTTP_READING)) {
        http_conn_kill(rq->conn);
        http_request_resume(rq);
    }
}

/* --- the head --- */

struct head_check {
    int fields;
    int lengths;
    int encodings;
    int hosts;
    struct str length;
    bool bad_name;
    bool bad_encoding;
};

static bool is_token(const char *name) {
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (const char *c = name; *c; c++) {
        bool alnum = (*c >= '0' && *c <= '9') || ((*c | 0x20) >= 'a' && (*c | 0x20) <= 'z');
        if (!alnum && !strchr(marks, *c)) {
            return false;
        }
    }
    return *name != '\0';
}

static enum MHD_Result check_field(void *cls, enum MHD_ValueKind kind, const char *key,
                                   const char *value) {
    struct head_check *c = cls;
    c->fields++;
    if (kind != MHD_HEADER_KIND) {
        return MHD_YES;
    }
    struct str name = str_of(key);
    c->bad_name = c->bad_name || !is_token(key);
    if (str_ieq(name, STR("Host"))) {
        c->hosts++;
    } else if (str_ieq(name, STR("Content-Length"))) {
        c->lengths++;
        c->length = str_of(value);
    } else if (str_ieq(name, STR("Transfer-Encoding"))) {
        c->encodings++;
        c->bad_encoding = c->bad_encoding || !str_ieq(str_of(value), STR("chunked"));
    }
    return MHD_YES;
}

static void fault(struct http_request *rq, int status, const char *detail) {
    if (!rq->fault_status) {
        rq->fault_status = status;
        rq->fault_detail = detail;
    }
}

/* What the library lets pass although two servers in a row could read it differently (RFC 9112
 * sections 3.2, 5.1, 6.1, 6.3), or that would use up its memory. */
static void check_head(struct http_request *rq, struct head_check *c) {
    struct MHD_Connection *mhd = rq->conn->mhd;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    (void)MHD_get_connection_values(mhd, MHD_HEADER_KIND | MHD_COOKIE_KIND, check_field, c);
    if (c->fields > HTTP_FIELDS_MAX ||
        (info && info->header_size > (size_t)rq->server->options.header_max_bytes)) {
        rq->fault_status = 0;
        fault(rq, 431, "The request line and the headers are too large.");
    }
    if (c->bad_name) {
        fault(rq, 400, "A header name has a character that is not allowed there.");
    }
    if (c->hosts > 1) {
        fault(rq, 400, "There is more than one Host header.");
    }
    if (c->bad_encoding || c->encodings > 1 || (c->encodings && c->lengths) || c->lengths > 1) {
        rq->fault_status = 0;
        fault(rq, 400, "The length of the body is given twice or in an unknown way.");
    }
    rq->has_body = c->encodings > 0 || (c->lengths > 0 && !str_eq(c->length, STR("0")));
}

static void check_body_size(struct http_request *rq) {
    uint64_t max = rq->route ? (uint64_t)rq->route->body_max_bytes : 0;
    if (rq->has_body && ((rq->length_known && rq->body_length > max) || max == 0)) {
        fault(rq, 413, "The body is larger than this path takes.");
    }
}

/* The page of a stranger: its browser would hide the answer, so it gets none that costs anything.
 */
static void check_origin(struct http_request *rq) {
    if (rq->cors && !origins_allow(rq->server->options.origins, http_header(rq, "Origin"))) {
        metrics_add(M_ORIGINS_REFUSED_HTTP, 1);
        rq->cors = false;
        rq->fault_status = 403;
        rq->fault_detail = "Pages of this origin may not use this service.";
    }
}

static void read_head(struct http_request *rq, const char *method, const char *version) {
    struct head_check check = {0};
    rq->method = mem_strdup(method);
    rq->is_head = strcmp(method, "HEAD") == 0;
    check_head(rq, &check);
    rq->length_known = check.lengths && str_to_u64(check.length, &rq->body_length) == ERR_OK;
    if (!check.hosts && strcmp(version, "HTTP/1.1") == 0) {
        fault(rq, 400, "The Host header is missing.");
    }
    if (rq->server->draining) {
        fault(rq, 503, "This server is about to stop; try again.");
    }
    if (!rq->fault_status) {
        http_router_find(rq);
        check_origin(rq);
    }
}

/* Calls the handler, or on_head; suspends when it wants to answer later. False: close. */
static bool hand_over(struct http_request *rq, http_handler_fn *handler) {
    rq->phase = HTTP_HANDLING;
    rq->in_handler = true;
    http_conn_clear_deadline(rq->conn);
    handler(rq->server->user, rq);
    rq->in_handler = false;
    if (rq->phase != HTTP_HANDLING) {
        return true;
    }
    if (!rq->deferred) {
        log_error("http_handler_silent", LOG_S("path", rq->target));
        http_problem(rq, 500, NULL, "The request was not handled.", NULL);
        return true;
    }
    if (rq->server->destroying) {
        return false;
    }
    rq->suspended = true;
    MHD_suspend_connection(rq->conn->mhd);
    if (rq->on_gone) {
        http_conn_watch(rq->conn);
    }
    return true;
}

/* The head is judged: on with the body, or with the fault it has. */
static void begin_body(struct http_request *rq) {
    rq->head = HTTP_HEAD_DONE;
    rq->body_moved_ms = uv_now(rq->server->loop);
    check_body_size(rq);
    if (rq->fault_status && rq->has_body) {
        /* Answered before the body is read; the library closes the connection after it. */
        rq->conn->linger = true;
        http_request_send_fault(rq);
    } else if (rq->route) {
        buf_init(&rq->body, (size_t)rq->route->body_max_bytes);
    }
}

enum MHD_Result http_request_on_head(struct http_request *rq, const char *method,
                                     const char *version) {
    if (rq->head == HTTP_HEAD_NEW) {
        read_head(rq, method, version);
        rq->head = HTTP_HEAD_ASKED;
        if (!rq->fault_status && rq->route->on_head && !hand_over(rq, rq->route->on_head)) {
            return MHD_NO;
        }
    } else if (rq->phase != HTTP_READING) {
        return MHD_NO; /* resumed to be closed */
    }
    if (rq->phase == HTTP_READING) {
        begin_body(rq);
    }
    return MHD_YES;
}

/* --- the body --- */

/* The library takes no answer in the middle of a body, so it gets written straight to the socket:
 * nothing else of this request was written, and the connection ends here. */
static enum MHD_Result refuse_rest_of_body(struct http_request *rq) {
    static const char body[] = "{\"type\":\"about:blank\",\"title\":\"Content Too Large\","
                               "\"status\":413,\"detail\":\"The body is larger than this path "
                               "takes.\"}";
    const char *origin = http_request_cors_value(rq);
    struct buf answer;
    buf_init(&answer, 1024);
    buf_printf(&answer,
               "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n"
               "Content-Type: application/problem+json\r\nX-Content-Type-Options: nosniff\r\n"
               "Cache-Control: no-store\r\n%s%s%sContent-Length: %zu\r\n\r\n%s",
               origin ? "Access-Control-Allow-Origin: " : "", origin ? origin : "",
               origin ? "\r\n" : "", sizeof(body) - 1, body);
    (void)send(rq->conn->fd, answer.p, answer.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_finish(&answer);
    metrics_add(M_HTTP_ANSWERS_4XX, 1);
    rq->conn->linger = true;
    return MHD_NO;
}

enum MHD_Result http_request_on_body(struct http_request *rq, const char *bytes, size_t *size) {
    buf_put(&rq->body, bytes, *size);
    *size = 0;
    rq->body_moved_ms = uv_now(rq->server->loop);
    return rq->body.overflow ? refuse_rest_of_body(rq) : MHD_YES;
}

enum MHD_Result http_request_on_complete(struct http_request *rq) {
    if (rq->phase != HTTP_READING) {
        return MHD_NO; /* resumed to be closed */
    }
    if (rq->fault_status) {
        http_request_send_fault(rq);
        return MHD_YES;
    }
    return hand_over(rq, rq->route->handler) ? MHD_YES : MHD_NO;
}

/* --- views --- */

struct str http_method(const struct http_request *rq) {
    return str_of(rq->method);
}

struct str http_path(const struct http_request *rq) {
    return str_of(rq->target);
}

struct str http_path_param(const struct http_request *rq, int i) {
    assert(i >= 0 && i < HTTP_PARAMS_MAX);
    return rq->params[i];
}

struct str http_header(const struct http_request *rq, const char *name) {
    const char *value =
        rq->conn ? MHD_lookup_connection_value(rq->conn->mhd, MHD_HEADER_KIND, name) : NULL;
    return str_of(value);
}

struct str http_query(const struct http_request *rq, const char *name) {
    for (int i = 0; i < rq->query_count; i++) {
        if (str_eq(rq->query[i].name, str_of(name))) {
            return rq->query[i].value;
        }
    }
    return (struct str){NULL, 0};
}

void http_query_each(const struct http_request *rq,
                     void (*each)(void *user, struct str name, struct str value), void *user) {
    for (int i = 0; i < rq->query_count; i++) {
        each(user, rq->query[i].name, rq->query[i].value);
    }
}

struct str http_body(const struct http_request *rq) {
    return buf_str(&rq->body);
}

bool http_is_tls(const struct http_request *rq) {
    return rq->server && rq->server->options.tls;
}

const char *http_peer(const struct http_request *rq) {
    return rq->conn ? rq->conn->peer : "";
}

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "http_internal.h"

static void count_answer(int status) {
    static const enum metric by_class[] = {M_HTTP_ANSWERS_2XX, M_HTTP_ANSWERS_3XX,
                                           M_HTTP_ANSWERS_4XX, M_HTTP_ANSWERS_5XX};
    if (status >= 200 && status < 600) {
        metrics_add(by_class[status / 100 - 2], 1);
    }
}

void http_add_header(struct http_request *rq, const char *name, const char *value) {
    assert(rq->added_count < HTTP_ADDED_MAX);
    struct http_param *added = &rq->added[rq->added_count++];
    added->name = str_of(mem_strdup(name));
    added->value = str_of(mem_strdup(value));
}

static bool was_added(const struct http_request *rq, const char *name) {
    for (int i = 0; i < rq->added_count; i++) {
        if (str_ieq(rq->added[i].name, str_of(name))) {
            return true;
        }
    }
    return false;
}

static void put_header(struct MHD_Response *response, const char *name, const char *value) {
    if (MHD_add_response_header(response, name, value) != MHD_YES) {
        log_error("http_header_refused", LOG_S("name", name));
    }
}

const char *http_request_cors_value(const struct http_request *rq) {
    if (!rq->cors) {
        return NULL;
    }
    return origins_are_limited(rq->server->options.origins) ? http_header(rq, "Origin").p : "*";
}

/* Fetch standard, "HTTP extensions": with a list the answer differs by origin, and caches have to
 * know; pages may read no header but a few unless it is named. */
static void put_cors(const struct http_request *rq, struct MHD_Response *response) {
    const char *origin = http_request_cors_value(rq);
    if (origins_are_limited(rq->server->options.origins)) {
        put_header(response, "Vary", "Origin");
    }
    if (origin) {
        put_header(response, "Access-Control-Allow-Origin", origin);
        put_header(response, "Access-Control-Expose-Headers", "Retry-After");
    }
}

static void put_headers(const struct http_request *rq, struct MHD_Response *response) {
    for (int i = 0; i < rq->added_count; i++) {
        put_header(response, rq->added[i].name.p, rq->added[i].value.p);
    }
    put_header(response, "X-Content-Type-Options", "nosniff");
    if (!was_added(rq, "Cache-Control")) {
        put_header(response, "Cache-Control", "no-store");
    }
    if (rq->cors) {
        put_cors(rq, response);
    }
    if (rq->server->draining || rq->server->winding_down) {
        put_header(response, "Connection", "close");
    }
}

void http_request_resume(struct http_request *rq) {
    if (rq->suspended) {
        rq->suspended = false;
        MHD_resume_connection(rq->conn->mhd);
        http_server_wake(rq->server);
    }
}

void http_request_send(struct http_request *rq, int status, struct MHD_Response *take_response) {
    count_answer(status);
    put_headers(rq, take_response);
    if (MHD_queue_response(rq->conn->mhd, (unsigned)status, take_response) != MHD_YES) {
        http_conn_kill(rq->conn);
    }
    MHD_destroy_response(take_response);
    http_request_resume(rq);
}

void http_answer(struct http_request *rq, int status, const char *content_type, struct str body) {
    assert(rq->phase == HTTP_HANDLING || rq->phase == HTTP_READING);
    if (!rq->conn) {
        http_request_free(rq);
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.n, (void *)(uintptr_t)(body.n ? body.p : ""), MHD_RESPMEM_MUST_COPY);
    if (!response) {
        log_error("http_answer_failed", LOG_STR("path", http_path(rq)));
        abort(); /* out of memory: as everywhere, a fresh worker takes over */
    }
    if (content_type) {
        put_header(response, "Content-Type", content_type);
    }
    http_conn_unwatch(rq->conn);
    http_conn_set_deadline(rq->conn);
    rq->conn->linger = rq->conn->linger || (rq->has_body && rq->head != HTTP_HEAD_DONE);
    rq->phase = HTTP_ANSWERED;
    http_request_send(rq, status, response);
}

void http_problem(struct http_request *rq, int status, const char *title, const char *detail,
                  const struct problem *p) {
    struct buf body;
    buf_init(&body, 256 * 1024);
    title = title ? title : MHD_get_reason_phrase_for((unsigned)status);
    if (p && !problem_is_empty(p)) {
        problem_put_json(p, status, title, &body);
    } else {
        buf_puts(&body, "{\"type\":\"about:blank\",\"title\":");
        buf_put_json(&body, str_of(title));
        buf_printf(&body, ",\"status\":%d,\"detail\":", status);
        buf_put_json(&body, str_of(detail));
        buf_puts(&body, "}");
    }
    http_answer(rq, status, "application/problem+json", buf_str(&body));
    buf_finish(&body);
}

static void send_options(struct http_request *rq) {
    http_add_header(rq, "Allow", rq->allow.p);
    if (rq->cors) {
        /* A preflight answer (Fetch standard, "CORS-preflight fetch"). */
        struct str headers = http_header(rq, "Access-Control-Request-Headers");
        http_add_header(rq, "Access-Control-Allow-Methods", rq->allow.p);
        http_add_header(rq, "Access-Control-Max-Age", "86400");
        if (headers.p) {
            http_add_header(rq, "Access-Control-Allow-Headers", headers.p);
        }
    }
    http_answer(rq, 204, NULL, (struct str){NULL, 0});
}

void http_request_send_fault(struct http_request *rq) {
    if (rq->fault_status == 204) {
        send_options(rq);
        return;
    }
    if (rq->fault_status == 405) {
        http_add_header(rq, "Allow", rq->allow.p);
    } else if (rq->fault_status == 503) {
        http_add_header(rq, "Retry-After", "1");
    }
    http_problem(rq, rq->fault_status, NULL, rq->fault_detail, NULL);
}

void http_defer(struct http_request *rq, void (*on_gone)(void *user), void *user) {
    assert(rq->phase == HTTP_HANDLING && rq->in_handler);
    rq->deferred = true;
    rq->on_gone = on_gone;
    rq->gone_user = user;
}

void http_continue(struct http_request *rq) {
    assert(rq->phase == HTTP_HANDLING && rq->head == HTTP_HEAD_ASKED);
    if (!rq->conn) {
        http_request_free(rq);
        return;
    }
    rq->phase = HTTP_READING;
    rq->deferred = false;
    rq->on_gone = NULL;
    http_conn_unwatch(rq->conn);
    http_conn_set_deadline(rq->conn);
    http_request_resume(rq);
}

void http_keep(struct http_request *rq, void *take_data) {
    free(rq->kept);
    rq->kept = take_data;
}

void *http_kept(const struct http_request *rq) {
    return rq->kept;
}

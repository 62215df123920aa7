#include "net/http2_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/http2_conn.h"

enum { SPARE_ANSWER_BYTES = 1024 };

struct http2_request *http2_request_create(struct http2_conn_shared *shared,
                                           struct http2_conn *conn, const struct http2_post *post) {
    struct http2_request *rq;
    if (list_is_empty(&shared->spare)) {
        rq = mem_zalloc(1, sizeof(*rq));
        list_init(&rq->link);
        buf_init(&rq->answer, HTTP2_ANSWER_MAX_BYTES);
    } else {
        rq = LIST_ENTRY(shared->spare.next, struct http2_request, link);
        list_remove(&rq->link);
        shared->spare_count--;
    }
    rq->conn = conn;
    rq->done = post->done;
    rq->user = post->user;
    for (int i = 0; i < HTTP2_BODY_PARTS; i++) {
        rq->body[i] = post->body[i];
        rq->body_left += post->body[i].n;
    }
    return rq;
}

/* As a new one, but for the answer's memory. */
static void clear(struct http2_request *rq) {
    rq->is_finished = rq->is_stream_closed = rq->has_status = false;
    rq->status = 0;
    rq->body_left = 0;
    rq->body_copy = NULL;
    rq->retry_after[0] = '\0';
    buf_clear(&rq->answer);
}

static void destroy(struct http2_request *rq) {
    buf_finish(&rq->answer);
    free(rq);
}

void http2_request_release(struct http2_conn_shared *shared, struct http2_request *rq) {
    free(rq->body_copy);
    /* A long answer is rare, and its memory is not worth keeping. */
    if (shared->spare_count >= HTTP2_SPARE_MAX || rq->answer.cap > SPARE_ANSWER_BYTES) {
        destroy(rq);
        return;
    }
    clear(rq);
    list_push_front(&shared->spare, &rq->link);
    shared->spare_count++;
}

void http2_request_free_spare(struct http2_conn_shared *shared) {
    LIST_EACH_SAFE(it, &shared->spare) {
        list_remove(it);
        destroy(LIST_ENTRY(it, struct http2_request, link));
    }
    shared->spare_count = 0;
}

static void keep_header(char out_text[HTTP2_HEADER_MAX_BYTES], struct str value) {
    if (value.n < HTTP2_HEADER_MAX_BYTES) {
        memcpy(out_text, value.p, value.n);
        out_text[value.n] = '\0';
    }
}

void http2_request_on_header(struct http2_request *rq, struct str name, struct str value) {
    if (rq->has_status) {
        return; /* trailers */
    }
    uint64_t status = 0;
    if (str_eq(name, STR(":status"))) {
        rq->status = str_to_u64(value, &status) || status > 999 ? 0 : (int)status;
    } else if (str_eq(name, STR("retry-after"))) {
        keep_header(rq->retry_after, value);
    }
}

void http2_request_on_data(struct http2_request *rq, struct str bytes) {
    size_t room = HTTP2_ANSWER_MAX_BYTES - rq->answer.n;
    buf_put(&rq->answer, bytes.p, bytes.n < room ? bytes.n : room);
}

void http2_request_put_body(struct http2_request *rq, size_t size, struct buf *out) {
    size_t left = size;
    for (int i = 0; i < HTTP2_BODY_PARTS && left > 0; i++) {
        struct str *part = &rq->body[i];
        size_t n = part->n < left ? part->n : left;
        if (!n) {
            continue;
        }
        buf_put(out, part->p, n);
        *part = (struct str){part->p + n, part->n - n};
        left -= n;
    }
    rq->body_left -= size - left;
}

void http2_request_keep_body(struct http2_request *rq) {
    if (!rq->body_left) {
        return;
    }
    struct buf rest;
    size_t size = rq->body_left;
    buf_init(&rest, size);
    http2_request_put_body(rq, size, &rest);
    rq->body_copy = buf_take(&rest);
    rq->body[0] = (struct str){rq->body_copy, size};
    rq->body_left = size;
}

#include "net/ops_routes.h"

#include <unistd.h>

#include "base/metrics.h"

enum { METRICS_PAGE_MAX_BYTES = 4 << 20, READY_PAGE_MAX_BYTES = 64 << 10 };

void ops_metrics(void *user, struct http_request *rq) {
    (void)user;
    struct buf page;
    buf_init(&page, METRICS_PAGE_MAX_BYTES);
    metrics_render(&page);
    http_answer(rq, 200, "text/plain; version=0.0.4; charset=utf-8", buf_str(&page));
    buf_finish(&page);
}

void ops_healthz(void *user, struct http_request *rq) {
    (void)user;
    http_answer(rq, 200, "application/json", STR("{\"alive\":true}"));
}

static void put_separator(struct buf *b) {
    if (b->n) {
        buf_putc(b, ',');
    }
}

/* The text of a reason in the list: "gateway 1: redis away". */
static void put_reason(struct buf *b, const struct worker_health *h, int number) {
    struct buf text;
    buf_init(&text, 256);
    buf_printf(&text, "%s %d: %s", h->role, number, h->reason[0] ? h->reason : "not running");
    put_separator(b);
    buf_put_json(b, buf_str(&text));
    buf_finish(&text);
}

static void put_worker(struct buf *b, const struct worker_health *h, int number) {
    put_separator(b);
    buf_puts(b, "{\"role\":");
    buf_put_json(b, str_of(h->role));
    buf_printf(b, ",\"worker\":%d,\"pid\":%d,\"ready\":%s,\"reason\":", number, h->pid,
               h->ready ? "true" : "false");
    buf_put_json(b, str_of(h->reason));
    buf_printf(b, ",\"restarts\":%lld}", (long long)h->restarts);
}

/* Workers are numbered within their role, in the order of the slots. */
static int number_of(int slot, const struct worker_health *h) {
    int number = 0;
    for (int i = 0; i < slot; i++) {
        struct worker_health other = metrics_health(i);
        number += str_eq(str_of(other.role), str_of(h->role)) ? 1 : 0;
    }
    return number;
}

/* `pid` 0 = all workers. */
static void answer_ready(struct http_request *rq, int pid) {
    struct buf reasons;
    struct buf workers;
    struct buf page;
    buf_init(&reasons, READY_PAGE_MAX_BYTES);
    buf_init(&workers, READY_PAGE_MAX_BYTES);
    buf_init(&page, 3 * READY_PAGE_MAX_BYTES);
    for (int slot = 0; slot < METRICS_WORKERS_MAX; slot++) {
        struct worker_health h = metrics_health(slot);
        if (!h.role[0] || (pid && h.pid != pid)) {
            continue;
        }
        int number = number_of(slot, &h);
        put_worker(&workers, &h, number);
        if (!h.ready) {
            put_reason(&reasons, &h, number);
        }
    }
    if (!workers.n) {
        buf_puts(&reasons, "\"no worker is known yet\"");
    }
    bool ready = !reasons.n;
    buf_printf(&page, "{\"ready\":%s,\"reasons\":[%s],\"workers\":[%s]}", ready ? "true" : "false",
               reasons.n ? reasons.p : "", workers.n ? workers.p : "");
    http_answer(rq, ready ? 200 : 503, "application/json", buf_str(&page));
    buf_finish(&reasons);
    buf_finish(&workers);
    buf_finish(&page);
}

void ops_readyz(void *user, struct http_request *rq) {
    (void)user;
    answer_ready(rq, 0);
}

void ops_readyz_worker(void *user, struct http_request *rq) {
    (void)user;
    answer_ready(rq, (int)getpid());
}

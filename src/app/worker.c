#include "app/worker.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>

#include <uv.h>

#include "app/app.h"
#include "app/ops.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/gateway.h"
#include "newsroom/newsroom.h"
#include "push/dispatcher.h"

/* After its stop a role has no business on the loop; one that has is a bug, told and not waited
 * for. */
enum { LINGER_MS = 2000 };

const char *const worker_role_names[ROLE_COUNT] = {"newsroom", "gateway", "dispatcher", "ops"};

struct worker {
    const struct config *cfg;
    const struct taxonomy *taxonomy;
    enum worker_role role;
    uv_loop_t loop;
    uv_signal_t on_term;
    uv_signal_t on_hup;
    uv_timer_t linger;
    bool created;
    bool stopping;
    union {
        struct newsroom *newsroom;
        struct gateway *gateway;
        struct dispatcher *dispatcher;
        struct ops *ops;
    } part;
};

static enum err create_part(struct worker *w) {
    switch (w->role) {
    case ROLE_NEWSROOM:
        return newsroom_create(&w->loop, w->cfg, w->taxonomy, &w->part.newsroom);
    case ROLE_GATEWAY:
        return gateway_create(&w->loop, w->cfg, w->taxonomy, &w->part.gateway);
    case ROLE_DISPATCHER:
        return dispatcher_create(&w->loop, w->cfg, w->taxonomy, &w->part.dispatcher);
    case ROLE_OPS:
        return ops_create(&w->loop, w->cfg, &w->part.ops);
    case ROLE_COUNT:
        break;
    }
    return ERR_INVALID;
}

static void destroy_part(struct worker *w) {
    switch (w->role) {
    case ROLE_NEWSROOM:
        newsroom_destroy(w->part.newsroom);
        break;
    case ROLE_GATEWAY:
        gateway_destroy(w->part.gateway);
        break;
    case ROLE_DISPATCHER:
        dispatcher_destroy(w->part.dispatcher);
        break;
    case ROLE_OPS:
        ops_destroy(w->part.ops);
        break;
    case ROLE_COUNT:
        break;
    }
}

static void on_linger(uv_timer_t *timer) {
    log_warn("loop_still_busy");
    uv_stop(timer->loop);
}

/* From now on only what the role still has to close keeps the loop running. */
static void let_loop_end(struct worker *w) {
    uv_close((uv_handle_t *)&w->on_term, NULL);
    uv_close((uv_handle_t *)&w->on_hup, NULL);
    (void)uv_timer_start(&w->linger, on_linger, LINGER_MS, 0);
    uv_unref((uv_handle_t *)&w->linger);
}

static void on_stopped(void *user) {
    struct worker *w = user;
    destroy_part(w);
    let_loop_end(w);
}

static void stop_part(struct worker *w) {
    switch (w->role) {
    case ROLE_NEWSROOM:
        newsroom_stop(w->part.newsroom, on_stopped, w);
        break;
    case ROLE_GATEWAY:
        gateway_stop(w->part.gateway, on_stopped, w);
        break;
    case ROLE_DISPATCHER:
        dispatcher_stop(w->part.dispatcher, on_stopped, w);
        break;
    case ROLE_OPS:
        ops_stop(w->part.ops, on_stopped, w);
        break;
    case ROLE_COUNT:
        break;
    }
}

static void on_term(uv_signal_t *handle, int number) {
    struct worker *w = handle->data;
    (void)number;
    if (!w->stopping) {
        w->stopping = true;
        log_info("worker_stopping");
        stop_part(w);
    }
}

/* The others have nothing to read again; without a handler the signal would end the process. */
static void on_hup(uv_signal_t *handle, int number) {
    struct worker *w = handle->data;
    (void)number;
    log_debug("hangup");
    if (w->stopping || !w->created) {
        return;
    }
    if (w->role == ROLE_GATEWAY) {
        gateway_reload(w->part.gateway);
    } else if (w->role == ROLE_NEWSROOM) {
        newsroom_reload(w->part.newsroom);
    }
}

static enum err open_loop(struct worker *w) {
    int status = uv_loop_init(&w->loop);
    if (status) {
        log_error("loop_failed", LOG_S("reason", uv_strerror(status)));
        return ERR_IO;
    }
    (void)uv_timer_init(&w->loop, &w->linger);
    (void)uv_signal_init(&w->loop, &w->on_term);
    (void)uv_signal_init(&w->loop, &w->on_hup);
    w->on_term.data = w;
    w->on_hup.data = w;
    (void)uv_signal_start(&w->on_term, on_term, SIGTERM);
    (void)uv_signal_start(&w->on_hup, on_hup, SIGHUP);
    return ERR_OK;
}

static int run(struct worker *w) {
    if (open_loop(w)) {
        return APP_FAILED;
    }
    enum err err = create_part(w);
    w->created = !err;
    if (err) {
        log_error("worker_failed", LOG_ERR(err));
        let_loop_end(w);
    }
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&w->linger, NULL);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    (void)uv_loop_close(&w->loop);
    return err ? APP_FAILED : APP_OK;
}

int worker_run(const struct worker_place *place, const struct config *cfg,
               const struct taxonomy *taxonomy) {
    char name[32];
    const char *role = worker_role_names[place->role];
    struct worker w = {.cfg = cfg, .taxonomy = taxonomy, .role = place->role};
    (void)snprintf(name, sizeof(name), "tocsin-%s", role);
    (void)prctl(PR_SET_NAME, name); /* the kernel cuts it at 15 characters */
    log_set_worker(role, place->index);
    metrics_attach(place->slot);
    return run(&w);
}

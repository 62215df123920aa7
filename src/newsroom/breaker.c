#include "newsroom/breaker.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "store/publish_guard.h"

void breaker_note(const struct config *cfg, const char *key_id, enum publish_status status) {
    metrics_add(M_BREAKERS_REFUSED, 1);
    if (status == PUBLISH_BREAKER_TRIPPED) {
        metrics_add(M_BREAKERS_TRIPPED, 1);
        log_warn("breaker_tripped", LOG_S("key_id", key_id),
                 LOG_I("alerts", cfg->newsroom_breaker_alerts),
                 LOG_I("within_s", cfg->newsroom_breaker_window_s));
    }
}

static void refuse(struct call *call, int status, const char *detail) {
    metrics_add(M_CONTROL_REFUSED, 1);
    call_problem(call, status, detail, NULL);
}

static void on_reset(void *user, enum err err, bool was_open) {
    struct call *call = user;
    if (err) {
        metrics_add(M_CONTROL_UNAVAILABLE, 1);
        call_unavailable(call, "The store cannot be reached; try again.");
        return;
    }
    if (was_open) {
        log_warn("breaker_reset", LOG_S("by_key_id", call->key.id));
    }
    call_answer(call, was_open ? STR("{\"reset\":true}") : STR("{\"reset\":false}"));
}

static bool is_key_id(struct str id) {
    for (size_t i = 0; i < id.n; i++) {
        if (!((id.p[i] >= 'a' && id.p[i] <= 'z') || (id.p[i] >= '0' && id.p[i] <= '9'))) {
            return false;
        }
    }
    return id.n == API_KEY_ID_BYTES - 1;
}

void breaker_reset(struct room *room, struct http_request *rq) {
    struct call *call = call_of(room, rq, http_kept(rq));
    struct str id = http_path_param(rq, 0);
    if (!call->key.scope.admin) {
        refuse(call, 403, "Only a key with the scope admin may reset a breaker.");
        return;
    }
    if (!is_key_id(id)) {
        refuse(call, 404, "There is no such key.");
        return;
    }
    char detail[64];
    (void)snprintf(detail, sizeof(detail), "{\"key_id\":\"%.*s\"}", STR_ARG(id));
    const struct audit_event event = {.action = "breaker.reset",
                                      .key_id = call->key.id,
                                      .key_name = call->key.name,
                                      .detail_json = str_of(detail)};
    publish_guard_reset(call->room->store, id, &event, on_reset, call);
}

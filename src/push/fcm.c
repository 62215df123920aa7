#include "push/fcm.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/device.h"
#include "push/fcm_answer.h"
#include "push/fcm_token.h"
#include "render/fcm_payload.h"
#include "render/push_payload.h"

enum {
    MESSAGE_MAX_BYTES = 64 << 10,
    TOKEN_JSON_MAX_BYTES = 6 * DEVICE_TOKEN_BYTES_MAX + 2, /* every character escaped */
    FIRST_STREAMS = 100,                                   /* what fcm.googleapis.com offers */
};

struct fcm {
    struct provider base;
    const struct config *cfg;
    struct http2_pool *pool;
    struct fcm_token *token;
    char *path;
    struct buf token_json; /* scratch */
};

static struct fcm *fcm_of(struct provider *p) {
    return (struct fcm *)(void *)p;
}

static void fcm_build(struct provider *p, const struct alert *a, int edition, struct payload *out) {
    const struct push_context x = {fcm_of(p)->cfg, p->taxonomy, clock_wall_ms()};
    struct notice n;
    buf_clear(&out->body);
    out->body.max = MESSAGE_MAX_BYTES;
    out->built_ms = x.now_ms;
    out->err = push_payload_build(&x, PLATFORM_FCM, a, edition, &n, &out->body);
    if (!out->err) {
        notice_finish(&n);
    }
}

static size_t fcm_credit(struct provider *p) {
    struct fcm *s = fcm_of(p);
    return fcm_token_bearer(s->token).n ? http2_pool_credit(s->pool) : 0;
}

static enum err fcm_post(struct provider *p, const struct payload *payload,
                         const struct provider_target *target, http2_answer_fn *done, void *user,
                         uint32_t *out_version) {
    struct fcm *s = fcm_of(p);
    struct str bearer = fcm_token_bearer(s->token);
    if (!bearer.n) {
        return ERR_UNAVAILABLE;
    }
    buf_clear(&s->token_json);
    buf_put_json(&s->token_json, target->token);
    const struct http2_header headers[] = {
        {.name = STR("authorization"), .value = bearer},
        {.name = STR("content-type"), .value = STR("application/json")},
    };
    *out_version = fcm_token_version(s->token);
    const struct http2_post post = {
        .path = str_of(s->path),
        .headers = headers,
        .header_count = 2,
        .body = {STR(FCM_PAYLOAD_PREFIX), buf_str(&s->token_json), buf_str(&payload->body)},
        .done = done,
        .user = user,
    };
    return http2_pool_post(s->pool, &post);
}

static struct verdict fcm_classify(const struct http2_answer *answer, int64_t now_ms) {
    return fcm_answer_classify(answer->status, answer->body, answer->retry_after, now_ms);
}

static bool fcm_renew(struct provider *p, uint32_t version) {
    fcm_token_renew(fcm_of(p)->token, version);
    return true;
}

static void fcm_heed(struct provider *p, const struct verdict *v, void *connection) {
    if (v->retire) {
        http2_pool_retire(fcm_of(p)->pool, connection, false);
    }
}

static void fcm_flush(struct provider *p) {
    http2_pool_flush(fcm_of(p)->pool);
}

static void fcm_tick(struct provider *p, int64_t now_mono_ms) {
    fcm_token_tick(fcm_of(p)->token, now_mono_ms);
}

static void fcm_destroy(struct provider *p) {
    struct fcm *s = fcm_of(p);
    http2_pool_destroy(s->pool);
    fcm_token_destroy(s->token);
    buf_finish(&s->token_json);
    free(s->path);
    free(s);
}

static const struct provider_ops fcm_ops = {
    .platform = PLATFORM_FCM,
    .build = fcm_build,
    .credit = fcm_credit,
    .post = fcm_post,
    .classify = fcm_classify,
    .renew = fcm_renew,
    .heed = fcm_heed,
    .flush = fcm_flush,
    .tick = fcm_tick,
    .destroy = fcm_destroy,
};

static void on_ready(void *user) {
    struct provider *p = user;
    p->events.on_ready(p->events_user);
}

static void on_refused(void *user, struct str reason) {
    struct provider *p = user;
    p->events.on_credentials_bad(p->events_user, reason);
}

static char *make_path(const char *project_id) {
    struct buf b;
    buf_init(&b, MESSAGE_MAX_BYTES);
    buf_printf(&b, "/v1/projects/%s/messages:send", project_id);
    return buf_take(&b);
}

static enum err open_account(struct fcm *s, uv_loop_t *loop) {
    struct buf json;
    buf_init(&json, 65536);
    struct fcm_account account;
    const char *problem = "cannot be read";
    enum err err = file_read(s->cfg->fcm_service_account_file, &json);
    if (!err) {
        err = fcm_account_parse(buf_str(&json), &account, &problem);
    }
    buf_wipe(&json);
    if (err) {
        log_error("fcm_account_invalid", LOG_S("file", s->cfg->fcm_service_account_file),
                  LOG_S("reason", problem));
        return err;
    }
    static const struct fcm_token_events events = {.on_change = on_ready, .on_refused = on_refused};
    s->path = make_path(account.project_id);
    err = fcm_token_create(loop, &account, s->cfg, &events, s, &s->token);
    fcm_account_finish(&account);
    return err;
}

enum err fcm_create(uv_loop_t *loop, const struct config *cfg, const struct taxonomy *t,
                    const struct provider_events *events, void *user,
                    struct provider **out_provider) {
    struct fcm *s = mem_zalloc(1, sizeof(*s));
    s->base =
        (struct provider){.ops = &fcm_ops, .taxonomy = t, .events = *events, .events_user = user};
    s->cfg = cfg;
    buf_init(&s->token_json, TOKEN_JSON_MAX_BYTES);
    const struct http2_options options = {
        .url = cfg->fcm_url,
        .ca_file = cfg->fcm_ca_file,
        .first_streams = FIRST_STREAMS,
        .connections_max = (int)cfg->fcm_connections_max,
        .open_interval_ms = cfg->fcm_connect_interval_ms,
        .connect_timeout_ms = cfg->fcm_connect_timeout_s * 1000,
        .response_timeout_ms = cfg->fcm_response_timeout_s * 1000,
        /* No PING: too many of them make FCM hang up ("too_many_pings"). */
        .idle_close_ms = cfg->fcm_idle_close_s * 1000,
    };
    enum err err = open_account(s, loop);
    if (!err) {
        err = http2_pool_create(loop, &options, &s->pool);
    }
    if (err) {
        log_error("fcm_setup_failed", LOG_ERR(err),
                  LOG_S("hint", "fcm.url, ca_file and service_account_file are needed"));
        fcm_destroy(&s->base);
        return ERR_INVALID;
    }
    http2_pool_on_credit(s->pool, on_ready, s);
    *out_provider = &s->base;
    return ERR_OK;
}

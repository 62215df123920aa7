#include "push/apns.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jwt.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "push/apns_answer.h"
#include "push/apns_token.h"
#include "render/apns_payload.h"
#include "render/push_payload.h"

enum { PATH_MAX_BYTES = 4096 + 16, PAYLOAD_BUF_BYTES = 64 << 10 };

struct apns {
    struct provider base;
    const struct config *cfg;
    struct http2_pool *pool;
    struct apns_token *token;
    struct buf path; /* scratch */
};

static struct apns *apns_of(struct provider *p) {
    return (struct apns *)(void *)p;
}

static void apns_build(struct provider *p, const struct alert *a, int edition,
                       struct payload *out) {
    const struct push_context x = {apns_of(p)->cfg, p->taxonomy, clock_wall_ms()};
    struct notice n;
    buf_clear(&out->body);
    out->body.max = PAYLOAD_BUF_BYTES;
    out->built_ms = x.now_ms;
    out->err = push_payload_build(&x, PLATFORM_APNS, a, edition, &n, &out->body);
    if (out->err) {
        return;
    }
    out->priority = apns_payload_priority(&n);
    /* 0 = one attempt, nothing stored: what a time to live of 0 asks for. */
    (void)snprintf(out->expiration, sizeof(out->expiration), "%" PRId64,
                   a->ttl_s ? n.expires_ms / 1000 : 0);
    (void)snprintf(out->collapse_id, sizeof(out->collapse_id), "%.*s", STR_ARG(n.collapse_id));
    notice_finish(&n);
}

static size_t apns_credit(struct provider *p) {
    struct apns *s = apns_of(p);
    return apns_token_bearer(s->token).n ? http2_pool_credit(s->pool) : 0;
}

static enum err apns_post(struct provider *p, const struct payload *payload,
                          const struct provider_target *target, http2_answer_fn *done, void *user,
                          uint32_t *out_version) {
    struct apns *s = apns_of(p);
    struct str bearer = apns_token_bearer(s->token);
    if (!bearer.n) {
        return ERR_UNAVAILABLE;
    }
    buf_clear(&s->path);
    buf_puts(&s->path, "/3/device/");
    buf_put_str(&s->path, target->token);
    struct str topic = target->app.n ? target->app : str_of(s->cfg->apns_topic);
    const struct http2_header headers[] = {
        {.name = STR("authorization"), .value = bearer},
        {.name = STR("apns-topic"), .value = topic},
        {.name = STR("apns-push-type"), .value = STR("alert")},
        {.name = STR("apns-priority"), .value = str_of(payload->priority)},
        {.name = STR("apns-expiration"), .value = str_of(payload->expiration)},
        {.name = STR("apns-collapse-id"), .value = str_of(payload->collapse_id)},
        {.name = STR("apns-id"), .value = str_of(target->attempt_id), .is_unique = true},
    };
    *out_version = apns_token_version(s->token);
    const struct http2_post post = {
        .path = buf_str(&s->path),
        .is_path_unique = true,
        .headers = headers,
        .header_count = sizeof(headers) / sizeof(headers[0]),
        .body = {buf_str(&payload->body)},
        .done = done,
        .user = user,
    };
    return http2_pool_post(s->pool, &post);
}

static struct verdict apns_classify(const struct http2_answer *answer, int64_t now_ms) {
    return apns_answer_classify(answer->status, answer->body, answer->retry_after, now_ms);
}

static bool apns_renew(struct provider *p, uint32_t version) {
    struct apns *s = apns_of(p);
    bool replace_all = false;
    bool is_possible = apns_token_renew(s->token, version, &replace_all);
    if (replace_all) {
        http2_pool_retire(s->pool, NULL, true);
    }
    return is_possible;
}

static void apns_heed(struct provider *p, const struct verdict *v, void *connection) {
    struct apns *s = apns_of(p);
    if (v->hold_token) {
        apns_token_hold(s->token);
    }
    if (v->retire || (v->retire_if_renewed && apns_token_is_fresh(s->token))) {
        http2_pool_retire(s->pool, connection, v->kind == VERDICT_CREDENTIALS_OLD);
    }
}

static void apns_flush(struct provider *p) {
    http2_pool_flush(apns_of(p)->pool);
}

static void apns_tick(struct provider *p, int64_t now_mono_ms) {
    (void)p;
    (void)now_mono_ms; /* the JWT is renewed when it is used */
}

static void apns_destroy(struct provider *p) {
    struct apns *s = apns_of(p);
    http2_pool_destroy(s->pool);
    apns_token_destroy(s->token);
    buf_finish(&s->path);
    free(s);
}

static const struct provider_ops apns_ops = {
    .platform = PLATFORM_APNS,
    .has_attempt_id = true,
    .build = apns_build,
    .credit = apns_credit,
    .post = apns_post,
    .classify = apns_classify,
    .renew = apns_renew,
    .heed = apns_heed,
    .flush = apns_flush,
    .tick = apns_tick,
    .destroy = apns_destroy,
};

static enum err load_key(struct apns *s) {
    struct buf pem;
    buf_init(&pem, 65536);
    struct jwt_key *key = NULL;
    enum err err = file_read(s->cfg->apns_key_file, &pem);
    if (!err) {
        err = jwt_key_create(JWT_ES256, buf_str(&pem), &key);
    }
    buf_wipe(&pem);
    if (!err) {
        err = apns_token_create(key, s->cfg->apns_key_id, s->cfg->apns_team_id, &s->token);
    }
    return err;
}

static void on_credit(void *user) {
    struct provider *p = user;
    p->events.on_ready(p->events_user);
}

enum err apns_create(uv_loop_t *loop, const struct config *cfg, const struct taxonomy *t,
                     const struct provider_events *events, void *user,
                     struct provider **out_provider) {
    struct apns *s = mem_zalloc(1, sizeof(*s));
    s->base =
        (struct provider){.ops = &apns_ops, .taxonomy = t, .events = *events, .events_user = user};
    s->cfg = cfg;
    buf_init(&s->path, PATH_MAX_BYTES);
    const struct http2_options options = {
        .url = cfg->apns_url,
        .ca_file = cfg->apns_ca_file,
        .first_streams = 1,
        .one_until_accepted = true,
        .connections_min = 1, /* a flash must not wait for a handshake */
        .connections_max = (int)cfg->apns_connections_max,
        .open_interval_ms = cfg->apns_connect_interval_ms,
        .connect_timeout_ms = cfg->apns_connect_timeout_s * 1000,
        .response_timeout_ms = cfg->apns_response_timeout_s * 1000,
        .idle_ping_ms = cfg->apns_ping_idle_s * 1000,
        .ping_timeout_ms = cfg->apns_ping_timeout_s * 1000,
        .idle_close_ms = cfg->apns_idle_close_s * 1000,
    };
    enum err err = *cfg->apns_topic ? load_key(s) : ERR_INVALID;
    if (!err) {
        err = http2_pool_create(loop, &options, &s->pool);
    }
    if (err) {
        log_error(
            "apns_setup_failed", LOG_ERR(err),
            LOG_S("hint", "apns.url, ca_file, key_file, key_id, team_id and topic are needed"));
        apns_destroy(&s->base);
        return ERR_INVALID;
    }
    http2_pool_on_credit(s->pool, on_credit, s);
    *out_provider = &s->base;
    return ERR_OK;
}

#include "push/fcm_token.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "auth/jwt.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "net/http2_client.h"

enum {
    ASSERTION_LIFE_S = 3600, /* the most Google allows */
    AHEAD_S = 300,           /* renewed so long before its end */
    SPREAD_MS = 60000,       /* and up to this earlier, by chance */
    BACKOFF_MIN_MS = 1000,
    BACKOFF_MAX_MS = 60000,
    TOKEN_MAX_BYTES = 8192,
    REQUEST_MAX_BYTES = 16384,
};

static const char scope[] = "https://www.googleapis.com/auth/firebase.messaging";
static const char grant[] =
    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

struct fcm_token {
    struct http2_pool *pool;
    struct jwt_key *key;
    char *key_id;
    char *email;
    char *audience;
    char *path;
    struct fcm_token_events events;
    void *user;
    struct buf bearer;
    uint32_t version;   /* of `bearer`, 0 = none yet */
    int64_t expires_ms; /* monotonic */
    int64_t ask_ms;     /* monotonic: ask for another then */
    int failures;       /* in a row */
    bool is_asking;
    int64_t refused_retry_ms;
    bool is_rejected; /* the current one was refused by FCM */
};

static char *member(const cJSON *json, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    return cJSON_IsString(item) && *item->valuestring ? mem_strdup(item->valuestring) : NULL;
}

enum err fcm_account_parse(struct str json, struct fcm_account *out_account,
                           const char **out_problem) {
    cJSON *root = cJSON_ParseWithLength(json.p, json.n);
    struct fcm_account a = {
        .project_id = member(root, "project_id"),
        .client_email = member(root, "client_email"),
        .private_key = member(root, "private_key"),
        .private_key_id = member(root, "private_key_id"),
        .token_uri = member(root, "token_uri"),
    };
    cJSON *key = cJSON_GetObjectItemCaseSensitive(root, "private_key");
    if (cJSON_IsString(key)) {
        explicit_bzero(key->valuestring, strlen(key->valuestring));
    }
    bool is_json = root != NULL;
    cJSON_Delete(root);
    *out_problem = !is_json          ? "not a JSON file"
                   : !a.project_id   ? "project_id is missing"
                   : !a.client_email ? "client_email is missing"
                   : !a.private_key  ? "private_key is missing"
                   : !a.token_uri    ? "token_uri is missing"
                                     : NULL;
    if (*out_problem) {
        fcm_account_finish(&a);
        return ERR_INVALID;
    }
    *out_account = a;
    return ERR_OK;
}

void fcm_account_finish(struct fcm_account *a) {
    if (a->private_key) {
        explicit_bzero(a->private_key, strlen(a->private_key));
    }
    free(a->project_id);
    free(a->client_email);
    free(a->private_key);
    free(a->private_key_id);
    free(a->token_uri);
    *a = (struct fcm_account){0};
}

static enum err open_pool(struct fcm_token *t, uv_loop_t *loop, const char *url,
                          const char *ca_file) {
    const struct http2_options options = {
        .url = url,
        .ca_file = ca_file,
        .first_streams = 1,
        .connections_max = 1,
        .open_interval_ms = BACKOFF_MIN_MS,
        .connect_timeout_ms = 10000,
        .response_timeout_ms = 15000,
        .idle_close_ms = 10000,
    };
    const char *path = strchr(url + strcspn(url, ":") + 3, '/');
    t->path = mem_strdup(path ? path : "/");
    return http2_pool_create(loop, &options, &t->pool);
}

enum err fcm_token_create(uv_loop_t *loop, const struct fcm_account *account,
                          const struct config *cfg, const struct fcm_token_events *events,
                          void *user, struct fcm_token **out_token) {
    const char *url = *cfg->fcm_token_url ? cfg->fcm_token_url : account->token_uri;
    struct fcm_token *t = mem_zalloc(1, sizeof(*t));
    t->events = *events;
    t->refused_retry_ms = cfg->dispatcher_credentials_retry_s * 1000;
    t->user = user;
    t->key_id = mem_strdup(account->private_key_id ? account->private_key_id : "");
    t->email = mem_strdup(account->client_email);
    t->audience = mem_strdup(account->token_uri);
    buf_init(&t->bearer, TOKEN_MAX_BYTES);
    enum err err = str_starts(str_of(url), STR("https://")) ? ERR_OK : ERR_INVALID;
    if (!err) {
        err = jwt_key_create(JWT_RS256, str_of(account->private_key), &t->key);
    }
    if (!err) {
        err = open_pool(t, loop, url, cfg->fcm_ca_file);
    }
    if (err) {
        fcm_token_destroy(t);
        return err;
    }
    *out_token = t;
    return ERR_OK;
}

void fcm_token_destroy(struct fcm_token *t) {
    if (!t) {
        return;
    }
    t->events = (struct fcm_token_events){0};
    http2_pool_destroy(t->pool);
    jwt_key_destroy(t->key);
    buf_finish(&t->bearer);
    free(t->key_id);
    free(t->email);
    free(t->audience);
    free(t->path);
    free(t);
}

/* The form body of RFC 7523: nothing in a JWT needs percent-encoding. */
static enum err put_grant(const struct fcm_token *t, struct buf *b) {
    struct buf header;
    struct buf claims;
    buf_init(&header, REQUEST_MAX_BYTES);
    buf_init(&claims, REQUEST_MAX_BYTES);
    buf_puts(&header, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
    if (*t->key_id) {
        buf_puts(&header, ",\"kid\":");
        buf_put_json(&header, str_of(t->key_id));
    }
    buf_putc(&header, '}');
    int64_t now_s = clock_wall_ms() / 1000;
    buf_puts(&claims, "{\"iss\":");
    buf_put_json(&claims, str_of(t->email));
    buf_printf(&claims, ",\"scope\":\"%s\",\"aud\":", scope);
    buf_put_json(&claims, str_of(t->audience));
    buf_printf(&claims, ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}", now_s,
               now_s + ASSERTION_LIFE_S);
    buf_puts(b, grant);
    enum err err = jwt_sign(t->key, buf_str(&header), buf_str(&claims), b);
    buf_finish(&header);
    buf_finish(&claims);
    return err ? err : buf_check(b);
}

int64_t fcm_token_use_ms(int64_t expires_in_s, uint64_t random) {
    int64_t use_ms = (expires_in_s - AHEAD_S) * 1000 - (int64_t)(random % SPREAD_MS);
    int64_t half_ms = expires_in_s * 500; /* for tokens that hardly live */
    return use_ms > half_ms ? use_ms : half_ms;
}

static bool take_token(struct fcm_token *t, struct str body) {
    cJSON *json = cJSON_ParseWithLength(body.p, body.n);
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(json, "access_token");
    const cJSON *life = cJSON_GetObjectItemCaseSensitive(json, "expires_in");
    bool is_good = cJSON_IsString(token) && *token->valuestring && cJSON_IsNumber(life) &&
                   life->valuedouble >= 1 &&
                   strlen(token->valuestring) < TOKEN_MAX_BYTES - sizeof("Bearer ");
    if (is_good) {
        int64_t now_ms = clock_mono_ms();
        int64_t life_s = life->valueint;
        buf_clear(&t->bearer);
        buf_puts(&t->bearer, "Bearer ");
        buf_puts(&t->bearer, token->valuestring);
        t->version++;
        t->expires_ms = now_ms + life_s * 1000;
        t->ask_ms = now_ms + fcm_token_use_ms(life_s, codec_random_below(UINT64_MAX));
        t->failures = 0;
        t->is_rejected = false;
        metrics_add(M_PUSH_TOKENS_FCM, 1);
        log_info("fcm_token_granted", LOG_I("version", t->version), LOG_I("life_s", life_s));
    }
    cJSON_Delete(json);
    return is_good;
}

static void refused(struct fcm_token *t, struct str body) {
    cJSON *json = cJSON_ParseWithLength(body.p, body.n);
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(json, "error");
    t->ask_ms = clock_mono_ms() + t->refused_retry_ms;
    if (t->events.on_refused) {
        t->events.on_refused(t->user, cJSON_IsString(error) ? str_of(error->valuestring)
                                                            : STR("grant_refused"));
    }
    cJSON_Delete(json);
}

static void try_later(struct fcm_token *t, int status) {
    int shift = t->failures < 6 ? t->failures : 6;
    int64_t most_ms = (int64_t)BACKOFF_MIN_MS << shift;
    most_ms = most_ms < BACKOFF_MAX_MS ? most_ms : BACKOFF_MAX_MS;
    t->failures++;
    int64_t wait_ms = (int64_t)codec_random_below((uint64_t)most_ms) + 100;
    t->ask_ms = clock_mono_ms() + wait_ms;
    log_warn("fcm_token_failed", LOG_I("status", status), LOG_I("retry_in_ms", wait_ms));
}

static void on_answer(void *user, const struct http2_answer *answer) {
    struct fcm_token *t = user;
    t->is_asking = false;
    int status = answer->result == HTTP2_ANSWERED ? answer->status : 0;
    if (status == 200 && take_token(t, answer->body)) {
        if (t->events.on_change) {
            t->events.on_change(t->user);
        }
    } else if (status == 400 || status == 401 || status == 403) {
        refused(t, answer->body);
    } else {
        try_later(t, status);
    }
}

static void ask(struct fcm_token *t) {
    static const struct http2_header headers[] = {
        {.name = {"content-type", 12}, .value = {"application/x-www-form-urlencoded", 33}},
    };
    struct buf body;
    buf_init(&body, REQUEST_MAX_BYTES);
    enum err err = put_grant(t, &body);
    if (err) {
        log_error("fcm_assertion_not_signed", LOG_ERR(err));
        try_later(t, 0);
    } else {
        const struct http2_post post = {
            .path = str_of(t->path),
            .headers = headers,
            .header_count = 1,
            .body = {buf_str(&body)},
            .done = on_answer,
            .user = t,
        };
        err = http2_pool_post(t->pool, &post);
        t->is_asking = err == ERR_OK;
    }
    buf_finish(&body);
}

void fcm_token_tick(struct fcm_token *t, int64_t now_mono_ms) {
    if (!t->is_asking && now_mono_ms >= t->ask_ms && http2_pool_credit(t->pool) > 0) {
        ask(t);
    }
}

struct str fcm_token_bearer(const struct fcm_token *t) {
    bool is_valid = t->version && !t->is_rejected && clock_mono_ms() < t->expires_ms;
    return is_valid ? buf_str(&t->bearer) : (struct str){0};
}

uint32_t fcm_token_version(const struct fcm_token *t) {
    return t->version;
}

void fcm_token_renew(struct fcm_token *t, uint32_t version) {
    if (version == t->version && !t->is_rejected) {
        t->is_rejected = true;
        t->ask_ms = clock_mono_ms();
    }
}

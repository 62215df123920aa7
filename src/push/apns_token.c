#include "push/apns_token.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"

enum {
    MINUTE_MS = 60000,
    RENEW_MIN_MS = 45 * MINUTE_MS,
    RENEW_SPREAD_MS = 5 * MINUTE_MS, /* so that a fleet does not change at one moment */
    UPDATE_MIN_MS = 20 * MINUTE_MS,
    FRESH_MS = MINUTE_MS,
    BEARER_MAX_BYTES = 1024,
};

struct apns_token {
    struct jwt_key *key;
    char *key_id;
    char *team_id;
    struct buf bearer;
    uint32_t version;  /* 0 = none signed yet */
    int64_t signed_ms; /* monotonic */
    int64_t issued_s;  /* wall clock, the iat claim */
    int64_t renew_ms;  /* monotonic: due */
    int64_t hold_ms;   /* monotonic: not before */
    int64_t forced_ms; /* monotonic: last renewal within the update limit; 0 = never */
};

enum err apns_token_create(struct jwt_key *take_key, const char *key_id, const char *team_id,
                           struct apns_token **out_token) {
    if (!*key_id || !*team_id) {
        jwt_key_destroy(take_key);
        return ERR_INVALID;
    }
    struct apns_token *t = mem_zalloc(1, sizeof(*t));
    t->key = take_key;
    t->key_id = mem_strdup(key_id);
    t->team_id = mem_strdup(team_id);
    buf_init(&t->bearer, BEARER_MAX_BYTES);
    *out_token = t;
    return ERR_OK;
}

void apns_token_destroy(struct apns_token *t) {
    if (!t) {
        return;
    }
    jwt_key_destroy(t->key);
    free(t->key_id);
    free(t->team_id);
    buf_finish(&t->bearer);
    free(t);
}

static enum err sign(struct apns_token *t, int64_t issued_s, struct buf *bearer) {
    struct buf header;
    struct buf claims;
    buf_init(&header, BEARER_MAX_BYTES);
    buf_init(&claims, BEARER_MAX_BYTES);
    buf_puts(&header, "{\"alg\":\"ES256\",\"kid\":");
    buf_put_json(&header, str_of(t->key_id));
    buf_putc(&header, '}');
    buf_puts(&claims, "{\"iss\":");
    buf_put_json(&claims, str_of(t->team_id));
    buf_printf(&claims, ",\"iat\":%" PRId64 "}", issued_s);
    buf_puts(bearer, "bearer ");
    enum err err = jwt_sign(t->key, buf_str(&header), buf_str(&claims), bearer);
    buf_finish(&header);
    buf_finish(&claims);
    return err ? err : buf_check(bearer);
}

static void update(struct apns_token *t, int64_t now_ms) {
    struct buf bearer;
    buf_init(&bearer, BEARER_MAX_BYTES);
    int64_t issued_s = clock_wall_ms() / 1000;
    enum err err = sign(t, issued_s, &bearer);
    if (err) {
        log_error("apns_token_not_signed", LOG_ERR(err));
        buf_finish(&bearer);
        t->hold_ms = now_ms + MINUTE_MS; /* the older one, if any, stays */
        return;
    }
    buf_finish(&t->bearer);
    t->bearer = bearer;
    t->version++;
    t->signed_ms = now_ms;
    t->issued_s = issued_s;
    t->renew_ms = now_ms + RENEW_MIN_MS + (int64_t)codec_random_below(RENEW_SPREAD_MS);
    t->hold_ms = now_ms + UPDATE_MIN_MS;
    metrics_add(M_PUSH_TOKENS_APNS, 1);
    log_info("apns_token_signed", LOG_I("version", t->version));
}

/* Due by age, or because the wall clock was set and APNs would no longer believe `iat`. */
static bool is_due(const struct apns_token *t, int64_t now_ms) {
    int64_t age_s = clock_wall_ms() / 1000 - t->issued_s;
    return now_ms >= t->renew_ms || age_s * 1000 > RENEW_MIN_MS + RENEW_SPREAD_MS || age_s < -60;
}

struct str apns_token_bearer(struct apns_token *t) {
    int64_t now_ms = clock_mono_ms();
    if ((!t->version || is_due(t, now_ms)) && now_ms >= t->hold_ms) {
        update(t, now_ms);
    }
    return buf_str(&t->bearer);
}

uint32_t apns_token_version(const struct apns_token *t) {
    return t->version;
}

bool apns_token_renew(struct apns_token *t, uint32_t version, bool *out_replace_all) {
    int64_t now_ms = clock_mono_ms();
    *out_replace_all = false;
    if (version < t->version || now_ms >= t->renew_ms) {
        return true;
    }
    if (now_ms < t->hold_ms) {
        if (t->forced_ms && now_ms - t->forced_ms < UPDATE_MIN_MS) {
            return false;
        }
        *out_replace_all = true;
        t->forced_ms = now_ms;
        t->hold_ms = now_ms;
    }
    t->renew_ms = now_ms;
    return true;
}

void apns_token_hold(struct apns_token *t) {
    t->hold_ms = clock_mono_ms() + UPDATE_MIN_MS;
}

bool apns_token_is_fresh(const struct apns_token *t) {
    return t->version > 1 && clock_mono_ms() - t->signed_ms < FRESH_MS;
}

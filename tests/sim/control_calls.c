#include "control_calls.h"

#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <openssl/pem.h>

#include "apns.h"
#include "authorization.h"
#include "base/clock.h"
#include "conn.h"
#include "h2.h"
#include "ledger.h"
#include "listener.h"
#include "oauth.h"
#include "registry.h"

static unsigned refuse(struct buf *out, struct str detail) {
    buf_clear(out);
    buf_puts(out, "{\"error\":");
    buf_put_json(out, detail);
    buf_puts(out, "}\n");
    return 400;
}

static bool is_set(uint64_t set, enum fault_id id) {
    return (set & (uint64_t)1 << id) != 0;
}

/* Faults with "now" strike what is open already. */
static void strike_now(struct listener *l, uint64_t set) {
    struct fault *goaway = &l->faults[F_GOAWAY];
    struct fault *cut = &l->faults[F_CUT];
    struct fault *lower = &l->faults[F_MCS_LOWER];
    LIST_EACH_SAFE(it, &l->conns) {
        struct conn *c = LIST_ENTRY(it, struct conn, link);
        if (c->state != CONN_OPEN) {
            continue;
        }
        if (is_set(set, F_GOAWAY) && goaway->now && fault_is_on(goaway)) {
            fault_count(goaway);
            h2_goaway(c, (enum goaway_mode)goaway->mode, NGHTTP2_NO_ERROR, h2_stop_reason(c));
        }
        if (is_set(set, F_CUT) && cut->now && fault_is_on(cut)) {
            fault_count(cut);
            conn_cut(c, (enum cut_mode)cut->mode);
        }
        if (is_set(set, F_MCS_LOWER) && lower->now && fault_is_on(lower)) {
            fault_count(lower);
            h2_set_streams(c, (uint32_t)lower->value);
        }
    }
}

/* Switches whose turning on or off does something at once. */
static void act_on(struct listener *l, uint64_t set) {
    struct fault *expire = &l->faults[F_EXPIRE_BEARERS];
    if (is_set(set, F_DOWN)) {
        listener_update(l);
    }
    if (is_set(set, F_EXPIRE_BEARERS) && expire->on) {
        expire->fired += oauth_expire_all(l->sim->oauth);
        expire->on = false;
    }
    if (is_set(set, F_ACCEPT_DER)) {
        authorization_forget_checks(l->sim);
    }
    strike_now(l, set);
}

static enum err apply_faults(struct sim *s, const cJSON *tree, struct buf *problem) {
    const cJSON *item;
    cJSON_ArrayForEach(item, tree) {
        if (strcmp(item->string, "clock") == 0) {
            const cJSON *offset = cJSON_GetObjectItemCaseSensitive(item, "offset_s");
            if (!cJSON_IsNumber(offset)) {
                buf_puts(problem, "clock: want {\"offset_s\":number}");
                return ERR_INVALID;
            }
            s->clock_offset_ms = (int64_t)(offset->valuedouble * 1000);
            continue;
        }
        int i = 0;
        while (i < PROVIDER_COUNT && strcmp(provider_names[i], item->string) != 0) {
            i++;
        }
        if (i == PROVIDER_COUNT) {
            buf_printf(problem, "no listener \"%.50s\"", item->string);
            return ERR_INVALID;
        }
        struct listener *l = &s->listeners[i];
        uint64_t set;
        enum err err = faults_apply(l->faults, (enum provider)i, item, &set, problem);
        if (err) {
            return err;
        }
        act_on(l, set);
    }
    return ERR_OK;
}

unsigned control_set_faults(struct sim *s, struct str body, struct buf *out) {
    struct buf problem;
    buf_init(&problem, 1024);
    cJSON *tree = cJSON_ParseWithLength(body.p, body.n);
    unsigned status = 200;
    if (!cJSON_IsObject(tree)) {
        status = refuse(out, STR("want a JSON object"));
    } else if (apply_faults(s, tree, &problem) != ERR_OK) {
        status = refuse(out, buf_str(&problem));
    } else {
        (void)control_get_faults(s, body, out);
    }
    cJSON_Delete(tree);
    buf_finish(&problem);
    return status;
}

unsigned control_get_faults(struct sim *s, struct str body, struct buf *out) {
    (void)body;
    buf_printf(out, "{\"clock\":{\"offset_s\":%lld}", (long long)(s->clock_offset_ms / 1000));
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        buf_printf(out, ",\"%s\":", provider_names[i]);
        faults_put_json(s->listeners[i].faults, out);
    }
    buf_puts(out, "}\n");
    return 200;
}

/* One line of POST /tokens. */
static bool set_token(struct sim *s, struct str line) {
    cJSON *tree = cJSON_ParseWithLength(line.p, line.n);
    const char *platform = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "platform"));
    const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "token"));
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "behaviour"));
    const cJSON *timestamp = cJSON_GetObjectItemCaseSensitive(tree, "timestamp_ms");
    const cJSON *times = cJSON_GetObjectItemCaseSensitive(tree, "times");
    const cJSON *retry = cJSON_GetObjectItemCaseSensitive(tree, "retry_after");
    int provider = !platform                       ? -1
                   : strcmp(platform, "apns") == 0 ? PROVIDER_APNS
                   : strcmp(platform, "fcm") == 0  ? PROVIDER_FCM
                                                   : -1;
    int behaviour =
        provider < 0 || !name ? -1 : registry_find_behaviour((enum provider)provider, str_of(name));
    bool good = token && behaviour >= 0;
    if (good) {
        const struct token_rule rule = {
            .behaviour = (enum behaviour)behaviour,
            .times = cJSON_IsNumber(times) ? (int64_t)times->valuedouble : -1,
            .timestamp_ms = cJSON_IsNumber(timestamp) ? (int64_t)timestamp->valuedouble : 0,
            .retry_after = cJSON_IsNumber(retry) ? (int64_t)retry->valuedouble : -1,
        };
        registry_set(s->registry, (enum provider)provider, str_of(token), &rule);
    }
    cJSON_Delete(tree);
    return good;
}

unsigned control_set_tokens(struct sim *s, struct str body, struct buf *out) {
    struct str rest = body;
    struct str line;
    uint64_t count = 0;
    uint64_t number = 0;
    while (str_split(&rest, '\n', &line)) {
        number++;
        if (!str_trim(line).n) {
            continue;
        }
        if (!set_token(s, line)) {
            char text[80];
            int n = snprintf(text, sizeof(text),
                             "line %llu: want platform, token and a behaviour it knows",
                             (unsigned long long)number);
            return refuse(out, (struct str){text, (size_t)n});
        }
        count++;
    }
    buf_printf(out, "{\"tokens\":%llu}\n", (unsigned long long)count);
    return 200;
}

static bool copy_text(const cJSON *tree, const char *name, char out[APNS_NAME_BYTES]) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, name));
    return text && snprintf(out, APNS_NAME_BYTES, "%s", text) < APNS_NAME_BYTES;
}

static bool read_key(const cJSON *tree, struct provider_key *key) {
    const char *pem = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tree, "public_key"));
    const cJSON *topics = cJSON_GetObjectItemCaseSensitive(tree, "topics");
    const cJSON *topic;
    if (!copy_text(tree, "key_id", key->key_id) || !copy_text(tree, "team_id", key->team_id) ||
        !pem) {
        return false;
    }
    if (!copy_text(tree, "family", key->family)) {
        memcpy(key->family, key->team_id, sizeof(key->family));
    }
    key->other_environment =
        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(tree, "other_environment"));
    cJSON_ArrayForEach(topic, topics) {
        if (!cJSON_IsString(topic) || key->topic_count == APNS_TOPICS_MAX ||
            strlen(topic->valuestring) >= APNS_NAME_BYTES) {
            return false;
        }
        memcpy(key->topics[key->topic_count++], topic->valuestring, strlen(topic->valuestring) + 1);
    }
    BIO *bio = BIO_new_mem_buf(pem, -1);
    key->key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return key->key != NULL;
}

unsigned control_add_key(struct sim *s, struct str body, struct buf *out) {
    struct provider_key key = {0};
    cJSON *tree = cJSON_ParseWithLength(body.p, body.n);
    bool good = read_key(tree, &key);
    cJSON_Delete(tree);
    if (!good) {
        return refuse(out, STR("want key_id, team_id, public_key (PEM); topics, family and "
                               "other_environment are optional"));
    }
    if (apns_add_key(s->apns, &key) != ERR_OK) {
        EVP_PKEY_free(key.key);
        return refuse(out, STR("too many keys"));
    }
    authorization_forget_checks(s);
    buf_puts(out, "{\"keys\":1}\n");
    return 200;
}

unsigned control_reset(struct sim *s, struct str body, struct buf *out) {
    (void)body;
    sim_reset(s);
    buf_puts(out, "{}\n");
    return 200;
}

unsigned control_get_summary(struct sim *s, struct str body, struct buf *out) {
    (void)body;
    ledger_put_summary(s->ledger, out);
    buf_putc(out, '\n');
    return 200;
}

unsigned control_get_stats(struct sim *s, struct str body, struct buf *out) {
    (void)body;
    buf_printf(out, "{\"time_ms\":%lld,\"clock_offset_s\":%lld", (long long)clock_wall_ms(),
               (long long)(s->clock_offset_ms / 1000));
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        buf_printf(out, ",\"%s\":{", provider_names[i]);
        stats_put_json(&s->listeners[i].stats, out);
        if (i == PROVIDER_OAUTH) {
            buf_printf(out, ",\"grants\":%llu", (unsigned long long)oauth_grants(s->oauth));
        }
        buf_puts(out, ",\"faults\":");
        faults_put_json(s->listeners[i].faults, out);
        buf_putc(out, '}');
    }
    buf_puts(out, ",\"ledger\":");
    ledger_put_summary(s->ledger, out);
    buf_puts(out, "}\n");
    return 200;
}

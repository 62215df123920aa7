/* Token authentication ("Establishing a token-based connection to APNs", Apple): ES256 with the
 * registered key, no older than an hour, not renewed oftener than every 20 minutes on a
 * connection, and one team and key family a connection. */
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>

#include "apns.h"
#include "authorization.h"
#include "h2.h"
#include "jose.h"

enum { TOKEN_AGE_MAX_S = 3600, TOKEN_UPDATE_S = 20 * 60, FUTURE_MAX_S = 60 };

static const struct verdict fine = {0, NULL};
static const struct verdict invalid = {403, "InvalidProviderToken"};

static bool has_text(const cJSON *object, const char *name, const char *want) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text && strcmp(text, want) == 0;
}

/* The signature and the claims, once per token: sets state, key and iat. */
static void check_token(struct apns *a, struct authorization *auth, bool accept_der) {
    struct jose j;
    struct str text = auth->text;
    auth->state = JWT_INVALID;
    if (text.n < 7 || strncasecmp(text.p, "bearer ", 7) != 0) {
        return;
    }
    enum err err = jose_parse((struct str){text.p + 7, text.n - 7}, &j);
    cJSON *header = err ? NULL : cJSON_ParseWithLength(j.header.p, j.header.n);
    cJSON *claims = err ? NULL : cJSON_ParseWithLength(j.claims.p, j.claims.n);
    const cJSON *kid = cJSON_GetObjectItemCaseSensitive(header, "kid");
    const cJSON *iat = cJSON_GetObjectItemCaseSensitive(claims, "iat");
    const struct provider_key *key =
        cJSON_IsString(kid) ? apns_find_key(a, str_of(kid->valuestring)) : NULL;
    if (key && has_text(header, "alg", "ES256") && has_text(claims, "iss", key->team_id) &&
        cJSON_IsNumber(iat) && jose_verify_es256(&j, key->key, accept_der)) {
        auth->state = JWT_VALID;
        auth->key = key;
        auth->iat_s = (int64_t)iat->valuedouble;
    }
    cJSON_Delete(header);
    cJSON_Delete(claims);
    jose_finish(&j);
}

/* The token expires with requests in flight: they are reset, first REFUSED_STREAM, later
 * STREAM_CLOSED, and the connection never works again (pushy issues 476, 486). */
static void break_connection(struct conn *c, const struct stream *but) {
    size_t open = 0;
    size_t done = 0;
    c->broken = true;
    h2_set_streams(c, APNS_FIRST_STREAMS);
    LIST_EACH(it, &c->streams) {
        const struct stream *st = LIST_ENTRY(it, struct stream, link);
        open += st != but && !st->decided;
    }
    LIST_EACH_SAFE(it, &c->streams) {
        struct stream *st = LIST_ENTRY(it, struct stream, link);
        if (st != but && !st->decided) {
            stream_reset(st,
                         done++ < (open + 1) / 2 ? NGHTTP2_REFUSED_STREAM : NGHTTP2_STREAM_CLOSED);
        }
    }
}

/* The first token binds the connection; a later one must come from the same team and family and
 * not too soon. The one before stays good, as requests may overtake each other in the client. */
static struct verdict check_change(struct conn *c, struct authorization *auth) {
    struct fault *by_address = &c->listener->faults[F_UPDATES_BY_ADDRESS];
    if (!c->token || !c->token->key) { /* the key goes with a reset */
        c->token = auth;
        return fine;
    }
    if (auth == c->token || auth == c->former_token) {
        return fine;
    }
    if (strcmp(auth->key->team_id, c->token->key->team_id) != 0) {
        return invalid;
    }
    if (strcmp(auth->key->family, c->token->key->family) != 0) {
        return (struct verdict){403, "UnrelatedKeyIdInToken"};
    }
    if (!fault_is_on(by_address) && auth->iat_s - c->token->iat_s < TOKEN_UPDATE_S) {
        return (struct verdict){429, "TooManyProviderTokenUpdates"};
    }
    c->former_token = c->token;
    c->token = auth;
    return fine;
}

/* The whole address shares one count of distinct tokens; all clients here have one address. */
static struct verdict check_address(struct conn *c, struct authorization *auth) {
    struct fault *f = &c->listener->faults[F_UPDATES_BY_ADDRESS];
    if (auth->counted_for_address || !fault_is_on(f)) {
        return fine;
    }
    if (fault_over_rate(f, &c->listener->token_updates, sim_clock_ms(c->listener->sim))) {
        fault_count(f);
        return (struct verdict){429, "TooManyProviderTokenUpdates"};
    }
    auth->counted_for_address = true;
    return fine;
}

static bool is_allowed_topic(const struct provider_key *key, struct str topic, int push_type) {
    struct str suffix = str_of(apns_push_types[push_type].suffix);
    for (int i = 0; i < key->topic_count; i++) {
        struct str base = str_of(key->topics[i]);
        if (topic.n == base.n + suffix.n && str_starts(topic, base) &&
            str_eq((struct str){topic.p + base.n, suffix.n}, suffix)) {
            return true;
        }
    }
    return false;
}

static void on_late_raise(struct wheel_item *item) {
    struct conn *c = LIST_ENTRY(item, struct conn, step);
    h2_set_streams(c, APNS_STREAMS);
}

/* The first valid token opens the connection for more than one stream. */
static void open_up(struct conn *c) {
    struct fault *faults = c->listener->faults;
    struct rng *rng = &c->listener->sim->rng;
    struct fault *streams = &faults[F_STREAMS];
    c->authenticated = true;
    if (fault_fires(&faults[F_MCS_NEVER], rng)) {
        return;
    }
    if (fault_fires(&faults[F_MCS_LATE], rng)) {
        wheel_add(&c->listener->sim->wheel, &c->step, faults[F_MCS_LATE].ms, on_late_raise);
        return;
    }
    h2_set_streams(c, fault_fires(streams, rng) ? (uint32_t)streams->value : APNS_STREAMS);
}

/* Is the token itself good now? */
static struct verdict check_age(struct stream *st, const struct authorization *auth) {
    struct listener *l = st->conn->listener;
    int64_t age_s = sim_clock_ms(l->sim) / 1000 - auth->iat_s;
    if (auth->state != JWT_VALID || age_s < -FUTURE_MAX_S) {
        return invalid;
    }
    if (age_s > TOKEN_AGE_MAX_S ||
        (st->conn->authenticated && fault_fires(&l->faults[F_JWT_EXPIRED], &l->sim->rng))) {
        return (struct verdict){403, "ExpiredProviderToken"};
    }
    if (auth->key->other_environment) {
        return (struct verdict){403, "BadEnvironmentKeyIdInToken"};
    }
    return fine;
}

struct verdict apns_check_authorization(struct apns *a, struct stream *st,
                                        const struct apns_push *push) {
    struct conn *c = st->conn;
    struct authorization *auth = st->request.authorization;
    if (!auth) {
        return (struct verdict){403, "MissingProviderToken"};
    }
    if (auth->state == JWT_UNCHECKED) {
        check_token(a, auth, fault_is_on(&c->listener->faults[F_ACCEPT_DER]));
    }
    struct verdict v = check_age(st, auth);
    if (v.status) {
        if (c->authenticated && strcmp(v.reason, "ExpiredProviderToken") == 0) {
            break_connection(c, st);
        }
        return v;
    }
    v = check_change(c, auth);
    if (!v.status) {
        v = check_address(c, auth);
    }
    if (v.status) {
        return v;
    }
    if (!c->authenticated) {
        open_up(c);
    }
    if (!is_allowed_topic(auth->key, st->request.header[H_APNS_TOPIC], push->push_type)) {
        return (struct verdict){400, "TopicDisallowed"};
    }
    return fine;
}

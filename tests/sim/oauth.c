#include "oauth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/map.h"
#include "base/mem.h"
#include "jose.h"

enum {
    LIFE_S = 3599, /* what Google answers */
    ASSERTION_MAX_S = 3600,
    SKEW_S = 300,             /* of iat and exp; not documented */
    TOKEN_RANDOM_BYTES = 762, /* real tokens of service accounts have about 1,000 characters */
    URI_BYTES = 256,
};

static const char google_uri[] = "https://oauth2.googleapis.com/token";

struct oauth {
    struct sim *sim;
    struct map *tokens; /* text -> struct access_token, owned */
    char token_uri[URI_BYTES];
    uint64_t grants;
};

struct oauth *oauth_create(struct sim *s) {
    struct oauth *o = mem_zalloc(1, sizeof(*o));
    o->sim = s;
    o->tokens = map_create();
    return o;
}

void oauth_destroy(struct oauth *o) {
    if (!o) {
        return;
    }
    size_t cursor = 0;
    struct str key;
    void *value;
    while (map_next(o->tokens, &cursor, &key, &value)) {
        free(value);
    }
    map_destroy(o->tokens);
    free(o);
}

void oauth_set_token_uri(struct oauth *o, const char *token_uri) {
    (void)snprintf(o->token_uri, sizeof(o->token_uri), "%s", token_uri);
}

struct access_token *oauth_find_token(const struct oauth *o, struct str bearer) {
    if (bearer.n < 7 || !str_ieq((struct str){bearer.p, 7}, STR("bearer "))) {
        return NULL;
    }
    return map_get(o->tokens, (struct str){bearer.p + 7, bearer.n - 7});
}

uint64_t oauth_expire_all(struct oauth *o) {
    size_t cursor = 0;
    struct str key;
    void *value;
    uint64_t count = 0;
    int64_t now_ms = sim_clock_ms(o->sim);
    while (map_next(o->tokens, &cursor, &key, &value)) {
        struct access_token *t = value;
        if (t->expires_ms > now_ms) {
            t->expires_ms = now_ms;
            count++;
        }
    }
    return count;
}

uint64_t oauth_grants(const struct oauth *o) {
    return o->grants;
}

void oauth_reset(struct oauth *o) {
    o->grants = 0;
}

static void answer_error(struct stream *st, int status, const char *error, const char *text) {
    struct answer *a = &st->answer;
    a->status = status;
    a->content_type = "application/json; charset=utf-8";
    (void)snprintf(a->reason, sizeof(a->reason), "%s", error);
    buf_clear(&a->body);
    buf_puts(&a->body, "{\"error\":");
    buf_put_json(&a->body, str_of(error));
    buf_puts(&a->body, ",\"error_description\":");
    buf_put_json(&a->body, str_of(text));
    buf_putc(&a->body, '}');
}

void oauth_answer(struct stream *st, int status, const char *error) {
    answer_error(st, status, error, "Simulated fault.");
}

/* The value of a form field (application/x-www-form-urlencoded) into `out`. */
static bool form_value(struct str form, struct str name, struct buf *out) {
    struct str rest = form;
    struct str pair;
    while (str_split(&rest, '&', &pair)) {
        struct str value = pair;
        struct str key;
        if (!str_split(&value, '=', &key) || !value.p || !str_eq(key, name)) {
            continue;
        }
        for (size_t i = 0; i < value.n; i++) {
            if (value.p[i] == '%') {
                if (i + 2 >= value.n ||
                    codec_take_hex(out, (struct str){value.p + i + 1, 2}) != ERR_OK) {
                    return false;
                }
                i += 2;
            } else {
                buf_putc(out, value.p[i] == '+' ? ' ' : value.p[i]);
            }
        }
        return out->n > 0;
    }
    return false;
}

static const char *text_of(const cJSON *object, const char *name) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text ? text : "";
}

/* True when every scope looks like one; `out_may_send` when one covers messaging. */
static bool read_scopes(const char *text, bool *out_may_send) {
    struct str rest = str_of(text);
    struct str scope;
    *out_may_send = false;
    bool any = false;
    while (str_split(&rest, ' ', &scope)) {
        if (!str_starts(scope, STR("https://www.googleapis.com/auth/"))) {
            return false;
        }
        any = true;
        if (str_eq(scope, STR("https://www.googleapis.com/auth/firebase.messaging")) ||
            str_eq(scope, STR("https://www.googleapis.com/auth/cloud-platform"))) {
            *out_may_send = true;
        }
    }
    return any;
}

/* NULL when the claims are good, else error and text of the answer. */
static const char *check_claims(const struct oauth *o, const cJSON *claims, bool *out_may_send,
                                const char **out_text) {
    const cJSON *iat = cJSON_GetObjectItemCaseSensitive(claims, "iat");
    const cJSON *exp = cJSON_GetObjectItemCaseSensitive(claims, "exp");
    double now_s = (double)sim_clock_ms(o->sim) / 1000;
    const char *audience = text_of(claims, "aud");
    if (strcmp(text_of(claims, "iss"), SIM_CLIENT_EMAIL) != 0) {
        *out_text = "Invalid grant: account not found";
        return "invalid_grant";
    }
    if (strcmp(audience, o->token_uri) != 0 && strcmp(audience, google_uri) != 0) {
        *out_text = "Invalid JWT: Failed audience check.";
        return "invalid_grant";
    }
    if (!cJSON_IsNumber(iat) || !cJSON_IsNumber(exp) ||
        exp->valuedouble - iat->valuedouble > ASSERTION_MAX_S || exp->valuedouble < now_s ||
        iat->valuedouble > now_s + SKEW_S || exp->valuedouble > now_s + ASSERTION_MAX_S + SKEW_S) {
        *out_text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
                    "reasonable timeframe. Check your iat and exp values in the JWT claim.";
        return "invalid_grant";
    }
    if (!read_scopes(text_of(claims, "scope"), out_may_send)) {
        *out_text = "Invalid OAuth scope or ID token audience provided.";
        return "invalid_scope";
    }
    return NULL;
}

static const char *check_assertion(const struct oauth *o, struct str assertion, bool *out_may_send,
                                   const char **out_text) {
    struct jose j;
    const char *error = NULL;
    enum err err = jose_parse(assertion, &j);
    cJSON *header = err ? NULL : cJSON_ParseWithLength(j.header.p, j.header.n);
    cJSON *claims = err ? NULL : cJSON_ParseWithLength(j.claims.p, j.claims.n);
    if (err || !header || !claims) {
        *out_text = "The value is not a valid JWT.";
        error = "invalid_request";
    } else if (strcmp(text_of(header, "alg"), "RS256") != 0 ||
               !jose_verify_rs256(&j, o->sim->credentials.account_key)) {
        *out_text = "Invalid JWT Signature.";
        error = "invalid_grant";
    } else {
        error = check_claims(o, claims, out_may_send, out_text);
    }
    cJSON_Delete(header);
    cJSON_Delete(claims);
    jose_finish(&j);
    return error;
}

static void grant(struct oauth *o, struct stream *st, bool may_send) {
    struct fault *expires = &st->conn->listener->faults[F_EXPIRES_IN];
    int64_t life_s = fault_fires(expires, &o->sim->rng) ? expires->value : LIFE_S;
    unsigned char random[TOKEN_RANDOM_BYTES];
    codec_random(random, sizeof(random));
    struct buf text;
    buf_init(&text, 2048);
    buf_puts(&text, "ya29.c.");
    codec_put_base64url(&text, (struct str){(const char *)random, sizeof(random)});
    struct access_token *t = mem_alloc(sizeof(*t));
    *t = (struct access_token){sim_clock_ms(o->sim) + life_s * 1000, may_send};
    (void)map_set(o->tokens, buf_str(&text), t);
    o->grants++;
    struct answer *a = &st->answer;
    a->status = 200;
    a->content_type = "application/json; charset=utf-8";
    buf_clear(&a->body);
    buf_printf(&a->body, "{\"access_token\":\"%s\",\"expires_in\":%lld,\"token_type\":\"Bearer\"}",
               text.p, (long long)life_s);
    buf_finish(&text);
}

static void handle_form(struct oauth *o, struct stream *st) {
    struct str form = buf_str(&st->request.body);
    struct buf type;
    struct buf assertion;
    const char *text = "";
    bool may_send = false;
    buf_init(&type, 256);
    buf_init(&assertion, 8192);
    const char *error = NULL;
    if (!form_value(form, STR("grant_type"), &type)) {
        error = "invalid_request";
        text = "Required parameter is missing: grant_type";
    } else if (!str_eq(buf_str(&type), STR("urn:ietf:params:oauth:grant-type:jwt-bearer"))) {
        error = "unsupported_grant_type";
        text = "Invalid grant_type";
    } else if (!form_value(form, STR("assertion"), &assertion) || buf_check(&assertion) != ERR_OK) {
        error = "invalid_request";
        text = "Required parameter is missing: assertion";
    } else {
        error = check_assertion(o, buf_str(&assertion), &may_send, &text);
    }
    if (error) {
        answer_error(st, 400, error, text);
    } else {
        grant(o, st, may_send);
    }
    buf_finish(&type);
    buf_finish(&assertion);
}

void oauth_handle(struct oauth *o, struct stream *st) {
    const struct str *h = st->request.header;
    st->answer.retry_after = -1;
    if (!str_eq(h[H_PATH], STR("/token"))) {
        answer_error(st, 404, "not_found", "No such path.");
    } else if (!str_eq(h[H_METHOD], STR("POST"))) {
        answer_error(st, 405, "method_not_allowed", "POST only.");
    } else if (!str_starts(h[H_CONTENT_TYPE], STR("application/x-www-form-urlencoded"))) {
        answer_error(st, 400, "invalid_request", "Bad Request");
    } else {
        handle_form(o, st);
    }
}

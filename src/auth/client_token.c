#include "auth/client_token.h"

#include <string.h>

#include "model/json.h"
#include "model/values.h"

static const int64_t time_max_s = INT64_C(253402300799); /* the end of 9999 */

static const struct {
    const char *code;
    const char *detail;
} faults[TOKEN_FAULT_COUNT] = {
    [TOKEN_GOOD] = {"token_good", "the token is good"},
    [TOKEN_MISSING] = {"token_required", "a token is needed here"},
    [TOKEN_TOO_LARGE] = {"token_too_large", "the token is larger than allowed"},
    [TOKEN_MALFORMED] = {"token_malformed",
                         "not a signed JWT in compact form with ES256, RS256 or HS256"},
    [TOKEN_KEY_UNKNOWN] = {"token_key_unknown", "no key here has the token's kid and alg"},
    [TOKEN_BAD_SIGNATURE] = {"token_bad_signature", "the signature is not that of our key"},
    [TOKEN_BAD_CLAIMS] = {"token_bad_claims",
                          "exp (whole seconds) is needed; a claim is wrong or not known here"},
    [TOKEN_EXPIRED] = {"token_expired", "the token has expired"},
    [TOKEN_NOT_YET_VALID] = {"token_not_yet_valid", "nbf or iat lies in the future"},
    [TOKEN_LIFETIME] = {"token_lifetime", "exp lies further ahead than allowed"},
    [TOKEN_WRONG_ISSUER] = {"token_wrong_issuer", "iss is not the one expected"},
    [TOKEN_WRONG_AUDIENCE] = {"token_wrong_audience", "aud does not name this service"},
};

const char *token_fault_code(enum token_fault fault) {
    return faults[fault].code;
}

const char *token_fault_detail(enum token_fault fault) {
    return faults[fault].detail;
}

/* --- claims --- */

/* RFC 7519 section 4.1.3: one text or a list of them. */
static bool names_audience(const struct json_reader *r, struct str wanted) {
    const struct cJSON *aud = json_member(r, "aud");
    struct str text;
    if (!aud) {
        return false;
    }
    if (json_text(aud, &text)) {
        return str_eq(text, wanted);
    }
    const struct cJSON *item = NULL;
    while ((item = json_next(aud, item))) {
        if (json_text(item, &text) && str_eq(text, wanted)) {
            return true;
        }
    }
    return false;
}

/* A list that has lost all its values would read as "any"; it must not allow anything. */
static bool read_scope_list(const struct json_reader *r, const struct taxonomy *t, const char *name,
                            enum dimension dim, uint64_t *out_mask) {
    struct value_kind kind = value_kind_of(t, dim);
    struct value_set set;
    values_read_known(r, name, &kind, &set);
    *out_mask = set.mask;
    return !set.given || set.all || set.mask;
}

/* The claim "tocsin". An unknown member could be a restriction we would not keep, so it is refused.
 */
static bool read_scope(const struct json_reader *claims, const struct taxonomy *t,
                       struct token_grant *grant) {
    static const char *const members[] = {"regions", "sections", "editions", "test"};
    struct json_reader r = {json_member(claims, "tocsin"), "/tocsin", claims->problems};
    if (!r.object) {
        return true;
    }
    if (!json_is_object(&r)) {
        return false;
    }
    json_allow(&r, members, sizeof(members) / sizeof(members[0]));
    (void)json_read_bool(&r, "test", &grant->test);
    return read_scope_list(&r, t, "regions", DIM_REGION, &grant->regions) &&
           read_scope_list(&r, t, "sections", DIM_SECTION, &grant->sections) &&
           read_scope_list(&r, t, "editions", DIM_EDITION, &grant->editions);
}

struct times {
    int64_t exp;
    int64_t nbf; /* 0 when absent */
    int64_t iat; /* -1 when absent */
};

static enum token_fault judge_times(const struct times *at, const struct token_rules *rules,
                                    int64_t now_s) {
    if (at->exp + rules->leeway_s <= now_s) {
        return TOKEN_EXPIRED;
    }
    if (at->nbf > now_s + rules->leeway_s || at->iat > now_s + rules->leeway_s) {
        return TOKEN_NOT_YET_VALID;
    }
    if (at->exp - now_s > rules->lifetime_max_s + rules->leeway_s ||
        (at->iat >= 0 && at->exp - at->iat > rules->lifetime_max_s)) {
        return TOKEN_LIFETIME;
    }
    return TOKEN_GOOD;
}

static enum token_fault judge_claims(const struct json_reader *r, const struct token_rules *rules,
                                     const struct taxonomy *t, int64_t now_s,
                                     struct token_grant *out_grant) {
    struct times at = {.iat = -1};
    struct token_grant grant = {0};
    struct str issuer = {NULL, 0};
    if (!json_is_object(r) || !json_read_int(r, "exp", 0, time_max_s, &at.exp)) {
        return TOKEN_BAD_CLAIMS;
    }
    (void)json_read_int(r, "nbf", 0, time_max_s, &at.nbf);
    (void)json_read_int(r, "iat", 0, time_max_s, &at.iat);
    (void)json_read_string(r, "iss", &issuer);
    if (!read_scope(r, t, &grant) || !problem_is_empty(r->problems)) {
        return TOKEN_BAD_CLAIMS;
    }
    enum token_fault fault = judge_times(&at, rules, now_s);
    if (fault != TOKEN_GOOD) {
        return fault;
    }
    if (rules->issuer[0] && !str_eq(issuer, str_of(rules->issuer))) {
        return TOKEN_WRONG_ISSUER;
    }
    if (rules->audience[0] && !names_audience(r, str_of(rules->audience))) {
        return TOKEN_WRONG_AUDIENCE;
    }
    grant.expires_s = at.exp + rules->leeway_s;
    *out_grant = grant;
    return TOKEN_GOOD;
}

static enum token_fault read_claims(struct str text, const struct token_rules *rules,
                                    const struct taxonomy *t, int64_t now_s,
                                    struct token_grant *out_grant) {
    struct cJSON *root = NULL;
    struct problem *problems = problem_create();
    enum token_fault fault = TOKEN_BAD_CLAIMS;
    if (json_parse(text, "", &root, problems) == ERR_OK) {
        fault = judge_claims(&(struct json_reader){root, "", problems}, rules, t, now_s, out_grant);
    }
    json_destroy(root);
    problem_destroy(problems);
    return fault;
}

enum token_fault client_token_read(const struct jwt_keys *keys, const struct token_rules *rules,
                                   const struct taxonomy *t, struct str token, int64_t now_s,
                                   struct token_grant *out_grant) {
    if (!token.n) {
        return TOKEN_MISSING;
    }
    if (token.n > rules->bytes_max) {
        return TOKEN_TOO_LARGE;
    }
    struct buf claims;
    enum token_fault fault = TOKEN_MALFORMED;
    buf_init(&claims, token.n + 1);
    switch (jwt_verify(keys, token, &claims)) {
    case JWT_GOOD:
        fault = read_claims(buf_str(&claims), rules, t, now_s, out_grant);
        break;
    case JWT_MALFORMED:
        break;
    case JWT_KEY_UNKNOWN:
        fault = TOKEN_KEY_UNKNOWN;
        break;
    case JWT_BAD_SIGNATURE:
        fault = TOKEN_BAD_SIGNATURE;
        break;
    }
    buf_finish(&claims);
    return fault;
}

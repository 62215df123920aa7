#include "newsroom/session.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "model/json.h"
#include "model/values.h"
#include "net/address.h"

enum { TOKEN_RANDOM_BYTES = 32, ANSWER_BYTES_MAX = 65536 };

/* --- the answer --- */

static void put_scopes(const struct key_scope *scope, struct buf *b) {
    const struct {
        const char *name;
        bool given;
    } scopes[] = {{"publish", scope->publish},
                  {"read", scope->read},
                  {"approve", scope->approve},
                  {"admin", scope->admin}};
    json_put_name(b, "scopes");
    buf_putc(b, '[');
    for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
        if (scopes[i].given) {
            json_put_comma(b);
            buf_printf(b, "\"%s\"", scopes[i].name);
        }
    }
    buf_putc(b, ']');
}

static void put_values(const struct taxonomy *t, const char *name, enum dimension dim,
                       uint64_t mask, struct buf *b) {
    const struct value_kind kind = value_kind_of(t, dim);
    if (mask) {
        json_put_name(b, name);
        values_put(b, &kind, mask);
    }
}

static void answer(struct call *call) {
    const struct key_scope *scope = &call->key.scope;
    char expires[CLOCK_ISO_BYTES];
    struct buf b;
    buf_init(&b, ANSWER_BYTES_MAX);
    clock_format_iso(call->session.expires_ms, expires);
    buf_putc(&b, '{');
    json_put_text(&b, "key_id", call->key.id);
    json_put_text(&b, "name", call->key.name);
    put_scopes(scope, &b);
    put_values(call->room->t, "regions", DIM_REGION, scope->regions, &b);
    put_values(call->room->t, "editions", DIM_EDITION, scope->editions, &b);
    json_put_text(&b, "max_urgency", urgency_names[scope->max_urgency]);
    json_put_bool(&b, "all_regions", scope->all_regions);
    json_put_text(&b, "csrf_token", call->session.csrf);
    json_put_text(&b, "expires_at", expires);
    buf_putc(&b, '}');
    call_answer(call, buf_str(&b));
    buf_wipe(&b);
}

/* --- signing in --- */

struct sign_in {
    struct call *call;
    char address[ADDRESS_TEXT_BYTES];
    char token[BROWSER_TOKEN_BYTES];
};

static void sign_in_free(struct sign_in *in) {
    explicit_bzero(in->token, sizeof(in->token));
    free(in);
}

static void on_opened(void *user, enum err err) {
    struct sign_in *in = user;
    struct call *call = in->call;
    if (err) {
        call_unavailable(call, "The store cannot be reached; try again.");
    } else {
        metrics_add(M_SESSIONS_OPENED, 1);
        log_info("session_opened", LOG_S("key_id", call->key.id), LOG_S("address", in->address));
        if (call->rq) {
            browser_set_session(call->rq, in->token);
        }
        answer(call);
    }
    sign_in_free(in);
}

static void open_session(struct sign_in *in) {
    struct call *call = in->call;
    const struct session_life life = call_session_life(call->room);
    unsigned char random[TOKEN_RANDOM_BYTES];
    char detail[ADDRESS_TEXT_BYTES + 32];
    struct buf token;
    codec_random(random, sizeof(random));
    buf_init(&token, BROWSER_TOKEN_BYTES - 1);
    codec_put_base64url(&token, (struct str){(const char *)random, sizeof(random)});
    memcpy(in->token, token.p, token.n + 1);
    explicit_bzero(random, sizeof(random));
    buf_wipe(&token);
    codec_sha256_hex(str_of(in->token), call->session.id);
    browser_make_csrf(str_of(in->token), call->session.csrf);
    call->session.expires_ms =
        clock_wall_ms() + (life.idle_s < life.most_s ? life.idle_s : life.most_s) * 1000;
    (void)snprintf(detail, sizeof(detail), "{\"address\":\"%s\"}", in->address);
    struct audit_event event = call_event(call, "session.opened", NULL);
    event.detail_json = str_of(detail);
    session_store_open(call->room->store, call->session.id, call->key.id, &life, &event, on_opened,
                       in);
}

static void on_key(void *user, enum err err, const struct api_key *key) {
    struct sign_in *in = user;
    struct call *call = in->call;
    if (!err && key->scope.person) {
        call->key = *key;
        open_session(in);
        return;
    }
    if (!err) {
        metrics_add(M_SIGN_INS_REFUSED_PERSON, 1);
        call_problem_at(call, 403, "/key", "not_a_person",
                        "This is a service's key; people sign in with one of their own (tocsin "
                        "key create --person).");
    } else if (err == ERR_DENIED) {
        metrics_add(M_SIGN_INS_REFUSED_KEY, 1);
        log_warn("sign_in_refused", LOG_S("address", in->address));
        call_problem_at(call, 401, "/key", "unknown_key",
                        "There is no such key, or it is revoked.");
    } else {
        call_unavailable(call, "The key cannot be checked right now; try again.");
    }
    sign_in_free(in);
}

static void refuse(struct call *call, int status, const char *detail, const struct problem *p) {
    metrics_add(M_SIGN_INS_REFUSED_FAULT, 1);
    call_problem(call, status, detail, p);
}

/* Attempts of one address (IPv6: a /64), whatever becomes of them. False when 429 was answered. */
static bool check_rate(struct call *call, const char *address) {
    struct sockaddr_storage peer;
    char key[ADDRESS_KEY_BYTES];
    struct str from = {"", 0};
    if (address_parse(str_of(address), &peer) == ERR_OK) {
        from = address_key(&peer, key);
    }
    int64_t wait_ms = key_rate_take(call->room->sign_ins, from, clock_mono_ms());
    if (wait_ms > 0) {
        char seconds[24];
        (void)snprintf(seconds, sizeof(seconds), "%" PRId64, (wait_ms + 999) / 1000);
        http_add_header(call->rq, "Retry-After", seconds);
        metrics_add(M_SIGN_INS_REFUSED_RATE, 1);
        call_problem(call, 429, "Too many attempts from this address.", NULL);
    }
    return wait_ms <= 0;
}

/* The member "key", owned by the caller and to be wiped; NULL when the answer was given. */
static char *read_key(struct call *call) {
    static const char *const names[] = {"key"};
    struct str body = http_body(call->rq);
    struct problem *p = problem_create();
    struct cJSON *root = NULL;
    char *text = NULL;
    if (json_parse(body, "", &root, p) == ERR_OK) {
        const struct json_reader r = {.object = root, .pointer = "", .problems = p};
        struct str key;
        if (json_is_object(&r)) {
            json_allow(&r, names, 1);
            if (json_read_string(&r, "key", &key)) {
                text = mem_strndup(key.p, key.n);
            } else if (!json_member(&r, "key")) {
                json_fault(&r, "key", "required", "the key to sign in with");
            }
        }
    }
    if (!problem_is_empty(p)) {
        refuse(call, root ? 422 : 400, "The body has faults.", p);
        free(text);
        text = NULL;
    }
    json_destroy(root);
    problem_destroy(p);
    return text;
}

void session_post(struct room *room, struct http_request *rq) {
    struct call *call = call_of(room, rq, NULL);
    if (!call_is_json(rq)) {
        refuse(call, 415, "Content-Type must be application/json.", NULL);
        return;
    }
    if (!browser_is_same_site(rq)) {
        metrics_add(M_CSRF_REFUSED, 1);
        call_problem_at(call, 403, "Origin", "csrf",
                        "Only a page of this address may sign in here.");
        return;
    }
    struct sign_in *in = mem_zalloc(1, sizeof(*in));
    in->call = call;
    (void)snprintf(in->address, sizeof(in->address), "%s", http_peer(rq));
    char *key = check_rate(call, in->address) ? read_key(call) : NULL;
    if (!key) {
        sign_in_free(in);
        return;
    }
    key_cache_check(room->keys, str_of(key), on_key, in);
    explicit_bzero(key, strlen(key));
    free(key);
}

/* --- the session --- */

/* False when the answer was given. */
static bool is_session(struct call *call) {
    if (call->session.id[0]) {
        return true;
    }
    call_problem_at(call, 401, "Cookie", "no_session", "This is for the session of a console.");
    return false;
}

static void get_with_key(struct call *call) {
    if (is_session(call)) {
        answer(call);
    }
}

void session_get(struct room *room, struct http_request *rq) {
    call_begin(room, rq, get_with_key);
}

static void on_signed_out(void *user, enum err err) {
    struct call *call = user;
    if (err) {
        call_unavailable(call, "The store cannot be reached; try again.");
        return;
    }
    if (call->rq) {
        browser_set_session(call->rq, NULL);
        http_answer(call->rq, 204, NULL, (struct str){NULL, 0});
    }
    call_end(call);
}

static void delete_with_key(struct call *call) {
    if (is_session(call)) {
        struct audit_event event = call_event(call, "session.closed", NULL);
        event.detail_json = STR("{\"why\":\"signed_out\"}");
        session_store_close(call->room->store, call->session.id, &event, on_signed_out, call);
    }
}

void session_delete(struct room *room, struct http_request *rq) {
    call_begin(room, rq, delete_with_key);
}

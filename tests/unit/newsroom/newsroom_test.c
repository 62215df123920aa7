/* The newsroom API over real sockets and a real Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include <cjson/cJSON.h>

#include "auth/api_key.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "model/position.h"
#include "newsroom/newsroom.h"
#include "store/key_store.h"
#include "support_http.h"
#include "support_redis.h"

/* Everything any edition of the built-in taxonomy needs, by the fallback. */
#define HEADLINE                                                                                   \
    "\"content\":{\"en\":{\"headline\":\"Ceasefire agreed\"}},\"fallback_language\":\"en\""
#define ALERT "{\"urgency\":\"high\",\"audience\":{\"regions\":[\"mena\"]}," HEADLINE "}"

struct fixture {
    struct test_redis redis;
    uv_loop_t loop;
    struct config *cfg;
    struct taxonomy *t;
    struct newsroom *n;
    struct store *store; /* the test's own door */
    int port;
    int waiting;
    bool stopped;
    char key[API_KEY_TEXT_BYTES]; /* may do everything */
    char key_id[API_KEY_ID_BYTES];
    struct client c;
};

static void on_done(void *user, enum err err) {
    struct fixture *f = user;
    assert_int_equal(err, ERR_OK);
    f->waiting--;
}

static void put_key(struct fixture *f, struct api_key *key) {
    struct buf b;
    buf_init(&b, 65536);
    api_key_put_json(key, f->t, &b);
    f->waiting = 1;
    const struct audit_event event = {.action = "key.created", .key_name = "test"};
    key_store_put(f->store, str_of(key->id), buf_str(&b), &event, on_done, f);
    while (f->waiting) {
        loop_turn(&f->loop);
    }
    buf_finish(&b);
}

static void make_key(struct fixture *f, struct key_scope scope, char out_text[API_KEY_TEXT_BYTES]) {
    struct api_key key = {.name = "test", .scope = scope};
    api_key_generate(&key, out_text);
    memcpy(f->key_id, key.id, sizeof(f->key_id));
    put_key(f, &key);
}

/* A port nobody uses now: the newsroom has no way to tell the one it got for ":0". */
static int free_port(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &size), 0);
    close(fd);
    return ntohs(addr.sin_port);
}

static void set(struct config *cfg, const char *key, const char *value) {
    struct buf problems;
    buf_init(&problems, 4096);
    assert_int_equal(
        config_set(cfg, "test", STR("newsroom"), str_of(key), str_of(value), &problems), ERR_OK);
    buf_finish(&problems);
}

static struct fixture *start_with(const char *key, const char *value) {
    struct fixture *f = mem_zalloc(1, sizeof(*f));
    char address[32];
    test_redis_start(&f->redis, false);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->cfg = config_create();
    f->cfg->newsroom_duplicate_window_s = 0; /* tests repeat themselves */
    f->cfg->newsroom_breaker_alerts = 0;
    f->t = taxonomy_builtin();
    f->port = free_port();
    (void)snprintf(address, sizeof(address), "127.0.0.1:%d", f->port);
    set(f->cfg, "listen", address);
    if (key) {
        set(f->cfg, key, value);
    }
    struct buf problems;
    buf_init(&problems, 4096);
    assert_int_equal(
        config_set(f->cfg, "test", STR("redis"), STR("url"), str_of(f->redis.url), &problems),
        ERR_OK);
    buf_finish(&problems);
    assert_int_equal(store_create(&f->loop, f->cfg, &f->store), ERR_OK);
    assert_int_equal(store_wait_up(f->store, &f->loop, 5000), ERR_OK);
    assert_int_equal(newsroom_create(&f->loop, f->cfg, f->t, &f->n), ERR_OK);
    make_key(f, (struct key_scope){.publish = true, .read = true, .all_regions = true}, f->key);
    for (int i = 0; i < 1000; i++) { /* until its own connection is up */
        client_open(&f->c, &f->loop, f->port);
        int status = client_ask(&f->c,
                                "GET /v1/alerts HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer "
                                "tcn_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                                "\r\n\r\n",
                                false);
        client_close(&f->c);
        if (status == 401) {
            break;
        }
        assert_int_equal(status, 503);
    }
    client_open(&f->c, &f->loop, f->port);
    return f;
}

static struct fixture *start(void) {
    return start_with(NULL, NULL);
}

static void on_stopped(void *user) {
    struct fixture *f = user;
    f->stopped = true;
    newsroom_destroy(f->n);
}

static void stop(struct fixture *f) {
    client_close(&f->c);
    newsroom_stop(f->n, on_stopped, f);
    for (int i = 0; i < 4000 && !f->stopped; i++) {
        loop_turn(&f->loop);
    }
    assert_true(f->stopped);
    store_destroy(f->store);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    test_redis_stop(&f->redis);
    taxonomy_destroy(f->t);
    config_destroy(f->cfg);
    free(f);
}

/* A new connection for each request: refusals before the body end it. */
static int send_request(struct fixture *f, const char *request) {
    client_close(&f->c);
    client_open(&f->c, &f->loop, f->port);
    return client_ask(&f->c, request, false);
}

static int post_as(struct fixture *f, const char *key, const char *idempotency, const char *body) {
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_printf(&b,
               "POST /v1/alerts HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
               "Content-Type: application/json\r\nIdempotency-Key: %s\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               key, idempotency, strlen(body), body);
    int status = send_request(f, b.p);
    buf_finish(&b);
    return status;
}

static int post(struct fixture *f, const char *idempotency, const char *body) {
    return post_as(f, f->key, idempotency, body);
}

static int get(struct fixture *f, const char *target) {
    char request[1024];
    (void)snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n\r\n", target,
                   f->key);
    return send_request(f, request);
}

/* The JSON body of the last answer; the caller deletes it. */
static cJSON *body_json(struct fixture *f) {
    size_t size = 0;
    const char *body = client_body(&f->c, &size);
    assert_non_null(body);
    cJSON *json = cJSON_ParseWithLength(body, size);
    assert_non_null(json);
    return json;
}

static const char *text_of(const cJSON *json, const char *name) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    assert_true(cJSON_IsString(item));
    return item->valuestring;
}

static bool answer_has(const struct fixture *f, const char *text) {
    if (f->c.in.n && strstr(f->c.in.p, text)) {
        return true;
    }
    print_error("no \"%s\" in: %s\n", text, f->c.in.n ? f->c.in.p : "");
    return false;
}

static void an_alert_is_accepted_and_can_be_read(void **state) {
    (void)state;
    struct fixture *f = start();
    assert_int_equal(post(f, "k1", ALERT), 202);
    cJSON *answer = body_json(f);
    char id[UUID_BYTES];
    char position[POSITION_BYTES];
    char text[256];
    (void)snprintf(id, sizeof(id), "%s", text_of(answer, "id"));
    (void)snprintf(position, sizeof(position), "%s", text_of(answer, "position"));
    assert_true(codec_is_uuid(str_of(id)));
    assert_int_equal(cJSON_GetObjectItem(answer, "revision")->valueint, 1);
    assert_int_equal(cJSON_GetObjectItem(answer, "seq")->valueint, 1);
    assert_string_equal(text_of(answer, "durability"), "memory");
    assert_int_equal(strlen(text_of(answer, "sent_at")), 24);
    (void)snprintf(text, sizeof(text), "Location: /v1/alerts/%s\r\n", id);
    assert_true(answer_has(f, text));
    cJSON_Delete(answer);

    (void)snprintf(text, sizeof(text), "/v1/alerts/%s", id);
    assert_int_equal(get(f, text), 200);
    cJSON *alert = body_json(f);
    assert_string_equal(text_of(alert, "id"), id);
    assert_string_equal(text_of(alert, "position"), position);
    assert_string_equal(text_of(alert, "created_by"), f->key_id);
    assert_string_equal(text_of(alert, "urgency"), "high");
    cJSON_Delete(alert);

    (void)snprintf(text, sizeof(text), "/v1/alerts/%s/stats", id);
    assert_int_equal(get(f, text), 200);
    cJSON *stats = body_json(f);
    assert_string_equal(text_of(stats, "id"), id);
    assert_string_equal(text_of(stats, "state"), "planning");
    cJSON_Delete(stats);
    stop(f);
}

static void the_same_request_gets_the_same_answer(void **state) {
    (void)state;
    static const char spaced[] =
        "{ " HEADLINE ",\n\t\"audience\" : {\"regions\":[ \"mena\" ]}, \"urgency\":\"high\" }";
    struct fixture *f = start();
    assert_int_equal(post(f, "same", ALERT), 202);
    cJSON *first = body_json(f);
    assert_null(strstr(f->c.in.p, "Idempotency-Replayed"));
    assert_int_equal(post(f, "same", spaced), 202);
    assert_true(answer_has(f, "Idempotency-Replayed: true"));
    cJSON *second = body_json(f);
    assert_true(cJSON_Compare(first, second, true));
    cJSON_Delete(first);
    cJSON_Delete(second);
    /* Another alert under that key. */
    assert_int_equal(
        post(f, "same", "{\"urgency\":\"low\",\"audience\":{\"regions\":[\"mena\"]}," HEADLINE "}"),
        422);
    assert_true(answer_has(f, "idempotency_key_reused"));
    /* Keys belong to the API key that used them. */
    char other[API_KEY_TEXT_BYTES];
    make_key(f, (struct key_scope){.publish = true}, other);
    assert_int_equal(post_as(f, other, "same", ALERT), 202);
    assert_null(strstr(f->c.in.p, "Idempotency-Replayed"));
    assert_int_equal(get(f, "/v1/alerts"), 200);
    cJSON *list = body_json(f);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(list, "alerts")), 2);
    cJSON_Delete(list);
    stop(f);
}

/* Each request has all the faults of those below it: the first check speaks. */
static void checks_come_in_their_order(void **state) {
    (void)state;
    struct fixture *f = start_with("body_max_bytes", "2000");
    struct {
        const char *key, *type, *idempotency, *body;
        size_t length;
        int status;
        const char *text;
    } const cases[] = {
        {"", "text/plain", "", "{", 5000, 401, "WWW-Authenticate: Bearer"},
        {"tcn_aaaaaaaaaaaa_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "text/plain", "", "{",
         5000, 401, "WWW-Authenticate: Bearer"},
        {NULL, "text/plain", "", "{", 5000, 415, NULL},
        {NULL, "application/json; charset=utf-8", "", "{", 5000, 413, NULL},
        {NULL, "application/json", "", "{", 1, 400, "\"pointer\":\"Idempotency-Key\""},
        {NULL, "application/json", "a b", "{", 1, 400, "\"pointer\":\"Idempotency-Key\""},
        {NULL, "application/json", "a", "{", 1, 400, "invalid_json"},
        {NULL, "application/json", "a", "{}", 2, 422, "\"pointer\":\"/audience/regions\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char request[4096];
        (void)snprintf(request, sizeof(request),
                       "POST /v1/alerts HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
                       "Content-Type: %s\r\n%s%s%sContent-Length: %zu\r\n\r\n%s",
                       cases[i].key ? cases[i].key : f->key, cases[i].type,
                       cases[i].idempotency[0] ? "Idempotency-Key: " : "", cases[i].idempotency,
                       cases[i].idempotency[0] ? "\r\n" : "", cases[i].length, cases[i].body);
        int status = send_request(f, request);
        if (status != cases[i].status) {
            print_error("case %d: %s\n", (int)i, f->c.in.n ? f->c.in.p : "");
        }
        assert_int_equal(status, cases[i].status);
        assert_true(!cases[i].text || answer_has(f, cases[i].text));
        assert_true(answer_has(f, "application/problem+json"));
    }
    assert_int_equal(get(f, "/v1/alerts"), 200);
    assert_true(answer_has(f, "{\"alerts\":[],\"next\":null}"));
    stop(f);
}

static void all_faults_come_at_once(void **state) {
    (void)state;
    struct fixture *f = start();
    assert_int_equal(post(f, "a",
                          "{\"urgency\":\"huge\",\"audience\":{\"regions\":[\"atlantis\"]},"
                          "\"content\":{\"en\":{\"headline\":\"\"},\"xx\":{}},"
                          "\"send_at\":\"tomorrow\",\"colour\":1}"),
                     422);
    cJSON *problem = body_json(f);
    assert_int_equal(cJSON_GetObjectItem(problem, "status")->valueint, 422);
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(problem, "errors")) >= 6);
    cJSON_Delete(problem);
    static const char *const pointers[] = {
        "/urgency", "/audience/regions/0", "/content/en/headline", "/content/xx", "/send_at",
        "/colour"};
    for (size_t i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++) {
        char text[64];
        (void)snprintf(text, sizeof(text), "\"pointer\":\"%s\"", pointers[i]);
        assert_true(answer_has(f, text));
    }
    stop(f);
}

static void a_key_is_held_to_its_scope(void **state) {
    (void)state;
    struct fixture *f = start();
    uint64_t europe = UINT64_C(1) << taxonomy_find(f->t, DIM_REGION, STR("europe"));
    char narrow[API_KEY_TEXT_BYTES];
    char reader[API_KEY_TEXT_BYTES];
    make_key(f,
             (struct key_scope){.publish = true, .regions = europe, .max_urgency = URGENCY_NORMAL},
             narrow);
    make_key(f, (struct key_scope){.read = true}, reader);
    assert_int_equal(post_as(f, narrow, "a", ALERT), 403);
    assert_true(answer_has(f, "\"pointer\":\"/audience/regions\""));
    assert_true(answer_has(f, "\"pointer\":\"/urgency\""));
    assert_int_equal(post_as(f, reader, "a", ALERT), 403);
    assert_int_equal(
        post_as(f, narrow, "a",
                "{\"urgency\":\"normal\",\"audience\":{\"regions\":[\"europe\"]}," HEADLINE "}"),
        202);
    /* Publishing does not include reading. */
    char request[512];
    (void)snprintf(request, sizeof(request),
                   "GET /v1/alerts HTTP/1.1\r\nHost: t\r\nAuthorization: bearer %s\r\n\r\n",
                   narrow);
    assert_int_equal(send_request(f, request), 403);
    (void)snprintf(request, sizeof(request),
                   "GET /v1/alerts HTTP/1.1\r\nHost: t\r\nAuthorization: bearer %s\r\n\r\n",
                   reader);
    assert_int_equal(send_request(f, request), 200);
    /* Nor may it correct what it may not post: the audience is inherited. */
    assert_int_equal(post(f, "b", ALERT), 202);
    cJSON *answer = body_json(f);
    char body[512];
    (void)snprintf(body, sizeof(body), "{\"msg_type\":\"cancel\",\"references\":[\"%s\"]}",
                   text_of(answer, "id"));
    assert_int_equal(post_as(f, narrow, "c", body), 403);
    assert_int_equal(post(f, "c", body), 202);
    cJSON_Delete(answer);
    stop(f);
}

static void revoked_and_false_keys_are_refused(void **state) {
    (void)state;
    struct fixture *f = start_with("key_cache_s", "0");
    struct api_key key = {.name = "leaver", .scope = {.publish = true}};
    char text[API_KEY_TEXT_BYTES];
    api_key_generate(&key, text);
    put_key(f, &key);
    assert_int_equal(post_as(f, text, "a", ALERT), 202);
    text[40] = text[40] == 'A' ? 'B' : 'A';
    assert_int_equal(post_as(f, text, "b", ALERT), 401);
    text[40] = text[40] == 'A' ? 'B' : 'A';
    api_key_generate(&key, text);
    key.revoked = true;
    put_key(f, &key);
    assert_int_equal(post_as(f, text, "c", ALERT), 401);
    assert_int_equal(send_request(f, "GET /v1/alerts HTTP/1.1\r\nHost: t\r\n\r\n"), 401);
    assert_int_equal(send_request(f, "GET /v1/alerts HTTP/1.1\r\nHost: t\r\nAuthorization: Basic "
                                     "dGNuOnRjbg==\r\n\r\n"),
                     401);
    stop(f);
}

static void a_known_key_is_remembered_for_a_while(void **state) {
    (void)state;
    struct fixture *f = start_with("key_cache_s", "300");
    assert_int_equal(get(f, "/v1/alerts"), 200);
    (void)test_redis_raw(&f->redis, "FLUSHALL");
    assert_int_equal(get(f, "/v1/alerts"), 200);
    clock_advance_for_test(301000);
    assert_int_equal(get(f, "/v1/alerts"), 401);
    stop(f);
}

static void updates_and_cancels(void **state) {
    (void)state;
    struct fixture *f = start();
    assert_int_equal(post(f, "a", ALERT), 202);
    cJSON *answer = body_json(f);
    char id[UUID_BYTES];
    char body[512];
    (void)snprintf(id, sizeof(id), "%s", text_of(answer, "id"));
    cJSON_Delete(answer);
    (void)snprintf(body, sizeof(body),
                   "{\"msg_type\":\"update\",\"references\":[\"%s\"],"
                   "\"content\":{\"en\":{\"headline\":\"Ceasefire agreed, talks go on\"}}}",
                   id);
    assert_int_equal(post(f, "b", body), 202);
    answer = body_json(f);
    assert_string_equal(text_of(answer, "id"), id);
    assert_int_equal(cJSON_GetObjectItem(answer, "revision")->valueint, 2);
    cJSON_Delete(answer);
    (void)snprintf(body, sizeof(body), "{\"msg_type\":\"cancel\",\"references\":[\"%s\"]}", id);
    assert_int_equal(post(f, "c", body), 202);
    assert_int_equal(post(f, "c", body), 202); /* the retry of it is no second cancel */
    assert_true(answer_has(f, "Idempotency-Replayed: true"));
    assert_int_equal(post(f, "d", body), 409);
    assert_int_equal(post(f, "e",
                          "{\"msg_type\":\"cancel\",\"references\":"
                          "[\"01890000-0000-7000-8000-000000000000\"]}"),
                     422);
    assert_true(answer_has(f, "\"pointer\":\"/references/0\""));
    char target[128];
    (void)snprintf(target, sizeof(target), "/v1/alerts/%s/stats?revision=1", id);
    assert_int_equal(get(f, target), 200);
    (void)snprintf(target, sizeof(target), "/v1/alerts/%s/stats?revision=9", id);
    assert_int_equal(get(f, target), 404);
    (void)snprintf(target, sizeof(target), "/v1/alerts/%s/stats?revision=x", id);
    assert_int_equal(get(f, target), 422);
    stop(f);
}

static void lists_go_back_page_by_page(void **state) {
    (void)state;
    struct fixture *f = start();
    for (int i = 0; i < 5; i++) {
        char key[8];
        (void)snprintf(key, sizeof(key), "k%d", i);
        assert_int_equal(post(f, key, ALERT), 202);
    }
    char target[128] = "/v1/alerts?limit=2";
    for (int page = 0; page < 3; page++) {
        assert_int_equal(get(f, target), 200);
        cJSON *list = body_json(f);
        const cJSON *alerts = cJSON_GetObjectItem(list, "alerts");
        assert_int_equal(cJSON_GetArraySize(alerts), page < 2 ? 2 : 1);
        const char *position = text_of(alerts->child, "position");
        assert_int_equal(strtol(strchr(position, ':') + 1, NULL, 10), 5 - 2 * page);
        const cJSON *next = cJSON_GetObjectItem(list, "next");
        assert_true(page < 2 ? cJSON_IsString(next) : cJSON_IsNull(next));
        if (page < 2) {
            (void)snprintf(target, sizeof(target), "/v1/alerts?limit=2&before=%s",
                           next->valuestring);
        }
        cJSON_Delete(list);
    }
    static const char *const bad[] = {"/v1/alerts?limit=0", "/v1/alerts?limit=101",
                                      "/v1/alerts?limit=x", "/v1/alerts?before=5",
                                      "/v1/alerts?limit=",  "/v1/alerts?befor=5"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(get(f, bad[i]), 422);
        assert_true(answer_has(f, "\"pointer\":\"?"));
    }
    assert_int_equal(get(f, "/v1/alerts/unknown"), 404);
    assert_int_equal(get(f, "/v1/alerts/01890000-0000-7000-8000-000000000000"), 404);
    assert_int_equal(get(f, "/v1/alerts/01890000-0000-7000-8000-000000000000/stats"), 404);
    stop(f);
}

static void a_key_that_posts_too_fast_must_wait(void **state) {
    (void)state;
    struct fixture *f = start_with("key_burst", "2");
    assert_int_equal(post(f, "a", ALERT), 202);
    assert_int_equal(post(f, "b", ALERT), 202);
    int status = 202;
    for (int i = 0; i < 50 && status == 202; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "c%d", i);
        status = post(f, key, ALERT);
    }
    assert_int_equal(status, 429);
    assert_true(answer_has(f, "Retry-After: 1\r\n"));
    char other[API_KEY_TEXT_BYTES];
    make_key(f, (struct key_scope){.publish = true}, other);
    assert_int_equal(post_as(f, other, "a", ALERT), 202);
    stop(f);
}

static void without_redis_it_says_so_and_recovers(void **state) {
    (void)state;
    struct fixture *f = start();
    assert_int_equal(post(f, "a", ALERT), 202);
    test_redis_kill(&f->redis);
    for (int i = 0; i < 500 && store_is_up(f->store); i++) {
        loop_turn(&f->loop);
    }
    assert_int_equal(post(f, "b", ALERT), 503);
    assert_true(answer_has(f, "Retry-After: "));
    assert_int_equal(send_request(f, "GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"), 200);
    test_redis_launch(&f->redis);
    int status = 503;
    assert_int_equal(store_wait_up(f->store, &f->loop, 10000), ERR_OK);
    for (int i = 0; i < 200 && status != 401 && status != 202; i++) {
        status = post(f, "b", ALERT);
        loop_turn(&f->loop);
    }
    /* That Redis kept nothing, but the key may still be remembered. */
    assert_true(status == 401 || status == 202);
    stop(f);
}

static void a_publish_completes_without_its_client(void **state) {
    (void)state;
    struct fixture *f = start();
    int64_t before = metrics_read(M_ALERTS_ACCEPTED);
    struct buf b;
    buf_init(&b, 65536);
    buf_printf(&b,
               "POST /v1/alerts HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
               "Content-Type: application/json\r\nIdempotency-Key: gone\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               f->key, strlen(ALERT), ALERT);
    /* Redis holds still while the client leaves. */
    assert_int_equal(get(f, "/v1/alerts"), 200); /* the key is remembered */
    test_redis_signal(&f->redis, SIGSTOP);
    struct client c;
    client_open(&c, &f->loop, f->port);
    client_send(&c, b.p, b.n);
    for (int i = 0; i < 100; i++) {
        loop_turn(&f->loop);
    }
    client_close(&c);
    for (int i = 0; i < 100; i++) {
        loop_turn(&f->loop);
    }
    test_redis_signal(&f->redis, SIGCONT);
    for (int i = 0; i < 4000 && metrics_read(M_ALERTS_ACCEPTED) == before; i++) {
        loop_turn(&f->loop);
    }
    assert_int_equal(metrics_read(M_ALERTS_ACCEPTED), before + 1);
    assert_int_equal(post(f, "gone", ALERT), 202);
    assert_true(answer_has(f, "Idempotency-Replayed: true"));
    buf_finish(&b);
    stop(f);
}

static void a_stop_answers_what_is_under_way(void **state) {
    (void)state;
    struct fixture *f = start();
    assert_int_equal(get(f, "/v1/alerts"), 200);
    test_redis_signal(&f->redis, SIGSTOP);
    struct buf b;
    buf_init(&b, 65536);
    buf_printf(&b,
               "POST /v1/alerts HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer %s\r\n"
               "Content-Type: application/json\r\nIdempotency-Key: last\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               f->key, strlen(ALERT), ALERT);
    struct client c;
    client_open(&c, &f->loop, f->port);
    client_send(&c, b.p, b.n);
    for (int i = 0; i < 50; i++) {
        loop_turn(&f->loop);
    }
    newsroom_stop(f->n, on_stopped, f);
    for (int i = 0; i < 400; i++) {
        loop_turn(&f->loop);
    }
    assert_false(f->stopped);
    test_redis_signal(&f->redis, SIGCONT);
    assert_true(client_wait_for(&c, "HTTP/1.1 202 ", 5000));
    client_close(&c);
    for (int i = 0; i < 4000 && !f->stopped; i++) {
        loop_turn(&f->loop);
    }
    assert_true(f->stopped);
    client_close(&f->c);
    store_destroy(f->store);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    test_redis_stop(&f->redis);
    taxonomy_destroy(f->t);
    config_destroy(f->cfg);
    buf_finish(&b);
    free(f);
}

static void it_may_be_destroyed_without_a_stop(void **state) {
    (void)state;
    struct fixture *f = start();
    test_redis_signal(&f->redis, SIGSTOP);
    client_puts(&f->c, "GET /v1/alerts HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ");
    client_puts(&f->c, f->key);
    client_puts(&f->c, "\r\n\r\n");
    for (int i = 0; i < 50; i++) {
        loop_turn(&f->loop);
    }
    newsroom_destroy(f->n);
    store_destroy(f->store);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    client_close(&f->c);
    test_redis_signal(&f->redis, SIGCONT);
    test_redis_stop(&f->redis);
    taxonomy_destroy(f->t);
    config_destroy(f->cfg);
    free(f);
}

static void operations_need_no_key(void **state) {
    (void)state;
    struct fixture *f = start();
    metrics_set_worker(0, "newsroom", getpid(), 2);
    metrics_attach(0);
    for (int i = 0; i < 400 && !metrics_health(0).ready; i++) {
        loop_turn(&f->loop);
    }
    assert_int_equal(send_request(f, "GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n"), 200);
    assert_true(answer_has(f, "{\"ready\":true,\"reasons\":[],\"workers\":[{\"role\":\"newsroom\","
                              "\"worker\":0,"));
    assert_true(answer_has(f, "\"restarts\":2}]}"));
    metrics_set_worker(1, "gateway", 0, 1);
    assert_int_equal(send_request(f, "GET /readyz HTTP/1.1\r\nHost: t\r\n\r\n"), 503);
    assert_true(answer_has(f, "\"reasons\":[\"gateway 0: "));
    metrics_set_worker(1, "", 0, 0);
    assert_int_equal(send_request(f, "GET /metrics HTTP/1.1\r\nHost: t\r\n\r\n"), 200);
    assert_true(answer_has(f, "\ntocsin_http_answers_total{code=\"2xx\"} "));
    assert_int_equal(send_request(f, "GET /v1/taxonomy HTTP/1.1\r\nHost: t\r\n\r\n"), 200);
    cJSON *json = body_json(f);
    assert_non_null(cJSON_GetObjectItem(json, "regions"));
    cJSON_Delete(json);
    assert_int_equal(send_request(f, "GET /v2 HTTP/1.1\r\nHost: t\r\n\r\n"), 404);
    assert_int_equal(send_request(f, "DELETE /v1/alerts HTTP/1.1\r\nHost: t\r\n\r\n"), 405);
    stop(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_alert_is_accepted_and_can_be_read),
        cmocka_unit_test(the_same_request_gets_the_same_answer),
        cmocka_unit_test(checks_come_in_their_order),
        cmocka_unit_test(all_faults_come_at_once),
        cmocka_unit_test(a_key_is_held_to_its_scope),
        cmocka_unit_test(revoked_and_false_keys_are_refused),
        cmocka_unit_test(a_known_key_is_remembered_for_a_while),
        cmocka_unit_test(updates_and_cancels),
        cmocka_unit_test(lists_go_back_page_by_page),
        cmocka_unit_test(a_key_that_posts_too_fast_must_wait),
        cmocka_unit_test(without_redis_it_says_so_and_recovers),
        cmocka_unit_test(a_publish_completes_without_its_client),
        cmocka_unit_test(a_stop_answers_what_is_under_way),
        cmocka_unit_test(it_may_be_destroyed_without_a_stop),
        cmocka_unit_test(operations_need_no_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

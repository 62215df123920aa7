#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_gateway.h"

static struct fixture fx;

static int setup(void **state) {
    (void)state;
    fixture_start(&fx);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    fixture_stop(&fx);
    return 0;
}

/* --- WebSocket --- */

static void test_hello_and_live(void **state) {
    (void)state;
    struct ws a;
    struct ws b;
    ws_open(&a, &fx, "/v1/stream");
    ws_open(&b, &fx, "/v1/stream?regions=europe");
    assert_int_equal(a.status, 101);
    assert_non_null(strstr(a.c.in.p, "Sec-WebSocket-Protocol: tocsin.v1"));
    ws_say(&a, "{\"type\":\"hello\",\"filter\":{\"regions\":[\"mena\"]}}");
    ws_expect_welcome(&a, true, "fresh", NULL);
    ws_expect_welcome(&b, true, "fresh", NULL);
    (void)fixture_post(&fx, "palestine", "one");
    (void)fixture_post(&fx, "europe", "two");
    (void)fixture_post(&fx, "mena", "three");
    ws_expect_headline(&a, "one");
    ws_expect_headline(&a, "three");
    ws_expect_headline(&b, "two");
    ws_close(&a);
    ws_close(&b);
}

static void test_welcome_says_all(void **state) {
    (void)state;
    struct ws w;
    ws_open(&w, &fx, "/v1/stream?editions=ar&min_urgency=high");
    cJSON *json = ws_expect(&w, "welcome");
    struct position position;
    assert_int_equal(position_parse(str_of(json_text(json, "position")), &position), ERR_OK);
    assert_int_equal(strlen(json_text(json, "session")), 16);
    assert_true(json_true(json, "live"));
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(json, "heartbeat_s")->valueint, 25);
    const cJSON *filter = cJSON_GetObjectItemCaseSensitive(json, "filter");
    assert_string_equal(json_text(filter, "min_urgency"), "high");
    cJSON_Delete(json);
    ws_close(&w);
}

/* tcp_info.tcpi_data_segs_in of linux/tcp.h, which cannot stand beside the C library's. */
static unsigned segments_received(int fd) {
    enum { AT = 152 };
    unsigned char info[AT + sizeof(uint32_t)];
    uint32_t segments;
    socklen_t size = sizeof(info);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size), 0);
    assert_int_equal(size, sizeof(info));
    memcpy(&segments, info + AT, sizeof(segments));
    return segments;
}

/* The answer to the upgrade and the welcome. A stall of 200 ms between the two parts them (tcp(7),
 * TCP_CORK), so one of several must do. */
static void test_welcome_needs_one_segment(void **state) {
    (void)state;
    enum { TRIES = 5 };
    int together = 0;
    for (int i = 0; i < TRIES; i++) {
        struct ws w;
        ws_open(&w, &fx, "/v1/stream?regions=europe");
        ws_expect_welcome(&w, true, "fresh", NULL);
        together += segments_received(w.c.fd) == 1;
        ws_close(&w);
    }
    assert_int_not_equal(together, 0);
}

static void test_filter_change(void **state) {
    (void)state;
    struct ws w;
    ws_open(&w, &fx, "/v1/stream?regions=europe");
    ws_expect_welcome(&w, true, "fresh", NULL);
    ws_say(&w, "{\"type\":\"filter\",\"filter\":{\"regions\":[\"asia\"]}}");
    cJSON_Delete(ws_expect(&w, "filter"));
    (void)fixture_post(&fx, "europe", "no");
    (void)fixture_post(&fx, "asia", "yes");
    ws_expect_headline(&w, "yes");
    ws_say(&w, "{\"type\":\"pong\"}");
    (void)fixture_post(&fx, "asia", "again");
    ws_expect_headline(&w, "again");
    ws_close(&w);
}

static void test_resume(void **state) {
    (void)state;
    struct ws w;
    char position[POSITION_BYTES];
    char target[128];
    ws_open(&w, &fx, "/v1/stream?regions=europe");
    ws_expect_welcome(&w, true, "fresh", position);
    ws_close(&w);
    (void)fixture_post(&fx, "europe", "missed 1");
    (void)fixture_post(&fx, "asia", "not ours");
    (void)fixture_post(&fx, "europe", "missed 2");
    (void)snprintf(target, sizeof(target), "/v1/stream?regions=europe&position=%s", position);
    ws_open(&w, &fx, target);
    ws_expect_welcome(&w, true, "", NULL);
    ws_expect_headline(&w, "missed 1");
    ws_expect_headline(&w, "missed 2");
    (void)fixture_post(&fx, "europe", "live");
    ws_expect_headline(&w, "live");
    ws_close(&w);
}

static void test_unknown_position(void **state) {
    (void)state;
    struct ws w;
    struct publish_result first = fixture_post(&fx, "latin-america", "gone");
    (void)fixture_post(&fx, "latin-america", "active");
    char body[256];
    (void)snprintf(body, sizeof(body), "{\"msg_type\":\"cancel\",\"references\":[\"%s\"]}",
                   first.id);
    (void)fixture_publish(&fx, body);
    ws_open(&w, &fx, "/v1/stream?regions=latin-america&position=nonsense");
    ws_expect_welcome(&w, false, "unknown", NULL);
    cJSON *json = ws_expect(&w, "alert");
    assert_string_equal(json_headline(json, "en"), "active");
    assert_true(json_true(json, "replay"));
    cJSON_Delete(json);
    (void)fixture_post(&fx, "latin-america", "live");
    ws_expect_headline(&w, "live");
    ws_close(&w);
}

/* Every faulty message has its close code, and the error frame says which part is wrong. */
static void test_protocol_faults(void **state) {
    (void)state;
    static const struct {
        const char *target;
        const char *message;
        int code;
        const char *error;
    } cases[] = {
        {"/v1/stream", "{", 4000, "protocol_error"},
        {"/v1/stream", "{\"type\":\"nonsense\"}", 4000, "protocol_error"},
        {"/v1/stream", "{\"type\":\"filter\",\"filter\":{}}", 4000, "protocol_error"},
        {"/v1/stream", "{\"type\":\"hello\",\"filter\":{\"regions\":[\"moon\"]}}", 4002,
         "bad_filter"},
        {"/v1/stream?regions=moon", NULL, 4002, "bad_filter"},
        {"/v1/stream?region=europe", NULL, 4002, "bad_filter"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ws w;
        ws_open(&w, &fx, cases[i].target);
        if (cases[i].message) {
            ws_say(&w, cases[i].message);
        }
        cJSON *json = ws_expect(&w, "error");
        assert_string_equal(json_text(json, "code"), cases[i].error);
        assert_int_equal(ws_wait_close(&w, 3000), cases[i].code);
        cJSON_Delete(json);
        ws_close(&w);
    }
}

static void test_fragments_and_size(void **state) {
    (void)state;
    struct ws w;
    ws_open(&w, &fx, "/v1/stream");
    const char *a = "{\"type\":\"hello\",\"fil";
    const char *b = "ter\":{\"regions\":[\"europe\"]}}";
    ws_send_frame(&w, 0x01, a, strlen(a));
    ws_send_frame(&w, 0x89, "x", 1); /* a PING between the fragments */
    ws_send_frame(&w, 0x80, b, strlen(b));
    ws_expect_welcome(&w, true, "fresh", NULL);
    char *large = mem_zalloc(1, 9000);
    memset(large, ' ', 8999);
    ws_send_frame(&w, 0x81, large, 8999);
    assert_int_equal(ws_wait_close(&w, 3000), 4004);
    ws_close(&w);
    free(large);
}

static void test_many_fragments_are_capped(void **state) {
    (void)state;
    struct ws w;
    char piece[1000];
    memset(piece, ' ', sizeof(piece));
    ws_open(&w, &fx, "/v1/stream");
    for (int i = 0; i < 9; i++) {
        ws_send_frame(&w, i == 0 ? 0x01 : 0x00, piece, sizeof(piece));
    }
    assert_int_equal(ws_wait_close(&w, 3000), 4004);
    ws_close(&w);
}

/* --- SSE --- */

static void sse_open_client(struct client *c, const char *target, const char *header) {
    char request[512];
    client_open(c, &fx.loop, fx.port);
    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: t\r\n%s\r\n", target,
                   header);
    client_puts(c, request);
}

static void test_sse(void **state) {
    (void)state;
    struct client c;
    sse_open_client(&c, "/v1/events?regions=europe", "");
    assert_true(client_wait_for(&c, "event: welcome", 3000));
    assert_non_null(strstr(c.in.p, "retry: 2000"));
    assert_non_null(strcasestr(c.in.p, "Access-Control-Allow-Origin: *"));
    assert_true(client_wait_for(&c, "event: ping", 3000)); /* tells the id at once */
    struct publish_result one = fixture_post(&fx, "europe", "one");
    char id[64];
    char header[96];
    (void)snprintf(id, sizeof(id), "id: %s:%llu\nevent: alert\n", one.position.epoch,
                   (unsigned long long)one.position.seq);
    assert_true(client_wait_for(&c, id, 3000));
    client_close(&c);
    (void)fixture_post(&fx, "europe", "two");
    (void)snprintf(header, sizeof(header), "Last-Event-ID: %s:%llu\r\n", one.position.epoch,
                   (unsigned long long)one.position.seq);
    sse_open_client(&c, "/v1/events?regions=europe&position=ignored", header);
    assert_true(client_wait_for(&c, "\"headline\":\"two\"", 3000));
    assert_null(strstr(c.in.p, "\"headline\":\"one\""));
    client_close(&c);
    sse_open_client(&c, "/v1/events?regions=moon", "");
    assert_true(client_wait_for(&c, "\"?regions\"", 3000));
    assert_non_null(strstr(c.in.p, "422"));
    client_close(&c);
}

/* --- long-poll and ticker --- */

static char *get(const char *target, int *out_status) {
    struct client c;
    char request[512];
    client_open(&c, &fx.loop, fx.port);
    (void)snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: t\r\n\r\n", target);
    *out_status = client_ask(&c, request, false);
    size_t size = 0;
    const char *body = client_body(&c, &size);
    char *copy = mem_strndup(body ? body : "", size);
    client_close(&c);
    return copy;
}

static void test_longpoll(void **state) {
    (void)state;
    int status = 0;
    char target[160];
    struct publish_result start = fixture_post(&fx, "asia", "before");
    (void)fixture_post(&fx, "europe", "one");
    (void)fixture_post(&fx, "europe", "two");
    (void)snprintf(target, sizeof(target), "/v1/alerts?regions=europe&wait=20&after=%s:%llu",
                   start.position.epoch, (unsigned long long)start.position.seq);
    char *body = get(target, &status);
    assert_int_equal(status, 200);
    cJSON *json = cJSON_Parse(body);
    const cJSON *alerts = cJSON_GetObjectItemCaseSensitive(json, "alerts");
    assert_true(json_true(json, "recovered"));
    assert_int_equal(cJSON_GetArraySize(alerts), 2);
    assert_string_equal(json_headline(cJSON_GetArrayItem(alerts, 0), "en"), "one");
    (void)snprintf(target, sizeof(target), "/v1/alerts?regions=europe&wait=1&after=%s",
                   json_text(json, "position"));
    cJSON_Delete(json);
    free(body);
    int64_t before = clock_mono_ms();
    body = get(target, &status); /* nothing: waits, then an empty list and the position */
    assert_int_equal(status, 200);
    assert_true(clock_mono_ms() - before >= 900);
    assert_non_null(strstr(body, "\"alerts\":[]"));
    free(body);
    struct client c; /* and the next one answers it at once */
    char request[256];
    (void)snprintf(request, sizeof(request),
                   "GET /v1/alerts?regions=europe&after=%s:%llu HTTP/1.1\r\nHost: t\r\n\r\n",
                   start.position.epoch, (unsigned long long)start.position.seq + 2);
    client_open(&c, &fx.loop, fx.port);
    client_puts(&c, request);
    for (int i = 0; i < 50; i++) {
        client_poll(&c);
    }
    assert_int_equal(c.in.n, 0);
    (void)fixture_post(&fx, "europe", "three");
    assert_true(client_wait_for(&c, "\"headline\":\"three\"", 3000));
    client_close(&c);
}

static void test_longpoll_unknown(void **state) {
    (void)state;
    int status = 0;
    char *body = get("/v1/alerts?after=abc:99&wait=30", &status);
    assert_int_equal(status, 200);
    assert_non_null(strstr(body, "\"recovered\":false,\"reason\":\"unknown\""));
    free(body);
    body = get("/v1/alerts?after=abc:99&wait=61", &status);
    assert_int_equal(status, 422);
    assert_non_null(strstr(body, "?wait"));
    free(body);
}

static void test_ticker(void **state) {
    (void)state;
    int status = 0;
    struct publish_result first = fixture_post(&fx, "us-canada", "oldest");
    (void)fixture_post(&fx, "us-canada", "middle");
    (void)fixture_post(&fx, "us-canada", "newest");
    char body_text[256];
    (void)snprintf(body_text, sizeof(body_text),
                   "{\"msg_type\":\"cancel\",\"references\":[\"%s\"]}", first.id);
    (void)fixture_publish(&fx, body_text);
    char *body = get("/v1/alerts?regions=us-canada&limit=5", &status);
    assert_int_equal(status, 200);
    cJSON *json = cJSON_Parse(body);
    const cJSON *alerts = cJSON_GetObjectItemCaseSensitive(json, "alerts");
    assert_int_equal(cJSON_GetArraySize(alerts), 2);
    assert_string_equal(json_headline(cJSON_GetArrayItem(alerts, 0), "en"), "newest");
    cJSON_Delete(json);
    free(body);
    body = get("/v1/alerts?limit=1", &status);
    assert_null(strstr(body, "middle"));
    free(body);
    free(get("/v1/alerts?limit=101", &status));
    assert_int_equal(status, 422);
    free(get("/v1/alerts?wait=1", &status));
    assert_int_equal(status, 422);
}

static void test_plain_endpoints(void **state) {
    (void)state;
    int status = 0;
    char *body = get("/v1/taxonomy", &status);
    assert_int_equal(status, 200);
    assert_non_null(strstr(body, "palestine"));
    free(body);
    free(get("/healthz", &status));
    assert_int_equal(status, 200);
    body = get("/v1/nothing", &status);
    assert_int_equal(status, 404);
    assert_non_null(strstr(body, "\"status\":404"));
    free(body);
}

/* --- devices --- */

static int device(const char *method, const char *id, const char *secret, const char *body,
                  char **out_body) {
    struct client c;
    struct buf request;
    buf_init(&request, 65536);
    client_open(&c, &fx.loop, fx.port);
    buf_printf(&request, "%s /v1/devices/%s HTTP/1.1\r\nHost: t\r\n", method, id);
    if (secret) {
        buf_printf(&request, "Authorization: Bearer %s\r\n", secret);
    }
    if (body) {
        buf_printf(&request, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                   strlen(body));
    }
    buf_printf(&request, "\r\n%s", body ? body : "");
    int status = client_ask(&c, request.p, false);
    size_t size = 0;
    const char *text = client_body(&c, &size);
    if (out_body) {
        *out_body = mem_strndup(text ? text : "", size);
    }
    buf_finish(&request);
    client_close(&c);
    return status;
}

#define TOKEN        "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define OTHER_SECRET "0123456789012345678901234567890123456789"
static const char device_body[] =
    "{\"platform\":\"apns\",\"token\":\"" TOKEN "\",\"edition\":\"en\","
    "\"regions\":[\"mena\",\"atlantis\"],\"tags\":[\"gaza\"]}";

static void test_devices(void **state) {
    (void)state;
    char *body = NULL;
    assert_int_equal(device("PUT", "device-0001", NULL, device_body, &body), 201);
    cJSON *json = cJSON_Parse(body);
    char secret[129];
    (void)snprintf(secret, sizeof(secret), "%s", json_text(json, "secret"));
    assert_int_equal(strlen(secret), 43);
    assert_string_equal(json_text(json, "id"), "device-0001");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "dropped")), 1);
    assert_false(json_true(json, "token_moved"));
    assert_true(strlen(json_text(json, "registered_at")) > 0);
    const cJSON *kept = cJSON_GetObjectItemCaseSensitive(json, "kept");
    assert_string_equal(json_text(kept, "edition"), "en");
    assert_null(strstr(body, TOKEN));
    cJSON_Delete(json);
    free(body);

    assert_int_equal(device("PUT", "device-0001", NULL, device_body, NULL), 401);
    assert_int_equal(device("PUT", "device-0001", OTHER_SECRET, device_body, NULL), 403);
    assert_int_equal(device("PUT", "device-0001", secret, device_body, &body), 200);
    assert_null(strstr(body, "\"secret\""));
    free(body);
    assert_int_equal(device("GET", "device-0001", NULL, NULL, NULL), 401);
    assert_int_equal(device("GET", "device-0001", "short", NULL, NULL), 401);
    assert_int_equal(device("GET", "device-0001", OTHER_SECRET, NULL, NULL), 403);
    assert_int_equal(device("GET", "device-0001", secret, NULL, &body), 200);
    assert_non_null(strstr(body, "\"platform\":\"apns\""));
    free(body);
    assert_int_equal(device("GET", "device-0009", secret, NULL, NULL), 404);
    assert_int_equal(device("DELETE", "device-0001", OTHER_SECRET, NULL, NULL), 403);
    assert_int_equal(device("DELETE", "device-0001", secret, NULL, NULL), 204);
    assert_int_equal(device("GET", "device-0001", secret, NULL, NULL), 404);
}

static void test_device_faults(void **state) {
    (void)state;
    char *body = NULL;
    assert_int_equal(device("PUT", "device-0002", NULL, "{", NULL), 400);
    assert_int_equal(device("PUT", "device-0002", NULL, "{\"platform\":\"pigeon\"}", &body), 422);
    assert_non_null(strstr(body, "/platform"));
    free(body);
    assert_int_equal(device("PUT", "x", NULL, device_body, NULL), 422);
    char *large = mem_zalloc(1, 20001);
    memset(large, ' ', 20000);
    assert_int_equal(device("PUT", "device-0002", NULL, large, NULL), 413);
    free(large);
    /* an app that brings its own secret may repeat a PUT whose answer was lost */
    assert_int_equal(device("PUT", "device-0003", OTHER_SECRET, device_body, NULL), 201);
    assert_int_equal(device("PUT", "device-0003", OTHER_SECRET, device_body, NULL), 200);
    assert_int_equal(device("PUT", "device-0004", NULL, device_body, &body), 201);
    assert_non_null(strstr(body, "\"token_moved\":true"));
    free(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello_and_live),
        cmocka_unit_test(test_welcome_says_all),
        cmocka_unit_test(test_welcome_needs_one_segment),
        cmocka_unit_test(test_filter_change),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_unknown_position),
        cmocka_unit_test(test_protocol_faults),
        cmocka_unit_test(test_fragments_and_size),
        cmocka_unit_test(test_many_fragments_are_capped),
        cmocka_unit_test(test_sse),
        cmocka_unit_test(test_longpoll),
        cmocka_unit_test(test_longpoll_unknown),
        cmocka_unit_test(test_ticker),
        cmocka_unit_test(test_plain_endpoints),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_device_faults),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

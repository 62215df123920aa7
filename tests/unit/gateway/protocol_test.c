#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/frame.h"
#include "gateway/params.h"
#include "gateway/protocol.h"
#include "support_model.h"

static struct taxonomy *t;

static void test_parse(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum err err;
        enum client_message type;
        const char *faults;
    } cases[] = {
        {"{\"type\":\"pong\"}", ERR_OK, CLIENT_PONG, ""},
        {"{\"type\":\"pong\",\"position\":\"e:1\"}", ERR_OK, CLIENT_PONG, ""},
        {"{\"type\":\"hello\"}", ERR_OK, CLIENT_HELLO, ""},
        {"{\"type\":\"hello\",\"filter\":{},\"position\":\"e:1\",\"token\":\"x\"}", ERR_OK,
         CLIENT_HELLO, ""},
        {"{\"type\":\"filter\",\"filter\":{\"regions\":[\"mena\"]}}", ERR_OK, CLIENT_FILTER, ""},
        {"{\"type\":\"auth\",\"token\":\"x\"}", ERR_OK, CLIENT_AUTH, ""},
        {"{\"type\":\"auth\"}", ERR_OK, CLIENT_AUTH, ""},
        {"{\"type\":\"auth\",\"token\":5}", ERR_PROTOCOL, CLIENT_AUTH, "/token wrong_type"},
        {"{\"type\":\"auth\",\"filter\":{}}", ERR_PROTOCOL, CLIENT_AUTH, "/filter unknown_field"},
        {"{\"type\":\"hello\",\"token\":\"x\",\"filter\":{\"regions\":[\"moon\"]}}", ERR_INVALID,
         CLIENT_HELLO, "/filter/regions/0 unknown_value"},
        {"{\"type\":\"hello\",\"position\":5}", ERR_PROTOCOL, CLIENT_HELLO, "/position wrong_type"},
        {"{\"type\":\"hello\",\"filters\":{}}", ERR_PROTOCOL, CLIENT_HELLO,
         "/filters unknown_field"},
        {"{\"type\":\"filter\",\"filter\":{\"regions\":[\"moon\"]}}", ERR_INVALID, CLIENT_FILTER,
         "/filter/regions/0 unknown_value"},
        {"{\"filter\":{}}", ERR_PROTOCOL, CLIENT_HELLO, "/type required"},
        {"[]", ERR_PROTOCOL, CLIENT_HELLO, " wrong_type"},
        {"", ERR_PROTOCOL, CLIENT_HELLO, " invalid_json"},
        {"{\"type\":\"pong\"}x", ERR_PROTOCOL, CLIENT_HELLO, " invalid_json"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client_frame frame;
        struct problem *problems = problem_create();
        enum err err = protocol_parse(t, str_of(cases[i].text), &frame, problems);
        assert_faults(problems, cases[i].text, cases[i].faults);
        assert_int_equal(err, cases[i].err);
        if (err == ERR_OK) {
            assert_int_equal(frame.type, cases[i].type);
            client_frame_finish(&frame);
        }
        problem_destroy(problems);
    }
}

static void test_hello_position(void **state) {
    (void)state;
    struct client_frame frame;
    struct problem *problems = problem_create();
    const char *text = "{\"type\":\"hello\",\"position\":\"abc:42\"}";
    assert_int_equal(protocol_parse(t, str_of(text), &frame, problems), ERR_OK);
    assert_true(frame.resume.given && frame.resume.valid);
    assert_int_equal(frame.resume.position.seq, 42);
    client_frame_finish(&frame);
    text = "{\"type\":\"hello\",\"position\":\"?\"}";
    assert_int_equal(protocol_parse(t, str_of(text), &frame, problems), ERR_OK);
    assert_true(frame.resume.given && !frame.resume.valid);
    client_frame_finish(&frame);
    problem_destroy(problems);
}

static void test_messages(void **state) {
    (void)state;
    struct buf b;
    struct filter all;
    buf_init(&b, 65536);
    filter_init(&all);
    struct welcome w = {.session = 0xab,
                        .position = "e:7",
                        .verdict = VERDICT_EXPIRED,
                        .filter = &all,
                        .heartbeat_s = 25,
                        .expires_in_s = -1,
                        .live = true};
    protocol_put_welcome(&b, t, &w);
    cJSON *json = cJSON_ParseWithLength(b.p, b.n);
    assert_non_null(json);
    assert_string_equal(cJSON_GetObjectItem(json, "session")->valuestring, "00000000000000ab");
    assert_string_equal(cJSON_GetObjectItem(json, "reason")->valuestring, "expired");
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(json, "recovered")));
    assert_null(cJSON_GetObjectItem(json, "expires_in_s"));
    cJSON_Delete(json);
    buf_clear(&b);
    w.expires_in_s = 7;
    protocol_put_welcome(&b, t, &w);
    assert_non_null(strstr(b.p, "\"expires_in_s\":7,"));
    buf_clear(&b);
    protocol_put_auth(&b, 30);
    assert_string_equal(b.p, "{\"type\":\"auth\",\"expires_in_s\":30}");
    buf_clear(&b);
    protocol_put_auth(&b, -1);
    assert_string_equal(b.p, "{\"type\":\"auth\",\"required\":false}");
    buf_clear(&b);
    protocol_put_bye(&b, "draining", NULL, 12);
    assert_string_equal(
        b.p, "{\"type\":\"bye\",\"reason\":\"draining\",\"reconnect\":true,\"after_ms\":12}");
    buf_clear(&b);
    protocol_put_ping(&b, "e:7");
    assert_string_equal(b.p, "{\"type\":\"ping\",\"position\":\"e:7\"}");
    buf_clear(&b);
    protocol_put_status(&b, false);
    assert_string_equal(b.p, "{\"type\":\"status\",\"live\":false}");
    buf_finish(&b);
    filter_finish(&all);
}

/* The three lengths of a WebSocket frame (RFC 6455 section 5.2). */
static void test_frames(void **state) {
    (void)state;
    static const struct {
        size_t size;
        size_t header;
        unsigned char bytes[4];
    } cases[] = {
        {0, 2, {0x81, 0}},
        {125, 2, {0x81, 125}},
        {126, 4, {0x81, 126, 0, 126}},
        {65535, 4, {0x81, 126, 0xff, 0xff}},
        {65536, 10, {0x81, 127, 0, 0}},
    };
    char *payload = mem_zalloc(1, 65536);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        frame_put(&b, FRAME_WS, "alert", NULL, (struct str){payload, cases[i].size});
        assert_int_equal(b.n, cases[i].header + cases[i].size);
        assert_memory_equal(b.p, cases[i].bytes, cases[i].header < 4 ? 2 : 4);
        buf_finish(&b);
    }
    free(payload);
    struct buf b;
    buf_init(&b, 1024);
    frame_put_close(&b, 4101, STR("lagged"));
    assert_int_equal(b.n, 10);
    assert_memory_equal(b.p, "\x88\x08\x10\x05lagged", 10);
    buf_finish(&b);
}

static void test_params(void **state) {
    (void)state;
    struct params p;
    params_init(&p, t, PARAM_POSITION | PARAM_LIMIT);
    assert_false(p.any);
    params_set(&p, STR("regions"), STR("mena,europe"));
    params_set(&p, STR("min_urgency"), STR("high"));
    params_set(&p, STR("position"), STR("e:1"));
    params_set(&p, STR("limit"), STR("100"));
    assert_true(params_complete(&p) && p.any);
    assert_int_equal(p.limit, 100);
    assert_true(p.resume.valid);
    assert_int_equal(p.filter.min_urgency, URGENCY_HIGH);
    params_finish(&p);

    params_init(&p, t, PARAM_TOKEN);
    params_set(&p, STR("token"), STR("first"));
    params_set(&p, STR("token"), STR("second"));
    assert_true(params_complete(&p) && !p.any); /* a token alone is no hello */
    assert_string_equal(p.token, "second");
    params_finish(&p);

    params_init(&p, t, PARAM_LIMIT);
    params_set(&p, STR("limit"), STR("0"));
    params_set(&p, STR("wait"), STR("1")); /* not here */
    params_set(&p, STR("region"), STR("mena"));
    params_set(&p, STR("sections"), STR("gossip"));
    assert_false(params_complete(&p));
    assert_faults(p.problems, "query",
                  "?limit out_of_range; ?wait unknown_field; ?region unknown_field; "
                  "?sections unknown_value");
    params_finish(&p);
}

static int setup(void **state) {
    (void)state;
    t = taxonomy_builtin();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    taxonomy_destroy(t);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),    cmocka_unit_test(test_hello_position),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_frames),
        cmocka_unit_test(test_params),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* What phones are told: the JSON of both providers read back, sizes, cuts, manners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "base/mem.h"
#include "render/apns_payload.h"
#include "render/fcm_payload.h"
#include "render/notice.h"
#include "render/shorten.h"

static const char labels[] = "en=Withdrawn, ar=تم سحب الخبر,es=Noticia retirada";
static const struct apns_style apns_style = {.sound = "default", .sound_flash = "flash.caf"};
static const struct fcm_style fcm_style = {.channel_id = "breaking",
                                           .quiet_channel_id = "quiet",
                                           .sound = "default",
                                           .now_ms = INT64_C(1700000060000)};

struct fixture {
    struct taxonomy *taxonomy;
    struct alert *alert;
    int en;
    int ar;
};

static int setup(void **state) {
    struct fixture *f = mem_zalloc(1, sizeof(*f));
    f->taxonomy = taxonomy_builtin();
    f->en = taxonomy_find(f->taxonomy, DIM_EDITION, STR("en"));
    f->ar = taxonomy_find(f->taxonomy, DIM_EDITION, STR("ar"));
    f->alert = alert_create();
    struct alert *a = f->alert;
    memcpy(a->id, "0197a1b2-0000-7000-8000-000000000001", UUID_BYTES);
    a->revision = 3;
    a->urgency = URGENCY_HIGH;
    a->ttl_s = 3600;
    a->sent_ms = INT64_C(1700000000000);
    a->fallback_edition = f->en;
    a->content[f->en].headline = mem_strdup("Quake \"hits\" coast");
    a->content[f->en].body = mem_strdup("Second line\nthird");
    a->content[f->ar].headline = mem_strdup("زلزال يضرب الساحل");
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    alert_destroy(f->alert);
    taxonomy_destroy(f->taxonomy);
    free(f);
    return 0;
}

static char *repeat(const char *text, size_t times) {
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < times; i++) {
        buf_puts(&b, text);
    }
    return buf_take(&b);
}

static void set(char **field, char *take_text) {
    free(*field);
    *field = take_text;
}

static cJSON *apns_of(struct fixture *f, int edition, size_t *out_size) {
    struct notice n;
    struct buf b;
    buf_init(&b, 1 << 16);
    assert_int_equal(notice_init(&n, f->alert, f->taxonomy, edition, labels), ERR_OK);
    assert_int_equal(apns_payload_build(&n, &apns_style, &b), ERR_OK);
    notice_finish(&n);
    cJSON *json = cJSON_ParseWithLength(b.p, b.n);
    assert_non_null(json);
    assert_true(str_is_utf8(buf_str(&b)));
    *out_size = b.n;
    buf_finish(&b);
    return json;
}

static cJSON *fcm_of(struct fixture *f, int edition) {
    struct notice n;
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_puts(&b, FCM_PAYLOAD_PREFIX "\"tok\\\"en\"");
    struct buf suffix;
    buf_init(&suffix, 1 << 16);
    assert_int_equal(notice_init(&n, f->alert, f->taxonomy, edition, labels), ERR_OK);
    assert_int_equal(fcm_payload_build(&n, &fcm_style, &suffix), ERR_OK);
    assert_true(suffix.n <= FCM_PAYLOAD_MAX_BYTES);
    buf_put_str(&b, buf_str(&suffix));
    notice_finish(&n);
    cJSON *json = cJSON_ParseWithLength(b.p, b.n);
    assert_non_null(json);
    buf_finish(&suffix);
    buf_finish(&b);
    return json;
}

/* "a.b.c" below `json`; NULL when absent. */
static const cJSON *at(const cJSON *json, const char *path) {
    struct str rest = str_of(path);
    struct str name;
    while (json && str_split(&rest, '/', &name)) {
        char text[64];
        (void)snprintf(text, sizeof(text), "%.*s", STR_ARG(name));
        json = cJSON_GetObjectItemCaseSensitive(json, text);
    }
    return json;
}

static void check_text(const cJSON *json, const char *path, const char *want) {
    const cJSON *item = at(json, path);
    if (!cJSON_IsString(item)) {
        fail_msg("%s is not there", path);
    }
    assert_string_equal(item->valuestring, want);
}

static void apns_has_all_members(void **state) {
    struct fixture *f = *state;
    struct alert *a = f->alert;
    set(&a->story_id, mem_strdup("quake-7"));
    set(&a->content[f->en].url, mem_strdup("https://example.org/quake"));
    set(&a->content[f->en].image_url, mem_strdup("https://example.org/q.jpg"));
    size_t size = 0;
    cJSON *json = apns_of(f, f->en, &size);
    check_text(json, "aps/alert/title", "Quake \"hits\" coast");
    check_text(json, "aps/alert/body", "Second line\nthird");
    check_text(json, "aps/sound", "default");
    check_text(json, "aps/thread-id", "quake-7");
    check_text(json, "aps/interruption-level", "active");
    assert_int_equal(at(json, "aps/mutable-content")->valueint, 1);
    check_text(json, "alert_id", a->id);
    assert_int_equal(at(json, "revision")->valueint, 3);
    check_text(json, "msg_type", "alert");
    check_text(json, "urgency", "high");
    check_text(json, "edition", "en");
    check_text(json, "url", "https://example.org/quake");
    check_text(json, "image_url", "https://example.org/q.jpg");
    check_text(json, "story_id", "quake-7");
    assert_null(at(json, "status"));
    cJSON_Delete(json);
}

static void editions_fall_back_and_keep_their_bytes(void **state) {
    struct fixture *f = *state;
    size_t size = 0;
    cJSON *json = apns_of(f, f->ar, &size);
    check_text(json, "aps/alert/title", "زلزال يضرب الساحل");
    assert_null(at(json, "aps/alert/body"));
    assert_null(at(json, "aps/mutable-content"));
    cJSON_Delete(json);
    json = apns_of(f, taxonomy_find(f->taxonomy, DIM_EDITION, STR("es")), &size);
    check_text(json, "aps/alert/title", "Quake \"hits\" coast");
    check_text(json, "edition", "es");
    cJSON_Delete(json);
    f->alert->fallback_edition = -1;
    struct notice n;
    assert_int_equal(notice_init(&n, f->alert, f->taxonomy,
                                 taxonomy_find(f->taxonomy, DIM_EDITION, STR("es")), labels),
                     ERR_NOT_FOUND);
}

struct manner {
    enum msg_type type;
    enum urgency urgency;
    enum alert_sound asked;
    const char *sound; /* NULL = none */
    const char *level;
    const char *apns_priority;
    const char *fcm_priority;
};

static const struct manner manners[] = {
    {MSG_ALERT, URGENCY_FLASH, SOUND_DEFAULT, "flash.caf", "time-sensitive", "10", "high"},
    {MSG_ALERT, URGENCY_HIGH, SOUND_DEFAULT, "default", "active", "10", "high"},
    {MSG_ALERT, URGENCY_NORMAL, SOUND_DEFAULT, "default", "active", "10", "high"},
    {MSG_ALERT, URGENCY_LOW, SOUND_DEFAULT, NULL, "passive", "5", "normal"},
    {MSG_UPDATE, URGENCY_FLASH, SOUND_DEFAULT, "flash.caf", "time-sensitive", "10", "high"},
    {MSG_UPDATE, URGENCY_HIGH, SOUND_DEFAULT, NULL, "active", "10", "high"},
    {MSG_UPDATE, URGENCY_LOW, SOUND_DEFAULT, NULL, "passive", "5", "normal"},
    {MSG_CANCEL, URGENCY_FLASH, SOUND_DEFAULT, NULL, "passive", "10", "high"},
    {MSG_CANCEL, URGENCY_LOW, SOUND_DEFAULT, NULL, "passive", "10", "high"},
    {MSG_UPDATE, URGENCY_HIGH, SOUND_ON, "default", "active", "10", "high"},
    {MSG_UPDATE, URGENCY_FLASH, SOUND_ON, "flash.caf", "time-sensitive", "10", "high"},
    {MSG_UPDATE, URGENCY_FLASH, SOUND_OFF, NULL, "active", "10", "high"},
    {MSG_UPDATE, URGENCY_LOW, SOUND_ON, "default", "active", "10", "high"},
    {MSG_UPDATE, URGENCY_LOW, SOUND_OFF, NULL, "passive", "5", "normal"},
    {MSG_CANCEL, URGENCY_NORMAL, SOUND_ON, "default", "active", "10", "high"},
    {MSG_CANCEL, URGENCY_FLASH, SOUND_ON, "flash.caf", "time-sensitive", "10", "high"},
    {MSG_CANCEL, URGENCY_FLASH, SOUND_OFF, NULL, "passive", "10", "high"},
};

static void manners_follow_urgency_and_type(void **state) {
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(manners) / sizeof(manners[0]); i++) {
        const struct manner *m = &manners[i];
        size_t size = 0;
        f->alert->msg_type = m->type;
        f->alert->urgency = m->urgency;
        f->alert->sound = m->asked;
        cJSON *apns = apns_of(f, f->en, &size);
        cJSON *fcm = fcm_of(f, f->en);
        check_text(apns, "aps/interruption-level", m->level);
        check_text(fcm, "message/android/priority", m->fcm_priority);
        check_text(fcm, "message/android/notification/channel_id", m->sound ? "breaking" : "quiet");
        if (m->sound) {
            check_text(apns, "aps/sound", m->sound);
            check_text(fcm, "message/android/notification/sound", "default");
        } else {
            assert_null(at(apns, "aps/sound"));
            assert_null(at(fcm, "message/android/notification/sound"));
        }
        struct notice n;
        assert_int_equal(notice_init(&n, f->alert, f->taxonomy, f->en, labels), ERR_OK);
        assert_string_equal(apns_payload_priority(&n), m->apns_priority);
        notice_finish(&n);
        cJSON_Delete(apns);
        cJSON_Delete(fcm);
    }
}

static void a_cancel_says_what_was_withdrawn(void **state) {
    struct fixture *f = *state;
    size_t size = 0;
    f->alert->msg_type = MSG_CANCEL;
    cJSON *json = apns_of(f, f->en, &size);
    check_text(json, "aps/alert/title", "Withdrawn: Quake \"hits\" coast");
    check_text(json, "msg_type", "cancel");
    cJSON_Delete(json);
    json = apns_of(f, f->ar, &size);
    check_text(json, "aps/alert/title", "تم سحب الخبر: زلزال يضرب الساحل");
    cJSON_Delete(json);
}

static void fcm_has_strings_only_and_the_rest_of_the_ttl(void **state) {
    struct fixture *f = *state;
    f->alert->status = STATUS_TEST;
    set(&f->alert->collapse_id, mem_strdup("story-1"));
    cJSON *json = fcm_of(f, f->en);
    check_text(json, "message/token", "tok\"en");
    check_text(json, "message/notification/title", "Quake \"hits\" coast");
    check_text(json, "message/android/ttl", "3540s");
    check_text(json, "message/android/collapse_key", "story-1");
    check_text(json, "message/android/notification/tag", "story-1");
    check_text(json, "message/data/revision", "3");
    check_text(json, "message/data/status", "test");
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, at(json, "message/data")) {
        assert_true(cJSON_IsString(item));
    }
    cJSON_Delete(json);
}

static void a_long_body_is_cut_between_words(void **state) {
    struct fixture *f = *state;
    struct alert *a = f->alert;
    set(&a->content[f->en].url, repeat("https://example.org/", 20));
    set(&a->content[f->en].body, repeat("tenletters ", 372));
    size_t size = 0;
    cJSON *json = apns_of(f, f->en, &size);
    assert_true(size <= APNS_PAYLOAD_MAX_BYTES && size > APNS_PAYLOAD_MAX_BYTES - 32);
    const char *body = at(json, "aps/alert/body")->valuestring;
    size_t n = strlen(body);
    assert_true(n > 3000);
    assert_string_equal(body + n - strlen("tenletters…"), "tenletters…");
    cJSON_Delete(json);
}

static void escapes_count_in_the_limit(void **state) {
    struct fixture *f = *state;
    set(&f->alert->content[f->en].body, repeat("\"\\\"\n", 1000));
    size_t size = 0;
    cJSON *json = apns_of(f, f->en, &size);
    assert_true(size <= APNS_PAYLOAD_MAX_BYTES && size > APNS_PAYLOAD_MAX_BYTES - 32);
    cJSON_Delete(json);
}

static void the_image_goes_before_the_alert_does(void **state) {
    struct fixture *f = *state;
    struct alert *a = f->alert;
    set(&a->content[f->en].url, repeat("https://example.org/", 100));
    set(&a->content[f->en].image_url, repeat("https://example.org/", 100));
    size_t size = 0;
    cJSON *json = apns_of(f, f->en, &size);
    assert_null(at(json, "image_url"));
    assert_non_null(at(json, "url"));
    assert_null(at(json, "aps/mutable-content"));
    check_text(json, "aps/alert/body", "Second line\nthird");
    cJSON_Delete(json);
}

static void what_cannot_fit_is_an_error(void **state) {
    struct fixture *f = *state;
    set(&f->alert->content[f->en].headline, repeat("\"", 2100));
    struct notice n;
    struct buf b;
    buf_init(&b, 1 << 16);
    assert_int_equal(notice_init(&n, f->alert, f->taxonomy, f->en, labels), ERR_OK);
    assert_int_equal(apns_payload_build(&n, &apns_style, &b), ERR_TOO_LARGE);
    assert_int_equal(fcm_payload_build(&n, &fcm_style, &b), ERR_TOO_LARGE);
    notice_finish(&n);
    buf_finish(&b);
}

static void check_shorten(const char *text, size_t room, const char *want) {
    struct buf b;
    buf_init(&b, 1 << 16);
    shorten(str_of(text), room, &b);
    if (!str_eq(buf_str(&b), str_of(want))) {
        fail_msg("%zu bytes of \"%s\" give \"%.*s\"", room, text, STR_ARG(buf_str(&b)));
    }
    buf_finish(&b);
}

static void shortening_knows_letters(void **state) {
    (void)state;
    check_shorten("short", 5, "short");
    check_shorten("two words", 8, "two…");
    check_shorten("two words", 9, "two words");
    check_shorten("two words", 5, "tw…");
    check_shorten("two words", 3, "");
    check_shorten("abcdefgh", 7, "abcd…");
    check_shorten("éééé", 7, "éé…");
    check_shorten("éééé", 6, "é…");
    check_shorten("e\xCC\x81"
                  "e\xCC\x81"
                  "e\xCC\x81",
                  8, "e\xCC\x81…");
    check_shorten("بَيْت كَبِير", 14, "بَيْت…");
    check_shorten("a\"b\"c\"d", 10, "a\"b\"c\"d");
    check_shorten("a\"b\"c\"d", 9, "a\"b\"…");
    check_shorten("😀😀😀", 11, "😀😀…");
    check_shorten("anything", 0, "");
    check_shorten("", 0, "");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(apns_has_all_members),
        TEST(editions_fall_back_and_keep_their_bytes),
        TEST(manners_follow_urgency_and_type),
        TEST(a_cancel_says_what_was_withdrawn),
        TEST(fcm_has_strings_only_and_the_rest_of_the_ttl),
        TEST(a_long_body_is_cut_between_words),
        TEST(escapes_count_in_the_limit),
        TEST(the_image_goes_before_the_alert_does),
        TEST(what_cannot_fit_is_an_error),
        TEST(shortening_knows_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

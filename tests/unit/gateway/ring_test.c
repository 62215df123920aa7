#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "gateway/ring.h"
#include "support_log.h"

static struct taxonomy *t;

static struct entry *push(struct ring *r, uint64_t seq, const struct made_alert *made,
                          char out_id[UUID_BYTES]) {
    char *json = make_stored(t, made, out_id);
    struct log_entry log = {.position = {"e", seq}, .json = str_of(json)};
    struct entry *e = ring_push(r, &log);
    free(json);
    return e;
}

static const struct made_alert europe = {.region = "europe", .urgency = URGENCY_HIGH};

static void test_window(void **state) {
    (void)state;
    struct ring *r = ring_create(t, 8, 1 << 20);
    ring_reset(r, 100);
    assert_int_equal(ring_head(r), 100);
    assert_int_equal(ring_oldest(r), 101);
    for (uint64_t seq = 101; seq <= 120; seq++) {
        (void)push(r, seq, &europe, NULL);
    }
    assert_int_equal(ring_oldest(r), 113);
    assert_null(ring_get(r, 112));
    assert_int_equal(ring_get(r, 113)->position.seq, 113);
    assert_int_equal(ring_get(r, 120)->position.seq, 120);
    assert_null(ring_get(r, 121));
    (void)push(r, 130, &europe, NULL); /* a hole: starts anew */
    assert_int_equal(ring_oldest(r), 130);
    assert_null(ring_get(r, 120));
    ring_destroy(r);
}

static void test_truncate(void **state) {
    (void)state;
    char id[UUID_BYTES];
    struct ring *r = ring_create(t, 8, 1 << 20);
    (void)push(r, 1, &europe, id);
    struct made_alert cancel = europe;
    cancel.type = MSG_CANCEL;
    cancel.id = id;
    (void)push(r, 2, &cancel, NULL);
    assert_null(ring_active_next(r, 0, 2));
    ring_truncate(r, 1); /* the cancel was lost: the alert is active again */
    assert_int_equal(ring_head(r), 1);
    assert_int_equal(ring_active_next(r, 0, 2)->position.seq, 1);
    ring_truncate(r, 5);
    assert_int_equal(ring_head(r), 1);
    ring_truncate(r, 0);
    assert_int_equal(ring_head(r), 0);
    assert_int_equal(ring_oldest(r), 1);
    assert_int_equal(ring_bytes(r), 0);
    ring_destroy(r);
}

/* Frames count; the oldest leave; the newest stays whatever its size. */
static void test_bytes(void **state) {
    (void)state;
    struct ring *r = ring_create(t, 1000, 100000);
    struct made_alert large = europe;
    large.body_bytes = 4000;
    for (uint64_t seq = 1; seq <= 100; seq++) {
        struct entry *e = push(r, seq, &large, NULL);
        (void)entry_frame(e, t, FRAME_WS, 0, false);
        (void)entry_frame(e, t, FRAME_SSE, 0, false);
        ring_trim(r);
        assert_true(ring_bytes(r) <= 100000);
    }
    assert_true(ring_oldest(r) > 50);
    ring_destroy(r);
    r = ring_create(t, 1000, 1000);
    (void)push(r, 1, &large, NULL);
    (void)push(r, 2, &large, NULL);
    assert_int_equal(ring_oldest(r), 2);
    ring_destroy(r);
}

static void test_frames_are_shared(void **state) {
    (void)state;
    struct ring *r = ring_create(t, 8, 1 << 20);
    struct entry *e = push(r, 1, &europe, NULL);
    uint64_t english = UINT64_C(1) << taxonomy_find(t, DIM_EDITION, STR("en"));
    struct str all = entry_frame(e, t, FRAME_WS, 0, false);
    assert_ptr_equal(entry_frame(e, t, FRAME_WS, 0, false).p, all.p);
    /* fallback makes every edition readable, so asking for all of them is the same form */
    assert_ptr_equal(entry_frame(e, t, FRAME_WS, e->editions, false).p, all.p);
    assert_ptr_not_equal(entry_frame(e, t, FRAME_WS, english, false).p, all.p);
    struct str sse = entry_frame(e, t, FRAME_SSE, 0, false);
    assert_memory_equal(sse.p, "id: e:1\nevent: alert\ndata: {", 28);
    assert_memory_equal(sse.p + sse.n - 2, "\n\n", 2);
    struct str replay = entry_frame(e, t, FRAME_SSE, 0, true);
    assert_memory_equal(replay.p, "event: alert\n", 13);
    struct str json = entry_frame(e, t, FRAME_JSON, 0, false);
    assert_int_equal(json.p[0], '{');
    assert_int_equal(json.p[json.n - 1], ',');
    assert_int_equal((unsigned char)all.p[0], 0x81);
    ring_destroy(r);
}

/* Readers that invent combinations of editions cost time, not memory. */
static void test_forms_are_bounded(void **state) {
    (void)state;
    struct buf json;
    struct taxonomy *many = NULL;
    buf_init(&json, 65536);
    static const char labels[] = "\"labels\":{\"aa\":\"x\",\"bb\":\"x\",\"cc\":\"x\","
                                 "\"dd\":\"x\",\"ee\":\"x\",\"ff\":\"x\"}";
    buf_puts(&json, "{\"editions\":[");
    for (char c = 'a'; c <= 'f'; c++) {
        buf_printf(&json, "%s{\"id\":\"%c%c\",\"dir\":\"ltr\",%s}", c == 'a' ? "" : ",", c, c,
                   labels);
    }
    buf_printf(&json, "],\"regions\":[{\"id\":\"europe\",%s}],\"sections\":[{\"id\":\"x\",%s}]}",
               labels, labels);
    struct buf problems;
    buf_init(&problems, 65536);
    if (taxonomy_parse(buf_str(&json), &many, &problems) != ERR_OK) {
        print_message("%s\n", problems.p);
        many = NULL;
    }
    assert_non_null(many);
    struct made_alert made = europe;
    made.edition = "aa"; /* the fallback of all others */
    char *stored = make_stored(many, &made, NULL);
    struct log_entry log = {.position = {"e", 1}, .json = str_of(stored)};
    struct entry *e = entry_create(many, &log);
    size_t bytes = 0;
    for (uint64_t mask = 1; mask < 64; mask++) { /* all combinations of six editions */
        assert_true(entry_frame(e, many, FRAME_WS, mask, false).n > 0);
        if (mask == 24) {
            bytes = e->bytes;
        }
    }
    assert_true(e->bytes < bytes + bytes / 4);
    entry_destroy(e);
    free(stored);
    taxonomy_destroy(many);
    buf_finish(&json);
    buf_finish(&problems);
}

static void test_active(void **state) {
    (void)state;
    char first[UUID_BYTES];
    char second[UUID_BYTES];
    struct filter all;
    struct ring *r = ring_create(t, 16, 1 << 20);
    struct made_alert update = {.region = "europe", .type = MSG_UPDATE};
    struct made_alert brief = {.region = "europe", .ttl_s = 1};
    struct made_alert asia = {.region = "asia"};
    filter_init(&all);
    (void)push(r, 1, &europe, first);
    (void)push(r, 2, &brief, NULL);
    (void)push(r, 3, &europe, second);
    update.id = first;
    (void)push(r, 4, &update, NULL);
    (void)push(r, 5, &asia, NULL);
    int64_t later = clock_wall_ms() + 2000;
    assert_int_equal(ring_snapshot_start(r, &all, 100, later), 2);
    assert_int_equal(ring_active_next(r, 0, 5)->position.seq, 3); /* 1 revised, 2 expired */
    assert_int_equal(ring_active_next(r, 3, 5)->position.seq, 4);
    assert_int_equal(ring_active_next(r, 4, 5)->position.seq, 5);
    assert_null(ring_active_next(r, 5, 5));
    assert_null(ring_active_next(r, 4, 4));
    assert_int_equal(ring_snapshot_start(r, &all, 1, later), 4); /* the newest win */
    all.regions = UINT64_C(1) << taxonomy_find(t, DIM_REGION, STR("mena"));
    assert_int_equal(ring_snapshot_start(r, &all, 100, later), 5); /* none */
    assert_false(ring_is_latest(r, ring_get(r, 1)));
    assert_true(ring_is_latest(r, ring_get(r, 4)));
    filter_finish(&all);
    ring_destroy(r);
}

static void test_unreadable_entry_keeps_its_place(void **state) {
    (void)state;
    struct filter all;
    struct ring *r = ring_create(t, 8, 1 << 20);
    struct log_entry log = {.position = {"e", 1}, .json = STR("not json")};
    filter_init(&all);
    struct entry *e = ring_push(r, &log);
    assert_false(entry_matches(e, &all));
    (void)push(r, 2, &europe, NULL);
    assert_int_equal(ring_oldest(r), 1);
    assert_int_equal(ring_active_next(r, 0, 2)->position.seq, 2);
    filter_finish(&all);
    ring_destroy(r);
}

static int setup(void **state) {
    (void)state;
    log_setup(LOG_FORMAT_KV, LOG_ERROR + 1);
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
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_truncate),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_frames_are_shared),
        cmocka_unit_test(test_forms_are_bounded),
        cmocka_unit_test(test_active),
        cmocka_unit_test(test_unreadable_entry_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

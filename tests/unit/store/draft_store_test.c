#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/alert_store.h"
#include "store/draft_store.h"
#include "support_store.h"

enum { IDS_MAX = 64 };

/* What a call said. */
struct told {
    int calls;
    enum draft_result result;
    enum draft_state state;
    int64_t version;
    int64_t due_ms;
    char reason[64];
};

static void on_told(void *user, enum draft_result result, const struct draft *draft) {
    struct told *told = user;
    told->calls++;
    told->result = result;
    if (draft) {
        told->state = draft->state;
        told->version = draft->version;
        told->due_ms = draft->due_ms;
        assert_true(draft->reason_code.n < sizeof(told->reason));
        if (draft->reason_code.n) {
            memcpy(told->reason, draft->reason_code.p, draft->reason_code.n);
        }
    }
}

static void wait_for(struct fixture *f, const struct told *told) {
    RUN_UNTIL(&f->loop, 5000, told->calls > 0);
    assert_int_equal(told->calls, 1);
}

static struct told create(struct fixture *f, const char *id, const char *key) {
    struct told told = {0};
    struct args fields;
    args_init(&fields);
    draft_put_text(&fields, "body", STR("{\"urgency\":\"high\"}"));
    draft_put_act(&fields, "created", "key1", "Desk");
    const struct draft_new n = {.id = str_of(id),
                                .created_by = "key1",
                                .idempotency_key = str_of(key),
                                .fingerprint = STR("f"),
                                .fields = &fields};
    draft_store_create(f->store, &n, on_told, &told);
    args_finish(&fields);
    wait_for(f, &told);
    return told;
}

static void begin_move(struct fixture *f, const char *id, enum draft_move move, int64_t version,
                       int64_t send_ms, struct told *told) {
    struct args fields;
    args_init(&fields);
    if (move == DRAFT_SUBMIT) {
        draft_put_number(&fields, "send_at", send_ms);
        draft_put_number(&fields, "hold_ms", 0);
    }
    const struct draft_wish wish = {
        .id = str_of(id), .move = move, .version = version, .fields = &fields};
    draft_store_move(f->store, &wish, on_told, told);
    args_finish(&fields);
}

static struct told move(struct fixture *f, const char *id, enum draft_move kind, int64_t version) {
    struct told told = {0};
    begin_move(f, id, kind, version, 0, &told);
    wait_for(f, &told);
    return told;
}

static struct told submit_for(struct fixture *f, const char *id, int64_t version, int64_t send_ms) {
    struct told told = {0};
    begin_move(f, id, DRAFT_SUBMIT, version, send_ms, &told);
    wait_for(f, &told);
    return told;
}

static struct told move_by(struct fixture *f, const char *id, enum draft_move kind, int64_t version,
                           const char *key_id) {
    static const char *const acts[DRAFT_MOVE_COUNT] = {
        [DRAFT_EDIT] = "edited", [DRAFT_SUBMIT] = "submitted", [DRAFT_APPROVE] = "approved"};
    struct told told = {0};
    struct args fields;
    args_init(&fields);
    draft_put_act(&fields, acts[kind], key_id, "Somebody");
    const struct draft_wish wish = {.id = str_of(id),
                                    .move = kind,
                                    .version = version,
                                    .needs_approval = kind == DRAFT_SUBMIT,
                                    .fields = &fields};
    draft_store_move(f->store, &wish, on_told, &told);
    args_finish(&fields);
    wait_for(f, &told);
    return told;
}

static struct told get(struct fixture *f, const char *id) {
    struct told told = {0};
    draft_store_get(f->store, str_of(id), on_told, &told);
    wait_for(f, &told);
    return told;
}

/* --- publishing --- */

struct published {
    int calls;
    struct publish_result result;
};

static void on_published(void *user, const struct publish_result *result) {
    struct published *p = user;
    p->calls++;
    p->result = *result;
}

static void begin_publish(struct fixture *f, const char *id, int64_t version,
                          struct published *out) {
    struct alert *a = alert_create();
    memcpy(a->id, id, UUID_BYTES);
    a->audience.regions_all = true;
    a->audience.platforms = 1u << PLATFORM_STREAM;
    a->content[0].headline = mem_strdup("Headline");
    a->sent_ms = clock_wall_ms();
    a->created_by = mem_strdup("key1");
    const struct draft_claim claim = {.id = str_of(id), .version = version};
    const struct publish_request request = {.alert = a,
                                            .idempotency_key = str_of(id),
                                            .fingerprint = STR("f"),
                                            .key_name = "Desk",
                                            .allow_duplicate = true,
                                            .claim = &claim};
    alert_store_publish(f->store, f->t, &request, on_published, out);
    alert_destroy(a);
}

static enum publish_status publish(struct fixture *f, const char *id, int64_t version) {
    struct published p = {0};
    begin_publish(f, id, version, &p);
    RUN_UNTIL(&f->loop, 5000, p.calls > 0);
    return p.result.status;
}

struct due {
    bool done;
    size_t count;
    int64_t next_ms;
};

static void on_due(void *user, enum err err, const struct str *ids, size_t count, int64_t next_ms) {
    struct due *due = user;
    (void)ids;
    assert_int_equal(err, ERR_OK);
    *due = (struct due){true, count, next_ms};
}

static struct due look(struct fixture *f) {
    struct due due = {0};
    draft_store_due(f->store, IDS_MAX, on_due, &due);
    RUN_UNTIL(&f->loop, 5000, due.done);
    return due;
}

/* --- tests --- */

/* Every move from every state: what the table of lib_draft.lua allows, and nothing else. */
static void test_only_the_moves_there_are(void **state) {
    static const enum draft_state all[] = {DRAFT_STATE_DRAFT, DRAFT_STATE_SCHEDULED,
                                           DRAFT_STATE_CANCELLED, DRAFT_STATE_FAILED,
                                           DRAFT_STATE_SENT};
    static const bool allowed[][DRAFT_MOVE_COUNT] = {
        /* edit, discard, submit, approve, reject, cancel, fail */
        {true, true, true, false, false, false, false},
        {true, true, false, false, false, true, true},
        {false, false, false, false, false, false, false},
        {true, true, false, false, false, false, false},
        {false, false, false, false, false, false, false},
    };
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    for (size_t s = 0; s < sizeof(all) / sizeof(all[0]); s++) {
        for (enum draft_move m = 0; m < DRAFT_MOVE_COUNT; m++) {
            char id[UUID_BYTES];
            codec_uuid7(id);
            (void)create(&f, id, "");
            if (all[s] == DRAFT_STATE_SENT) {
                (void)submit_for(&f, id, 1, 0);
                assert_int_equal(publish(&f, id, 2), PUBLISH_ACCEPTED);
            } else if (all[s] == DRAFT_STATE_CANCELLED) {
                (void)move(&f, id, DRAFT_DISCARD, 0);
            } else if (all[s] != DRAFT_STATE_DRAFT) {
                (void)submit_for(&f, id, 1, clock_wall_ms() + 3600000);
            }
            if (all[s] == DRAFT_STATE_FAILED) {
                (void)move(&f, id, DRAFT_FAIL, 0);
            }
            struct told before = get(&f, id);
            assert_int_equal(before.state, all[s]);
            struct told told = move(&f, id, m, before.version);
            bool repeats = all[s] == DRAFT_STATE_CANCELLED && m == DRAFT_DISCARD;
            assert_int_equal(told.result, allowed[s][m] ? DRAFT_DONE
                                          : repeats     ? DRAFT_REPEATED
                                                        : DRAFT_WRONG);
            assert_int_equal(told.version, before.version + allowed[s][m]);
        }
    }
    fixture_stop(&f);
}

static void test_versions_and_repeats(void **state) {
    struct fixture f;
    char id[UUID_BYTES];
    (void)state;
    fixture_start(&f, false);
    codec_uuid7(id);
    assert_int_equal(get(&f, id).result, DRAFT_MISSING);
    assert_int_equal(move(&f, id, DRAFT_CANCEL, 0).result, DRAFT_MISSING);
    assert_int_equal(create(&f, id, "").version, 1);
    assert_int_equal(submit_for(&f, id, 7, 0).result, DRAFT_STALE);
    int64_t later = clock_wall_ms() + 3600000;
    struct told first = submit_for(&f, id, 1, later);
    assert_int_equal(first.result, DRAFT_DONE);
    assert_int_equal(first.state, DRAFT_STATE_SCHEDULED);
    assert_int_equal(first.due_ms, later);
    struct told again = submit_for(&f, id, 1, later + 5);
    assert_int_equal(again.result, DRAFT_REPEATED);
    assert_int_equal(again.due_ms, later);
    assert_int_equal(move(&f, id, DRAFT_CANCEL, 2).version, 3);
    assert_int_equal(move(&f, id, DRAFT_CANCEL, 2).result, DRAFT_REPEATED);
    assert_int_equal(submit_for(&f, id, 1, later).result, DRAFT_STALE); /* undone since */
    assert_int_equal(move(&f, id, DRAFT_EDIT, 3).version, 4);
    assert_int_equal(move(&f, id, DRAFT_EDIT, 3).result, DRAFT_STALE); /* an edit is no repeat */
    fixture_stop(&f);
}

/* The script itself refuses, whatever was read before it. */
static void test_nobody_approves_what_is_own(void **state) {
    static const char *const own[] = {"key1", "first", "second", "sender"};
    struct fixture f;
    char id[UUID_BYTES];
    (void)state;
    fixture_start(&f, false);
    codec_uuid7(id);
    (void)create(&f, id, "");
    assert_int_equal(move_by(&f, id, DRAFT_EDIT, 1, "first").result, DRAFT_DONE);
    assert_int_equal(move_by(&f, id, DRAFT_EDIT, 2, "second").result, DRAFT_DONE);
    assert_int_equal(move_by(&f, id, DRAFT_SUBMIT, 3, "sender").state, DRAFT_STATE_AWAITING);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        assert_int_equal(move_by(&f, id, DRAFT_APPROVE, 4, own[i]).result, DRAFT_OWN);
    }
    assert_int_equal(move(&f, id, DRAFT_APPROVE, 4).result, DRAFT_OWN); /* by nobody */
    assert_int_equal(get(&f, id).state, DRAFT_STATE_AWAITING);
    assert_int_equal(move_by(&f, id, DRAFT_APPROVE, 4, "firs").state, DRAFT_STATE_HELD);
    fixture_stop(&f);
}

/* As a release left it that knew the last editor only. */
static void test_an_edit_keeps_the_editor_before(void **state) {
    struct fixture f;
    char id[UUID_BYTES];
    char command[128];
    (void)state;
    fixture_start(&f, false);
    codec_uuid7(id);
    (void)create(&f, id, "");
    (void)move_by(&f, id, DRAFT_EDIT, 1, "first");
    (void)snprintf(command, sizeof(command), "HDEL {t}:draft:%s editors", id);
    (void)test_redis_raw(&f.redis, command);
    (void)move_by(&f, id, DRAFT_EDIT, 2, "second");
    (void)move_by(&f, id, DRAFT_SUBMIT, 3, "sender");
    assert_int_equal(move_by(&f, id, DRAFT_APPROVE, 4, "first").result, DRAFT_OWN);
    assert_int_equal(move_by(&f, id, DRAFT_APPROVE, 4, "other").result, DRAFT_DONE);
    fixture_stop(&f);
}

static void test_editors_are_bounded(void **state) {
    enum { EDITORS_MAX = 64 }; /* as in draft_move.lua */
    struct fixture f;
    char id[UUID_BYTES];
    char key_id[16] = "";
    (void)state;
    fixture_start(&f, false);
    codec_uuid7(id);
    (void)create(&f, id, "");
    for (int i = 1; i <= EDITORS_MAX; i++) {
        (void)snprintf(key_id, sizeof(key_id), "editor%d", i);
        assert_int_equal(move_by(&f, id, DRAFT_EDIT, i, key_id).result, DRAFT_DONE);
    }
    int64_t version = EDITORS_MAX + 1;
    struct told refused = move_by(&f, id, DRAFT_EDIT, version, "onemore");
    assert_int_equal(refused.result, DRAFT_EDITORS);
    assert_int_equal(refused.version, version);
    assert_int_equal(move_by(&f, id, DRAFT_EDIT, version, "editor1").result, DRAFT_DONE);
    (void)move_by(&f, id, DRAFT_SUBMIT, version + 1, "sender");
    assert_int_equal(move_by(&f, id, DRAFT_APPROVE, version + 2, "editor1").result, DRAFT_OWN);
    assert_int_equal(move_by(&f, id, DRAFT_APPROVE, version + 2, key_id).result, DRAFT_OWN);
    assert_int_equal(move_by(&f, id, DRAFT_APPROVE, version + 2, "onemore").result, DRAFT_DONE);
    fixture_stop(&f);
}

static void test_one_key_makes_one_draft(void **state) {
    struct fixture f;
    char ids[2][UUID_BYTES];
    (void)state;
    fixture_start(&f, false);
    f.cfg->newsroom_drafts_max = 1;
    codec_uuid7(ids[0]);
    codec_uuid7(ids[1]);
    assert_int_equal(create(&f, ids[0], "k").result, DRAFT_DONE);
    assert_int_equal(create(&f, ids[1], "k").result, DRAFT_REPEATED);
    assert_int_equal(get(&f, ids[1]).result, DRAFT_MISSING);
    assert_int_equal(create(&f, ids[1], "other").result, DRAFT_FULL);
    (void)move(&f, ids[0], DRAFT_DISCARD, 0);
    assert_int_equal(create(&f, ids[1], "other").result, DRAFT_DONE);
    fixture_stop(&f);
}

static void test_claim_and_publish_once(void **state) {
    struct fixture f;
    char id[UUID_BYTES];
    struct published all[8] = {0};
    int accepted = 0;
    (void)state;
    fixture_start(&f, false);
    codec_uuid7(id);
    (void)create(&f, id, "");
    assert_int_equal(publish(&f, id, 1), PUBLISH_NOT_DUE); /* a draft */
    (void)submit_for(&f, id, 1, clock_wall_ms() + 3600000);
    assert_int_equal(publish(&f, id, 2), PUBLISH_NOT_DUE); /* too early */
    assert_true(look(&f).next_ms > 3000000);
    (void)move(&f, id, DRAFT_CANCEL, 2);
    (void)submit_for(&f, id, 3, 0);
    assert_int_equal(look(&f).count, 1);
    assert_int_equal(publish(&f, id, 2), PUBLISH_NOT_DUE); /* an older version */
    for (size_t i = 0; i < 8; i++) {
        begin_publish(&f, id, 4, &all[i]);
    }
    for (size_t i = 0; i < 8; i++) {
        RUN_UNTIL(&f.loop, 5000, all[i].calls == 1);
        accepted += all[i].result.status == PUBLISH_ACCEPTED;
        assert_true(all[i].result.status == PUBLISH_ACCEPTED ||
                    all[i].result.status == PUBLISH_NOT_DUE);
    }
    assert_int_equal(accepted, 1);
    assert_int_equal(get(&f, id).state, DRAFT_STATE_SENT);
    assert_int_equal(look(&f).count, 0);
    assert_int_equal(look(&f).next_ms, -1);
    fixture_stop(&f);
}

static void test_a_cancel_races_the_claim(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    for (int i = 0; i < 40; i++) {
        char id[UUID_BYTES];
        struct published p = {0};
        struct told told = {0};
        codec_uuid7(id);
        (void)create(&f, id, "");
        (void)submit_for(&f, id, 1, 0);
        if (i % 2) {
            begin_publish(&f, id, 2, &p);
        }
        begin_move(&f, id, DRAFT_CANCEL, 2, 0, &told);
        if (i % 2 == 0) {
            begin_publish(&f, id, 2, &p);
        }
        RUN_UNTIL(&f.loop, 5000, p.calls && told.calls);
        bool sent = p.result.status == PUBLISH_ACCEPTED;
        assert_int_equal(told.result, sent ? DRAFT_WRONG : DRAFT_DONE);
        assert_int_equal(get(&f, id).state, sent ? DRAFT_STATE_SENT : DRAFT_STATE_DRAFT);
    }
    fixture_stop(&f);
}

static void test_too_late_expires(void **state) {
    struct fixture f;
    char id[UUID_BYTES];
    char command[128];
    (void)state;
    fixture_start(&f, false);
    codec_uuid7(id);
    (void)create(&f, id, "");
    (void)submit_for(&f, id, 1, 0);
    (void)snprintf(command, sizeof(command), "HSET {t}:draft:%s due %lld", id,
                   (long long)(clock_wall_ms() - f.cfg->newsroom_late_max_s * 1000 - 1000));
    (void)test_redis_raw(&f.redis, command);
    assert_int_equal(publish(&f, id, 2), PUBLISH_EXPIRED);
    struct told told = get(&f, id);
    assert_int_equal(told.state, DRAFT_STATE_EXPIRED);
    assert_string_equal(told.reason, "late");
    assert_int_equal(publish(&f, id, 3), PUBLISH_NOT_DUE);
    assert_int_equal(move(&f, id, DRAFT_EDIT, 3).state, DRAFT_STATE_DRAFT);
    fixture_stop(&f);
}

static void test_a_restart_of_redis_keeps_them(void **state) {
    struct fixture f;
    char id[UUID_BYTES];
    (void)state;
    fixture_start(&f, true);
    codec_uuid7(id);
    (void)create(&f, id, "");
    (void)submit_for(&f, id, 1, 0);
    test_redis_kill(&f.redis);
    RUN_UNTIL(&f.loop, 5000, !store_is_up(f.store));
    assert_int_equal(get(&f, id).result, DRAFT_UNAVAILABLE);
    assert_int_equal(publish(&f, id, 2), PUBLISH_UNAVAILABLE);
    test_redis_launch(&f.redis);
    RUN_UNTIL(&f.loop, 5000, store_is_up(f.store));
    assert_int_equal(look(&f).count, 1);
    assert_int_equal(publish(&f, id, 2), PUBLISH_ACCEPTED);
    assert_int_equal(publish(&f, id, 2), PUBLISH_NOT_DUE);
    fixture_stop(&f);
}

static void on_page(void *user, enum err err, const struct draft *drafts, size_t count,
                    struct str next) {
    (void)user;
    (void)err;
    (void)drafts;
    (void)count;
    (void)next;
    fail_msg("called for a cursor that is none");
}

static void test_cursors(void **state) {
    static const char *const bad[] = {"x", "1", "1-", "-5-01890000-0000-7000-8000-000000000000",
                                      "1-01890000-0000-7000-8000-00000000000Z"};
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct draft_list_wish wish = {.open = true, .before = str_of(bad[i]), .limit = 1};
        assert_int_equal(draft_store_list(f.store, &wish, on_page, NULL), ERR_INVALID);
    }
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_moves_there_are),
        cmocka_unit_test(test_versions_and_repeats),
        cmocka_unit_test(test_nobody_approves_what_is_own),
        cmocka_unit_test(test_an_edit_keeps_the_editor_before),
        cmocka_unit_test(test_editors_are_bounded),
        cmocka_unit_test(test_one_key_makes_one_draft),
        cmocka_unit_test(test_claim_and_publish_once),
        cmocka_unit_test(test_a_cancel_races_the_claim),
        cmocka_unit_test(test_too_late_expires),
        cmocka_unit_test(test_a_restart_of_redis_keeps_them),
        cmocka_unit_test(test_cursors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

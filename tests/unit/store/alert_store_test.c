#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/alert_store.h"
#include "support_store.h"

/* ---- helpers ---- */

static struct alert *make_alert(const struct fixture *f, const char *headline) {
    struct alert *a = alert_create();
    codec_uuid7(a->id);
    a->urgency = URGENCY_HIGH;
    a->audience.regions_all = true;
    a->audience.regions_match = taxonomy_all(f->t, DIM_REGION);
    a->audience.platforms = 1u << PLATFORM_STREAM;
    for (int e = 0; e < taxonomy_count(f->t, DIM_EDITION); e++) {
        a->content[e].headline = mem_strdup(headline);
    }
    a->ttl_s = 3600;
    a->sent_ms = clock_wall_ms();
    a->created_by = mem_strdup("key1");
    return a;
}

struct answer {
    int calls;
    struct publish_result result;
};

static void on_publish(void *user, const struct publish_result *result) {
    struct answer *answer = user;
    answer->calls++;
    answer->result = *result;
}

static void begin_publish(const struct fixture *f, const struct alert *a, const char *key,
                          const char *fingerprint, struct answer *answer) {
    const struct publish_request request = {
        .alert = a, .idempotency_key = str_of(key), .fingerprint = str_of(fingerprint)};
    alert_store_publish(f->store, f->t, &request, on_publish, answer);
}

static struct publish_result publish(struct fixture *f, const struct alert *a, const char *key,
                                     const char *fingerprint) {
    struct answer answer = {0};
    begin_publish(f, a, key, fingerprint, &answer);
    assert_int_equal(answer.calls, 0); /* never from inside the call */
    RUN_UNTIL(&f->loop, 5000, answer.calls > 0);
    assert_int_equal(answer.calls, 1);
    return answer.result;
}

static struct publish_result publish_new(struct fixture *f, const char *key) {
    struct alert *a = make_alert(f, "Headline");
    struct publish_result result = publish(f, a, key, "f");
    alert_destroy(a);
    return result;
}

struct page {
    bool done;
    enum err err;
    size_t count;
    uint64_t seqs[1000];
    char *json[1000];
};

static void on_page(void *user, enum err err, const struct log_entry *entries, size_t count) {
    struct page *page = user;
    page->done = true;
    page->err = err;
    page->count = count;
    for (size_t i = 0; i < count; i++) {
        page->seqs[i] = entries[i].position.seq;
        page->json[i] = mem_strndup(entries[i].json.p, entries[i].json.n);
    }
}

static void page_finish(struct page *page) {
    for (size_t i = 0; i < page->count; i++) {
        free(page->json[i]);
    }
}

static size_t log_size(struct fixture *f) {
    struct page page = {0};
    alert_log_read(f->store, 0, 1000, on_page, &page);
    RUN_UNTIL(&f->loop, 5000, page.done);
    assert_int_equal(page.err, ERR_OK);
    page_finish(&page);
    return page.count;
}

/* ---- tests ---- */

static void test_accepts_and_reads_back(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, true);
    struct alert *a = make_alert(&f, "First");
    struct publish_result first = publish(&f, a, "k1", "f1");
    assert_int_equal(first.status, PUBLISH_ACCEPTED);
    assert_string_equal(first.id, a->id);
    assert_int_equal(first.revision, 1);
    assert_int_equal(first.position.seq, 1);
    assert_int_equal(first.sent_ms, a->sent_ms);
    assert_string_equal(first.durability, "fsync");

    struct page page = {0};
    alert_log_read(f.store, 1, 10, on_page, &page);
    RUN_UNTIL(&f.loop, 5000, page.done);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.seqs[0], 1);
    struct alert *read = NULL;
    assert_int_equal(alert_parse_stored(f.t, str_of(page.json[0]), &read), ERR_OK);
    assert_string_equal(read->id, a->id);
    assert_int_equal(read->revision, 1);
    assert_string_equal(read->content[0].headline, "First");
    alert_destroy(read);
    page_finish(&page);
    alert_destroy(a);
    fixture_stop(&f);
}

static void test_durability_is_memory_without_fsync(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    assert_string_equal(publish_new(&f, "k1").durability, "memory");
    fixture_stop(&f);
}

static void test_same_key_same_body_is_replayed(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    struct alert *a = make_alert(&f, "One");
    struct alert *b = make_alert(&f, "One");
    struct publish_result first = publish(&f, a, "k1", "same");
    struct publish_result again = publish(&f, b, "k1", "same");
    assert_int_equal(again.status, PUBLISH_REPLAYED);
    assert_string_equal(again.id, first.id);
    assert_int_equal(again.position.seq, first.position.seq);
    assert_string_equal(again.position.epoch, first.position.epoch);
    assert_int_equal(again.sent_ms, first.sent_ms);
    assert_int_equal(publish(&f, b, "k1", "other").status, PUBLISH_KEY_REUSED);
    /* The key belongs to the API key that used it. */
    free(b->created_by);
    b->created_by = mem_strdup("key2");
    assert_int_equal(publish(&f, b, "k1", "other").status, PUBLISH_ACCEPTED);
    assert_int_equal(log_size(&f), 2);
    alert_destroy(a);
    alert_destroy(b);
    fixture_stop(&f);
}

enum { PARALLEL = 50 };

/* Many clients at once: `stores` connections, all with their calls under way together. */
static void publish_parallel(struct fixture *f, bool same_key, struct answer *answers) {
    struct store *stores[5];
    for (int i = 0; i < 5; i++) {
        assert_int_equal(store_create(&f->loop, f->cfg, &stores[i]), ERR_OK);
        assert_int_equal(store_wait_up(stores[i], &f->loop, 5000), ERR_OK);
    }
    struct fixture client = *f;
    for (int i = 0; i < PARALLEL; i++) {
        char key[16];
        struct alert *a = make_alert(f, "Parallel");
        (void)snprintf(key, sizeof(key), "k%d", same_key ? 0 : i);
        client.store = stores[i % 5];
        begin_publish(&client, a, key, "f", &answers[i]);
        alert_destroy(a);
    }
    for (int i = 0; i < PARALLEL; i++) {
        RUN_UNTIL(&f->loop, 5000, answers[i].calls == 1);
    }
    for (int i = 0; i < 5; i++) {
        store_destroy(stores[i]);
    }
}

static void test_fifty_with_one_key_make_one_alert(void **state) {
    struct fixture f;
    struct answer answers[PARALLEL] = {0};
    int accepted = 0;
    (void)state;
    fixture_start(&f, false);
    publish_parallel(&f, true, answers);
    for (int i = 0; i < PARALLEL; i++) {
        accepted += answers[i].result.status == PUBLISH_ACCEPTED;
        assert_true(answers[i].result.status == PUBLISH_ACCEPTED ||
                    answers[i].result.status == PUBLISH_REPLAYED);
        assert_string_equal(answers[i].result.id, answers[0].result.id);
        assert_int_equal(answers[i].result.position.seq, 1);
    }
    assert_int_equal(accepted, 1);
    assert_int_equal(log_size(&f), 1);
    fixture_stop(&f);
}

static void test_parallel_publishes_leave_no_hole(void **state) {
    struct fixture f;
    struct answer answers[PARALLEL] = {0};
    bool seen[PARALLEL + 1] = {false};
    (void)state;
    fixture_start(&f, false);
    publish_parallel(&f, false, answers);
    for (int i = 0; i < PARALLEL; i++) {
        uint64_t seq = answers[i].result.position.seq;
        assert_int_equal(answers[i].result.status, PUBLISH_ACCEPTED);
        assert_true(seq >= 1 && seq <= PARALLEL && !seen[seq]);
        seen[seq] = true;
    }
    assert_int_equal(log_size(&f), PARALLEL);
    fixture_stop(&f);
}

static struct alert *make_revision(enum msg_type type, const char *reference,
                                   const char *headline) {
    struct alert *a = alert_create();
    a->msg_type = type;
    a->reference = mem_strdup(reference);
    a->content[0].headline = mem_strdup(headline);
    a->created_by = mem_strdup("key1");
    a->sent_ms = clock_wall_ms();
    return a;
}

struct stored {
    bool done;
    enum err err;
    struct alert *alert;
    const struct taxonomy *t;
    struct position position;
};

static void on_get(void *user, enum err err, struct str json, struct position position) {
    struct stored *stored = user;
    stored->done = true;
    stored->err = err;
    stored->position = position;
    if (!err) {
        assert_int_equal(alert_parse_stored(stored->t, json, &stored->alert), ERR_OK);
    }
}

static struct stored get(struct fixture *f, const char *id) {
    struct stored stored = {.t = f->t};
    alert_store_get(f->store, str_of(id), on_get, &stored);
    RUN_UNTIL(&f->loop, 5000, stored.done);
    return stored;
}

static void test_update_and_cancel(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    struct publish_result first = publish_new(&f, "k1");
    struct alert *update = make_revision(MSG_UPDATE, first.id, "Corrected");
    struct alert *cancel = make_revision(MSG_CANCEL, first.id, NULL);

    struct publish_result second = publish(&f, update, "k2", "f");
    assert_int_equal(second.status, PUBLISH_ACCEPTED);
    assert_string_equal(second.id, first.id);
    assert_int_equal(second.revision, 2);
    assert_int_equal(second.position.seq, 2);
    struct stored stored = get(&f, first.id);
    assert_int_equal(stored.alert->revision, 2);
    assert_int_equal(stored.alert->urgency, URGENCY_HIGH);
    assert_string_equal(stored.alert->content[0].headline, "Corrected");
    assert_string_equal(stored.alert->content[1].headline, "Headline");
    assert_int_equal(stored.position.seq, 2);
    alert_destroy(stored.alert);

    assert_int_equal(publish(&f, cancel, "k3", "f").revision, 3);
    assert_int_equal(publish(&f, update, "k4", "f").status, PUBLISH_REFERENCE_ENDED);
    /* A replay answers as before, also when by now the alert is cancelled. */
    assert_int_equal(publish(&f, update, "k2", "f").status, PUBLISH_REPLAYED);
    alert_destroy(update);
    alert_destroy(cancel);
    fixture_stop(&f);
}

static void test_reference_unknown_and_status_differs(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    struct alert *update =
        make_revision(MSG_UPDATE, "01890000-0000-7000-8000-000000000000", "Nothing");
    assert_int_equal(publish(&f, update, "k1", "f").status, PUBLISH_REFERENCE_UNKNOWN);
    alert_destroy(update);

    struct publish_result first = publish_new(&f, "k2");
    update = make_revision(MSG_UPDATE, first.id, "Test");
    update->status = STATUS_TEST;
    update->status_given = true;
    assert_int_equal(publish(&f, update, "k3", "f").status, PUBLISH_STATUS_DIFFERS);
    alert_destroy(update);
    assert_int_equal(log_size(&f), 1);
    fixture_stop(&f);
}

static void test_racing_updates_get_a_revision_each(void **state) {
    struct fixture f;
    struct answer answers[6] = {0};
    bool seen[8] = {false};
    (void)state;
    fixture_start(&f, false);
    struct publish_result first = publish_new(&f, "first");
    for (int i = 0; i < 6; i++) {
        char key[16];
        struct alert *update = make_revision(MSG_UPDATE, first.id, "Race");
        (void)snprintf(key, sizeof(key), "u%d", i);
        begin_publish(&f, update, key, "f", &answers[i]);
        alert_destroy(update);
    }
    for (int i = 0; i < 6; i++) {
        RUN_UNTIL(&f.loop, 5000, answers[i].calls == 1);
        assert_int_equal(answers[i].result.status, PUBLISH_ACCEPTED);
        assert_in_range(answers[i].result.revision, 2, 7);
        assert_false(seen[answers[i].result.revision]);
        seen[answers[i].result.revision] = true;
    }
    fixture_stop(&f);
}

static void test_log_is_trimmed_to_the_window(void **state) {
    struct fixture f;
    struct page page = {0};
    (void)state;
    fixture_start(&f, false);
    f.cfg->log_window_entries = 5;
    for (int i = 0; i < 9; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        (void)publish_new(&f, key);
    }
    alert_log_list(f.store, UINT64_MAX, 100, on_page, &page);
    RUN_UNTIL(&f.loop, 5000, page.done);
    assert_int_equal(page.count, 5);
    assert_int_equal(page.seqs[0], 9);
    assert_int_equal(page.seqs[4], 5);
    page_finish(&page);
    page = (struct page){0};
    alert_log_list(f.store, 7, 2, on_page, &page);
    RUN_UNTIL(&f.loop, 5000, page.done);
    assert_int_equal(page.count, 2);
    assert_int_equal(page.seqs[0], 7);
    assert_int_equal(page.seqs[1], 6);
    page_finish(&page);
    fixture_stop(&f);
}

static void test_epoch_changes_with_the_server(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, true);
    struct publish_result one = publish_new(&f, "k1");
    struct publish_result two = publish_new(&f, "k2");
    assert_string_equal(one.position.epoch, two.position.epoch);

    test_redis_restart(&f.redis);
    RUN_UNTIL(&f.loop, 5000, !store_is_up(f.store));
    RUN_UNTIL(&f.loop, 5000, store_is_up(f.store));
    struct publish_result three = publish_new(&f, "k3");
    assert_int_equal(three.status, PUBLISH_ACCEPTED);
    assert_int_equal(three.position.seq, 3);
    assert_string_not_equal(three.position.epoch, one.position.epoch);
    /* What was accepted before the kill is still the first answer. */
    assert_int_equal(publish_new(&f, "k1").status, PUBLISH_REPLAYED);

    (void)test_redis_raw(&f.redis, "FLUSHALL");
    struct publish_result fresh = publish_new(&f, "k4");
    assert_int_equal(fresh.status, PUBLISH_ACCEPTED);
    assert_int_equal(fresh.position.seq, 1);
    assert_string_not_equal(fresh.position.epoch, three.position.epoch);
    fixture_stop(&f);
}

static void test_scripts_survive_a_script_flush(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    assert_int_equal(publish_new(&f, "k1").status, PUBLISH_ACCEPTED);
    (void)test_redis_raw(&f.redis, "SCRIPT FLUSH");
    assert_int_equal(publish_new(&f, "k2").status, PUBLISH_ACCEPTED);
    fixture_stop(&f);
}

static void test_overload_is_refused(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    f.cfg->queue_plan_max = 2;
    struct alert *a = make_alert(&f, "Push");
    a->audience.platforms = 0;
    assert_int_equal(publish(&f, a, "k1", "f").status, PUBLISH_ACCEPTED);
    assert_int_equal(publish(&f, a, "k2", "f").status, PUBLISH_ACCEPTED);
    assert_int_equal(publish(&f, a, "k3", "f").status, PUBLISH_OVERLOADED);
    /* What needs no push is not held up, and a replay is answered. */
    a->audience.platforms = 1u << PLATFORM_STREAM;
    assert_int_equal(publish(&f, a, "k4", "f").status, PUBLISH_ACCEPTED);
    assert_int_equal(publish(&f, a, "k1", "f").status, PUBLISH_REPLAYED);
    alert_destroy(a);
    fixture_stop(&f);
}

static void test_unavailable_while_redis_is_away(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, true);
    test_redis_kill(&f.redis);
    RUN_UNTIL(&f.loop, 5000, !store_is_up(f.store));
    assert_int_equal(publish_new(&f, "k1").status, PUBLISH_UNAVAILABLE);
    test_redis_launch(&f.redis);
    RUN_UNTIL(&f.loop, 5000, store_is_up(f.store));
    assert_int_equal(publish_new(&f, "k1").status, PUBLISH_ACCEPTED);
    assert_int_equal(log_size(&f), 1);
    fixture_stop(&f);
}

static void test_get_unknown(void **state) {
    struct fixture f;
    (void)state;
    fixture_start(&f, false);
    assert_int_equal(get(&f, "nothing").err, ERR_NOT_FOUND);
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts_and_reads_back),
        cmocka_unit_test(test_durability_is_memory_without_fsync),
        cmocka_unit_test(test_same_key_same_body_is_replayed),
        cmocka_unit_test(test_fifty_with_one_key_make_one_alert),
        cmocka_unit_test(test_parallel_publishes_leave_no_hole),
        cmocka_unit_test(test_update_and_cancel),
        cmocka_unit_test(test_reference_unknown_and_status_differs),
        cmocka_unit_test(test_racing_updates_get_a_revision_each),
        cmocka_unit_test(test_log_is_trimmed_to_the_window),
        cmocka_unit_test(test_epoch_changes_with_the_server),
        cmocka_unit_test(test_scripts_survive_a_script_flush),
        cmocka_unit_test(test_overload_is_refused),
        cmocka_unit_test(test_unavailable_while_redis_is_away),
        cmocka_unit_test(test_get_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

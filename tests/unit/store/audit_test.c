/* The audit log: what is appended is sealed, and whatever is done to it afterwards is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>

#include "base/clock.h"
#include "store/audit.h"
#include "support_store.h"

#define ID_A "019ab000-0000-7000-8000-00000000000a"
#define ID_B "019ab000-0000-7000-8000-00000000000b"

struct answer {
    bool done;
    enum err err;
    struct audit_verdict verdict;
    char text[65536]; /* the entries, a line each */
    size_t count;
    int about_a;
};

static void on_done(void *user, enum err err) {
    struct answer *answer = user;
    answer->done = true;
    answer->err = err;
}

static void on_verdict(void *user, enum err err, const struct audit_verdict *verdict) {
    struct answer *answer = user;
    answer->verdict = *verdict;
    on_done(user, err);
}

static void on_page(void *user, enum err err, const struct audit_entry *entries, size_t count) {
    struct answer *answer = user;
    struct buf b;
    buf_init(&b, sizeof(answer->text) - 1);
    for (size_t i = 0; i < count; i++) {
        audit_put_entry(&entries[i], &b);
        buf_putc(&b, '\n');
        answer->about_a += audit_is_about(&entries[i], STR(ID_A));
    }
    answer->count = count;
    memcpy(answer->text, count ? b.p : "", count ? b.n + 1 : 1);
    buf_finish(&b);
    on_done(user, err);
}

static void record(struct fixture *f, const char *action, const char *alert_id,
                   const char *detail) {
    struct answer answer = {0};
    const struct audit_event event = {.action = action,
                                      .key_id = "abcdefghij12",
                                      .key_name = "Desk \"خبر\"",
                                      .alert_id = alert_id,
                                      .revision = alert_id ? 3 : 0,
                                      .detail_json = str_of(detail)};
    audit_record(f->store, &event, on_done, &answer);
    assert_false(answer.done); /* never from inside the call */
    RUN_UNTIL(&f->loop, 5000, answer.done);
    assert_int_equal(answer.err, ERR_OK);
}

static void record_many(struct fixture *f, int count) {
    for (int i = 0; i < count; i++) {
        record(f, "alert.sent", i % 2 ? ID_A : ID_B, "{\"urgency\":\"high\"}");
    }
}

static struct audit_verdict verify(struct fixture *f, const struct audit_anchor *known) {
    struct answer answer = {0};
    audit_verify(f->store, known, on_verdict, &answer);
    RUN_UNTIL(&f->loop, 5000, answer.done);
    assert_int_equal(answer.err, ERR_OK);
    return answer.verdict;
}

static struct audit_verdict verify_from(struct fixture *f, const struct audit_anchor *from) {
    struct answer answer = {0};
    audit_verify_from(f->store, from, on_verdict, &answer);
    RUN_UNTIL(&f->loop, 5000, answer.done);
    assert_int_equal(answer.err, ERR_OK);
    return answer.verdict;
}

static void assert_intact(struct fixture *f, uint64_t entries) {
    struct audit_verdict v = verify(f, NULL);
    if (!v.intact) {
        fail_msg("broken at %" PRIu64 ": %s", v.broken_at, v.fault);
    }
    assert_int_equal(v.entries, entries);
}

static void assert_broken(struct audit_verdict v, uint64_t at, const char *fault) {
    assert_false(v.intact);
    assert_string_equal(v.fault, fault);
    assert_int_equal(v.broken_at, at);
}

static void on_tampered(void *user, enum err err, const struct redisReply *reply) {
    assert_false(reply_is_error(reply));
    on_done(user, err);
}

/* What somebody does who can write to Redis: `change` sees the list `all` of {id, fields} and may
 * do with it what it likes, then the stream is written anew from it. */
static void tamper(struct fixture *f, const char *change) {
    struct answer answer = {0};
    struct buf script;
    buf_init(&script, 4096);
    buf_printf(&script,
               "local log = '{t}:audit' "
               "local all = redis.call('XRANGE', log, '-', '+') %s "
               "redis.call('DEL', log) "
               "for _, entry in ipairs(all) do "
               "redis.call('XADD', log, entry[1], unpack(entry[2])) end",
               change);
    const struct str words[] = {STR("EVAL"), buf_str(&script), STR("0")};
    store_command(f->store, words, 3, on_tampered, &answer);
    RUN_UNTIL(&f->loop, 5000, answer.done);
    assert_int_equal(answer.err, ERR_OK);
    buf_finish(&script);
}

static void an_event_is_kept_with_its_actor(void **state) {
    (void)state;
    struct fixture f;
    struct answer answer = {0};
    fixture_start(&f, false);
    assert_intact(&f, 0);
    record(&f, "alert.sent", ID_A, "{\"urgency\":\"high\"}");
    record(&f, "push.paused", NULL, "");
    record(&f, "alert.aborted", ID_B, "{\"alert_id\":\"" ID_A "\"}");
    audit_read_back(f.store, 0, 10, on_page, &answer);
    RUN_UNTIL(&f.loop, 5000, answer.done);
    assert_int_equal(answer.count, 3);
    assert_int_equal(answer.about_a, 1);
    char *oldest = strstr(answer.text, "{\"seq\":1,\"at\":\"20");
    assert_non_null(oldest);
    assert_non_null(strstr(oldest,
                           "\",\"action\":\"alert.sent\",\"alert_id\":\"" ID_A "\",\"revision\":3,"
                           "\"actor\":{\"key_id\":\"abcdefghij12\",\"name\":\"Desk \\\"خبر\\\"\"},"
                           "\"detail\":{\"urgency\":\"high\"},\"hash\":\""));
    assert_true(str_starts(str_of(answer.text), STR("{\"seq\":3,")));
    assert_non_null(strstr(answer.text, "\"action\":\"push.paused\",\"alert_id\":null,"
                                        "\"revision\":null,"));
    answer = (struct answer){0};
    audit_read_back(f.store, 3, 1, on_page, &answer);
    RUN_UNTIL(&f.loop, 5000, answer.done);
    assert_int_equal(answer.count, 1);
    assert_true(str_starts(str_of(answer.text), STR("{\"seq\":2,")));
    fixture_stop(&f);
}

/* The hash of the script is that of OpenSSL at every length around the size of its blocks. */
static void the_chain_is_right_at_any_length(void **state) {
    (void)state;
    struct fixture f;
    fixture_start(&f, false);
    int count = 0;
    for (int length = 0; length < 140; length++) {
        char detail[256];
        (void)snprintf(
            detail, sizeof(detail), "{\"x\":\"%.*s\"}", length,
            "ééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé");
        record(&f, "alert.sent", ID_A, detail);
        count++;
    }
    assert_intact(&f, (uint64_t)count);
    fixture_stop(&f);
}

static int64_t newest_time(struct fixture *f) {
    struct answer answer = {0};
    int64_t at_ms;
    audit_read_back(f->store, 0, 1, on_page, &answer);
    RUN_UNTIL(&f->loop, 5000, answer.done);
    const char *at = strstr(answer.text, "\"at\":\"");
    assert_non_null(at);
    assert_int_equal(clock_parse_iso((struct str){at + 6, CLOCK_ISO_BYTES - 1}, &at_ms), ERR_OK);
    return at_ms;
}

/* Looks, records, and tells if what the caller had sealed was taken: only then the entry has the
 * time of the caller's clock, which is `ahead_ms` ahead of Redis'. */
static bool takes_the_seal(struct fixture *f, bool look, int64_t ahead_ms) {
    int64_t before_ms = clock_wall_ms();
    if (look) {
        struct answer looked = {0};
        audit_look(f->store);
        audit_read_back(f->store, 0, 1, on_page, &looked); /* answered after the look */
        RUN_UNTIL(&f->loop, 5000, looked.done);
    }
    clock_advance_for_test(ahead_ms);
    record(f, "alert.sent", ID_A, "{\"urgency\":\"high\"}");
    clock_advance_for_test(-ahead_ms);
    int64_t after_ms = clock_wall_ms();
    int64_t at_ms = newest_time(f);
    assert_true(at_ms >= before_ms + (at_ms > after_ms ? ahead_ms : 0));
    return at_ms > after_ms;
}

static void what_the_caller_sealed_is_taken_if_it_fits(void **state) {
    (void)state;
    enum { AHEAD_MS = 999 }; /* the most that is allowed is 1000 */
    struct fixture f;
    fixture_start(&f, false);
    bool taken = takes_the_seal(&f, true, AHEAD_MS); /* no head to know yet */
    assert_false(taken);
    /* Twice at most: whoever is held up for as long as the clock is ahead cannot tell. */
    taken = takes_the_seal(&f, true, AHEAD_MS) || takes_the_seal(&f, true, AHEAD_MS);
    assert_true(taken);
    assert_true(verify(&f, NULL).intact);
    assert_false(takes_the_seal(&f, false, AHEAD_MS)); /* the head has gone on */
    assert_false(takes_the_seal(&f, true, 60000));     /* a clock that is wrong */
    assert_true(verify(&f, NULL).intact);
    assert_int_equal(verify(&f, NULL).head.seq, verify(&f, NULL).entries);
    (void)test_redis_raw(&f.redis, "FLUSHALL");
    assert_false(takes_the_seal(&f, false, AHEAD_MS)); /* the log begins anew */
    assert_intact(&f, 1);
    fixture_stop(&f);
}

static void whatever_is_done_to_the_log_is_found(void **state) {
    (void)state;
    static const char sealed[] = "the entry, or the one before, is not what was sealed";
    static const struct {
        const char *change;
        uint64_t at;
        const char *fault;
    } cases[] = {
        {"", 0, NULL},
        {"all[4][2][4] = all[4][2][4]:gsub('high', 'low')", 4, sealed},
        {"all[4][2][4] = all[4][2][4]:gsub('abcdefghij12', 'abcdefghij13')", 4, sealed},
        {"all[4][2][2] = '1'", 4, sealed},
        {"all[4][2][6] = all[5][2][6]", 4, sealed},
        {"table.remove(all, 4)", 4, "the entry is missing"},
        {"table.remove(all, 1)", 1, "the entry is missing"},
        {"table.remove(all, 9)", 9, "the entry is missing"},
        {"all = {}", 1, "the entry is missing"},
        {"all[3][2], all[4][2] = all[4][2], all[3][2]", 3, sealed},
        {"table.insert(all, 5, {'4-2', all[4][2]})", 5, "what stands there is no entry of ours"},
        {"table.insert(all, 5, {'4-2', {'x', 'y'}})", 5, "what stands there is no entry of ours"},
        {"all[10] = {'9-2', all[4][2]}", 10, "an entry that the head does not know"},
        {"all[10] = {'10-1', all[4][2]}", 10, "an entry that the head does not know"},
        {"redis.call('HSET', '{t}:audit:head', 'hash', all[1][2][6])", 9,
         "the head names another hash"},
        {"for i = 4, 9 do all[i][1] = (i + 1) .. '-1' end "
         "redis.call('HSET', '{t}:audit:head', 'seq', 10)",
         4, "the entry is missing"},
    };
    struct fixture f;
    fixture_start(&f, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)test_redis_raw(&f.redis, "FLUSHALL");
        record_many(&f, 9);
        assert_intact(&f, 9);
        tamper(&f, cases[i].change);
        struct audit_verdict v = verify(&f, NULL);
        if (!cases[i].fault) {
            assert_true(v.intact);
        } else {
            assert_broken(v, cases[i].at, cases[i].fault);
            /* What is recorded afterwards does not heal it. */
            record_many(&f, 3);
            assert_false(verify(&f, NULL).intact);
        }
    }
    fixture_stop(&f);
}

static void a_log_written_anew_is_found_by_what_was_noted(void **state) {
    (void)state;
    struct fixture f;
    fixture_start(&f, false);
    record_many(&f, 5);
    struct audit_anchor noted = verify(&f, NULL).head;
    assert_int_equal(noted.seq, 5);
    record_many(&f, 3);
    assert_true(verify(&f, &noted).intact);
    struct audit_verdict v = verify_from(&f, &noted);
    assert_true(v.intact);
    assert_int_equal(v.entries, 3);
    assert_int_equal(v.head.seq, 8);
    tamper(&f, "all[7][2][2] = '1'");
    assert_broken(verify_from(&f, &noted), 7,
                  "the entry, or the one before, is not what was sealed");
    tamper(&f, "all[5][2][6] = all[4][2][6]");
    assert_broken(verify_from(&f, &noted), 5, "the chain is another than the one noted before");
    (void)test_redis_raw(&f.redis, "FLUSHALL");
    record_many(&f, 8);
    assert_intact(&f, 8); /* by itself it is */
    assert_broken(verify(&f, &noted), 5, "the chain is another than the one noted before");
    assert_broken(verify_from(&f, &noted), 5, "the chain is another than the one noted before");
    (void)test_redis_raw(&f.redis, "FLUSHALL");
    record_many(&f, 3);
    assert_broken(verify(&f, &noted), 4, "the chain ends before the entry noted before");
    assert_broken(verify_from(&f, &noted), 4, "the chain ends before the entry noted before");
    fixture_stop(&f);
}

static void trim(struct fixture *f, int64_t most) {
    struct answer answer = {0};
    audit_trim(f->store, most, on_done, &answer);
    RUN_UNTIL(&f->loop, 5000, answer.done);
    assert_int_equal(answer.err, ERR_OK);
}

static void the_oldest_go_with_a_word_about_it(void **state) {
    (void)state;
    struct fixture f;
    fixture_start(&f, false);
    record_many(&f, 1100);
    struct audit_anchor noted = verify(&f, NULL).head;
    trim(&f, 1100);
    assert_intact(&f, 1100); /* not above yet */
    record_many(&f, 12);
    trim(&f, 1100);
    assert_intact(&f, 1101); /* and the entry that tells of it */
    assert_true(verify(&f, &noted).intact);
    record_many(&f, 20);
    trim(&f, 1100);
    assert_intact(&f, 1101);
    tamper(&f, "table.remove(all, 1)");
    assert_broken(verify(&f, NULL), 34, "the entry is missing");
    /* The beginning cut off with the base moved on, as the service does it. */
    tamper(&f, "redis.call('HSET', '{t}:audit:base', 'seq', 34, 'hash', all[1][2][6]) "
               "table.remove(all, 1)");
    assert_false(verify(&f, NULL).intact);
    fixture_stop(&f);
}

static void a_lost_head_goes_on_behind_what_was(void **state) {
    (void)state;
    struct fixture f;
    fixture_start(&f, false);
    record_many(&f, 4);
    tamper(&f, "redis.call('HSET', '{t}:audit:head', 'seq', 3, 'hash', all[3][2][6])");
    assert_broken(verify(&f, NULL), 4, "an entry that the head does not know");
    tamper(&f, "redis.call('DEL', '{t}:audit:head')");
    assert_broken(verify(&f, NULL), 1, "an entry that the head does not know");
    record_many(&f, 1);
    assert_intact(&f, 5); /* no entry was lost by it */
    (void)test_redis_raw(&f.redis, "XDEL {t}:audit 5-1");
    (void)test_redis_raw(&f.redis, "HSET {t}:audit:head seq 2");
    record_many(&f, 1);
    assert_broken(verify(&f, NULL), 5, "the entry is missing");
    fixture_stop(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_kept_with_its_actor),
        cmocka_unit_test(the_chain_is_right_at_any_length),
        cmocka_unit_test(what_the_caller_sealed_is_taken_if_it_fits),
        cmocka_unit_test(whatever_is_done_to_the_log_is_found),
        cmocka_unit_test(a_log_written_anew_is_found_by_what_was_noted),
        cmocka_unit_test(the_oldest_go_with_a_word_about_it),
        cmocka_unit_test(a_lost_head_goes_on_behind_what_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/recovery.h"

/* The log of every case: epoch "cur" follows "prev" (survived to 80) follows "old" (to 90, of which
 * only 80 outlived the next fail-over). Log 41..100, ring 71..100. */
static const struct epoch_past past[] = {{"prev", 80}, {"old", 90}};
static const struct recovery_log log_now = {
    .epoch = "cur",
    .head = 100,
    .ring_oldest = 71,
    .log_oldest = 41,
    .past = past,
    .past_count = 2,
};

/* One row per row of the table in the design, with the edges of each. */
static void test_table(void **state) {
    (void)state;
    static const struct {
        const char *position; /* NULL = none given */
        enum recovery_action action;
        enum verdict verdict;
        uint64_t cursor;
    } cases[] = {
        {NULL, RECOVERY_RING, VERDICT_FRESH, 100},
        {"cur:100", RECOVERY_RING, VERDICT_CONTINUED, 100},
        {"cur:70", RECOVERY_RING, VERDICT_CONTINUED, 70},
        {"cur:69", RECOVERY_LOG, VERDICT_CONTINUED, 69},
        {"cur:40", RECOVERY_LOG, VERDICT_CONTINUED, 40},
        {"cur:39", RECOVERY_SNAPSHOT, VERDICT_EXPIRED, 100},
        {"cur:0", RECOVERY_SNAPSHOT, VERDICT_EXPIRED, 100},
        {"cur:101", RECOVERY_RING, VERDICT_FAILOVER, 100},
        {"cur:18446744073709551615", RECOVERY_RING, VERDICT_FAILOVER, 100},
        {"prev:80", RECOVERY_RING, VERDICT_CONTINUED, 80},
        {"prev:70", RECOVERY_RING, VERDICT_CONTINUED, 70},
        {"prev:50", RECOVERY_LOG, VERDICT_CONTINUED, 50},
        {"prev:39", RECOVERY_SNAPSHOT, VERDICT_EXPIRED, 100},
        {"prev:81", RECOVERY_RING, VERDICT_FAILOVER, 80},
        {"prev:99", RECOVERY_RING, VERDICT_FAILOVER, 80},
        {"old:80", RECOVERY_RING, VERDICT_CONTINUED, 80},
        {"old:85", RECOVERY_RING, VERDICT_FAILOVER, 80},
        {"older:50", RECOVERY_SNAPSHOT, VERDICT_UNKNOWN, 100},
        {"garbage", RECOVERY_SNAPSHOT, VERDICT_UNKNOWN, 100},
        {"", RECOVERY_SNAPSHOT, VERDICT_UNKNOWN, 100},
        {"cur:-1", RECOVERY_SNAPSHOT, VERDICT_UNKNOWN, 100},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct resume resume = resume_parse(str_of(cases[i].position));
        struct recovery_answer answer = recovery_decide(&log_now, &resume);
        if (answer.action != cases[i].action || answer.verdict != cases[i].verdict ||
            answer.cursor != cases[i].cursor) {
            fail_msg("%s: action %d verdict %d cursor %llu",
                     cases[i].position ? cases[i].position : "none", (int)answer.action,
                     (int)answer.verdict, (unsigned long long)answer.cursor);
        }
    }
}

/* Nothing was ever published. */
static void test_empty_log(void **state) {
    (void)state;
    struct recovery_log log = {.epoch = "e", .head = 0, .ring_oldest = 1, .log_oldest = 1};
    struct resume resume = resume_parse(str_of("e:0"));
    struct recovery_answer answer = recovery_decide(&log, &resume);
    assert_int_equal(answer.action, RECOVERY_RING);
    assert_int_equal(answer.verdict, VERDICT_CONTINUED);
    resume = resume_parse(str_of("e:5"));
    assert_int_equal(recovery_decide(&log, &resume).verdict, VERDICT_FAILOVER);
}

/* Only what another node may know better is worth a look at Redis. */
static void test_doubt(void **state) {
    (void)state;
    static const struct {
        const char *position;
        bool doubtful;
    } cases[] = {
        {NULL, false},     {"cur:100", false},  {"cur:39", false}, {"garbage", false},
        {"cur:101", true}, {"unknown:1", true}, {"prev:81", true}, {"prev:80", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct resume resume = resume_parse(str_of(cases[i].position));
        struct recovery_answer answer = recovery_decide(&log_now, &resume);
        assert_int_equal(recovery_is_doubtful(&resume, &answer), cases[i].doubtful);
    }
}

static void test_words(void **state) {
    (void)state;
    assert_null(verdict_reason(VERDICT_CONTINUED));
    assert_string_equal(verdict_reason(VERDICT_FRESH), "fresh");
    assert_string_equal(verdict_reason(VERDICT_EXPIRED), "expired");
    assert_true(verdict_is_recovered(VERDICT_FAILOVER));
    assert_false(verdict_is_recovered(VERDICT_EXPIRED));
    assert_false(verdict_is_recovered(VERDICT_UNKNOWN));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_empty_log),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

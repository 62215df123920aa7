/* Whom a correction reaches, told step by step: a queue whose jobs are done by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support_push_queue.h"

#include "store/audience.h"

enum { PHONES = 20, JOBS_MAX = 16 };

/* A dispatcher without a mind of its own. */
struct hand {
    struct push_queue *queue;
    int planned;
    struct push_job jobs[JOBS_MAX];
    int job_count;
};

static void on_hand_job(void *user, const struct push_job *job, struct str alert_json) {
    struct hand *h = user;
    assert_true(alert_json.n > 0 && h->job_count < JOBS_MAX);
    h->jobs[h->job_count++] = *job;
}

static void on_hand_planned(void *user, struct str alert_id, uint64_t targeted, uint64_t jobs) {
    (void)alert_id;
    (void)targeted;
    (void)jobs;
    ((struct hand *)user)->planned++;
}

static void hand_start(struct fixture *f, struct hand *h, const char *name, int credit) {
    static const struct push_queue_handlers by_hand = {.on_planned = on_hand_planned,
                                                       .on_job = on_hand_job};
    *h = (struct hand){0};
    assert_int_equal(push_queue_create(&f->loop, f->store, f->cfg, f->t, name, &h->queue), ERR_OK);
    push_queue_start(h->queue, &by_hand, h);
    if (credit) {
        push_queue_allow(h->queue, PLATFORM_APNS, credit);
    }
}

/* One answer of push_queue_targets, as the bits of the slots. */
struct page {
    bool done;
    uint32_t slots;
    int editions[PHONES];
    uint32_t held;
    size_t with_token;
};

static void on_page_read(void *user, enum err err, const struct push_target *targets, size_t count,
                         uint32_t next_slot, uint32_t held) {
    struct page *page = user;
    assert_int_equal(err, ERR_OK);
    assert_int_equal(next_slot, BLOCK_DEVICES);
    for (size_t i = 0; i < count; i++) {
        assert_true(targets[i].slot < PHONES);
        page->slots |= UINT32_C(1) << targets[i].slot;
        page->editions[targets[i].slot] = targets[i].edition;
        page->with_token += targets[i].token.n > 0;
    }
    page->held = held;
    page->done = true;
}

static struct page read_page(struct fixture *f, struct hand *h, const struct push_job *job,
                             bool slots_only) {
    struct page page = {0};
    const struct push_page wish = {.limit = BLOCK_DEVICES, .slots_only = slots_only};
    push_queue_targets(h->queue, job, &wish, on_page_read, &page);
    RUN_UNTIL(&f->loop, 5000, page.done);
    return page;
}

static void end_slots(struct fixture *f, struct hand *h, const struct push_job *job, uint32_t slots,
                      enum outcome outcome) {
    struct page page = read_page(f, h, job, true);
    struct push_outcome outcomes[PHONES];
    size_t count = 0;
    int done = 0;
    for (uint16_t slot = 0; slot < PHONES; slot++) {
        if (slots >> slot & 1) {
            outcomes[count++] = (struct push_outcome){
                .slot = slot, .outcome = (uint8_t)outcome, .edition = (uint8_t)page.editions[slot]};
        }
    }
    assert_int_equal(page.slots & slots, slots);
    push_queue_flush(h->queue, job, outcomes, count, on_done, &done);
    RUN_UNTIL(&f->loop, 5000, done);
}

static void finish_job(struct fixture *f, struct hand *h, const struct push_job *job) {
    int done = 0;
    push_queue_finish(h->queue, job, on_done, &done);
    RUN_UNTIL(&f->loop, 5000, done);
}

static const struct push_job *job_of(struct fixture *f, struct hand *h, uint32_t revision) {
    for (int64_t end = clock_mono_ms() + 5000; clock_mono_ms() < end; run_for(&f->loop, 1)) {
        for (int i = 0; i < h->job_count; i++) {
            if (h->jobs[i].revision == revision) {
                return &h->jobs[i];
            }
        }
    }
    fail_msg("no job of revision %u", revision);
    return NULL;
}

/* Bits first to last. */
static uint32_t slots_of(int first, int last) {
    return (UINT32_C(2) << last) - (UINT32_C(1) << first);
}

/* Phones in slots 0 to 19, editions 0 and 1 in turn. */
static void put_phones(struct fixture *f) {
    for (unsigned i = 0; i < PHONES; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "phone-%02u", i);
        struct device *d = make_device(id, PLATFORM_APNS, i);
        d->edition = (int)i % 2;
        assert_int_equal(put_device(f, d, "s", false).status, DEVICE_PUT_CREATED);
        device_destroy(d);
    }
}

static void put_phone(struct fixture *f, const char *id, int edition, unsigned seed,
                      enum platform platform) {
    struct device *d = make_device(id, platform, seed);
    d->edition = edition;
    (void)put_device(f, d, "s", false);
    device_destroy(d);
}

/* To everybody who reads edition 0 or 1. */
static struct alert *alert_in_two(const struct fixture *f) {
    struct alert *a = alert_to_all(f, URGENCY_HIGH);
    for (int e = 2; e < taxonomy_count(f->t, DIM_EDITION); e++) {
        free(a->content[e].headline);
        a->content[e].headline = NULL;
    }
    return a;
}

static struct alert *correction(const char *id, enum msg_type msg_type) {
    struct alert *a = alert_create();
    a->msg_type = msg_type;
    a->reference = mem_strdup(id);
    a->created_by = mem_strdup("key");
    a->sent_ms = clock_wall_ms();
    codec_uuid7(a->id); /* only for the Idempotency-Key of these tests */
    return a;
}

static void correct(struct fixture *f, const char *id, enum msg_type msg_type) {
    struct alert *a = correction(id, msg_type);
    publish(f, a);
    alert_destroy(a);
}

static char *stats_of(struct fixture *f, const char *id, uint32_t revision) {
    struct stats stats = {0};
    alert_store_stats(f->store, f->t, str_of(id), revision, on_stats, &stats);
    RUN_UNTIL(&f->loop, 5000, stats.done);
    assert_int_equal(stats.err, ERR_OK);
    return stats.json;
}

static void check_total(struct fixture *f, const char *id, uint32_t revision, const char *name,
                        uint64_t wanted) {
    char path[64];
    char *json = stats_of(f, id, revision);
    (void)snprintf(path, sizeof(path), "total/%s", name);
    assert_int_equal(number_at(json, path), wanted);
    free(json);
}

static void on_counted(void *user, enum err err, struct audience_counts *counts) {
    assert_int_equal(err, ERR_OK);
    *(int64_t *)user = (int64_t)audience_total(counts);
}

/* What a preview of that correction says. */
static uint64_t preview(struct fixture *f, const struct alert *latest, enum msg_type msg_type) {
    int64_t total = -1;
    struct alert *a = correction(latest->id, msg_type);
    assert_int_equal(alert_inherit(a, latest), ERR_OK);
    audience_count(f->store, f->t, a, NULL, on_counted, &total);
    RUN_UNTIL(&f->loop, 5000, total >= 0);
    alert_destroy(a);
    return (uint64_t)total;
}

/* The first revision, sent: 0 to 4 and 11 to 19 accepted, 5 unknown, 6 to 10 each another end. */
static struct alert *send_first(struct fixture *f, struct hand *h) {
    struct alert *a = alert_in_two(f);
    publish(f, a);
    const struct push_job *job = job_of(f, h, 1);
    assert_int_equal(read_page(f, h, job, false).slots, slots_of(0, 19));
    end_slots(f, h, job, slots_of(0, 4) | slots_of(11, 19), OUTCOME_ACCEPTED);
    end_slots(f, h, job, slots_of(5, 5), OUTCOME_UNKNOWN);
    end_slots(f, h, job, slots_of(6, 6), OUTCOME_FAILED);
    end_slots(f, h, job, slots_of(7, 7), OUTCOME_TOKEN_DEAD);
    end_slots(f, h, job, slots_of(8, 8), OUTCOME_EXPIRED);
    end_slots(f, h, job, slots_of(9, 9), OUTCOME_ABORTED);
    end_slots(f, h, job, slots_of(10, 10), OUTCOME_SUPPRESSED);
    finish_job(f, h, job);
    return a;
}

/* A fixture with phones that got their first alert as above. */
static struct alert *start_and_send(struct fixture *f, struct hand *h) {
    fixture_start(f, false);
    put_phones(f);
    hand_start(f, h, "hand", 8);
    return send_first(f, h);
}

static void remove_phone(struct fixture *f, unsigned slot) {
    char *token = make_token(PLATFORM_APNS, slot);
    const struct dead_token dead = {slot, str_of(token), INT64_MAX};
    int done = 0;
    device_store_remove_dead(f->store, f->t, &dead, 1, on_done, &done);
    RUN_UNTIL(&f->loop, 5000, done);
    free(token);
}

static void stop(struct fixture *f, struct hand *h, struct alert *take_alert) {
    push_queue_destroy(h->queue);
    alert_destroy(take_alert);
    fixture_stop(f);
}

static const uint32_t have_first =
    (UINT32_C(1) << 20) - 1 - (UINT32_C(1) << 11) + (UINT32_C(1) << 6);

static void test_those_who_have_or_may_have_it(void **state) {
    struct fixture f;
    struct hand h;
    (void)state;
    struct alert *a = start_and_send(&f, &h);
    put_phone(&f, "newcomer", 0, 77, PLATFORM_APNS);
    assert_int_equal(have_first, slots_of(0, 5) | slots_of(11, 19));
    assert_int_equal(preview(&f, a, MSG_UPDATE), 15);
    assert_int_equal(preview(&f, a, MSG_CANCEL), 15);

    correct(&f, a->id, MSG_UPDATE);
    const struct push_job *update = job_of(&f, &h, 2);
    struct page page = read_page(&f, &h, update, false);
    assert_int_equal(page.slots, have_first);
    assert_int_equal(page.held, 0);
    assert_int_equal(page.with_token, 15);
    check_total(&f, a->id, 2, "targeted", 15);
    /* Who missed the update still has the first revision. */
    end_slots(&f, &h, update, slots_of(0, 5), OUTCOME_FAILED);
    end_slots(&f, &h, update, slots_of(11, 19), OUTCOME_ACCEPTED);
    finish_job(&f, &h, update);
    correct(&f, a->id, MSG_CANCEL);
    assert_int_equal(read_page(&f, &h, job_of(&f, &h, 3), false).slots, have_first);
    check_total(&f, a->id, 3, "targeted", 15);
    stop(&f, &h, a);
}

/* Another token, another edition, another kind of phone, gone; and an edition without a text. */
static void test_phones_that_changed_since(void **state) {
    struct fixture f;
    struct hand h;
    (void)state;
    struct alert *a = start_and_send(&f, &h);
    put_phone(&f, "phone-00", 0, 500, PLATFORM_APNS); /* another token */
    put_phone(&f, "phone-01", 0, 1, PLATFORM_APNS);   /* edition 1 before */
    put_phone(&f, "phone-02", 2, 2, PLATFORM_APNS);   /* there is no text in this one */
    put_phone(&f, "phone-03", 1, 3, PLATFORM_FCM);    /* edition 1 before, APNs before */
    remove_phone(&f, 4);
    const uint32_t wanted = have_first & ~slots_of(3, 4);
    assert_int_equal(preview(&f, a, MSG_UPDATE), 13);
    correct(&f, a->id, MSG_UPDATE);
    struct page page = read_page(&f, &h, job_of(&f, &h, 2), false);
    assert_int_equal(page.slots, wanted);
    assert_int_equal(page.with_token, 13);
    assert_int_equal(page.editions[1], 0);
    assert_int_equal(page.editions[2], 0);
    check_total(&f, a->id, 2, "targeted", 13);
    stop(&f, &h, a);
}

/* A number that was freed before the second revision and given to somebody else before the third.
 */
static void test_a_number_given_again(void **state) {
    struct fixture f;
    struct hand h;
    (void)state;
    struct alert *a = start_and_send(&f, &h);
    remove_phone(&f, 0);
    correct(&f, a->id, MSG_UPDATE);
    const struct push_job *update = job_of(&f, &h, 2);
    end_slots(&f, &h, update, have_first & ~slots_of(0, 0), OUTCOME_ACCEPTED);
    finish_job(&f, &h, update);
    assert_string_equal(test_redis_raw(&f.redis, "ZADD {d}:free XX CH 1 0"), ":1\r\n");
    put_phone(&f, "somebody-else", 0, 900, PLATFORM_APNS);
    assert_string_equal(test_redis_raw(&f.redis, "GETBIT {b0}:platform:apns 0"), ":1\r\n");
    correct(&f, a->id, MSG_UPDATE);
    assert_int_equal(read_page(&f, &h, job_of(&f, &h, 3), false).slots,
                     have_first & ~slots_of(0, 0));
    stop(&f, &h, a);
}

/* A correction while the first revision is on its way: nobody is overtaken, everybody is counted.
 */
static void correct_during_a_send(enum msg_type msg_type) {
    struct fixture f;
    struct hand h;
    fixture_start(&f, false);
    f.cfg->queue_correction_wait_ms = 0;
    put_phones(&f);
    hand_start(&f, &h, "hand", 8);
    struct alert *a = alert_in_two(&f);
    publish(&f, a);
    const struct push_job first = *job_of(&f, &h, 1);
    assert_int_equal(read_page(&f, &h, &first, false).slots, slots_of(0, 19));
    end_slots(&f, &h, &first, slots_of(0, 4), OUTCOME_ACCEPTED);
    assert_int_equal(preview(&f, a, msg_type), 20);

    correct(&f, a->id, msg_type);
    const struct push_job second = *job_of(&f, &h, 2);
    check_total(&f, a->id, 2, "targeted", 20);
    struct page page = read_page(&f, &h, &second, false);
    assert_int_equal(page.slots, slots_of(0, 4));
    assert_int_equal(page.held, 15);
    /* Answers come: the next are let go, the failed one needs nothing, and of those never sent to
     * an update is sent and a cancel is not. */
    end_slots(&f, &h, &first, slots_of(5, 9), OUTCOME_ACCEPTED);
    end_slots(&f, &h, &first, slots_of(10, 10), OUTCOME_FAILED);
    end_slots(&f, &h, &first, slots_of(11, 14), OUTCOME_SUPERSEDED);
    page = read_page(&f, &h, &second, false);
    bool is_update = msg_type == MSG_UPDATE;
    assert_int_equal(page.slots, slots_of(0, 9) | (is_update ? slots_of(11, 14) : 0));
    assert_int_equal(page.held, 5);
    end_slots(&f, &h, &second, page.slots, OUTCOME_ACCEPTED);
    page = read_page(&f, &h, &second, false);
    assert_int_equal(page.slots, 0);
    assert_int_equal(page.held, 5);
    end_slots(&f, &h, &first, slots_of(15, 19), OUTCOME_UNKNOWN);
    finish_job(&f, &h, &first);
    page = read_page(&f, &h, &second, false);
    assert_int_equal(page.slots, slots_of(15, 19));
    assert_int_equal(page.held, 0);
    end_slots(&f, &h, &second, page.slots, OUTCOME_ACCEPTED);
    finish_job(&f, &h, &second);
    check_total(&f, a->id, 1, "superseded", 4);
    check_total(&f, a->id, 1, "to_go", 0);
    check_total(&f, a->id, 2, "accepted", is_update ? 19 : 15);
    check_total(&f, a->id, 2, "suppressed", is_update ? 1 : 5);
    check_total(&f, a->id, 2, "to_go", 0);
    stop(&f, &h, a);
}

static void test_an_update_during_a_send(void **state) {
    (void)state;
    correct_during_a_send(MSG_UPDATE);
}

static void test_a_cancel_during_a_send(void **state) {
    (void)state;
    correct_during_a_send(MSG_CANCEL);
}

/* Jobs that nobody took are nobody's way: they end when the correction is planned. */
static void correct_before_the_jobs(enum msg_type msg_type) {
    struct fixture f;
    struct hand h;
    fixture_start(&f, false);
    f.cfg->queue_correction_wait_ms = 0;
    put_phones(&f);
    hand_start(&f, &h, "hand", 0);
    struct alert *a = alert_in_two(&f);
    publish(&f, a);
    RUN_UNTIL(&f.loop, 5000, h.planned == 1);
    correct(&f, a->id, msg_type);
    RUN_UNTIL(&f.loop, 5000, h.planned == 2);
    check_total(&f, a->id, 1, "superseded", 20);
    check_total(&f, a->id, 2, "targeted", msg_type == MSG_UPDATE ? 20 : 0);
    push_queue_allow(h.queue, PLATFORM_APNS, 8);
    const struct push_job *job = job_of(&f, &h, 1);
    assert_int_equal(job->ended, OUTCOME_SUPERSEDED);
    assert_int_equal(read_page(&f, &h, job, true).slots, 0);
    finish_job(&f, &h, job);
    if (msg_type == MSG_UPDATE) {
        struct page page = read_page(&f, &h, job_of(&f, &h, 2), false);
        assert_int_equal(page.slots, slots_of(0, 19));
        assert_int_equal(page.held, 0);
    }
    stop(&f, &h, a);
}

static void test_a_correction_before_the_jobs(void **state) {
    (void)state;
    correct_before_the_jobs(MSG_UPDATE);
    correct_before_the_jobs(MSG_CANCEL);
}

/* Three revisions before anybody planned: only the last is sent, to everybody or to nobody. */
static void test_revisions_before_the_plan(void **state) {
    struct fixture f;
    struct hand h;
    (void)state;
    fixture_start(&f, false);
    put_phones(&f);
    struct alert *a = alert_in_two(&f);
    struct alert *b = alert_in_two(&f);
    publish(&f, a);
    correct(&f, a->id, MSG_UPDATE);
    correct(&f, a->id, MSG_UPDATE);
    publish(&f, b);
    correct(&f, b->id, MSG_UPDATE);
    correct(&f, b->id, MSG_CANCEL);
    hand_start(&f, &h, "hand", 8);
    RUN_UNTIL(&f.loop, 5000, h.planned == 6 && h.job_count == 1);
    assert_string_equal(h.jobs[0].alert_id, a->id);
    assert_int_equal(h.jobs[0].revision, 3);
    assert_int_equal(read_page(&f, &h, &h.jobs[0], false).slots, slots_of(0, 19));
    for (uint32_t revision = 1; revision <= 2; revision++) {
        check_total(&f, a->id, revision, "superseded", 20);
        check_total(&f, b->id, revision, "superseded", 20);
    }
    check_total(&f, b->id, 3, "targeted", 0);
    push_queue_destroy(h.queue);
    alert_destroy(a);
    alert_destroy(b);
    fixture_stop(&f);
}

/* Its recipients are not fixed before those of the revision before; other alerts go ahead. */
static void test_a_correction_waits_for_the_plan_before(void **state) {
    struct fixture f;
    struct hand dead;
    struct hand h;
    (void)state;
    fixture_start(&f, false);
    put_phones(&f);
    hand_start(&f, &dead, "dead", 0);
    struct alert *a = alert_in_two(&f);
    struct alert *b = alert_in_two(&f);
    /* A planner takes the entry and dies. */
    push_queue_destroy(dead.queue);
    publish(&f, a);
    (void)test_redis_raw(&f.redis, "XGROUP CREATE {t}:plan plan 0 MKSTREAM");
    assert_int_equal(
        test_redis_raw(&f.redis, "XREADGROUP GROUP plan another COUNT 1 STREAMS {t}:plan >")[0],
        '*');
    correct(&f, a->id, MSG_UPDATE);
    publish(&f, b);
    f.cfg->queue_claim_ms = 1500;
    hand_start(&f, &h, "hand", 8);
    const struct push_job *first = job_of(&f, &h, 1);
    assert_string_equal(first->alert_id, b->id);
    assert_int_equal(h.planned, 1);
    RUN_UNTIL(&f.loop, 20000, h.planned == 3); /* claimed */
    check_total(&f, a->id, 1, "superseded", 20);
    check_total(&f, a->id, 2, "targeted", 20);
    push_queue_destroy(h.queue);
    alert_destroy(a);
    alert_destroy(b);
    fixture_stop(&f);
}

/* Whoever gets a job next knows how far devices were read to be sent to. */
static void test_the_reach_of_a_dead_holder(void **state) {
    struct fixture f;
    struct hand h;
    struct hand next;
    (void)state;
    fixture_start(&f, false);
    f.cfg->queue_claim_ms = 200;
    put_phones(&f);
    hand_start(&f, &h, "dying", 8);
    struct alert *a = alert_in_two(&f);
    publish(&f, a);
    const struct push_job *job = job_of(&f, &h, 1);
    assert_int_equal(job->reached, 0);
    struct page page = {0};
    const struct push_page wish = {.from_slot = 0, .limit = BLOCK_DEVICES};
    push_queue_targets(h.queue, job, &wish, on_page_read, &page);
    RUN_UNTIL(&f.loop, 5000, page.done);
    push_queue_destroy(h.queue);
    hand_start(&f, &next, "next", 8);
    assert_int_equal(job_of(&f, &next, 1)->reached, BLOCK_DEVICES);
    push_queue_destroy(next.queue);
    alert_destroy(a);
    fixture_stop(&f);
}

/* Recipients are forgotten some day; only readers are told then, and the answer says so. */
static void test_forgotten_recipients(void **state) {
    struct fixture f;
    struct hand h;
    char command[128];
    (void)state;
    struct alert *a = start_and_send(&f, &h);
    (void)snprintf(command, sizeof(command), "HSET {t}:stats:%s:1 known_until 1", a->id);
    (void)test_redis_raw(&f.redis, command);
    struct alert *update = correction(a->id, MSG_UPDATE);
    for (int i = 0; i < 2; i++) { /* a repeat is told so, too */
        struct publish_result result = {.status = (enum publish_status)99};
        const struct publish_request request = {
            .alert = update, .idempotency_key = STR("k"), .fingerprint = STR("f")};
        alert_store_publish(f.store, f.t, &request, on_publish, &result);
        RUN_UNTIL(&f.loop, 5000, result.status != (enum publish_status)99);
        assert_int_equal(result.status, i ? PUBLISH_REPLAYED : PUBLISH_ACCEPTED);
        assert_true(result.is_forgotten);
    }
    char *json = stats_of(&f, a->id, 2);
    assert_non_null(strstr(json, "\"state\":\"done\""));
    assert_int_equal(number_at(json, "total/targeted"), 0);
    free(json);
    assert_int_equal(h.planned, 1);
    push_queue_destroy(h.queue);
    alert_destroy(update);
    alert_destroy(a);
    fixture_stop(&f);
}

/* ---- a random registry ---- */

/* Everything about a device may change but its id; some go. */
static void change_registry(struct fixture *f, struct registry *r, unsigned seed, bool *is_there) {
    for (unsigned i = 0; i < DEVICES; i++) {
        struct device *d = r->devices[i];
        if (rand_r(&seed) % 3 || !is_there[i]) {
            continue;
        }
        if (rand_r(&seed) % 4 == 0) {
            int done = 0;
            const struct dead_token dead = {15400 + i, str_of(d->token), INT64_MAX};
            device_store_remove_dead(f->store, f->t, &dead, 1, on_done, &done);
            RUN_UNTIL(&f->loop, 5000, done);
            is_there[i] = false;
            continue;
        }
        d->edition = rand_r(&seed) % taxonomy_count(f->t, DIM_EDITION);
        d->regions = random_follows(f->t, DIM_REGION, &seed);
        d->sections = random_follows(f->t, DIM_SECTION, &seed);
        d->min_urgency = (enum urgency)(rand_r(&seed) % URGENCY_COUNT);
        d->test = rand_r(&seed) % 4 == 0;
        assert_int_equal(put_device(f, d, NULL, true).status, DEVICE_PUT_UPDATED);
    }
}

/* By hand: the recipients of the first revision that took it (the worker fails every tenth slot)
 * and are still there, as test devices where it was a test. What is counted and what is targeted
 * are both that, whatever is followed by now. */
static void test_random_registries(void **state) {
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        struct fixture f;
        struct registry r = {0};
        struct worker w;
        bool wanted[DEVICES];
        bool is_there[DEVICES];
        fixture_start(&f, false);
        registry_fill(&f, &r);
        the_registry = &r;
        worker_start(&f, &w, "worker", 8);
        struct alert *a = random_alert(&f, round * 7919 + 5);
        for (int i = 0; i < DEVICES; i++) {
            int slot = (15400 + i) % BLOCK_DEVICES;
            wanted[i] = is_wanted(&f, r.devices[i], a) && slot % 10;
            is_there[i] = true;
        }
        publish(&f, a);
        RUN_UNTIL(&f.loop, 10000, is_settled(&f, a->id) && w.jobs == w.jobs_done);
        w.is_dead = true; /* takes more jobs and does none */
        change_registry(&f, &r, round + 11, is_there);
        uint64_t total = 0;
        for (int i = 0; i < DEVICES; i++) {
            total += wanted[i] && is_there[i] && (a->status == STATUS_ACTUAL || r.devices[i]->test);
        }
        assert_int_equal(preview(&f, a, round % 2 ? MSG_UPDATE : MSG_CANCEL), total);
        struct alert *next = correction(a->id, round % 2 ? MSG_UPDATE : MSG_CANCEL);
        publish(&f, next);
        RUN_UNTIL(&f.loop, 10000, w.planned == 2);
        check_total(&f, a->id, 2, "targeted", total);
        push_queue_destroy(w.queue);
        alert_destroy(next);
        alert_destroy(a);
        registry_finish(&r);
        fixture_stop(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_who_have_or_may_have_it),
        cmocka_unit_test(test_phones_that_changed_since),
        cmocka_unit_test(test_a_number_given_again),
        cmocka_unit_test(test_an_update_during_a_send),
        cmocka_unit_test(test_a_cancel_during_a_send),
        cmocka_unit_test(test_a_correction_before_the_jobs),
        cmocka_unit_test(test_revisions_before_the_plan),
        cmocka_unit_test(test_a_correction_waits_for_the_plan_before),
        cmocka_unit_test(test_the_reach_of_a_dead_holder),
        cmocka_unit_test(test_forgotten_recipients),
        cmocka_unit_test(test_random_registries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

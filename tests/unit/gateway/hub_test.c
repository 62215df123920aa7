/* Many readers on a hub without sockets: random alerts, stalls, departures and returns, filter
 * changes, slices, outages and fail-overs. Whatever happens, each reader gets every alert it
 * follows exactly once and in order, or is told that it cannot be so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "base/log.h"
#include "gateway/fanout.h"
#include "gateway/hub.h"
#include "support_log.h"
#include "support_random.h"

enum { READERS = 40, LOG_MAX = 4000, WINDOW = 600 };

/* The log behind everything, as it is now. */
struct record {
    char *json;
    struct alert *alert;
    uint64_t editions;
};

struct sim {
    struct reader reader; /* first */
    bool connected;
    bool room; /* the transport takes bytes */
    bool wants_room;
    bool told_bye;
    int close_code;
    struct buf in;                 /* bytes not parsed yet */
    char position[POSITION_BYTES]; /* as a client keeps it; "" = none */
    struct filter filter;
    uint64_t last_seq; /* of the last live alert */
    uint64_t from_seq; /* everything after this must come */
    bool welcomed;
    bool *got; /* by seq: received since from_seq */
};

static struct taxonomy *t;
static struct support_random rnd;
static struct hub *hub;
static struct sim sims[READERS];
static struct record records[LOG_MAX];
static uint64_t head;
static char epoch[EPOCH_BYTES];
static struct epoch_past past[EPOCH_PAST_MAX];
static int past_count;
static uint64_t heard; /* what the hub was given */
static size_t log_reads;
static bool calm; /* transports take everything */

/* --- the log, read later as by Redis --- */

static struct {
    log_page_fn *done;
    void *user;
    uint64_t from;
    size_t limit;
} asked;

static void read_log(struct store *store, uint64_t from_seq, size_t limit, log_page_fn *done,
                     void *user) {
    (void)store;
    assert_null(asked.done); /* one at a time */
    asked.done = done;
    asked.user = user;
    asked.from = from_seq;
    asked.limit = limit;
    log_reads++;
}

static uint64_t log_oldest(void) {
    return head > WINDOW ? head - WINDOW + 1 : 1;
}

static struct log_entry entry_at(uint64_t seq) {
    struct log_entry e = {.position = {.seq = seq}, .json = str_of(records[seq].json)};
    memcpy(e.position.epoch, epoch, EPOCH_BYTES);
    return e;
}

static void answer_log(void) {
    struct log_entry page[LOG_PAGE_ENTRIES];
    size_t count = 0;
    if (!asked.done) {
        return;
    }
    log_page_fn *done = asked.done;
    asked.done = NULL;
    if (support_below(&rnd, 10) == 0) {
        done(asked.user, ERR_UNAVAILABLE, NULL, 0);
        return;
    }
    uint64_t seq = asked.from > log_oldest() ? asked.from : log_oldest();
    for (; seq <= head && count < asked.limit; seq++) {
        page[count++] = entry_at(seq);
    }
    done(asked.user, ERR_OK, page, count);
}

/* --- readers --- */

static struct sim *sim_of(const struct reader *r) {
    return (struct sim *)r;
}

static bool sim_can_write(const struct reader *r) {
    return sim_of(r)->room;
}

static enum err sim_write(struct reader *r, struct str bytes) {
    struct sim *s = sim_of(r);
    assert_true(s->connected && !s->told_bye);
    buf_put_str(&s->in, bytes);
    if (calm) {
        return ERR_OK;
    }
    if (support_below(&rnd, 6) == 0) {
        s->room = false; /* the kernel took only a part */
    }
    return support_below(&rnd, 400) == 0 ? ERR_CLOSED : ERR_OK;
}

static void sim_want_writable(struct reader *r) {
    sim_of(r)->wants_room = true;
}

static void sim_kill(struct reader *r) {
    struct sim *s = sim_of(r);
    s->connected = false;
    buf_clear(&s->in); /* lost on the way */
    reader_leave(r);
}

static void sim_end(struct reader *r, struct str bytes) {
    struct sim *s = sim_of(r);
    buf_put_str(&s->in, bytes);
    s->told_bye = true;
}

static const struct transport transport = {
    .kind = FRAME_WS,
    .can_write = sim_can_write,
    .write = sim_write,
    .want_writable = sim_want_writable,
    .end = sim_end,
    .kill = sim_kill,
};

static uint64_t seq_of(const char *position) {
    struct position p;
    assert_int_equal(position_parse(str_of(position), &p), ERR_OK);
    return p.seq;
}

static void on_welcome(struct sim *s, const cJSON *json) {
    const char *position = cJSON_GetObjectItem(json, "position")->valuestring;
    bool recovered = cJSON_IsTrue(cJSON_GetObjectItem(json, "recovered"));
    const cJSON *reason = cJSON_GetObjectItem(json, "reason");
    uint64_t seq = seq_of(position);
    if (!s->welcomed || !recovered) {
        /* Started here, or was told that continuity is lost. */
        memset(s->got, 0, LOG_MAX);
        s->from_seq = seq;
    } else if (reason && strcmp(reason->valuestring, "failover") == 0) {
        /* What came after that position is not part of this history. */
        memset(s->got + seq + 1, 0, LOG_MAX - (size_t)seq - 1);
    } else {
        assert_int_equal(seq, seq_of(s->position));
    }
    s->welcomed = true;
    s->last_seq = seq;
    (void)snprintf(s->position, sizeof(s->position), "%s", position);
}

static void on_alert(struct sim *s, const cJSON *json) {
    const char *position = cJSON_GetObjectItem(json, "position")->valuestring;
    uint64_t seq = seq_of(position);
    assert_true(s->welcomed);
    if (cJSON_IsTrue(cJSON_GetObjectItem(json, "replay"))) {
        assert_true(seq <= s->last_seq);
        return;
    }
    if (seq <= s->last_seq) {
        fail_msg("reader %d: alert %llu after %llu", (int)(s - sims), (unsigned long long)seq,
                 (unsigned long long)s->last_seq);
    }
    assert_false(s->got[seq]);
    s->got[seq] = true;
    s->last_seq = seq;
    (void)snprintf(s->position, sizeof(s->position), "%s", position);
}

static void on_message(struct sim *s, const char *text, size_t n) {
    cJSON *json = cJSON_ParseWithLength(text, n);
    assert_non_null(json);
    const char *type = cJSON_GetObjectItem(json, "type")->valuestring;
    if (strcmp(type, "welcome") == 0) {
        on_welcome(s, json);
    } else if (strcmp(type, "ping") == 0) {
        const cJSON *position = cJSON_GetObjectItem(json, "position");
        if (position) {
            assert_true(seq_of(position->valuestring) >= s->last_seq);
            s->last_seq = seq_of(position->valuestring);
            (void)snprintf(s->position, sizeof(s->position), "%s", position->valuestring);
        }
    } else if (strcmp(type, "alert") == 0 || strcmp(type, "update") == 0 ||
               strcmp(type, "cancel") == 0) {
        on_alert(s, json);
    }
    cJSON_Delete(json);
}

/* Parses everything that arrived. */
static void receive(struct sim *s) {
    size_t at = 0;
    while (at < s->in.n) {
        const unsigned char *p = (const unsigned char *)s->in.p + at;
        size_t size = p[1];
        size_t header = 2;
        if (size == 126) {
            size = (size_t)p[2] << 8 | p[3];
            header = 4;
        }
        assert_true(p[1] != 127 && at + header + size <= s->in.n);
        if (p[0] == 0x81) {
            on_message(s, (const char *)p + header, size);
        } else if (p[0] == 0x88) {
            s->close_code = p[header] << 8 | p[header + 1];
        }
        at += header + size;
    }
    buf_clear(&s->in);
}

static void connect_sim(struct sim *s) {
    s->connected = s->room = true;
    s->told_bye = s->wants_room = false;
    s->close_code = 0;
    buf_clear(&s->in);
    reader_init(&s->reader, hub, &transport);
    struct resume resume =
        resume_parse((struct str){s->position[0] ? s->position : NULL, strlen(s->position)});
    reader_hello(&s->reader, &s->filter, &resume);
}

static void disconnect_sim(struct sim *s) {
    if (!s->connected) {
        return;
    }
    receive(s);
    s->connected = false;
    reader_leave(&s->reader);
}

/* A reader whose filter changed has no simple list of what it must have got; it starts anew with
 * its next connection. */
static void change_filter(struct sim *s) {
    disconnect_sim(s);
    filter_finish(&s->filter);
    s->filter = support_random_filter(&rnd, t);
    s->welcomed = false;
    s->position[0] = '\0';
    connect_sim(s);
    receive(s);
    struct filter next = support_random_filter(&rnd, t);
    if (s->connected && !s->told_bye && s->reader.state != READER_GONE) {
        /* The change itself, at a point where all before it was sent or not yet judged. */
        uint64_t seen = reader_seen(&s->reader);
        reader_change_filter(&s->reader, &next);
        filter_finish(&s->filter);
        s->filter = next;
        s->from_seq = seen;
        return;
    }
    filter_finish(&next);
}

/* --- the world --- */

static void write_alert(uint64_t seq) {
    struct record *r = &records[seq];
    free(r->json);
    alert_destroy(r->alert);
    struct alert *a = support_random_alert(&rnd, t);
    struct buf b;
    buf_init(&b, ALERT_JSON_BYTES_MAX);
    alert_put_stored(a, t, &b);
    r->json = buf_take(&b);
    alert_destroy(a);
    assert_int_equal(alert_parse_stored(t, str_of(r->json), &r->alert), ERR_OK);
    r->editions = alert_editions(r->alert, t);
}

static void deliver(void) {
    while (heard < head) {
        struct log_entry e = entry_at(++heard);
        hub_on_entry(hub, &e);
    }
}

static void publish(int count) {
    for (; count > 0 && head + 1 < LOG_MAX; count--) {
        write_alert(++head);
    }
}

static void new_epoch(uint64_t survived) {
    static int number;
    if (past_count < EPOCH_PAST_MAX) {
        past_count++;
    }
    memmove(past + 1, past, sizeof(past[0]) * (size_t)(past_count - 1));
    memcpy(past[0].epoch, epoch, EPOCH_BYTES);
    past[0].survived = survived;
    (void)snprintf(epoch, sizeof(epoch), "e%d", ++number);
}

static struct position here(uint64_t seq) {
    struct position p = {.seq = seq};
    memcpy(p.epoch, epoch, EPOCH_BYTES);
    return p;
}

/* What the bus does after a fail-over that lost the newest entries. */
static void fail_over(void) {
    uint64_t lost = (uint64_t)support_below(&rnd, 20);
    uint64_t survived = head > lost ? head - lost : 0;
    hub_on_live(hub, false);
    head = survived;
    new_epoch(survived);
    asked.done ? answer_log() : (void)0;
    if (heard <= survived) {
        struct position p = here(heard);
        hub_on_epoch(hub, &p, past, past_count);
    } else {
        publish(support_below(&rnd, 10));
        uint64_t preload = head > 100 ? head - 100 : 0;
        preload = preload < log_oldest() - 1 ? log_oldest() - 1 : preload;
        heard = preload;
        struct position p = here(preload);
        hub_on_reset(hub, &p, log_oldest(), past, past_count);
    }
    deliver();
    hub_on_live(hub, true);
}

static void outage(void) {
    hub_on_live(hub, false);
    publish(support_below(&rnd, 30));
    for (int i = 0; i < 3; i++) {
        (void)hub_turn(hub);
    }
    deliver();
    hub_on_live(hub, true);
}

static void make_room(struct sim *s) {
    if (s->connected && !s->room) {
        s->room = true;
        if (s->wants_room) {
            s->wants_room = false;
            reader_on_writable(&s->reader);
        }
    }
}

static bool verify_asked;

static void verify(void *user) {
    (void)user;
    assert_false(verify_asked); /* one at a time, whoever asks */
    verify_asked = true;
}

/* As the bus does: first everything that is new, then the word that this was all. */
static void answer_verify(void) {
    if (verify_asked) {
        verify_asked = false;
        deliver();
        hub_on_verified(hub);
    }
}

static void random_step(void) {
    struct sim *s = &sims[support_below(&rnd, READERS)];
    switch (support_below(&rnd, 12)) {
    case 0:
    case 1:
    case 2:
        publish(1 + support_below(&rnd, 3));
        deliver();
        break;
    case 3:
        disconnect_sim(s);
        break;
    case 4:
    case 5:
        if (!s->connected) {
            connect_sim(s);
        }
        break;
    case 6:
    case 7:
        make_room(s);
        break;
    case 8:
        answer_log();
        answer_verify();
        break;
    case 9:
        (void)hub_turn(hub);
        break;
    case 10:
        clock_advance_for_test(300);
        hub_tick(hub);
        break;
    default:
        receive(s);
        break;
    }
    if (s->told_bye) {
        disconnect_sim(s);
    }
}

static void rare_step(void) {
    switch (support_below(&rnd, 3)) {
    case 0:
        fail_over();
        break;
    case 1:
        outage();
        break;
    default:
        change_filter(&sims[support_below(&rnd, READERS)]);
        break;
    }
}

/* Everybody connected, with room, until nothing is left to do. */
static void settle_world(void) {
    bool was_calm = calm;
    calm = true;
    for (int i = 0; i < 400; i++) {
        for (int n = 0; n < READERS; n++) {
            if (sims[n].told_bye) {
                disconnect_sim(&sims[n]);
            }
            if (!sims[n].connected) {
                connect_sim(&sims[n]);
            }
            make_room(&sims[n]);
        }
        answer_log();
        answer_verify();
        clock_advance_for_test(200);
        hub_tick(hub);
        (void)hub_turn(hub);
    }
    for (int n = 0; n < READERS; n++) {
        receive(&sims[n]);
    }
    calm = was_calm;
}

static void check_reader(const struct sim *s) {
    for (uint64_t seq = s->from_seq + 1; seq <= head; seq++) {
        bool wanted = filter_matches(&s->filter, records[seq].alert, records[seq].editions);
        if (wanted != s->got[seq]) {
            fail_msg("reader %d (from %llu, state %d): alert %llu of %llu %s", (int)(s - sims),
                     (unsigned long long)s->from_seq, s->reader.state, (unsigned long long)seq,
                     (unsigned long long)head, wanted ? "missed" : "not wanted");
        }
    }
}

static void want_turn(void *user) {
    (void)user;
}

static void start_world(bool is_calm) {
    struct hub_options options = {
        .ring_entries = 64,
        .ring_bytes = 1 << 20,
        .snapshot_max = 20,
        .heartbeat_ms = 2000,
        .idle_timeout_ms = 1000000,
        .hello_timeout_ms = 1000000,
        .want_turn = want_turn,
        .verify = verify,
        .read_log = read_log,
    };
    calm = is_calm;
    asked.done = NULL;
    verify_asked = false;
    head = heard = 0;
    past_count = 0;
    (void)snprintf(epoch, sizeof(epoch), "first");
    hub = hub_create(t, &options);
    for (int i = 0; i < READERS; i++) {
        sims[i] = (struct sim){.filter = support_random_filter(&rnd, t)};
        sims[i].got = mem_zalloc(LOG_MAX, sizeof(bool));
        buf_init(&sims[i].in, 64 << 20);
    }
    struct position p = here(0);
    hub_on_reset(hub, &p, 1, past, past_count);
    hub_on_live(hub, true);
}

static void end_world(void) {
    asked.done ? answer_log() : (void)0;
    for (int i = 0; i < READERS; i++) {
        disconnect_sim(&sims[i]);
        filter_finish(&sims[i].filter);
        buf_finish(&sims[i].in);
        free(sims[i].got);
    }
    assert_int_equal(hub_reader_count(hub), 0);
    assert_int_equal(hub->cohorts.count, 0);
    hub_destroy(hub);
    for (int i = 0; i < LOG_MAX; i++) {
        free(records[i].json);
        alert_destroy(records[i].alert);
        records[i] = (struct record){0};
    }
}

static void run_world(int rounds, bool rare) {
    start_world(false);
    for (int round = 0; round < rounds && head + 200 < LOG_MAX; round++) {
        for (int i = 0; i < 300; i++) {
            random_step();
        }
        if (rare) {
            rare_step();
        }
        if (round % 5 == 4) {
            settle_world();
            for (int i = 0; i < READERS; i++) {
                check_reader(&sims[i]);
            }
        }
    }
    end_world();
}

static void test_calm(void **state) {
    (void)state;
    run_world(20, false);
    assert_true(log_reads > 0); /* or old positions were not tried */
}

static void test_with_failures(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        run_world(30, true);
    }
}

/* --- single properties --- */

static void hello_all(struct sim *s) {
    filter_finish(&s->filter);
    filter_init(&s->filter);
    connect_sim(s);
}

/* Ten matching readers cost ten visits, whoever else is there. */
static void test_only_members_are_visited(void **state) {
    (void)state;
    start_world(true);
    for (int i = 0; i < READERS; i++) {
        filter_finish(&sims[i].filter);
        filter_init(&sims[i].filter);
        sims[i].filter.regions =
            UINT64_C(1) << taxonomy_find(t, DIM_REGION, str_of(i < 10 ? "europe" : "asia"));
        connect_sim(&sims[i]);
    }
    assert_int_equal(hub->cohorts.count, 2);
    struct made_alert made = {.region = "europe", .urgency = URGENCY_HIGH};
    free(records[1].json);
    records[1].json = make_stored(t, &made, NULL);
    assert_int_equal(alert_parse_stored(t, str_of(records[1].json), &records[1].alert), ERR_OK);
    head = 1;
    deliver();
    hub_tick(hub);
    while (hub_turn(hub)) {
    }
    for (int i = 0; i < READERS; i++) {
        receive(&sims[i]);
        assert_int_equal(sims[i].got[1], i < 10 && sims[i].connected);
    }
    end_world();
}

/* A reader that never makes room holds one write; it is cut when the ring has passed it. */
static void test_laggard_is_cut(void **state) {
    (void)state;
    start_world(true);
    struct sim *s = &sims[0];
    hello_all(s);
    receive(s);
    s->room = false;
    size_t held = s->in.n;
    struct made_alert made = {.region = "europe", .urgency = URGENCY_HIGH};
    for (int i = 0; i < 80; i++) {
        uint64_t seq = ++head;
        records[seq].json = make_stored(t, &made, NULL);
        deliver();
        (void)hub_turn(hub);
        assert_int_equal(s->in.n, held);
    }
    assert_int_equal(s->reader.state, READER_CHOKED);
    for (int i = 0; i < 50 && !s->told_bye; i++) {
        clock_advance_for_test(200);
        hub_tick(hub);
    }
    assert_true(s->told_bye);
    receive(s);
    assert_int_equal(s->close_code, 4101);
    end_world();
}

/* A reader that comes from a node that heard more than this one: no answer before this one knows
 * as much, then no repetition. */
static void test_ahead_of_this_node(void **state) {
    (void)state;
    start_world(true);
    struct sim *s = &sims[0];
    struct sim *late = &sims[1];
    struct made_alert made = {.region = "europe", .urgency = URGENCY_HIGH};
    for (head = 1; head <= 5; head++) {
        records[head].json = make_stored(t, &made, NULL);
    }
    head = 5;
    (void)snprintf(s->position, sizeof(s->position), "%s:5", epoch);
    (void)snprintf(late->position, sizeof(late->position), "%s:9", epoch);
    s->last_seq = 5;
    hello_all(s);
    hello_all(late); /* asks while the first question is under way: has to wait for a second */
    receive(s);
    assert_false(s->welcomed);
    answer_verify();
    (void)hub_turn(hub);
    receive(s);
    assert_true(s->welcomed);
    assert_int_equal(s->reader.verdict, VERDICT_CONTINUED);
    assert_int_equal(late->reader.state, READER_WAITING);
    answer_verify();
    assert_int_equal(late->reader.verdict, VERDICT_FAILOVER); /* nobody knows more */
    while (hub_turn(hub)) {
    }
    receive(s);
    receive(late);
    for (uint64_t seq = 1; seq <= 5; seq++) {
        assert_false(s->got[seq]);
    }
    assert_true(late->welcomed);
    end_world();
}

/* More urgent alerts are written first where different readers follow them. */
static void test_flash_overtakes(void **state) {
    (void)state;
    start_world(true);
    static const char *const regions[] = {"asia", "europe"};
    for (int i = 0; i < 2; i++) {
        filter_finish(&sims[i].filter);
        filter_init(&sims[i].filter);
        sims[i].filter.regions = UINT64_C(1) << taxonomy_find(t, DIM_REGION, str_of(regions[i]));
        connect_sim(&sims[i]);
        receive(&sims[i]);
        sims[i].room = true;
    }
    struct made_alert normal = {.region = "asia", .urgency = URGENCY_NORMAL};
    struct made_alert flash = {.region = "europe", .urgency = URGENCY_FLASH};
    records[1].json = make_stored(t, &normal, NULL);
    records[2].json = make_stored(t, &flash, NULL);
    head = 2;
    deliver();
    const struct cohort *asia = sims[0].reader.cohort;
    const struct cohort *europe = sims[1].reader.cohort;
    assert_ptr_equal(hub->queues[URGENCY_FLASH].next, &europe->queue);
    assert_ptr_equal(hub->queues[URGENCY_NORMAL].next, &asia->queue);
    while (hub_turn(hub)) {
    }
    end_world();
}

static void publish_made(const char *region, enum urgency urgency) {
    struct made_alert made = {.region = region, .urgency = urgency};
    records[++head].json = make_stored(t, &made, NULL);
    deliver();
}

/* How many of the readers from..to-1 have alert `seq`. */
static int count_have(int from, int to, uint64_t seq) {
    int have = 0;
    for (int i = from; i < to; i++) {
        receive(&sims[i]); /* fails where one comes out of order */
        have += sims[i].got[seq];
    }
    return have;
}

/* A flash in the middle of another fan-out: those who follow only it get it before the rest of the
 * other; who follows both gets both in order, first those not visited yet. */
static void test_flash_in_mid_fan_out(void **state) {
    (void)state;
    enum { HALF = READERS / 2, PART = 5 };
    start_world(true);
    for (int i = 0; i < READERS; i++) {
        filter_finish(&sims[i].filter);
        filter_init(&sims[i].filter);
        sims[i].filter.regions =
            UINT64_C(1) << taxonomy_find(t, DIM_REGION, str_of(i < HALF ? "asia" : "europe"));
        connect_sim(&sims[i]);
    }
    publish_made("asia", URGENCY_NORMAL);
    assert_int_equal(fanout_run(hub, PART), PART);
    assert_int_equal(count_have(0, HALF, 1), PART);
    publish_made("europe", URGENCY_FLASH);
    assert_int_equal(fanout_run(hub, HALF), HALF);
    assert_int_equal(count_have(HALF, READERS, 2), HALF);
    assert_int_equal(count_have(0, HALF, 1), PART);
    publish_made("asia", URGENCY_FLASH);
    assert_int_equal(fanout_run(hub, HALF - PART), HALF - PART);
    assert_int_equal(count_have(0, HALF, 1), HALF);
    assert_int_equal(count_have(0, HALF, 3), HALF - PART);
    assert_int_equal(fanout_run(hub, READERS), PART);
    assert_int_equal(count_have(0, HALF, 3), HALF);
    end_world();
}

static int setup(void **state) {
    (void)state;
    log_setup(LOG_FORMAT_KV, LOG_ERROR);
    rnd = support_random_start();
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
        cmocka_unit_test(test_calm),
        cmocka_unit_test(test_with_failures),
        cmocka_unit_test(test_only_members_are_visited),
        cmocka_unit_test(test_laggard_is_cut),
        cmocka_unit_test(test_ahead_of_this_node),
        cmocka_unit_test(test_flash_overtakes),
        cmocka_unit_test(test_flash_in_mid_fan_out),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

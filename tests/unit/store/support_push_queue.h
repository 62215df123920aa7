#pragma once
/* A registry with its naive model, random alerts, and a dispatcher that pushes to nobody, for the
 * tests of the push queue. */
#include "model/json.h"
#include "store/alert_store.h"
#include "store/push_queue.h"
#include "support_devices.h"

enum { DEVICES = 2000, EDITIONS_MAX = 8, REGIONS_MAX = 16 };

/* ---- registry and its naive model ---- */

struct registry {
    struct device *devices[DEVICES];
    int left; /* answers awaited */
};

static inline void on_registered(void *user, const struct device_put_result *result) {
    assert_int_equal(result->status, DEVICE_PUT_CREATED);
    ((struct registry *)user)->left--;
}

/* Numbers start shortly before the end of block 0, so that two blocks are used. */
static inline void registry_fill(struct fixture *f, struct registry *r) {
    (void)test_redis_raw(&f->redis, "SET {d}:next 15400");
    for (unsigned i = 0; i < DEVICES; i++) {
        r->devices[i] = random_device(f, i, i * 7919 + 1);
        free(r->devices[i]->token);
        r->devices[i]->token = make_token(r->devices[i]->platform, i);
        r->left++;
        device_store_put(f->store, f->t, r->devices[i], (struct str){NULL, 0}, true, on_registered,
                         r);
    }
    RUN_UNTIL(&f->loop, 20000, r->left == 0);
}

static inline void registry_finish(struct registry *r) {
    for (int i = 0; i < DEVICES; i++) {
        device_destroy(r->devices[i]);
    }
}

static inline bool follows_tag(const struct device *d, const struct alert *a) {
    for (int i = 0; i < d->tag_count; i++) {
        for (int k = 0; k < a->tag_count; k++) {
            if (str_ieq(str_of(d->tags[i]), str_of(a->tags[k]))) {
                return true;
            }
        }
    }
    return false;
}

/* The rule of the design, said plainly. */
static inline bool is_wanted(const struct fixture *f, const struct device *d,
                             const struct alert *a) {
    const struct audience *to = &a->audience;
    bool region = to->regions_all || d->regions == 0 || (d->regions & to->regions_match);
    bool section = to->sections == 0 || d->sections == 0 || (d->sections & to->sections);
    return ((region && section) || follows_tag(d, a)) &&
           (alert_editions(a, f->t) >> d->edition & 1) &&
           (to->platforms == 0 || (to->platforms >> d->platform & 1)) &&
           a->urgency <= d->min_urgency && (a->status == STATUS_ACTUAL || d->test);
}

struct expected {
    uint64_t total;
    uint64_t by[PLATFORM_COUNT][EDITIONS_MAX];
    uint64_t by_region[REGIONS_MAX];
};

static inline struct expected expect(const struct fixture *f, const struct registry *r,
                                     const struct alert *a) {
    struct expected e = {0};
    for (int i = 0; i < DEVICES; i++) {
        const struct device *d = r->devices[i];
        if (!is_wanted(f, d, a)) {
            continue;
        }
        e.total++;
        e.by[d->platform][d->edition]++;
        for (int region = 0; region < taxonomy_count(f->t, DIM_REGION); region++) {
            e.by_region[region] += d->regions == 0 || (d->regions >> region & 1);
        }
    }
    return e;
}

/* ---- alerts ---- */

static inline struct alert *random_alert(const struct fixture *f, unsigned seed) {
    struct alert *a = alert_create();
    codec_uuid7(a->id);
    a->urgency = (enum urgency)(rand_r(&seed) % URGENCY_COUNT);
    a->status = rand_r(&seed) % 5 ? STATUS_ACTUAL : STATUS_TEST;
    a->audience.regions = random_follows(f->t, DIM_REGION, &seed);
    a->audience.regions_all = a->audience.regions == 0;
    a->audience.regions_match = taxonomy_with_parents(f->t, a->audience.regions);
    a->audience.sections = random_follows(f->t, DIM_SECTION, &seed);
    a->audience.platforms = rand_r(&seed) % 4 ? 0 : 1u << PLATFORM_FCM;
    for (int e = 0; e < taxonomy_count(f->t, DIM_EDITION); e++) {
        if (e == 0 || rand_r(&seed) % 3) {
            a->content[e].headline = mem_strdup("Headline");
            a->audience.editions |= UINT64_C(1) << e;
        }
    }
    if (rand_r(&seed) % 2) {
        a->tags[a->tag_count++] = mem_strdup("ELECTIONS");
        a->tags[a->tag_count++] = mem_strdup("a");
    }
    a->ttl_s = 3600;
    a->created_by = mem_strdup("key");
    a->sent_ms = clock_wall_ms();
    return a;
}

static inline void on_publish(void *user, const struct publish_result *result) {
    *(struct publish_result *)user = *result;
}

static inline void publish(struct fixture *f, const struct alert *a) {
    struct publish_result result = {.status = (enum publish_status)99};
    const struct publish_request request = {
        .alert = a, .idempotency_key = str_of(a->id), .fingerprint = STR("f")};
    alert_store_publish(f->store, f->t, &request, on_publish, &result);
    RUN_UNTIL(&f->loop, 5000, result.status != (enum publish_status)99);
    assert_int_equal(result.status, PUBLISH_ACCEPTED);
}

/* ---- statistics ---- */

struct stats {
    bool done;
    enum err err;
    char *json;
};

static inline void on_stats(void *user, enum err err, struct str json) {
    struct stats *stats = user;
    stats->done = true;
    stats->err = err;
    stats->json = mem_strndup(json.p, json.n);
}

static inline char *read_stats(struct fixture *f, const char *id) {
    struct stats stats = {0};
    alert_store_stats(f->store, f->t, str_of(id), 0, on_stats, &stats);
    RUN_UNTIL(&f->loop, 5000, stats.done);
    assert_int_equal(stats.err, ERR_OK);
    return stats.json;
}

/* The number at a path such as "platforms/apns/targeted"; 0 where it is absent. */
static inline uint64_t number_at(const char *json, const char *path) {
    struct problem *problems = problem_create();
    struct cJSON *root = NULL;
    int64_t value = 0;
    assert_int_equal(json_parse(str_of(json), "", &root, problems), ERR_OK);
    struct json_reader r = {.object = root};
    struct str rest = str_of(path);
    struct str part;
    while (str_split(&rest, '/', &part)) {
        char name[64];
        (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(part));
        if (!rest.p) {
            (void)json_read_int(&r, name, 0, INT64_C(1) << 50, &value);
        } else if ((r.object = json_member(&r, name)) == NULL) {
            break;
        }
    }
    json_destroy(root);
    problem_destroy(problems);
    return (uint64_t)value;
}

static inline void check_targeted(struct fixture *f, const struct expected *e,
                                  const struct alert *a) {
    char *json = read_stats(f, a->id);
    uint64_t rows =
        a->audience.regions_all ? taxonomy_all(f->t, DIM_REGION) : a->audience.regions_match;
    char path[128];
    assert_int_equal(number_at(json, "total/targeted"), e->total);
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        uint64_t sum = 0;
        for (int k = 0; k < EDITIONS_MAX; k++) {
            sum += e->by[p][k];
        }
        (void)snprintf(path, sizeof(path), "platforms/%s/targeted", platform_names[p]);
        assert_int_equal(number_at(json, path), sum);
    }
    for (int k = 0; k < taxonomy_count(f->t, DIM_EDITION); k++) {
        uint64_t sum = 0;
        for (int p = 0; p < PLATFORM_COUNT; p++) {
            sum += e->by[p][k];
        }
        (void)snprintf(path, sizeof(path), "editions/%s/targeted",
                       taxonomy_name(f->t, DIM_EDITION, k));
        assert_int_equal(number_at(json, path), sum);
    }
    for (int r = 0; r < taxonomy_count(f->t, DIM_REGION); r++) {
        (void)snprintf(path, sizeof(path), "regions/%s/targeted",
                       taxonomy_name(f->t, DIM_REGION, r));
        assert_int_equal(number_at(json, path), rows >> r & 1 ? e->by_region[r] : 0);
    }
    free(json);
}

/* ---- a dispatcher that hands nothing to nobody ---- */

struct worker {
    struct fixture *f;
    struct push_queue *queue;
    int planned;
    uint64_t targeted;
    int jobs;
    int jobs_done;
    int jobs_aborted; /* said to be, when they were handed out */
    int pages;
    int die_after_pages; /* stop answering in the middle of a job; 0 = never */
    int forget_flushes;  /* as if outcomes were lost: that many pages are not flushed */
    bool is_dead;
    size_t page_size;
    int pushed[DEVICES];        /* by device */
    enum urgency urgencies[64]; /* of the jobs, in order */
    char alerts[64][UUID_BYTES];
    char texts[2][1024]; /* of the first jobs: the alert as handed out */
};

struct work {
    struct worker *w;
    struct push_job job;
    uint32_t next_slot;
    bool is_repeat; /* of a job that is finished already */
};

static inline void next_page(struct work *work);

static inline void on_finished(void *user, enum err err) {
    struct work *work = user;
    assert_int_equal(err, ERR_OK);
    work->w->jobs_done++;
    push_queue_allow_next(work->w->queue, &work->job);
    free(work);
}

static inline void on_flushed(void *user, enum err err) {
    struct work *work = user;
    if (work->w->is_dead) {
        free(work);
        return;
    }
    assert_int_equal(err, ERR_OK);
    next_page(work);
}

static inline int device_of(const struct registry *r, struct str token, enum platform platform) {
    for (int i = 0; i < DEVICES; i++) {
        if (r->devices[i]->platform == platform && str_eq(str_of(r->devices[i]->token), token)) {
            return i;
        }
    }
    return -1;
}

static const struct registry *the_registry; /* of the test that runs */

static inline void on_targets(void *user, enum err err, const struct push_target *targets,
                              size_t count, uint32_t next_slot, uint32_t held) {
    struct work *work = user;
    struct worker *w = work->w;
    struct push_outcome outcomes[512];
    if (w->is_dead || (w->die_after_pages && w->pages == w->die_after_pages)) {
        w->is_dead = true;
        free(work);
        return;
    }
    assert_int_equal(err, ERR_OK);
    assert_true(count <= w->page_size && count <= 512);
    for (size_t i = 0; i < count; i++) {
        int device = device_of(the_registry, targets[i].token, work->job.platform);
        assert_true(i == 0 || targets[i].slot > targets[i - 1].slot);
        if (targets[i].token.n) {
            const struct device *d;
            assert_true(device >= 0);
            d = the_registry->devices[device];
            assert_int_equal(d->edition, targets[i].edition);
            assert_true(str_eq(str_of(d->app), targets[i].app) || (!d->app && !targets[i].app.n));
            w->pushed[device]++;
        }
        outcomes[i].slot = (uint16_t)targets[i].slot;
        outcomes[i].edition = (uint8_t)targets[i].edition;
        outcomes[i].took = 100;
        outcomes[i].outcome =
            targets[i].token.n ? (uint8_t)(targets[i].slot % 10 ? OUTCOME_ACCEPTED : OUTCOME_FAILED)
                               : (uint8_t)OUTCOME_TOKEN_DEAD;
    }
    assert_int_equal(held, 0);
    w->pages++;
    work->next_slot = next_slot;
    if (w->forget_flushes > 0 && count) {
        w->forget_flushes--;
        next_page(work);
    } else {
        push_queue_flush(w->queue, &work->job, outcomes, count, on_flushed, work);
    }
}

static inline void next_page(struct work *work) {
    if (work->next_slot == BLOCK_DEVICES && work->is_repeat) {
        work->w->jobs_done++;
        free(work);
    } else if (work->next_slot == BLOCK_DEVICES) {
        push_queue_finish(work->w->queue, &work->job, on_finished, work);
    } else {
        const struct push_page page = {.from_slot = work->next_slot, .limit = work->w->page_size};
        push_queue_targets(work->w->queue, &work->job, &page, on_targets, work);
    }
}

static inline void on_job(void *user, const struct push_job *job, struct str alert_json) {
    struct worker *w = user;
    struct work *work = mem_zalloc(1, sizeof(*work));
    assert_true(alert_json.n > 0 && memmem(alert_json.p, alert_json.n, job->alert_id, 36));
    if (w->jobs < 64) {
        w->urgencies[w->jobs] = job->urgency;
        memcpy(w->alerts[w->jobs], job->alert_id, UUID_BYTES);
    }
    if (w->jobs < 2) {
        (void)snprintf(w->texts[w->jobs], sizeof(w->texts[0]), "%.*s", STR_ARG(alert_json));
    }
    w->jobs++;
    w->jobs_aborted += job->ended == (int)OUTCOME_ABORTED;
    *work = (struct work){.w = w, .job = *job};
    next_page(work);
}

static inline void on_planned(void *user, struct str alert_id, uint64_t targeted, uint64_t jobs) {
    struct worker *w = user;
    assert_int_equal(alert_id.n, UUID_BYTES - 1);
    assert_true(jobs <= 4);
    w->planned++;
    w->targeted += targeted;
}

static const struct push_queue_handlers handlers = {.on_planned = on_planned, .on_job = on_job};

static inline void worker_create(struct fixture *f, struct worker *w, const char *name) {
    memset(w, 0, sizeof(*w));
    w->f = f;
    w->page_size = 100;
    assert_int_equal(push_queue_create(&f->loop, f->store, f->cfg, f->t, name, &w->queue), ERR_OK);
}

static inline void worker_start(struct fixture *f, struct worker *w, const char *name, int credit) {
    worker_create(f, w, name);
    push_queue_start(w->queue, &handlers, w);
    for (int p = PLATFORM_APNS; p <= PLATFORM_FCM && credit; p++) {
        push_queue_allow(w->queue, (enum platform)p, credit);
    }
}

static inline bool is_settled(struct fixture *f, const char *id) {
    char *json = read_stats(f, id);
    bool settled = strstr(json, "\"state\":\"done\"") != NULL;
    free(json);
    return settled;
}

static inline void check_sums(struct fixture *f, const struct registry *r, const struct alert *a,
                              const struct expected *e) {
    char *json = read_stats(f, a->id);
    uint64_t accepted = number_at(json, "total/accepted");
    uint64_t failed = number_at(json, "total/failed");
    (void)r;
    assert_int_equal(number_at(json, "total/targeted"), e->total);
    assert_int_equal(accepted + failed + number_at(json, "total/token_dead"), e->total);
    assert_int_equal(number_at(json, "total/to_go"), 0);
    free(json);
}

static inline struct alert *alert_to_all(const struct fixture *f, enum urgency urgency) {
    struct alert *a = random_alert(f, 1);
    a->urgency = urgency;
    a->status = STATUS_ACTUAL;
    a->audience = (struct audience){.regions_all = true};
    for (int e = 0; e < taxonomy_count(f->t, DIM_EDITION); e++) {
        free(a->content[e].headline);
        a->content[e].headline = mem_strdup("To all");
    }
    return a;
}

static inline void on_done(void *user, enum err err) {
    assert_int_equal(err, ERR_OK);
    ++*(int *)user;
}

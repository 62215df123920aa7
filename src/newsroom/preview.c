#include "newsroom/preview.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "model/json.h"
#include "newsroom/confirm.h"
#include "newsroom/local_time.h"
#include "newsroom/preview_render.h"
#include "store/alert_store.h"
#include "store/audience.h"
#include "store/publish_guard.h"
#include "store/reader_board.h"

enum { ANSWER_BYTES_MAX = 1 << 24 }; /* 64 editions, each as large as it may be, three times */

struct preview {
    struct call *call;
    struct alert *alert;
    struct reader_counts readers;
    char former[UUID_BYTES]; /* alert that said the same */
    bool is_broken;          /* the key's breaker has tripped */
    bool by_zone;
    size_t zone_count; /* values counted by before those of local_time */
    struct buf answer; /* under construction */
};

static void preview_free(struct preview *pv) {
    pv->call->room->previews--;
    alert_destroy(pv->alert);
    buf_finish(&pv->answer);
    free(pv);
}

static void refuse(struct preview *pv, int status, const char *detail, const struct problem *p) {
    metrics_add(M_PREVIEWS_REFUSED, 1);
    struct call *call = pv->call;
    preview_free(pv);
    call_problem(call, status, detail, p);
}

static void refuse_one(struct preview *pv, int status, const char *pointer, const char *code,
                       const char *detail) {
    struct problem *p = problem_create();
    problem_add(p, pointer, code, "%s", detail);
    refuse(pv, status, detail, p);
    problem_destroy(p);
}

static void unavailable(struct preview *pv, const char *detail) {
    metrics_add(M_PREVIEWS_REFUSED, 1);
    struct call *call = pv->call;
    preview_free(pv);
    call_unavailable(call, detail);
}

/* --- the answer --- */

static void put_object(struct buf *b, const char *name) {
    json_put_name(b, name);
    buf_putc(b, '{');
}

static void put_editions(struct buf *b, const struct audience_counts *c, int platform) {
    for (int e = 0; e < c->editions; e++) {
        if (c->edition_mask >> e & 1) {
            uint64_t count = platform < 0 ? audience_of_edition(c, e)
                                          : audience_of(c, (enum platform)platform, e);
            json_put_int(b, taxonomy_name(c->t, DIM_EDITION, e), (int64_t)count);
        }
    }
    buf_putc(b, '}');
}

static void put_platforms(struct buf *b, const struct audience_counts *c) {
    put_object(b, "platforms");
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        if (c->platforms >> p & 1) {
            json_put_int(b, platform_names[p], (int64_t)audience_of_platform(c, (enum platform)p));
        }
    }
    buf_putc(b, '}');
    put_object(b, "editions");
    put_editions(b, c, -1);
    put_object(b, "platform_editions");
    for (int p = 0; p < PLATFORM_COUNT; p++) {
        if (c->platforms >> p & 1) {
            put_object(b, platform_names[p]);
            put_editions(b, c, p);
        }
    }
    buf_putc(b, '}');
}

static void put_regions(struct buf *b, const struct audience_counts *c) {
    put_object(b, "regions");
    for (int r = 0; r < taxonomy_count(c->t, DIM_REGION); r++) {
        if (c->regions >> r & 1) {
            json_put_int(b, taxonomy_name(c->t, DIM_REGION, r), (int64_t)audience_of_region(c, r));
        }
    }
    buf_putc(b, '}');
}

static void put_zones(struct buf *b, struct audience_counts *c, size_t zone_count) {
    const struct str *zones = args_words(&c->values);
    put_object(b, "time_zones");
    for (size_t z = 0; z < zone_count; z++) {
        uint64_t count = audience_of_value(c, z);
        if (count) {
            struct str name = zones[z];
            struct str kind;
            (void)str_split(&name, ':', &kind);
            json_put_comma(b);
            buf_put_json(b, name);
            buf_printf(b, ":%" PRIu64, count);
        }
    }
    buf_putc(b, '}');
}

static void put_readers(struct buf *b, const struct reader_counts *r) {
    put_object(b, "readers");
    json_put_int(b, "online", (int64_t)r->online);
    json_put_int(b, "matching", (int64_t)r->matching);
    json_put_int(b, "unlisted", (int64_t)r->unlisted);
    buf_putc(b, '}');
}

static void put_local_time(uint64_t night, uint64_t known, struct buf *b) {
    put_object(b, "local_time");
    json_put_int(b, "night", (int64_t)night);
    json_put_int(b, "known", (int64_t)known);
    buf_putc(b, '}');
}

/* When it would go out if it were posted now. */
static int64_t due_ms(const struct alert *a) {
    int64_t due = clock_wall_ms();
    due = a->send_at_ms > due ? a->send_at_ms : due;
    return a->embargo_ms > due ? a->embargo_ms : due;
}

/* What is sent, and what is to be said about that. */
static void put_look(const struct preview *pv, struct audience_counts *counts, struct buf *b) {
    const struct room *room = pv->call->room;
    const struct alert *a = pv->alert;
    uint64_t night = audience_of_value(counts, pv->zone_count);
    uint64_t day = audience_of_value(counts, pv->zone_count + 1);
    struct alert *sent = preview_render_alert(room, a, due_ms(a));
    struct problem *warnings = problem_create();
    struct advice advice = {.alert = sent,
                            .t = room->t,
                            .total = audience_total(counts),
                            .former = str_of(pv->former),
                            .is_broken = pv->is_broken,
                            .night = night};
    for (int e = 0; e < counts->editions; e++) {
        advice.devices[e] = audience_of_edition(counts, e);
    }
    put_local_time(night, night + day, b);
    json_put_name(b, "rendered");
    preview_render_put(room, sent, &advice, b);
    json_put_name(b, "lengths");
    advice_put_lengths(&advice, b);
    advice_find(&advice, warnings);
    json_put_name(b, "warnings");
    problem_put_errors(warnings, b);
    problem_destroy(warnings);
    alert_destroy(sent);
}

static void on_token(void *user, enum err err, const char *token, int64_t expires_ms) {
    struct preview *pv = user;
    struct call *call = pv->call;
    struct buf b = pv->answer;
    char expires_at[CLOCK_ISO_BYTES];
    if (err != ERR_OK) {
        unavailable(pv, "The store cannot be reached; try again.");
        return;
    }
    clock_format_iso(expires_ms, expires_at);
    json_put_text(&b, "confirm_token", token);
    json_put_text(&b, "confirm_expires_at", expires_at);
    buf_putc(&b, '}');
    buf_init(&pv->answer, 0);
    metrics_add(M_PREVIEWS, 1);
    metrics_observe_ms(M_PREVIEW_MS, (double)(clock_mono_us() - call->started_us) / 1000);
    preview_free(pv);
    call_answer(call, buf_str(&b));
    buf_finish(&b);
}

static void on_counted(void *user, enum err err, struct audience_counts *counts) {
    struct preview *pv = user;
    if (err != ERR_OK) {
        unavailable(pv, "The store cannot be reached; try again.");
        return;
    }
    struct room *room = pv->call->room;
    struct buf *b = &pv->answer;
    uint64_t total = audience_total(counts);
    buf_putc(b, '{');
    json_put_int(b, "total", (int64_t)total);
    put_platforms(b, counts);
    put_regions(b, counts);
    if (pv->by_zone) {
        put_zones(b, counts, pv->zone_count);
    }
    put_readers(b, &pv->readers);
    put_look(pv, counts, b);
    json_put_bool(b, "needs_approval",
                  confirm_needs_approval(room, &pv->call->key, pv->alert, total));
    confirm_make(room, &pv->call->key, pv->alert, total, on_token, pv);
}

static void on_zones(void *user, enum err err, struct args *zones) {
    struct preview *pv = user;
    struct room *room = pv->call->room;
    struct args values;
    if (err != ERR_OK) {
        unavailable(pv, "The store cannot be reached; try again.");
        return;
    }
    args_init(&values);
    if (pv->by_zone) {
        args_put_all(&values, zones);
    }
    pv->zone_count = values.count;
    local_time_put_values(zones, due_ms(pv->alert), &values);
    audience_count(room->store, room->t, pv->alert, &values, on_counted, pv);
    args_finish(&values);
}

static void on_readers(void *user, enum err err, const struct reader_counts *counts) {
    struct preview *pv = user;
    if (err != ERR_OK) {
        unavailable(pv, "The store cannot be reached; try again.");
        return;
    }
    pv->readers = *counts;
    audience_zones(pv->call->room->store, on_zones, pv);
}

/* --- the request --- */

/* True when the key may; else it was answered and `pv` is gone. A key that publishes is told what
 * it may not, as by a post; one that only reads may count anybody. */
static bool check_scope(struct preview *pv) {
    const struct key_scope *scope = &pv->call->key.scope;
    struct problem *p = problem_create();
    if (scope->publish || !scope->read) {
        api_key_check_alert(scope, pv->call->room->t, pv->alert, p);
    }
    bool may = problem_is_empty(p);
    if (!may) {
        refuse(pv, 403, "This key may not do that.", p);
    }
    problem_destroy(p);
    return may;
}

static void on_guard(void *user, enum err err, struct str former, bool is_broken) {
    struct preview *pv = user;
    struct room *room = pv->call->room;
    if (err != ERR_OK) {
        unavailable(pv, "The store cannot be reached; try again.");
        return;
    }
    memcpy(pv->former, former.p, former.n < sizeof(pv->former) ? former.n : 0);
    pv->is_broken = is_broken;
    reader_board_count(room->store, room->t, pv->alert, on_readers, pv);
}

static void begin_count(struct preview *pv) {
    free(pv->alert->created_by);
    pv->alert->created_by = mem_strdup(pv->call->key.id);
    publish_guard_look(pv->call->room->store, pv->alert, on_guard, pv);
}

static void on_reference(void *user, enum err err, struct str json, struct position position) {
    struct preview *pv = user;
    struct alert *previous = NULL;
    (void)position;
    if (err == ERR_OK) {
        err = alert_parse_stored(pv->call->room->t, json, &previous);
    }
    if (err == ERR_NOT_FOUND) {
        refuse_one(pv, 422, "/references/0", "unknown_alert",
                   "There is no such alert, or it is no longer kept.");
    } else if (err != ERR_OK) {
        unavailable(pv, "The store cannot be reached; try again.");
    } else if (previous->msg_type == MSG_CANCEL) {
        refuse_one(pv, 409, "/references/0", "cancelled", "That alert is cancelled already.");
    } else if (alert_inherit(pv->alert, previous) != ERR_OK) {
        refuse_one(pv, 409, "/status", "status_differs",
                   "The status must stay that of the alert referred to.");
    } else if (check_scope(pv)) {
        begin_count(pv);
    }
    alert_destroy(previous);
}

struct query {
    bool by_zone;
    struct problem *problems;
};

static void set_param(void *user, struct str name, struct str value) {
    struct query *query = user;
    if (!str_eq(name, STR("by"))) {
        problem_add(query->problems, "?", "unknown_field", "known: by");
    } else if (str_eq(value, STR("time_zone"))) {
        query->by_zone = true;
    } else {
        problem_add(query->problems, "?by", "invalid_value", "must be time_zone");
    }
}

/* Reads query and body; false when the answer was given. */
static bool read_request(struct preview *pv) {
    struct query query = {.problems = problem_create()};
    http_query_each(pv->call->rq, set_param, &query);
    enum err err =
        alert_parse_request(pv->call->room->t, http_body(pv->call->rq), &pv->alert, query.problems);
    bool good = err == ERR_OK && problem_is_empty(query.problems);
    pv->by_zone = query.by_zone;
    if (!good) {
        refuse(pv, err == ERR_PROTOCOL ? 400 : 422, "The alert is not acceptable.", query.problems);
    }
    problem_destroy(query.problems);
    return good;
}

void preview_post(struct room *room, struct http_request *rq) {
    struct preview *pv = mem_zalloc(1, sizeof(*pv));
    pv->call = call_of(room, rq, http_kept(rq));
    buf_init(&pv->answer, ANSWER_BYTES_MAX);
    if (room->previews++ >= room->cfg->newsroom_previews_max) {
        unavailable(pv, "Too many previews at once; try again.");
        return;
    }
    if (!read_request(pv) || !check_scope(pv)) {
        return;
    }
    if (pv->alert->msg_type == MSG_ALERT) {
        begin_count(pv);
    } else {
        alert_store_get(room->store, str_of(pv->alert->reference), on_reference, pv);
    }
}

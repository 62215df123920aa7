#include "newsroom/reads.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/json.h"
#include "store/alert_store.h"

enum {
    LIST_DEFAULT = 20,
    LIST_MAX = 100,
    LIST_BYTES_MAX = LIST_MAX * 4 * ALERT_JSON_BYTES_MAX,
    TAXONOMY_BYTES_MAX = 1 << 20,
};

static void refuse_parameter(struct call *call, const char *pointer, const char *detail) {
    struct problem *p = problem_create();
    problem_add(p, pointer, "invalid_value", "%s", detail);
    call_problem(call, 422, detail, p);
    problem_destroy(p);
}

void reads_answer_error(struct call *call, enum err err) {
    if (err == ERR_NOT_FOUND) {
        call_problem(call, 404, "There is no such alert, or it is no longer kept.", NULL);
    } else {
        call_unavailable(call, "The store cannot be reached; try again.");
    }
}

/* The stored form, left open for more members. */
static void put_open(struct str json, struct buf *b) {
    buf_put(b, json.p, json.n - 1); /* without the closing brace */
}

static void put_position(const struct position *position, struct buf *b) {
    char text[POSITION_BYTES];
    position_format(position, text);
    json_put_text(b, "position", text);
}

/* "superseded" or "retracted" when a later revision did that. */
static void put_fate(enum alert_fate fate, struct buf *b) {
    if (fate != ALERT_STANDS) {
        json_put_bool(b, fate == ALERT_RETRACTED ? "retracted" : "superseded", true);
    }
}

/* --- the list --- */

struct list_call {
    struct call *call;
    size_t limit;
};

static void on_page(void *user, enum err err, const struct log_entry *entries, size_t count) {
    struct list_call list = *(struct list_call *)user;
    free(user);
    if (err != ERR_OK) {
        reads_answer_error(list.call, err);
        return;
    }
    struct buf b;
    buf_init(&b, LIST_BYTES_MAX);
    buf_puts(&b, "{\"alerts\":[");
    size_t shown = count < list.limit ? count : list.limit;
    for (size_t i = 0; i < shown; i++) {
        buf_puts(&b, i ? "," : "");
        put_open(entries[i].json, &b);
        put_position(&entries[i].position, &b);
        put_fate(entries[i].fate, &b);
        buf_putc(&b, '}');
    }
    if (count > shown) { /* one more than wanted was read, to know */
        char next[POSITION_BYTES];
        position_format(&entries[shown - 1].position, next);
        buf_printf(&b, "],\"next\":\"%s\"}", next);
    } else {
        buf_puts(&b, "],\"next\":null}");
    }
    call_answer(list.call, buf_str(&b));
    buf_finish(&b);
}

struct list_params {
    uint64_t limit;
    uint64_t from_seq;
    struct problem *problems;
};

/* A misspelt parameter is a fault: the newest page instead of the wanted one helps nobody. */
static void set_list_param(void *user, struct str name, struct str value) {
    struct list_params *params = user;
    struct position before;
    if (str_eq(name, STR("limit"))) {
        if (str_to_u64(value, &params->limit) || params->limit < 1 || params->limit > LIST_MAX) {
            problem_add(params->problems, "?limit", "invalid_value", "a number from 1 to %d",
                        LIST_MAX);
        }
    } else if (str_eq(name, STR("before"))) {
        if (position_parse(value, &before)) {
            problem_add(params->problems, "?before", "invalid_value", "a position, as in \"next\"");
        } else {
            params->from_seq = before.seq ? before.seq - 1 : 0;
        }
    } else {
        char pointer[JSON_POINTER_BYTES];
        (void)snprintf(pointer, sizeof(pointer), "?%.*s", STR_ARG(name));
        problem_add(params->problems, pointer, "unknown_field", "known: limit and before");
    }
}

static void list_with_key(struct call *call) {
    if (!call->rq) {
        call_end(call);
        return;
    }
    struct list_params params = {LIST_DEFAULT, UINT64_MAX, problem_create()};
    http_query_each(call->rq, set_list_param, &params);
    if (!problem_is_empty(params.problems)) {
        call_problem(call, 422, "The query has faults.", params.problems);
    } else if (params.from_seq == 0) {
        call_answer(call, STR("{\"alerts\":[],\"next\":null}"));
    } else {
        struct list_call *list = mem_zalloc(1, sizeof(*list));
        *list = (struct list_call){.call = call, .limit = params.limit};
        alert_log_list(call->room->store, params.from_seq, params.limit + 1, on_page, list);
    }
    problem_destroy(params.problems);
}

void reads_list(struct room *room, struct http_request *rq) {
    call_begin_read(room, rq, list_with_key);
}

/* --- one alert --- */

static void on_alert(void *user, enum err err, struct str json, struct position position) {
    struct call *call = user;
    if (err != ERR_OK) {
        reads_answer_error(call, err);
        return;
    }
    struct buf b;
    buf_init(&b, LIST_BYTES_MAX);
    put_open(json, &b);
    put_position(&position, &b);
    buf_putc(&b, '}');
    call_answer(call, buf_str(&b));
    buf_finish(&b);
}

/* The {id} of the path; p NULL (and the call ended) when it cannot be one. */
static struct str alert_id_of(struct call *call) {
    struct str id = {NULL, 0};
    if (!call->rq) {
        call_end(call);
        return id;
    }
    id = http_path_param(call->rq, 0);
    if (!codec_is_uuid(id)) {
        reads_answer_error(call, ERR_NOT_FOUND);
        id.p = NULL;
    }
    return id;
}

static void alert_with_key(struct call *call) {
    struct str id = alert_id_of(call);
    if (id.p) {
        alert_store_get(call->room->store, id, on_alert, call);
    }
}

void reads_alert(struct room *room, struct http_request *rq) {
    call_begin_read(room, rq, alert_with_key);
}

/* --- its revisions --- */

static void on_revisions(void *user, enum err err, const struct alert_revision *revisions,
                         size_t count) {
    struct call *call = user;
    if (err != ERR_OK) {
        reads_answer_error(call, err);
        return;
    }
    struct buf b;
    buf_init(&b, (count + 1) * 4 * ALERT_JSON_BYTES_MAX);
    buf_puts(&b, "{\"revisions\":[");
    for (size_t i = 0; i < count; i++) {
        buf_puts(&b, i ? "," : "");
        put_open(revisions[i].json, &b);
        put_fate(revisions[i].fate, &b);
        buf_putc(&b, '}');
    }
    buf_puts(&b, "]}");
    call_answer(call, buf_str(&b));
    buf_finish(&b);
}

static void revisions_with_key(struct call *call) {
    struct str id = alert_id_of(call);
    if (id.p) {
        alert_store_revisions(call->room->store, id, on_revisions, call);
    }
}

void reads_revisions(struct room *room, struct http_request *rq) {
    call_begin_read(room, rq, revisions_with_key);
}

/* --- statistics --- */

static void on_stats(void *user, enum err err, struct str json) {
    struct call *call = user;
    if (err != ERR_OK) {
        reads_answer_error(call, err);
    } else {
        call_answer(call, json);
    }
}

bool reads_stats_wish(struct call *call, struct str *out_id, uint32_t *out_revision) {
    uint64_t revision = 0;
    *out_id = alert_id_of(call);
    if (!out_id->p) {
        return false;
    }
    struct str text = http_query(call->rq, "revision");
    if (text.p &&
        (str_to_u64(text, &revision) != ERR_OK || revision < 1 || revision > UINT32_MAX)) {
        refuse_parameter(call, "?revision", "revision must be a number from 1.");
        return false;
    }
    *out_revision = (uint32_t)revision;
    return true;
}

static void stats_with_key(struct call *call) {
    struct str id;
    uint32_t revision;
    if (reads_stats_wish(call, &id, &revision)) {
        alert_store_stats(call->room->store, call->room->t, id, revision, on_stats, call);
    }
}

void reads_stats(struct room *room, struct http_request *rq) {
    call_begin_read(room, rq, stats_with_key);
}

/* --- taxonomy --- */

void reads_taxonomy(struct room *room, struct http_request *rq) {
    struct buf b;
    buf_init(&b, TAXONOMY_BYTES_MAX);
    taxonomy_put_json(room->t, &b);
    http_answer(rq, 200, "application/json", buf_str(&b));
    buf_finish(&b);
}

#include "newsroom/audit_api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "store/audit.h"

enum {
    LIST_DEFAULT = 50,
    LIST_MAX = 200,
    LOOKS_MAX = 20, /* pages read for one answer about an alert */
    LIST_BYTES_MAX = LIST_MAX * AUDIT_EVENT_BYTES_MAX * 2,
    VERDICT_BYTES_MAX = 1024,
};

static void refuse(struct call *call, int status, const char *detail, const struct problem *p) {
    metrics_add(M_AUDIT_REFUSED, 1);
    call_problem(call, status, detail, p);
}

static void unavailable(struct call *call, const char *detail) {
    metrics_add(M_AUDIT_REFUSED, 1);
    call_unavailable(call, detail);
}

/* False when the call has ended. */
static bool may_read(struct call *call) {
    if (!call->rq) {
        call_end(call);
        return false;
    }
    if (!call->key.scope.read && !call->key.scope.admin) {
        refuse(call, 403, "This key may not read.", NULL);
        return false;
    }
    return true;
}

static void unknown_param(struct problem *problems, struct str name, const char *known) {
    char pointer[128];
    (void)snprintf(pointer, sizeof(pointer), "?%.*s", STR_ARG(name));
    problem_add(problems, pointer, "unknown_field", "known: %s", known);
}

/* --- the list --- */

struct list_call {
    struct call *call;
    uint64_t limit;
    uint64_t before;        /* 0 = from the end */
    char alert[UUID_BYTES]; /* "" = about anything */
    struct problem *problems;
    struct buf b;
    uint64_t found;
    int looks;
};

static void set_param(void *user, struct str name, struct str value) {
    struct list_call *list = user;
    if (str_eq(name, STR("limit"))) {
        if (str_to_u64(value, &list->limit) || list->limit < 1 || list->limit > LIST_MAX) {
            problem_add(list->problems, "?limit", "invalid_value", "a number from 1 to %d",
                        LIST_MAX);
        }
    } else if (str_eq(name, STR("before"))) {
        if (str_to_u64(value, &list->before) || list->before < 1) {
            problem_add(list->problems, "?before", "invalid_value", "a number, as in \"before\"");
        }
    } else if (str_eq(name, STR("alert"))) {
        if (codec_is_uuid(value)) {
            memcpy(list->alert, value.p, value.n);
        } else {
            problem_add(list->problems, "?alert", "invalid_value", "the id of an alert");
        }
    } else {
        unknown_param(list->problems, name, "limit, before and alert");
    }
}

static void list_free(struct list_call *list) {
    problem_destroy(list->problems);
    buf_finish(&list->b);
    free(list);
}

static void look(struct list_call *list);

static void on_page(void *user, enum err err, const struct audit_entry *entries, size_t count) {
    struct list_call *list = user;
    if (err) {
        unavailable(list->call, "The store cannot be reached; try again.");
        list_free(list);
        return;
    }
    for (size_t i = 0; i < count && list->found < list->limit; i++) {
        list->before = entries[i].seq;
        if (!list->alert[0] || audit_is_about(&entries[i], str_of(list->alert))) {
            buf_puts(&list->b, list->found++ ? "," : "");
            audit_put_entry(&entries[i], &list->b);
        }
    }
    bool is_over = !count || list->before <= 1;
    if (!is_over && list->found < list->limit && ++list->looks < LOOKS_MAX) {
        look(list);
        return;
    }
    if (is_over) {
        buf_puts(&list->b, "],\"before\":null}");
    } else {
        buf_printf(&list->b, "],\"before\":%" PRIu64 "}", list->before);
    }
    call_answer(list->call, buf_str(&list->b));
    list_free(list);
}

static void look(struct list_call *list) {
    audit_read_back(list->call->room->store, list->before,
                    list->alert[0] ? AUDIT_PAGE_MAX : list->limit - list->found, on_page, list);
}

static void list_with_key(struct call *call) {
    if (!may_read(call)) {
        return;
    }
    struct list_call *list = mem_zalloc(1, sizeof(*list));
    *list = (struct list_call){.call = call, .limit = LIST_DEFAULT};
    list->problems = problem_create();
    buf_init(&list->b, LIST_BYTES_MAX);
    http_query_each(call->rq, set_param, list);
    if (!problem_is_empty(list->problems)) {
        refuse(call, 422, "The query has faults.", list->problems);
        list_free(list);
        return;
    }
    buf_puts(&list->b, "{\"entries\":[");
    look(list);
}

void audit_api_list(struct room *room, struct http_request *rq) {
    call_begin(room, rq, list_with_key);
}

/* --- the verification --- */

static void on_verdict(void *user, enum err err, const struct audit_verdict *verdict) {
    struct call *call = user;
    call->room->audit_verifies--;
    if (err) {
        unavailable(call, "The store cannot be reached; try again.");
        return;
    }
    struct buf b;
    buf_init(&b, VERDICT_BYTES_MAX);
    audit_put_verdict(verdict, &b);
    call_answer(call, buf_str(&b));
    buf_finish(&b);
}

struct verify_params {
    struct audit_anchor known;
    struct problem *problems;
};

static void set_verify_param(void *user, struct str name, struct str value) {
    struct verify_params *params = user;
    if (!str_eq(name, STR("anchor"))) {
        unknown_param(params->problems, name, "anchor");
    } else if (audit_parse_anchor(value, &params->known)) {
        problem_add(params->problems, "?anchor", "invalid_value",
                    "<seq>:<hash> of an entry noted before");
    }
}

static void verify_with_key(struct call *call) {
    struct verify_params params = {.problems = NULL};
    if (!may_read(call)) {
        return;
    }
    params.problems = problem_create();
    http_query_each(call->rq, set_verify_param, &params);
    if (!problem_is_empty(params.problems)) {
        refuse(call, 422, "The query has faults.", params.problems);
    } else if (call->room->audit_verifies >= call->room->cfg->newsroom_audit_verifies_max) {
        unavailable(call, "Too many verifications are under way; try again.");
    } else {
        call->room->audit_verifies++;
        audit_verify(call->room->store, &params.known, on_verdict, call);
    }
    problem_destroy(params.problems);
}

void audit_api_verify(struct room *room, struct http_request *rq) {
    call_begin(room, rq, verify_with_key);
}

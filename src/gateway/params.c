#include "gateway/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void params_init(struct params *p, const struct taxonomy *t, unsigned allowed) {
    memset(p, 0, sizeof(*p));
    p->taxonomy = t;
    p->allowed = allowed;
    p->wait_s = -1;
    p->limit = TICKER_LIMIT_DEFAULT;
    filter_init(&p->filter);
    p->problems = problem_create();
}

static void set_token(struct params *p, char *take_token) {
    if (p->token) {
        explicit_bzero(p->token, strlen(p->token));
    }
    free(p->token);
    p->token = take_token;
}

void params_finish(struct params *p) {
    filter_finish(&p->filter);
    set_token(p, NULL);
    problem_destroy(p->problems);
}

static void set_number(struct params *p, const char *name, struct str value, int64_t min,
                       int64_t max, int64_t *out_number) {
    int64_t number = 0;
    if (str_to_i64(value, &number) != ERR_OK || number < min || number > max) {
        char pointer[32];
        (void)snprintf(pointer, sizeof(pointer), "?%s", name);
        problem_add(p->problems, pointer, "out_of_range", "a whole number of %lld to %lld",
                    (long long)min, (long long)max);
        return;
    }
    *out_number = number;
}

static bool set_own(struct params *p, struct str name, struct str value) {
    if ((p->allowed & PARAM_POSITION) && str_eq(name, STR("position"))) {
        p->resume = resume_parse(value);
    } else if ((p->allowed & PARAM_AFTER) && str_eq(name, STR("after"))) {
        p->resume = resume_parse(value);
    } else if ((p->allowed & PARAM_WAIT) && str_eq(name, STR("wait"))) {
        set_number(p, "wait", value, 0, p->wait_max_s, &p->wait_s);
    } else if ((p->allowed & PARAM_LIMIT) && str_eq(name, STR("limit"))) {
        set_number(p, "limit", value, 1, TICKER_LIMIT_MAX, &p->limit);
    } else {
        return false;
    }
    return true;
}

void params_set(struct params *p, struct str name, struct str value) {
    if ((p->allowed & PARAM_TOKEN) && str_eq(name, STR("token"))) {
        set_token(p, mem_strndup(value.p, value.n));
        return;
    }
    if (set_own(p, name, value)) {
        p->any = true;
        return;
    }
    /* Its faults are in the list already. */
    enum err err = filter_set_param(p->taxonomy, name, value, &p->filter, p->problems);
    if (err != ERR_NOT_FOUND) {
        p->any = true;
        return;
    }
    char pointer[48];
    size_t shown = name.n < 40 && str_is_utf8(name) ? name.n : 0;
    (void)snprintf(pointer, sizeof(pointer), "?%.*s", (int)shown, name.p ? name.p : "");
    problem_add(p->problems, pointer, "unknown_field", "there is no such parameter here");
}

bool params_complete(struct params *p) {
    filter_normalise(&p->filter);
    return problem_is_empty(p->problems);
}

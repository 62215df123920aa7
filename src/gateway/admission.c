#include "gateway/admission.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "gateway/http_reply.h"
#include "net/http_server.h"

enum { POINTER_BYTES = 48 };

static void put_pointer(char out_pointer[POINTER_BYTES], const char *prefix, const char *name) {
    (void)snprintf(out_pointer, POINTER_BYTES, "%s%s", prefix, name);
}

/* --- the filter --- */

/* The values of a grant and, of regions, all that lies below them. */
static uint64_t with_children(const struct taxonomy *t, enum dimension dim, uint64_t granted) {
    uint64_t all = granted;
    for (int i = 0; dim == DIM_REGION && i < taxonomy_count(t, dim); i++) {
        uint64_t bit = UINT64_C(1) << i;
        all |= taxonomy_with_parents(t, bit) & granted ? bit : 0;
    }
    return all;
}

static void narrow(const struct taxonomy *t, enum dimension dim, uint64_t granted,
                   const char *pointer, uint64_t *mask, struct problem *problems) {
    if (!granted) {
        return;
    }
    if (!*mask) {
        *mask = granted;
        return;
    }
    uint64_t beyond = *mask & ~with_children(t, dim, granted);
    for (int i = 0; beyond && i < taxonomy_count(t, dim); i++) {
        if (beyond & UINT64_C(1) << i) {
            problem_add(problems, pointer, "out_of_scope", "the token does not allow \"%s\"",
                        taxonomy_name(t, dim, i));
        }
    }
}

static void narrow_all(const struct taxonomy *t, const struct token_grant *grant,
                       const char *prefix, struct filter *f, struct problem *problems) {
    char pointer[POINTER_BYTES];
    put_pointer(pointer, prefix, "regions");
    narrow(t, DIM_REGION, grant->regions, pointer, &f->regions, problems);
    put_pointer(pointer, prefix, "sections");
    narrow(t, DIM_SECTION, grant->sections, pointer, &f->sections, problems);
    put_pointer(pointer, prefix, "editions");
    narrow(t, DIM_EDITION, grant->editions, pointer, &f->editions, problems);
    if (f->tag_count && (grant->regions || grant->sections)) {
        put_pointer(pointer, prefix, "tags");
        problem_add(problems, pointer, "out_of_scope",
                    "tags reach beyond the regions and sections of the token");
    }
    if (f->test && !grant->test) {
        put_pointer(pointer, prefix, "test");
        problem_add(problems, pointer, "out_of_scope", "the token does not allow tests");
    }
}

bool admission_filter(const struct admission *a, const struct token_grant *grant,
                      const char *prefix, struct filter *f, struct problem *problems) {
    size_t before = problem_count(problems);
    if (f->tag_count > a->filter_tags_max) {
        char pointer[POINTER_BYTES];
        put_pointer(pointer, prefix, "tags");
        problem_add(problems, pointer, "too_many", "at most %d tags", a->filter_tags_max);
    }
    size_t limits = problem_count(problems);
    if (grant) {
        narrow_all(a->taxonomy, grant, prefix, f, problems);
    }
    if (problem_count(problems) > limits) {
        metrics_add(M_TOKENS_REFUSED_SCOPE, 1);
    }
    return problem_count(problems) == before;
}

/* --- HTTP --- */

static void reply_token_fault(struct http_request *rq, enum token_fault fault,
                              const char *pointer) {
    struct problem *problems = problem_create();
    /* RFC 6750 section 3.1: no error code where no token was sent. */
    http_add_header(rq, "WWW-Authenticate",
                    fault == TOKEN_MISSING ? "Bearer" : "Bearer error=\"invalid_token\"");
    problem_add(problems, pointer, token_fault_code(fault), "%s", token_fault_detail(fault));
    http_problem(rq, 401, "Unauthorized", token_fault_detail(fault), problems);
    problem_destroy(problems);
}

/* False: answered. */
static bool check_token(const struct admission *a, struct http_request *rq,
                        const struct params *params, struct token_grant *out_grant) {
    struct str token = {NULL, 0};
    enum token_fault fault = TOKEN_MALFORMED;
    bool in_query = false;
    if (http_reply_bearer(rq, &token)) {
        in_query = !token.p;
        token = in_query ? str_of(params->token) : token;
        fault = token_gate_check(a->gate, token, clock_wall_ms(), out_grant);
    } else {
        metrics_add(M_TOKENS_REFUSED_INVALID, 1);
    }
    if (fault != TOKEN_GOOD) {
        reply_token_fault(rq, fault, in_query ? "?token" : "Authorization");
    }
    return fault == TOKEN_GOOD;
}

bool admission_http(const struct admission *a, struct http_request *rq, struct params *params,
                    int64_t *out_expires_ms) {
    struct token_grant grant;
    *out_expires_ms = 0;
    if (a->gate) {
        if (!check_token(a, rq, params, &grant)) {
            return false;
        }
        *out_expires_ms = grant.expires_s * 1000;
    }
    if (!params_complete(params)) {
        http_problem(rq, 422, "Unprocessable Content", "the query has faults", params->problems);
        return false;
    }
    if (!admission_filter(a, a->gate ? &grant : NULL, "?", &params->filter, params->problems)) {
        bool too_many = params->filter.tag_count > a->filter_tags_max;
        http_problem(rq, too_many ? 422 : 403, too_many ? "Unprocessable Content" : "Forbidden",
                     "the filter goes beyond what is allowed", params->problems);
        return false;
    }
    return true;
}

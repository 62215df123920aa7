#include "gateway/http_reply.h"

void http_reply_busy(struct http_request *rq, const char *detail) {
    http_add_header(rq, "Retry-After", "2");
    http_problem(rq, 503, "Service Unavailable", detail, NULL);
}

bool http_reply_bearer(const struct http_request *rq, struct str *out_credentials) {
    struct str scheme = STR("Bearer ");
    struct str header = http_header(rq, "Authorization");
    *out_credentials = (struct str){NULL, 0};
    if (!header.p) {
        return true;
    }
    if (header.n <= scheme.n || !str_ieq((struct str){header.p, scheme.n}, scheme)) {
        return false;
    }
    *out_credentials = str_trim((struct str){header.p + scheme.n, header.n - scheme.n});
    return true;
}

bool http_reply_is_json(const struct http_request *rq) {
    struct str type = http_header(rq, "Content-Type");
    struct str rest = type;
    struct str first = {NULL, 0};
    return type.p && str_split(&rest, ';', &first) &&
           str_ieq(str_trim(first), STR("application/json"));
}

static void on_param(void *user, struct str name, struct str value) {
    params_set(user, name, value.p ? value : STR(""));
}

void http_reply_params(const struct http_request *rq, struct params *params) {
    http_query_each(rq, on_param, params);
}

void http_reply_json(struct http_request *rq, struct str json) {
    http_add_header(rq, "Cache-Control", "no-store");
    http_answer(rq, 200, "application/json", json);
}

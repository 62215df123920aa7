#include <string.h>

#include "base/mem.h"
#include "http_internal.h"

/* --- decoding --- */

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Appends `raw` without its percent escapes to rq->text, which has room for all of the target, so
 * views into it stay valid. `plus` = '+' means a space, as in forms and URLSearchParams. */
static struct str decode(struct http_request *rq, struct str raw, bool plus) {
    struct buf *text = &rq->text;
    size_t start = text->n;
    bool good = true;
    for (size_t i = 0; i < raw.n && good; i++) {
        int byte = (unsigned char)raw.p[i];
        if (byte == '%') {
            int high = i + 2 < raw.n ? hex_digit(raw.p[i + 1]) : -1;
            int low = i + 2 < raw.n ? hex_digit(raw.p[i + 2]) : -1;
            byte = high < 0 || low < 0 ? 0 : high * 16 + low;
            i += 2;
        } else if (byte == '+' && plus) {
            byte = ' ';
        }
        good = byte != 0;
        buf_putc(text, (char)byte);
    }
    struct str result = {text->p + start, text->n - start};
    buf_putc(text, '\0');
    if (!good || !str_is_utf8(result)) {
        rq->fault_status = 400;
        rq->fault_detail = "The target has a bad percent escape, %00 or bytes that are not UTF-8.";
    }
    return result;
}

static void too_many(struct http_request *rq) {
    rq->fault_status = 400;
    rq->fault_detail = "The target has too many parts.";
}

static void parse_path(struct http_request *rq, struct str path) {
    if (!path.n || path.p[0] != '/') {
        rq->fault_status = 400;
        rq->fault_detail = "The target must begin with '/'.";
        return;
    }
    struct str rest = {path.p + 1, path.n - 1};
    struct str raw;
    while (str_split(&rest, '/', &raw)) {
        if (rq->segment_count == HTTP_SEGMENTS_MAX) {
            rq->fault_status = 404;
            rq->fault_detail = "There is nothing here.";
            return;
        }
        struct http_segment *s = &rq->segments[rq->segment_count++];
        const char *colon = memchr(raw.p, ':', raw.n);
        *s = (struct http_segment){.base = {raw.p, raw.n}};
        if (colon) {
            s->base.n = (size_t)(colon - raw.p);
            s->verb = decode(rq, (struct str){colon + 1, raw.n - s->base.n - 1}, false);
        }
        s->base = decode(rq, s->base, false);
    }
}

static void parse_query(struct http_request *rq, struct str rest) {
    struct str part;
    while (str_split(&rest, '&', &part)) {
        if (!part.n) {
            continue;
        }
        if (rq->query_count == HTTP_QUERY_MAX) {
            too_many(rq);
            return;
        }
        struct str value = part;
        struct str name;
        (void)str_split(&value, '=', &name);
        struct http_param *param = &rq->query[rq->query_count++];
        param->name = decode(rq, name, true);
        param->value = decode(rq, value, true);
    }
}

/* "http://host/path" (RFC 9112 section 3.2.2) → "/path". */
static struct str without_origin(struct str target) {
    struct str scheme = STR("http://");
    if (target.n <= scheme.n || !str_ieq((struct str){target.p, scheme.n}, scheme)) {
        return target;
    }
    size_t at = scheme.n;
    while (at < target.n && target.p[at] != '/' && target.p[at] != '?') {
        at++;
    }
    bool has_path = at < target.n && target.p[at] == '/';
    return has_path ? (struct str){target.p + at, target.n - at} : STR("/");
}

void http_router_parse(struct http_request *rq, const char *target) {
    struct str all = without_origin(str_of(target));
    /* Every part gets a NUL behind it; a part takes at least one byte of the target. */
    buf_init(&rq->text, 2 * all.n + 4);
    (void)buf_reserve(&rq->text, 2 * all.n + 4);
    const char *mark = memchr(all.p, '?', all.n);
    struct str path = {all.p, mark ? (size_t)(mark - all.p) : all.n};
    rq->target = mem_strndup(path.p, path.n);
    parse_path(rq, path);
    if (mark && !rq->fault_status) {
        parse_query(rq, (struct str){mark + 1, all.n - path.n - 1});
    }
}

/* --- matching --- */

static bool matches_segment(struct str pattern, const struct http_segment *s,
                            struct str params[HTTP_PARAMS_MAX], int *param_count) {
    struct str verb = pattern;
    struct str base;
    (void)str_split(&verb, ':', &base);
    if ((verb.p == NULL) != (s->verb.p == NULL) || !str_eq(verb, s->verb)) {
        return false;
    }
    if (base.n && base.p[0] == '{') {
        if (!s->base.n || *param_count == HTTP_PARAMS_MAX) {
            return false;
        }
        params[(*param_count)++] = s->base;
        return true;
    }
    return str_eq(base, s->base);
}

static bool matches(const struct http_route *route, const struct http_request *rq,
                    struct str params[HTTP_PARAMS_MAX]) {
    struct str rest = str_of(route->pattern + 1);
    struct str segment;
    int param_count = 0;
    int i = 0;
    while (str_split(&rest, '/', &segment)) {
        if (i == rq->segment_count ||
            !matches_segment(segment, &rq->segments[i], params, &param_count)) {
            return false;
        }
        i++;
    }
    return i == rq->segment_count;
}

static void put_method(struct buf *allow, const char *method) {
    if (allow->n) {
        buf_puts(allow, ", ");
    }
    buf_puts(allow, method);
}

/* The path exists, but not for this method. */
static void other_method(struct http_request *rq) {
    put_method(&rq->allow, "OPTIONS");
    if (strcmp(rq->method, "OPTIONS") == 0) {
        rq->fault_status = 204;
        return;
    }
    rq->fault_status = 405;
    rq->fault_detail = "The method is not allowed here; see Allow.";
}

void http_router_find(struct http_request *rq) {
    const char *wanted = rq->is_head ? "GET" : rq->method;
    bool known = false;
    for (size_t i = 0; i < rq->server->route_count; i++) {
        const struct http_route *route = &rq->server->routes[i];
        struct str params[HTTP_PARAMS_MAX] = {{NULL, 0}};
        if (!matches(route, rq, params)) {
            continue;
        }
        if (strcmp(route->method, wanted) == 0) {
            memcpy(rq->params, params, sizeof(params));
            rq->route = route;
            rq->cors = route->cors;
            return;
        }
        known = true;
        rq->cors = rq->cors || route->cors;
        put_method(&rq->allow, route->method);
        if (strcmp(route->method, "GET") == 0) {
            put_method(&rq->allow, "HEAD");
        }
    }
    if (known) {
        other_method(rq);
        return;
    }
    rq->fault_status = 404;
    rq->fault_detail = "There is nothing here.";
}

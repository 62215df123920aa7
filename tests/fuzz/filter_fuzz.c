/* A filter as JSON; or, when the input starts with '?', as a query string. */
#include "fuzz.h"
#include "model/filter.h"

/* An accepted filter survives being written and read, with the same key. */
static void check_filter(const struct taxonomy *t, const struct filter *f) {
    struct buf json;
    struct buf before;
    struct buf after;
    struct filter back;
    struct problem *p = problem_create();
    buf_init(&json, 1 << 20);
    buf_init(&before, 1 << 20);
    buf_init(&after, 1 << 20);
    filter_put_json(f, t, &json);
    fuzz_check_json(buf_str(&json));
    PROMISE(filter_parse_json(t, buf_str(&json), "", &back, p) == ERR_OK);
    filter_put_key(f, &before);
    filter_put_key(&back, &after);
    PROMISE(str_eq(buf_str(&before), buf_str(&after)));
    filter_finish(&back);
    problem_destroy(p);
    buf_finish(&json);
    buf_finish(&before);
    buf_finish(&after);
}

static enum err read_query(const struct taxonomy *t, struct str query, struct filter *f,
                           struct problem *p) {
    struct str param;
    struct str name;
    filter_init(f);
    while (query.n && str_split(&query, '&', &param)) {
        if (str_split(&param, '=', &name)) {
            struct str value = param.p ? param : (struct str){"", 0};
            enum err err = filter_set_param(t, name, value, f, p);
            PROMISE(err == ERR_OK || err == ERR_NOT_FOUND || !problem_is_empty(p));
        }
    }
    filter_normalise(f);
    if (problem_is_empty(p)) {
        return ERR_OK;
    }
    filter_finish(f);
    return ERR_INVALID;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct taxonomy *t = taxonomy_builtin();
    struct problem *p = problem_create();
    struct str input = fuzz_input(data, size);
    struct filter f;
    bool is_query = size > 0 && data[0] == '?';
    enum err err = is_query ? read_query(t, (struct str){input.p + 1, input.n - 1}, &f, p)
                            : filter_parse_json(t, input, "/filter", &f, p);
    fuzz_check_problem(err, p);
    if (err == ERR_OK) {
        check_filter(t, &f);
        filter_finish(&f);
    }
    problem_destroy(p);
    taxonomy_destroy(t);
    return 0;
}

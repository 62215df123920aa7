#include "app/command_preview.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/app.h"
#include "app/http_call.h"
#include "app/options.h"
#include "app/publish_flags.h"
#include "model/json.h"

static const char usage[] =
    "Usage: tocsin preview FILE|- [OPTIONS]\n"
    "       tocsin preview --urgency U --regions R,R… --headline EDITION=TEXT… [OPTIONS]\n"
    "\n"
    "Asks whom an alert would reach if it were published now, and prints the exact counts; "
    "nothing\n"
    "is sent. Takes the flags and files of \"tocsin publish\". Ends with 1 when the alert would "
    "be\n"
    "refused, after its faults.\n"
    "\n"
    "  --json                 print the answer of the service as it is\n"
    "  --newsroom URL         the newsroom listener (default: $TOCSIN_URL, else newsroom.listen)\n"
    "  --key-file FILE        API key with scope publish or read (default: $TOCSIN_KEY)\n"
    "  --tls.ca_file=FILE     authorities to trust for an https:// URL (default: the system's)\n"
    "\n" OPTIONS_USAGE;

static int64_t read_count(const struct cJSON *object, const char *name) {
    const struct json_reader r = {.object = object};
    int64_t count = 0;
    (void)json_read_int(&r, name, 0, INT64_C(1) << 53, &count);
    return count;
}

/* A row: the total, then the same by edition in the order of `editions`. */
static void print_row(const char *name, int64_t total, const struct cJSON *editions,
                      const struct cJSON *of_row) {
    (void)printf("%-16s %10lld", name, (long long)total);
    for (const struct cJSON *it = json_next(editions, NULL); it; it = json_next(editions, it)) {
        (void)printf(" %10lld", (long long)read_count(of_row, json_name(it)));
    }
    (void)putchar('\n');
}

static void print_counts(const struct json_reader *r) {
    const struct cJSON *editions = json_member(r, "editions");
    const struct cJSON *platforms = json_member(r, "platforms");
    const struct json_reader by_platform = {.object = json_member(r, "platform_editions")};
    const struct cJSON *regions = json_member(r, "regions");
    const struct cJSON *readers = json_member(r, "readers");
    (void)printf("%-16s %10s", "", "total");
    for (const struct cJSON *it = json_next(editions, NULL); it; it = json_next(editions, it)) {
        (void)printf(" %10s", json_name(it));
    }
    (void)putchar('\n');
    print_row("total", read_count(r->object, "total"), editions, editions);
    for (const struct cJSON *it = json_next(platforms, NULL); it; it = json_next(platforms, it)) {
        print_row(json_name(it), read_count(platforms, json_name(it)), editions,
                  json_member(&by_platform, json_name(it)));
    }
    for (const struct cJSON *it = json_next(regions, NULL); it; it = json_next(regions, it)) {
        (void)printf("%-16s %10lld\n", json_name(it),
                     (long long)read_count(regions, json_name(it)));
    }
    (void)printf("%-16s %10lld of %lld online\n", "readers",
                 (long long)read_count(readers, "matching"),
                 (long long)read_count(readers, "online"));
}

static bool print_answer(struct str answer) {
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    bool good = json_parse(answer, "", &root, ignored) == ERR_OK;
    if (good) {
        const struct json_reader r = {.object = root};
        print_counts(&r);
    } else {
        (void)fputs("tocsin preview: the answer is no JSON\n", stderr);
    }
    json_destroy(root);
    problem_destroy(ignored);
    return good;
}

static int ask(const struct http_call *call, bool json) {
    struct http_reply reply;
    enum err err = http_call(call, &reply);
    bool ok = !err && reply.status == 200;
    if (!ok) {
        http_reply_complain("preview", call->url, &reply);
    } else if (json) {
        (void)printf("%.*s\n", STR_ARG(buf_str(&reply.body)));
    } else {
        ok = print_answer(buf_str(&reply.body));
    }
    http_reply_finish(&reply);
    return ok ? APP_OK : APP_FAILED;
}

int command_preview(int argc, char **argv) {
    struct options o;
    int status;
    struct buf body;
    if (!options_parse(&o, argc, argv, usage, &status)) {
        return status;
    }
    buf_init(&body, HTTP_CALL_BODY_MAX);
    const char *base = options_value(&o, "--newsroom");
    const char *key_file = options_value(&o, "--key-file");
    bool json = options_switch(&o, "--json");
    bool is_bare = o.rest_count == 0;
    bool fine = publish_flags_read(&o, is_bare, &body);
    char *key = fine ? http_call_key("preview", key_file) : NULL;
    status = fine ? APP_FAILED : APP_USAGE;
    if (key) {
        char *url = http_call_url(base, o.cfg->newsroom_listen, o.cfg->newsroom_tls_listen,
                                  "/v1/alerts:preview");
        const struct http_call call = {.url = url,
                                       .ca_file = o.cfg->tls_ca_file,
                                       .key = key,
                                       .is_idempotent = true,
                                       .body = buf_str(&body)};
        status = ask(&call, json);
        free(url);
    }
    free(key);
    buf_finish(&body);
    options_finish(&o);
    return status;
}

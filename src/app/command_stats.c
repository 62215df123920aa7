#include "app/command_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "app/http_call.h"
#include "app/options.h"
#include "app/sse_client.h"
#include "base/codec.h"
#include "model/json.h"

static const char usage[] =
    "Usage: tocsin stats ID [--wait|--follow] [--json] [OPTIONS]\n"
    "\n"
    "What became of an alert: by platform, edition and region. Every device ends in exactly one\n"
    "column; \"to go\" is what is still under way.\n"
    "\n"
    "  --wait                 look again each second until everything was sent\n"
    "  --follow               a line at each change until everything was sent; comes back by "
    "itself\n"
    "                         when the connection breaks\n"
    "  --json                 print the answer of the service as it is\n"
    "  --revision N           of this revision (default: the latest)\n"
    "  --newsroom URL         the newsroom listener (default: $TOCSIN_URL, else newsroom.listen)\n"
    "  --key-file FILE        API key with scope read (default: $TOCSIN_KEY)\n"
    "  --tls.ca_file=FILE     authorities to trust for an https:// URL (default: the system's)\n"
    "\n" OPTIONS_USAGE;

enum { WAIT_S_MAX = 3600 };

static const struct column {
    const char *member;
    const char *title;
} columns[] = {
    {"targeted", "targeted"},         {"accepted", "accepted"}, {"suppressed", "suppressed"},
    {"expired", "expired"},           {"aborted", "aborted"},   {"superseded", "superseded"},
    {"payload_rejected", "rejected"}, {"token_dead", "dead"},   {"failed", "failed"},
    {"unknown", "unknown"},           {"to_go", "to go"},
};
enum { COLUMN_COUNT = sizeof(columns) / sizeof(columns[0]) };

static void print_row(const char *name, const struct cJSON *counts) {
    const struct json_reader r = {.object = counts};
    (void)printf("%-16s", name);
    for (int i = 0; i < COLUMN_COUNT; i++) {
        int64_t value = 0;
        if (json_read_int(&r, columns[i].member, 0, INT64_C(1) << 53, &value)) {
            (void)printf(" %10lld", (long long)value);
        } else {
            (void)printf(" %10s", "");
        }
    }
    (void)putchar('\n');
}

static void print_group(const struct json_reader *r, const char *member) {
    const struct cJSON *group = json_member(r, member);
    for (const struct cJSON *it = json_next(group, NULL); it; it = json_next(group, it)) {
        print_row(json_name(it), it);
    }
}

static void print_table(const struct json_reader *r) {
    (void)printf("%-16s", "");
    for (int i = 0; i < COLUMN_COUNT; i++) {
        (void)printf(" %10s", columns[i].title);
    }
    (void)putchar('\n');
    print_row("total", json_member(r, "total"));
    print_group(r, "platforms");
    print_group(r, "editions");
    print_group(r, "regions");
}

/* The platforms that wait because they are paused, and why. */
static void print_paused(const struct json_reader *r) {
    const struct cJSON *group = json_member(r, "paused");
    for (const struct cJSON *it = json_next(group, NULL); it; it = json_next(group, it)) {
        const struct json_reader why = {.object = it};
        struct str reason = STR("");
        struct str by = STR("");
        struct str since = STR("");
        (void)json_read_string(&why, "reason", &reason);
        (void)json_read_string(&why, "by", &by);
        (void)json_read_string(&why, "since", &since);
        (void)printf("%s waits: paused at %.*s by key %.*s%s%.*s\n", json_name(it), STR_ARG(since),
                     STR_ARG(by), reason.n ? ": " : "", STR_ARG(reason));
    }
}

static bool is_final(struct str state) {
    return str_eq(state, STR("done")) || str_eq(state, STR("aborted"));
}

/* Prints the answer when it is final or `wait` is off; true when it is to be asked again. */
static bool show(const struct http_reply *reply, bool wait, bool json) {
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    bool again = false;
    if (json_parse(buf_str(&reply->body), "", &root, ignored) == ERR_OK) {
        const struct json_reader r = {.object = root};
        struct str state = STR("");
        (void)json_read_string(&r, "state", &state);
        again = wait && !is_final(state);
        if (!again && !json) {
            (void)printf("state: %.*s\n", STR_ARG(state));
            print_table(&r);
            print_paused(&r);
        }
    }
    if (!again && json) {
        (void)printf("%.*s\n", STR_ARG(buf_str(&reply->body)));
    }
    json_destroy(root);
    problem_destroy(ignored);
    return again;
}

static int ask(const struct http_call *call, bool wait, bool json) {
    for (int i = 0; i < WAIT_S_MAX; i++) {
        struct http_reply reply;
        enum err err = http_call(call, &reply);
        bool ok = !err && reply.status == 200;
        bool again = ok && show(&reply, wait, json);
        if (!ok) {
            http_reply_complain("stats", call->url, &reply);
        }
        http_reply_finish(&reply);
        if (!again) {
            return ok ? APP_OK : APP_FAILED;
        }
        (void)sleep(1);
    }
    (void)fputs("tocsin stats: still not done; giving up waiting\n", stderr);
    return APP_FAILED;
}

/* --- following --- */

struct follow {
    bool json;
    bool is_over;
    struct buf last; /* the statistics last said */
    const char *key;
};

static bool put_key(void *user, struct buf *lines) {
    const struct follow *f = user;
    buf_printf(lines, "Authorization: Bearer %s\n", f->key);
    return true;
}

static bool is_over(void *user) {
    const struct follow *f = user;
    return f->is_over;
}

/* "sending: 1200 of 4000 accepted, 2800 to go", and what waits. */
static void print_progress(struct str data) {
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    if (json_parse(data, "", &root, ignored) == ERR_OK) {
        const struct json_reader r = {.object = root};
        const struct json_reader total = {.object = json_member(&r, "total")};
        struct str state = STR("");
        int64_t targeted = 0;
        int64_t accepted = 0;
        int64_t to_go = 0;
        (void)json_read_string(&r, "state", &state);
        (void)json_read_int(&total, "targeted", 0, INT64_C(1) << 53, &targeted);
        (void)json_read_int(&total, "accepted", 0, INT64_C(1) << 53, &accepted);
        (void)json_read_int(&total, "to_go", 0, INT64_C(1) << 53, &to_go);
        (void)printf("%.*s: %lld of %lld accepted, %lld to go\n", STR_ARG(state),
                     (long long)accepted, (long long)targeted, (long long)to_go);
        print_paused(&r);
    }
    json_destroy(root);
    problem_destroy(ignored);
}

static void on_event(void *user, struct str event, struct str id, struct str data) {
    struct follow *f = user;
    (void)id;
    if (str_eq(event, STR("done"))) {
        f->is_over = true;
        return;
    }
    bool is_news = str_eq(event, STR("stats")) && !str_eq(data, buf_str(&f->last));
    if (!is_news) {
        return; /* said again to a connection that came back */
    }
    buf_clear(&f->last);
    buf_put_str(&f->last, data);
    if (f->json) {
        (void)printf("%.*s\n", STR_ARG(data));
    } else {
        print_progress(data);
    }
    (void)fflush(stdout);
}

static int follow(const struct http_call *call, bool json) {
    struct follow f = {.json = json, .key = call->key};
    buf_init(&f.last, HTTP_CALL_BODY_MAX);
    struct sse_client client = {.command = "stats",
                                .url = call->url,
                                .ca_file = call->ca_file,
                                .put_headers = put_key,
                                .on_event = on_event,
                                .is_enough = is_over,
                                .user = &f};
    int status = sse_client_run(&client);
    if (status == APP_OK && !json) {
        const struct http_reply last = {.status = 200, .body = f.last};
        (void)show(&last, false, false);
    }
    buf_finish(&f.last);
    return status;
}

/* False after saying which argument cannot be. */
static bool check_arguments(const char *id, const char *revision, bool wants_both) {
    uint64_t number;
    if (wants_both) {
        (void)fputs("tocsin stats: either --wait or --follow\n", stderr);
        return false;
    }
    if (!id) {
        (void)fputs("tocsin stats: the id of an alert is needed\n", stderr);
        return false;
    }
    if (!codec_is_uuid(str_of(id))) {
        (void)fprintf(stderr, "tocsin stats: \"%s\" is not the id of an alert\n", id);
        return false;
    }
    if (revision && (str_to_u64(str_of(revision), &number) || number == 0)) {
        (void)fprintf(stderr, "tocsin stats: --revision wants a number above 0, not \"%s\"\n",
                      revision);
        return false;
    }
    return true;
}

int command_stats(int argc, char **argv) {
    struct options o;
    int status;
    if (!options_parse(&o, argc, argv, usage, &status)) {
        return status;
    }
    bool wait = options_switch(&o, "--wait");
    bool follows = options_switch(&o, "--follow");
    bool json = options_switch(&o, "--json");
    const char *revision = options_value(&o, "--revision");
    const char *base = options_value(&o, "--newsroom");
    const char *key_file = options_value(&o, "--key-file");
    const char *id = options_next(&o);
    bool fine = options_done(&o) && check_arguments(id, revision, wait && follows);
    char *key = fine ? http_call_key("stats", key_file) : NULL;
    status = fine ? APP_FAILED : APP_USAGE;
    if (key) {
        struct buf path;
        buf_init(&path, 512);
        buf_printf(&path, "/v1/alerts/%s/stats%s%s%s", id, follows ? "/stream" : "",
                   revision ? "?revision=" : "", revision ? revision : "");
        char *url = http_call_url(base, o.cfg->newsroom_listen, o.cfg->newsroom_tls_listen,
                                  buf_str(&path).p);
        const struct http_call call = {.url = url, .ca_file = o.cfg->tls_ca_file, .key = key};
        status = follows ? follow(&call, json) : ask(&call, wait, json);
        free(url);
        buf_finish(&path);
    }
    free(key);
    options_finish(&o);
    return status;
}

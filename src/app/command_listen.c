#include "app/command_listen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/http_call.h"
#include "app/options.h"
#include "app/sse_client.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "model/alert.h"
#include "model/json.h"
#include "model/position.h"
#include "model/text.h"

static const char usage[] =
    "Usage: tocsin listen [FILTER] [--json] [--count N] [OPTIONS]\n"
    "\n"
    "Follows alerts live, over server-sent events. When the connection breaks it comes back by\n"
    "itself with its position: nothing is missed and nothing shown twice.\n"
    "\n"
    "  --regions R,R…  --sections S,S…  --editions E,E…  --tags T,T…   default: everything\n"
    "  --min-urgency U        flash, high, normal or low (default)\n"
    "  --test                 tests and exercises too\n"
    "  --position P           start after this position instead of now\n"
    "  --token-file FILE      the token where the gateway demands one; read again at each "
    "connection\n"
    "  --json                 one JSON object a line, as received\n"
    "  --count N              end after N alerts\n"
    "  --gateway URL          the public listener (default: $TOCSIN_URL, else gateway.listen)\n"
    "  --tls.ca_file=FILE     authorities to trust for an https:// URL (default: the system's)\n"
    "\n" OPTIONS_USAGE;

enum {
    SEEN_MAX = 10000,
    TOKEN_FILE_BYTES = 8192,
};

struct listen {
    char *url;
    char position[POSITION_BYTES];
    const char *token_file; /* or NULL */
    bool json;
    uint64_t count; /* 0 = for ever */
    uint64_t shown;
    struct map *seen; /* "id/revision" → itself */
    struct sse_client client;
    bool was_connected;
};

static bool is_enough(void *user) {
    const struct listen *l = user;
    return l->count && l->shown >= l->count;
}

/* Each text in isolation marks (Unicode UAX 9: U+2068 … U+2069), so that Arabic and Latin parts of
 * one line do not reorder each other. */
static void print_text(const struct json_reader *alert, struct str edition,
                       const struct cJSON *content) {
    const struct json_reader r = {.object = content};
    struct str headline = STR("");
    struct str urgency = STR("");
    struct str type = STR("");
    struct str url = STR("");
    (void)json_read_string(&r, "headline", &headline);
    (void)json_read_string(&r, "url", &url);
    (void)json_read_string(alert, "urgency", &urgency);
    (void)json_read_string(alert, "type", &type);
    (void)printf("%-6.*s %-6.*s %-2.*s  \u2068%.*s\u2069%s%.*s\n", STR_ARG(urgency), STR_ARG(type),
                 STR_ARG(edition), STR_ARG(headline), url.n ? "  " : "", STR_ARG(url));
}

/* False for one that was shown before. */
static bool remember(struct listen *l, const struct json_reader *alert) {
    struct str id = STR("");
    int64_t revision = 0;
    char name[UUID_BYTES + 24];
    (void)json_read_string(alert, "id", &id);
    (void)json_read_int(alert, "revision", 0, INT32_MAX, &revision);
    int n = snprintf(name, sizeof(name), "%.*s/%lld", (int)(id.n < UUID_BYTES ? id.n : UUID_BYTES),
                     id.p, (long long)revision);
    if (map_count(l->seen) >= SEEN_MAX) {
        map_destroy(l->seen);
        l->seen = map_create();
    }
    return !map_set(l->seen, (struct str){name, (size_t)n}, l);
}

static void show(struct listen *l, struct str data) {
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    if (json_parse(data, "", &root, ignored) == ERR_OK) {
        const struct json_reader alert = {.object = root};
        if (!is_enough(l) && remember(l, &alert)) {
            l->shown++;
            const struct cJSON *content = json_member(&alert, "content");
            if (l->json) {
                (void)printf("%.*s\n", STR_ARG(data));
            }
            for (const struct cJSON *it = json_next(content, NULL); it && !l->json;
                 it = json_next(content, it)) {
                print_text(&alert, str_of(json_name(it)), it);
            }
            (void)fflush(stdout);
        }
    }
    json_destroy(root);
    problem_destroy(ignored);
}

/* A number of the event, 0 when it has none within 0..max. */
static int64_t read_number(struct str data, const char *name, int64_t max) {
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    int64_t number = 0;
    if (json_parse(data, "", &root, ignored) == ERR_OK) {
        const struct json_reader r = {.object = root};
        (void)json_read_int(&r, name, 0, max, &number);
    }
    json_destroy(root);
    problem_destroy(ignored);
    return number;
}

static void on_event(void *user, struct str event, struct str id, struct str data) {
    struct listen *l = user;
    if (name_find(msg_type_names, MSG_TYPE_COUNT, event) >= 0) {
        show(l, data);
    } else if (str_eq(event, STR("bye"))) {
        l->client.bye_ms = (long)read_number(data, "after_ms", 600000);
    } else if (str_eq(event, STR("welcome"))) {
        l->client.heartbeat_s = read_number(data, "heartbeat_s", 3600);
        (void)fprintf(stderr, "tocsin listen: %s\n",
                      l->was_connected ? "connected again" : "connected");
        l->was_connected = true;
    }
    if (id.n && id.n < sizeof(l->position)) {
        (void)snprintf(l->position, sizeof(l->position), "%.*s", STR_ARG(id));
    }
}

/* False and said when the file cannot be read. */
static bool put_token(const struct listen *l, struct buf *lines) {
    struct buf token;
    buf_init(&token, TOKEN_FILE_BYTES);
    enum err err = file_read(l->token_file, &token);
    struct str text = str_trim(buf_str(&token));
    bool good = err == ERR_OK && text_check_ascii(text, TOKEN_FILE_BYTES) == NULL;
    if (good) {
        buf_printf(lines, "Authorization: Bearer %.*s\n", STR_ARG(text));
    } else {
        (void)fprintf(stderr, "tocsin listen: %s: %s\n", l->token_file,
                      err == ERR_OK ? "no token in it" : err_name(err));
    }
    buf_wipe(&token);
    return good;
}

static bool put_headers(void *user, struct buf *lines) {
    const struct listen *l = user;
    if (l->position[0]) {
        buf_printf(lines, "Last-Event-ID: %s\n", l->position);
    }
    return !l->token_file || put_token(l, lines);
}

/* "name=value" with the value percent-encoded, after '?' or '&'. */
static void put_param(struct buf *b, const char *name, const char *value) {
    if (value) {
        buf_putc(b, memchr(b->p, '?', b->n) ? '&' : '?');
        buf_printf(b, "%s=", name);
        http_call_put_escaped(b, value);
    }
}

static void put_path(struct options *o, struct buf *b) {
    buf_puts(b, "/v1/events");
    put_param(b, "regions", options_value(o, "--regions"));
    put_param(b, "sections", options_value(o, "--sections"));
    put_param(b, "editions", options_value(o, "--editions"));
    put_param(b, "tags", options_value(o, "--tags"));
    put_param(b, "min_urgency", options_value(o, "--min-urgency"));
    put_param(b, "test", options_switch(o, "--test") ? "true" : NULL);
}

static bool read_arguments(struct options *o, struct listen *l, struct buf *path) {
    put_path(o, path);
    l->json = options_switch(o, "--json");
    const char *count = options_value(o, "--count");
    const char *position = options_value(o, "--position");
    const char *base = options_value(o, "--gateway");
    l->token_file = options_value(o, "--token-file");
    if (count && (str_to_u64(str_of(count), &l->count) || l->count == 0)) {
        (void)fprintf(stderr, "tocsin listen: --count wants a number above 0, not \"%s\"\n", count);
        return false;
    }
    if (position && text_check_ascii(str_of(position), sizeof(l->position) - 1)) {
        (void)fputs("tocsin listen: --position wants a position as the service gives it\n", stderr);
        return false;
    }
    if (!options_done(o)) {
        return false;
    }
    if (buf_check(path)) {
        (void)fputs("tocsin listen: the filter is too long\n", stderr);
        return false;
    }
    (void)snprintf(l->position, sizeof(l->position), "%s", position ? position : "");
    l->url = http_call_url(base, o->cfg->gateway_listen, o->cfg->gateway_tls_http_listen,
                           buf_str(path).p);
    return true;
}

int command_listen(int argc, char **argv) {
    struct options o;
    int status;
    struct buf path;
    struct listen l = {0};
    if (!options_parse(&o, argc, argv, usage, &status)) {
        return status;
    }
    buf_init(&path, 16384);
    l.seen = map_create();
    status = APP_USAGE;
    if (read_arguments(&o, &l, &path)) {
        l.client = (struct sse_client){.command = "listen",
                                       .url = l.url,
                                       .ca_file = o.cfg->tls_ca_file,
                                       .put_headers = put_headers,
                                       .on_event = on_event,
                                       .is_enough = is_enough,
                                       .user = &l};
        status = sse_client_run(&l.client);
    }
    map_destroy(l.seen);
    buf_finish(&path);
    free(l.url);
    options_finish(&o);
    return status;
}

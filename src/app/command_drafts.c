#include "app/command_drafts.h"

#include <stdio.h>
#include <string.h>

#include "app/app.h"
#include "app/newsroom_call.h"
#include "base/codec.h"
#include "model/json.h"

static const char usage[] =
    "Usage: tocsin drafts list [--state STATE] [OPTIONS]\n"
    "       tocsin drafts show ID [OPTIONS]\n"
    "       tocsin drafts cancel ID [OPTIONS]\n"
    "\n"
    "Alerts that are not sent yet. \"cancel\" takes back what is held, scheduled or waits for\n"
    "approval: it is a draft again.\n"
    "\n"
    "  --state STATE          open (default), ended, or one of draft, awaiting_approval, "
    "scheduled,\n"
    "                         held, sent, cancelled, expired, failed\n"
    "  --limit N              the newest N (default: 50, at most 100)\n"
    "  --json                 print the answer of the service as it is\n" NEWSROOM_CALL_USAGE;

static void print_text(const struct json_reader *r, const char *name, int width) {
    struct str text = STR("");
    (void)json_read_string(r, name, &text);
    (void)printf("%-*.*s ", width, STR_ARG(text));
}

/* The first headline there is. */
static struct str headline_of(const struct json_reader *draft) {
    const struct json_reader alert = {.object = json_member(draft, "alert")};
    const struct cJSON *content = json_member(&alert, "content");
    struct str headline = STR("");
    for (const struct cJSON *it = json_next(content, NULL); it; it = json_next(content, it)) {
        const struct json_reader language = {.object = it};
        if (json_read_string(&language, "headline", &headline)) {
            break;
        }
    }
    return headline;
}

static void print_list(struct str json) {
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    if (json_parse(json, "", &root, ignored) == ERR_OK) {
        const struct json_reader r = {.object = root};
        const struct cJSON *list = json_member(&r, "drafts");
        for (const struct cJSON *it = json_next(list, NULL); it; it = json_next(list, it)) {
            const struct json_reader draft = {.object = it};
            const struct json_reader by = {.object = json_member(&draft, "created_by")};
            print_text(&draft, "id", 36);
            print_text(&draft, "state", 17);
            print_text(&draft, "due_at", 24);
            print_text(&by, "name", 20);
            (void)printf("%.*s\n", STR_ARG(headline_of(&draft)));
        }
    }
    json_destroy(root);
    problem_destroy(ignored);
}

/* What to ask; false after saying what is wrong. */
static bool make_path(const char *verb, const char *id, const char *state, const char *limit,
                      char *path, size_t size) {
    if (strcmp(verb, "list") == 0) {
        (void)snprintf(path, size, "/v1/drafts?state=%.32s&limit=%.8s", state ? state : "open",
                       limit ? limit : "50");
        return true;
    }
    if (strcmp(verb, "show") != 0 && strcmp(verb, "cancel") != 0) {
        (void)fputs("tocsin drafts: list, show or cancel?\n", stderr);
        return false;
    }
    if (!id || !codec_is_uuid(str_of(id))) {
        (void)fputs("tocsin drafts: the id of a draft is needed\n", stderr);
        return false;
    }
    (void)snprintf(path, size, "/v1/drafts/%s%s", id, strcmp(verb, "show") == 0 ? "" : ":cancel");
    return true;
}

int command_drafts(int argc, char **argv) {
    struct options o;
    int status;
    if (!options_parse(&o, argc, argv, usage, &status)) {
        return status;
    }
    bool json = options_switch(&o, "--json");
    const char *state = options_value(&o, "--state");
    const char *limit = options_value(&o, "--limit");
    const struct newsroom_call call = {"drafts", o.cfg, options_value(&o, "--newsroom"),
                                       options_value(&o, "--key-file")};
    const char *verb = options_next(&o);
    const char *id = options_next(&o);
    char path[128];
    status = APP_USAGE;
    if (options_done(&o) && make_path(verb ? verb : "", id, state, limit, path, sizeof(path))) {
        bool is_list = strcmp(verb, "list") == 0;
        bool is_cancel = strcmp(verb, "cancel") == 0;
        status = newsroom_call(&call, path, is_cancel ? "{}" : NULL,
                               is_list && !json ? print_list : newsroom_call_print);
    }
    options_finish(&o);
    return status;
}

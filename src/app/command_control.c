#include "app/command_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/newsroom_call.h"
#include "app/options.h"
#include "base/codec.h"
#include "model/json.h"

static const char abort_usage[] = "Usage: tocsin abort ID [OPTIONS]\n"
                                  "\n"
                                  "Stops the pushes of an alert that are not handed over yet, and "
                                  "prints what became of it. What\n"
                                  "was handed over cannot be called back: publish a cancel. Needs "
                                  "a key that may publish such an\n"
                                  "alert, or one with the scope admin.\n"
                                  "\n" NEWSROOM_CALL_USAGE;

static const char push_usage[] =
    "Usage: tocsin push pause|resume|show [OPTIONS]\n"
    "\n"
    "Pauses and resumes all pushes or those of one platform. Pushes wait meanwhile; an alert "
    "whose\n"
    "time runs out ends as expired. pause and resume need a key with the scope admin.\n"
    "\n"
    "  --platform NAME        apns, fcm or all (default: all)\n"
    "  --reason TEXT          why, for those who look\n"
    "\n" NEWSROOM_CALL_USAGE;

int command_abort(int argc, char **argv) {
    struct options o;
    int status;
    if (!options_parse(&o, argc, argv, abort_usage, &status)) {
        return status;
    }
    const char *base = options_value(&o, "--newsroom");
    const char *key_file = options_value(&o, "--key-file");
    const char *id = options_next(&o);
    bool fine = options_done(&o);
    if (fine && !(id && codec_is_uuid(str_of(id)))) {
        (void)fputs("tocsin abort: the id of an alert is needed\n", stderr);
        fine = false;
    }
    status = APP_USAGE;
    if (fine) {
        char path[128];
        (void)snprintf(path, sizeof(path), "/v1/alerts/%s:abort", id);
        status = newsroom_call(&(struct newsroom_call){"abort", o.cfg, base, key_file}, path, "{}",
                               newsroom_call_print);
    }
    options_finish(&o);
    return status;
}

/* The body of pause or resume; owned by the caller. */
static char *make_body(const char *platform, const char *reason) {
    struct buf b;
    buf_init(&b, 4096);
    buf_putc(&b, '{');
    json_put_text(&b, "platform", platform);
    json_put_text(&b, "reason", reason);
    buf_putc(&b, '}');
    return buf_take(&b);
}

int command_push(int argc, char **argv) {
    struct options o;
    int status;
    if (!options_parse(&o, argc, argv, push_usage, &status)) {
        return status;
    }
    const char *base = options_value(&o, "--newsroom");
    const char *key_file = options_value(&o, "--key-file");
    const char *platform = options_value(&o, "--platform");
    const char *reason = options_value(&o, "--reason");
    const char *verb = options_next(&o);
    bool fine = options_done(&o);
    bool is_turn = verb && (strcmp(verb, "pause") == 0 || strcmp(verb, "resume") == 0);
    if (fine && !is_turn && !(verb && strcmp(verb, "show") == 0)) {
        (void)fputs("tocsin push: pause, resume or show?\n", stderr);
        fine = false;
    }
    status = APP_USAGE;
    if (fine) {
        char path[32];
        char *body = is_turn ? make_body(platform, reason) : NULL;
        (void)snprintf(path, sizeof(path), "/v1/push%s%s", is_turn ? ":" : "", is_turn ? verb : "");
        status = newsroom_call(&(struct newsroom_call){"push", o.cfg, base, key_file}, path, body,
                               newsroom_call_print);
        free(body);
    }
    options_finish(&o);
    return status;
}

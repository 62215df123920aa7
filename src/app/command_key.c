#include "app/command_key.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "app/cli_store.h"
#include "app/options.h"
#include "auth/api_key.h"
#include "base/clock.h"
#include "model/json.h"
#include "model/text.h"
#include "store/key_store.h"
#include "store/publish_guard.h"

static const char usage[] =
    "Usage: tocsin key create --name NAME [FLAGS] [OPTIONS]\n"
    "       tocsin key list [OPTIONS]\n"
    "       tocsin key revoke ID [OPTIONS]\n"
    "       tocsin key reset ID [OPTIONS]\n"
    "\n"
    "Newsroom API keys. \"create\" prints the key once, alone on standard output; only a hash of "
    "it\n"
    "is stored. \"reset\" lets a key send again that sent too many alerts.\n"
    "\n"
    "  --name NAME            who uses the key (1 to 64 bytes)\n"
    "  --scopes LIST          of publish, read, approve, admin (default: publish,read)\n"
    "  --person               the key of one person, who signs in to the console with it; a "
    "service's\n"
    "                         otherwise\n"
    "  --regions LIST         regions it may address (default: any, and \"all\")\n"
    "  --editions LIST        editions it may address (default: any)\n"
    "  --max-urgency LEVEL    most urgent level: flash, high, normal or low (default: flash)\n"
    "  --all-regions          may address \"all\", in spite of --regions\n"
    "\n" OPTIONS_USAGE;

enum { KEY_JSON_BYTES_MAX = 65536 };

/* ---- arguments ---- */

/* The right that a word of --scopes stands for; NULL for another word. */
static bool *right_of(struct key_scope *scope, struct str name) {
    const struct {
        struct str name;
        bool *right;
    } rights[] = {
        {STR("publish"), &scope->publish},
        {STR("read"), &scope->read},
        {STR("approve"), &scope->approve},
        {STR("admin"), &scope->admin},
    };
    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        if (str_eq(name, rights[i].name)) {
            return rights[i].right;
        }
    }
    return NULL;
}

static bool set_scopes(const char *list, struct key_scope *scope) {
    struct str rest = str_of(list);
    struct str name;
    while (str_split(&rest, ',', &name)) {
        bool *right = right_of(scope, name);
        if (!right) {
            (void)fprintf(stderr, "tocsin key: --scopes: unknown scope \"%.*s\"\n", STR_ARG(name));
            return false;
        }
        *right = true;
    }
    return true;
}

/* Every occurrence of the flag adds up. */
static bool set_values(struct options *o, const struct taxonomy *t, enum dimension dim,
                       const char *flag, uint64_t *mask) {
    const char *list;
    while ((list = options_value(o, flag)) != NULL) {
        struct str rest = str_of(list);
        struct str name;
        while (str_split(&rest, ',', &name)) {
            int index = taxonomy_find(t, dim, name);
            if (index < 0) {
                (void)fprintf(stderr, "tocsin key: %s: unknown value \"%.*s\"\n", flag,
                              STR_ARG(name));
                return false;
            }
            *mask |= UINT64_C(1) << index;
        }
    }
    return true;
}

static bool read_scope(struct options *o, const struct taxonomy *t, struct key_scope *scope) {
    const char *scopes = options_value(o, "--scopes");
    const char *level = options_value(o, "--max-urgency");
    int urgency = level ? name_find(urgency_names, URGENCY_COUNT, str_of(level)) : URGENCY_FLASH;
    if (urgency < 0) {
        (void)fprintf(stderr, "tocsin key: --max-urgency: unknown level \"%s\"\n", level);
        return false;
    }
    scope->max_urgency = (enum urgency)urgency;
    bool all = options_switch(o, "--all-regions");
    scope->person = options_switch(o, "--person");
    if (!set_scopes(scopes ? scopes : "publish,read", scope) ||
        !set_values(o, t, DIM_REGION, "--regions", &scope->regions) ||
        !set_values(o, t, DIM_EDITION, "--editions", &scope->editions)) {
        return false;
    }
    scope->all_regions = all || scope->regions == 0;
    return true;
}

static bool read_name(struct options *o, struct api_key *key) {
    const char *name = options_value(o, "--name");
    size_t n = name ? strlen(name) : 0;
    if (n == 0 || text_check(str_of(name), sizeof(key->name) - 1)) {
        (void)fprintf(stderr, "tocsin key: --name is needed: 1 to %zu bytes of visible text\n",
                      sizeof(key->name) - 1);
        return false;
    }
    memcpy(key->name, name, n);
    return true;
}

/* ---- Redis ---- */

struct outcome {
    bool done;
    enum err err;
    const struct taxonomy *t;
    struct api_key key;
    bool was_open;
};

static void on_put(void *user, enum err err) {
    struct outcome *outcome = user;
    outcome->err = err;
    outcome->done = true;
}

/* Whom the system takes the caller for; the command line knows no key of his. */
static const char *user_name(void) {
    const struct passwd *entry = getpwuid(getuid());
    return entry ? entry->pw_name : "unknown";
}

static void put_detail(const struct api_key *key, struct buf *b) {
    buf_putc(b, '{');
    json_put_text(b, "key_id", key->id);
    json_put_text(b, "name", key->name);
    json_put_bool(b, "person", key->scope.person);
    json_put_text(b, "user", user_name());
    buf_putc(b, '}');
}

static enum err put_key(struct cli_store *c, const struct taxonomy *t, const struct api_key *key) {
    struct outcome outcome = {0};
    struct buf json;
    struct buf detail;
    buf_init(&json, KEY_JSON_BYTES_MAX);
    buf_init(&detail, AUDIT_EVENT_BYTES_MAX);
    api_key_put_json(key, t, &json);
    put_detail(key, &detail);
    const struct audit_event event = {.action = key->revoked ? "key.revoked" : "key.created",
                                      .key_name = "command line",
                                      .detail_json = buf_str(&detail)};
    key_store_put(c->store, str_of(key->id), buf_str(&json), &event, on_put, &outcome);
    cli_store_run(c, &outcome.done);
    buf_finish(&detail);
    buf_finish(&json);
    return outcome.err;
}

static void on_get(void *user, enum err err, struct str json) {
    struct outcome *outcome = user;
    outcome->err = err ? err : api_key_parse_json(outcome->t, json, &outcome->key);
    outcome->done = true;
}

/* ---- create ---- */

static int run_create(struct options *o, const struct taxonomy *t) {
    struct api_key key = {0};
    struct cli_store c;
    char text[API_KEY_TEXT_BYTES];
    if (!read_scope(o, t, &key.scope) || !read_name(o, &key) || !options_done(o)) {
        return APP_USAGE;
    }
    if (cli_store_open(&c, o->cfg)) {
        return APP_FAILED;
    }
    api_key_generate(&key, text);
    enum err err = put_key(&c, t, &key);
    cli_store_close(&c);
    if (err) {
        (void)fprintf(stderr, "tocsin key: the key could not be stored (%s)\n", err_name(err));
    } else {
        (void)fprintf(stderr, "Key %s for \"%s\". It is shown this one time:\n", key.id, key.name);
        (void)puts(text);
    }
    explicit_bzero(text, sizeof(text));
    return err ? APP_FAILED : APP_OK;
}

/* ---- list ---- */

static void print_values(const char *label, const struct taxonomy *t, enum dimension dim,
                         uint64_t mask) {
    (void)printf("  %s=", label);
    if (!mask) {
        (void)fputs("any", stdout);
    }
    for (int i = 0; i < taxonomy_count(t, dim); i++) {
        if (mask >> i & 1) {
            (void)printf("%s%s", mask & ((UINT64_C(1) << i) - 1) ? "," : "",
                         taxonomy_name(t, dim, i));
        }
    }
}

static void print_key(const struct api_key *key, const struct taxonomy *t) {
    const struct key_scope *scope = &key->scope;
    char created[CLOCK_ISO_BYTES];
    clock_format_iso(key->created_ms, created);
    (void)printf("%s  %-8s %.10s  %-7s  %s%s%s%s", key->id, key->revoked ? "revoked" : "active",
                 created, scope->person ? "person" : "service", scope->publish ? "publish " : "",
                 scope->read ? "read " : "", scope->approve ? "approve " : "",
                 scope->admin ? "admin " : "");
    print_values("regions", t, DIM_REGION, scope->regions);
    (void)fputs(scope->all_regions && scope->regions ? ",all" : "", stdout);
    print_values("editions", t, DIM_EDITION, scope->editions);
    (void)printf("  max-urgency=%s  %s\n", urgency_names[scope->max_urgency], key->name);
}

static void on_listed(void *user, enum err err, struct str json) {
    struct outcome *outcome = user;
    if (err || !json.n) {
        outcome->err = err;
        outcome->done = true;
    } else if (api_key_parse_json(outcome->t, json, &outcome->key)) {
        (void)fputs("tocsin key: a stored key cannot be read\n", stderr);
    } else {
        print_key(&outcome->key, outcome->t);
    }
}

static int run_list(struct options *o, const struct taxonomy *t) {
    struct outcome outcome = {.t = t};
    struct cli_store c;
    if (!options_done(o)) {
        return APP_USAGE;
    }
    if (cli_store_open(&c, o->cfg)) {
        return APP_FAILED;
    }
    key_store_list(c.store, on_listed, &outcome);
    cli_store_run(&c, &outcome.done);
    cli_store_close(&c);
    if (outcome.err) {
        (void)fprintf(stderr, "tocsin key: no list (%s)\n", err_name(outcome.err));
    }
    return outcome.err ? APP_FAILED : APP_OK;
}

/* ---- what is done to one key ---- */

/* The key that is meant and the store it is in, for `verb`; APP_OK, or the exit status after saying
 * what is wrong. */
static int open_for_key(struct cli_store *c, struct options *o, const char *verb,
                        const char **out_id) {
    const char *id = options_next(o);
    if (!id) {
        (void)fprintf(stderr, "tocsin key %s: which? Give the ID that \"tocsin key list\" shows\n",
                      verb);
        return APP_USAGE;
    }
    if (!options_done(o)) {
        return APP_USAGE;
    }
    *out_id = id;
    return cli_store_open(c, o->cfg) ? APP_FAILED : APP_OK;
}

/* Says why it was not `done` ("revoked") when it was not. */
static int report(enum err err, const char *id, const char *done) {
    if (err == ERR_NOT_FOUND) {
        (void)fprintf(stderr, "tocsin key: no key \"%s\"\n", id);
    } else if (err) {
        (void)fprintf(stderr, "tocsin key: not %s (%s)\n", done, err_name(err));
    }
    return err ? APP_FAILED : APP_OK;
}

/* ---- revoke ---- */

static enum err revoke_key(struct cli_store *c, const struct taxonomy *t, const char *id) {
    struct outcome outcome = {.t = t};
    key_store_get(c->store, str_of(id), on_get, &outcome);
    cli_store_run(c, &outcome.done);
    if (outcome.err) {
        return outcome.err;
    }
    outcome.key.revoked = true;
    return put_key(c, t, &outcome.key);
}

static int run_revoke(struct options *o, const struct taxonomy *t) {
    struct cli_store c;
    const char *id;
    int status = open_for_key(&c, o, "revoke", &id);
    if (status) {
        return status;
    }
    enum err err = revoke_key(&c, t, id);
    cli_store_close(&c);
    if (!err) {
        (void)fprintf(stderr, "Key %s is revoked.\n", id);
    }
    return report(err, id, "revoked");
}

/* ---- reset ---- */

static void on_reset(void *user, enum err err, bool was_open) {
    struct outcome *outcome = user;
    outcome->err = err;
    outcome->was_open = was_open;
    outcome->done = true;
}

static enum err reset_breaker(struct cli_store *c, const struct taxonomy *t, const char *id,
                              bool *out_was_open) {
    struct outcome outcome = {.t = t};
    struct buf detail;
    key_store_get(c->store, str_of(id), on_get, &outcome);
    cli_store_run(c, &outcome.done);
    if (outcome.err) {
        return outcome.err;
    }
    buf_init(&detail, AUDIT_EVENT_BYTES_MAX);
    put_detail(&outcome.key, &detail);
    const struct audit_event event = {
        .action = "breaker.reset", .key_name = "command line", .detail_json = buf_str(&detail)};
    outcome.done = false;
    publish_guard_reset(c->store, str_of(id), &event, on_reset, &outcome);
    cli_store_run(c, &outcome.done);
    buf_finish(&detail);
    *out_was_open = outcome.was_open;
    return outcome.err;
}

static int run_reset(struct options *o, const struct taxonomy *t) {
    struct cli_store c;
    bool was_open = false;
    const char *id;
    int status = open_for_key(&c, o, "reset", &id);
    if (status) {
        return status;
    }
    enum err err = reset_breaker(&c, t, id, &was_open);
    cli_store_close(&c);
    if (!err) {
        (void)fprintf(stderr, was_open ? "Key %s may send again.\n" : "Key %s was not stopped.\n",
                      id);
    }
    return report(err, id, "reset");
}

static int run(struct options *o, const char *verb, const struct taxonomy *t) {
    if (strcmp(verb, "create") == 0) {
        return run_create(o, t);
    }
    if (strcmp(verb, "list") == 0) {
        return run_list(o, t);
    }
    if (strcmp(verb, "revoke") == 0) {
        return run_revoke(o, t);
    }
    if (strcmp(verb, "reset") == 0) {
        return run_reset(o, t);
    }
    (void)fprintf(stderr, "tocsin key: no \"%s\"; create, list, revoke or reset\n", verb);
    return APP_USAGE;
}

int command_key(int argc, char **argv) {
    return cli_run_verb(argc, argv, usage, run);
}

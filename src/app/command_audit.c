#include "app/command_audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/app.h"
#include "app/cli_store.h"
#include "app/options.h"
#include "base/clock.h"
#include "model/json.h"
#include "store/audit.h"

static const char usage[] =
    "Usage: tocsin audit list [FLAGS] [OPTIONS]\n"
    "       tocsin audit verify [FLAGS] [OPTIONS]\n"
    "\n"
    "Who sent, stopped, approved and changed what, newest first, and whether the record is "
    "whole.\n"
    "\"verify\" computes the chain of hashes anew and ends with 1 when it is broken, or when it "
    "is not\n"
    "the one of which an entry was noted before.\n"
    "\n"
    "  --limit N              how many entries (default: 50)\n"
    "  --alert ID             only those about this alert\n"
    "  --json                 an object a line\n"
    "  --anchor SEQ:HASH      verify: this entry must be there with that hash\n"
    "\n" OPTIONS_USAGE;

enum { LIMIT_DEFAULT = 50, LIMIT_MAX = 100000000, ENTRY_BYTES_MAX = 2 * AUDIT_EVENT_BYTES_MAX };

/* --- list --- */

struct listing {
    struct str alert; /* empty = about anything */
    bool json;
    uint64_t limit;
    uint64_t shown;
    uint64_t before;
    bool is_over;
    bool done;
    enum err err;
};

static void print_event(const struct audit_entry *entry, const struct cJSON *root) {
    const struct json_reader r = {.object = root};
    const struct json_reader actor = {.object = json_member(&r, "actor")};
    struct str action = STR("?");
    struct str name = STR("");
    struct str key_id = STR("-");
    struct str alert_id = STR("-");
    int64_t revision = 0;
    char at[CLOCK_ISO_BYTES];
    char about[UUID_BYTES + 16];
    clock_format_iso(entry->at_ms, at);
    (void)json_read_string(&r, "action", &action);
    (void)json_read_string(&r, "alert_id", &alert_id);
    (void)json_read_int(&r, "revision", 1, UINT32_MAX, &revision);
    (void)json_read_string(&actor, "key_id", &key_id);
    (void)json_read_string(&actor, "name", &name);
    (void)snprintf(about, sizeof(about), "%.*s%s", STR_ARG(alert_id), revision ? "/" : "");
    (void)printf("%" PRIu64 "  %s  %-15.*s  %-12.*s  %s", entry->seq, at, STR_ARG(action),
                 STR_ARG(key_id), about);
    if (revision) {
        (void)printf("%" PRId64, revision);
    }
    (void)printf("  %.*s\n", STR_ARG(name));
}

static void print_entry(const struct audit_entry *entry, bool json) {
    struct problem *ignored = problem_create();
    struct cJSON *root = NULL;
    if (json) {
        struct buf b;
        buf_init(&b, ENTRY_BYTES_MAX);
        audit_put_entry(entry, &b);
        (void)printf("%.*s\n", STR_ARG(buf_str(&b)));
        buf_finish(&b);
    } else if (json_parse(entry->event, "", &root, ignored) == ERR_OK) {
        print_event(entry, root);
    } else {
        (void)printf("%" PRIu64 "  (not readable)\n", entry->seq);
    }
    json_destroy(root);
    problem_destroy(ignored);
}

static void on_page(void *user, enum err err, const struct audit_entry *entries, size_t count) {
    struct listing *listing = user;
    listing->err = err;
    listing->is_over = err || !count;
    listing->done = true;
    for (size_t i = 0; !err && i < count && listing->shown < listing->limit; i++) {
        listing->before = entries[i].seq;
        if (!listing->alert.n || audit_is_about(&entries[i], listing->alert)) {
            print_entry(&entries[i], listing->json);
            listing->shown++;
        }
    }
}

static int run_list(struct options *o) {
    const char *limit = options_value(o, "--limit");
    const char *alert = options_value(o, "--alert");
    struct listing listing = {.limit = LIMIT_DEFAULT, .alert = str_of(alert)};
    struct cli_store c;
    listing.json = options_switch(o, "--json");
    if (!options_done(o)) {
        return APP_USAGE;
    }
    if (limit && (str_to_u64(str_of(limit), &listing.limit) || listing.limit < 1 ||
                  listing.limit > LIMIT_MAX)) {
        (void)fprintf(stderr, "tocsin audit: --limit wants a number from 1, not \"%s\"\n", limit);
        return APP_USAGE;
    }
    if (cli_store_open(&c, o->cfg)) {
        return APP_FAILED;
    }
    while (!listing.is_over && listing.shown < listing.limit) {
        listing.done = false;
        audit_read_back(c.store, listing.before, AUDIT_PAGE_MAX, on_page, &listing);
        cli_store_run(&c, &listing.done);
    }
    cli_store_close(&c);
    if (listing.err) {
        (void)fprintf(stderr, "tocsin audit: no list (%s)\n", err_name(listing.err));
    }
    return listing.err ? APP_FAILED : APP_OK;
}

/* --- verify --- */

struct outcome {
    bool done;
    enum err err;
    struct audit_verdict verdict;
};

static void on_verdict(void *user, enum err err, const struct audit_verdict *verdict) {
    struct outcome *outcome = user;
    outcome->err = err;
    outcome->verdict = *verdict;
    outcome->done = true;
}

static int tell(const struct outcome *outcome) {
    const struct audit_verdict *v = &outcome->verdict;
    if (outcome->err) {
        (void)fprintf(stderr, "tocsin audit: not verified (%s)\n", err_name(outcome->err));
        return APP_FAILED;
    }
    if (!v->intact) {
        (void)fprintf(stderr, "tocsin audit: BROKEN at %" PRIu64 ": %s\n", v->broken_at, v->fault);
        return APP_FAILED;
    }
    (void)printf("intact: %" PRIu64 " entries\n", v->entries);
    if (v->head.seq) {
        (void)printf("head: %" PRIu64 ":%s\n", v->head.seq, v->head.hash);
    }
    return APP_OK;
}

static int run_verify(struct options *o) {
    const char *anchor = options_value(o, "--anchor");
    struct audit_anchor known = {0};
    struct outcome outcome = {0};
    struct cli_store c;
    if (!options_done(o)) {
        return APP_USAGE;
    }
    if (anchor && audit_parse_anchor(str_of(anchor), &known)) {
        (void)fputs("tocsin audit: --anchor wants SEQ:HASH, as \"verify\" and the log show it\n",
                    stderr);
        return APP_USAGE;
    }
    if (cli_store_open(&c, o->cfg)) {
        return APP_FAILED;
    }
    audit_verify(c.store, &known, on_verdict, &outcome);
    cli_store_run(&c, &outcome.done);
    cli_store_close(&c);
    return tell(&outcome);
}

static int run(struct options *o, const char *verb, const struct taxonomy *t) {
    (void)t;
    if (strcmp(verb, "list") == 0) {
        return run_list(o);
    }
    if (strcmp(verb, "verify") == 0) {
        return run_verify(o);
    }
    (void)fprintf(stderr, "tocsin audit: no \"%s\"; list or verify\n", verb);
    return APP_USAGE;
}

int command_audit(int argc, char **argv) {
    return cli_run_verb(argc, argv, usage, run);
}

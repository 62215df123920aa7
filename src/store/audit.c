#include "store/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "model/json.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/script.h"

enum { TRIM_SLACK_PART = 100 };

/* --- writing --- */

static void put_text_or_null(struct buf *b, const char *name, const char *text) {
    json_put_name(b, name);
    if (text) {
        buf_put_json(b, str_of(text));
    } else {
        buf_puts(b, "null");
    }
}

void audit_put_event(const struct audit_event *e, struct buf *b) {
    buf_putc(b, '{');
    json_put_text(b, "action", e->action);
    put_text_or_null(b, "alert_id", e->alert_id);
    if (e->revision) {
        json_put_int(b, "revision", e->revision);
    } else {
        put_text_or_null(b, "revision", NULL);
    }
    json_put_name(b, "actor");
    buf_putc(b, '{');
    put_text_or_null(b, "key_id", e->key_id);
    put_text_or_null(b, "name", e->key_name);
    buf_putc(b, '}');
    json_put_name(b, "detail");
    buf_put_str(b, e->detail_json.n ? e->detail_json : STR("{}"));
    buf_putc(b, '}');
}

static void put_fitting(const struct audit_event *e, struct buf *event) {
    audit_put_event(e, event);
    if (event->overflow) { /* who did what matters more than its detail */
        struct audit_event bare = *e;
        bare.detail_json = (struct str){NULL, 0};
        buf_clear(event);
        audit_put_event(&bare, event);
    }
}

void audit_put_arg(const struct audit_event *e, struct args *args) {
    struct buf event;
    buf_init(&event, AUDIT_EVENT_BYTES_MAX);
    put_fitting(e, &event);
    args_put(args, buf_str(&event));
    buf_finish(&event);
}

void audit_make_hash(const struct audit_anchor *before, int64_t at_ms, const char *digest,
                     char out_hash[SHA256_HEX_BYTES]) {
    char sealed[4 * SHA256_HEX_BYTES];
    (void)snprintf(sealed, sizeof(sealed), "%s %" PRIu64 " %" PRId64 " %s", before->hash,
                   before->seq + 1, at_ms, digest);
    codec_sha256_hex(str_of(sealed), out_hash);
}

/* "<digest> <seq> <time> <hash before> <hash> <event>", those in the middle empty when the head is
 * not known. */
void audit_put_sealed_arg(struct store *store, const struct audit_event *e, struct args *args) {
    char digest[SHA256_HEX_BYTES];
    const struct audit_anchor *head = store_audit_head(store);
    struct buf event;
    struct buf word;
    buf_init(&event, AUDIT_EVENT_BYTES_MAX);
    buf_init(&word, AUDIT_EVENT_BYTES_MAX + 4 * SHA256_HEX_BYTES);
    put_fitting(e, &event);
    codec_sha256_hex(buf_str(&event), digest);
    if (head->seq) {
        char hash[SHA256_HEX_BYTES];
        int64_t at_ms = clock_wall_ms();
        audit_make_hash(head, at_ms, digest, hash);
        buf_printf(&word, "%s %" PRIu64 " %" PRId64 " %s %s ", digest, head->seq + 1, at_ms,
                   head->hash, hash);
    } else {
        buf_printf(&word, "%s     ", digest);
    }
    buf_put_str(&word, buf_str(&event));
    args_put(args, buf_str(&word));
    buf_finish(&word);
    buf_finish(&event);
}

static void on_head(void *user, enum err err, const struct redisReply *reply) {
    if (!err && !reply_is_error(reply)) {
        *store_audit_head(user) = audit_read_anchor(reply);
    }
}

void audit_look(struct store *store) {
    const struct str words[] = {STR("HMGET"), STR(KEY_AUDIT_HEAD), STR("seq"), STR("hash")};
    store_command(store, words, 4, on_head, store);
}

struct done_call {
    store_done_fn *done;
    void *user;
};

static struct done_call *done_call_of(store_done_fn *done, void *user) {
    struct done_call *call = mem_zalloc(1, sizeof(*call));
    *call = (struct done_call){done, user};
    return call;
}

static void on_done(void *user, enum err err, const struct redisReply *reply) {
    struct done_call call = *(struct done_call *)user;
    free(user);
    bool failed = store_failed("audit", err, reply);
    call.done(call.user, failed ? ERR_UNAVAILABLE : ERR_OK);
}

void audit_record(struct store *store, const struct audit_event *e, store_done_fn *done,
                  void *user) {
    struct args args;
    args_init(&args);
    audit_put_sealed_arg(store, e, &args);
    store_script(store, SCRIPT_AUDIT_APPEND, args_words(&args), args.count, 0, on_done,
                 done_call_of(done, user));
    args_finish(&args);
}

void audit_trim(struct store *store, int64_t most, store_done_fn *done, void *user) {
    struct args args;
    args_init(&args);
    args_put_text(&args, KEY_AUDIT);
    args_put_text(&args, KEY_AUDIT_HEAD);
    args_put_text(&args, KEY_AUDIT_BASE);
    args_put_int(&args, most);
    args_put_int(&args, most / TRIM_SLACK_PART);
    store_script(store, SCRIPT_AUDIT_TRIM, args_words(&args), args.count, 3, on_done,
                 done_call_of(done, user));
    args_finish(&args);
}

/* --- reading --- */

struct audit_anchor audit_read_anchor(const struct redisReply *pair) {
    struct audit_anchor anchor = {0};
    struct str hash = reply_str_at(pair, 1);
    if (hash.n == SHA256_HEX_BYTES - 1 && !str_to_u64(reply_str_at(pair, 0), &anchor.seq)) {
        memcpy(anchor.hash, hash.p, hash.n);
    }
    return anchor;
}

enum err audit_parse_entry(const struct redisReply *item, struct audit_entry *out_entry) {
    struct str id = reply_str_at(item, 0);
    const struct redisReply *fields = reply_at(item, 1);
    struct str seq;
    struct audit_entry entry = {.event = reply_str_at(fields, 3), .hash = reply_str_at(fields, 5)};
    if (!str_split(&id, '-', &seq) || str_to_u64(seq, &entry.seq) || !str_eq(id, STR("1")) ||
        reply_count(fields) != 6 || str_to_i64(reply_str_at(fields, 1), &entry.at_ms) ||
        entry.event.n < 2 || entry.event.p[0] != '{' || entry.hash.n != SHA256_HEX_BYTES - 1) {
        return ERR_PROTOCOL;
    }
    *out_entry = entry;
    return ERR_OK;
}

struct page_call {
    audit_page_fn *done;
    void *user;
};

/* Entries that are none are left out here: the list is for people, audit_verify names them. */
static void on_page(void *user, enum err err, const struct redisReply *reply) {
    struct page_call call = *(struct page_call *)user;
    struct audit_entry *entries = NULL;
    size_t count = 0;
    free(user);
    if (store_failed("audit_read", err, reply)) {
        err = ERR_UNAVAILABLE;
    } else {
        entries = mem_zalloc(reply_count(reply) + 1, sizeof(*entries));
        for (size_t i = 0; i < reply_count(reply); i++) {
            count += audit_parse_entry(reply_at(reply, i), &entries[count]) == ERR_OK;
        }
    }
    call.done(call.user, err, entries, count);
    free(entries);
}

void audit_read_back(struct store *store, uint64_t before, size_t limit, audit_page_fn *done,
                     void *user) {
    struct page_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct page_call){done, user};
    args_init(&args);
    args_put_text(&args, "XREVRANGE");
    args_put_text(&args, KEY_AUDIT);
    if (before) {
        args_printf(&args, "(%" PRIu64 "-0", before);
    } else {
        args_put_text(&args, "+");
    }
    args_put_text(&args, "-");
    args_put_text(&args, "COUNT");
    args_put_int(&args, (int64_t)(limit < AUDIT_PAGE_MAX ? limit : AUDIT_PAGE_MAX));
    store_command(store, args_words(&args), args.count, on_page, call);
    args_finish(&args);
}

/* The event begins {"action":"…","alert_id":"…", and an action has no quotes in it. */
bool audit_is_about(const struct audit_entry *entry, struct str alert_id) {
    static const struct str start = STR("{\"action\":\"");
    static const struct str middle = STR("\",\"alert_id\":\"");
    struct str rest = entry->event;
    struct str action;
    if (!str_starts(rest, start)) {
        return false;
    }
    rest = (struct str){rest.p + start.n, rest.n - start.n};
    if (!str_split(&rest, '"', &action) || !rest.p) {
        return false;
    }
    rest = (struct str){rest.p - 1, rest.n + 1};
    if (!str_starts(rest, middle)) {
        return false;
    }
    rest = (struct str){rest.p + middle.n, rest.n - middle.n};
    return str_starts(rest, alert_id) && rest.n > alert_id.n && rest.p[alert_id.n] == '"';
}

void audit_put_entry(const struct audit_entry *entry, struct buf *b) {
    char at[CLOCK_ISO_BYTES];
    clock_format_iso(entry->at_ms, at);
    buf_printf(b, "{\"seq\":%" PRIu64 ",\"at\":\"%s\",", entry->seq, at);
    buf_put(b, entry->event.p + 1, entry->event.n - 2); /* the members, without the braces */
    buf_printf(b, ",\"hash\":\"%.*s\"}", STR_ARG(entry->hash));
}

#include "store/alert_store.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/script.h"

enum { LOG_PAGE_MAX = 1000 };

struct get_call {
    alert_get_fn *done;
    void *user;
};

static void on_alert(void *user, enum err err, const struct redisReply *reply) {
    struct get_call call = *(struct get_call *)user;
    struct position position = {0};
    struct str json = reply_str_at(reply, 0);
    struct str epoch = reply_str_at(reply, 1);
    free(user);
    if (store_failed("alert_get", err, reply)) {
        err = err ? err : ERR_PROTOCOL;
    } else if (!json.n) {
        err = ERR_NOT_FOUND;
    } else if (epoch.n >= EPOCH_BYTES || str_to_u64(reply_str_at(reply, 2), &position.seq)) {
        err = ERR_PROTOCOL;
    } else {
        memcpy(position.epoch, epoch.p, epoch.n);
    }
    call.done(call.user, err, err ? (struct str){NULL, 0} : json, position);
}

/* The key of an alert, as the only text in `key`. */
static void make_key(struct buf *key, struct str id) {
    buf_init(key, 1024);
    buf_printf(key, KEY_ALERT, "");
    buf_put_str(key, id);
}

void alert_store_get(struct store *store, struct str id, alert_get_fn *done, void *user) {
    struct get_call *call = mem_zalloc(1, sizeof(*call));
    struct buf key;
    call->done = done;
    call->user = user;
    make_key(&key, id);
    const struct str argv[] = {STR("HMGET"), buf_str(&key), STR("json"), STR("epoch"), STR("seq")};
    store_command(store, argv, 5, on_alert, call);
    buf_finish(&key);
}

struct page_call {
    log_page_fn *done;
    void *user;
};

/* What became of a revision, from the alert's latest one and its state. */
static enum alert_fate fate_of(uint64_t revision, uint64_t latest, struct str state) {
    return revision >= latest                ? ALERT_STANDS
           : str_eq(state, STR("cancelled")) ? ALERT_RETRACTED
                                             : ALERT_SUPERSEDED;
}

/* The canonical form begins with id and revision. */
static uint64_t revision_of(struct str json) {
    static const char head[] = "{\"id\":\"\",\"revision\":";
    size_t at = sizeof(head) - 1 + UUID_BYTES - 1;
    uint64_t revision = 0;
    while (at < json.n && json.p[at] >= '0' && json.p[at] <= '9') {
        revision = revision * 10 + (uint64_t)(json.p[at++] - '0');
    }
    return revision;
}

/* One stream entry: [id, [e, <epoch>, j, <json>]], in a list followed by the latest revision of the
 * alert and its state. */
static enum err parse_entry(const struct redisReply *item, struct log_entry *out_entry) {
    struct str id = reply_str_at(item, 0);
    const struct redisReply *fields = reply_at(item, 1);
    struct str epoch = reply_str_at(fields, 1);
    struct str seq;
    if (!str_split(&id, '-', &seq) || str_to_u64(seq, &out_entry->position.seq) ||
        reply_count(fields) < 4 || epoch.n >= EPOCH_BYTES) {
        return ERR_PROTOCOL;
    }
    memcpy(out_entry->position.epoch, epoch.p, epoch.n);
    out_entry->json = reply_str_at(fields, 3);
    uint64_t latest;
    if (!str_to_u64(reply_str_at(item, 2), &latest)) {
        out_entry->fate = fate_of(revision_of(out_entry->json), latest, reply_str_at(item, 3));
    }
    return ERR_OK;
}

static void on_page(void *user, enum err err, const struct redisReply *reply) {
    struct page_call call = *(struct page_call *)user;
    struct log_entry *entries = NULL;
    size_t count = 0;
    free(user);
    if (store_failed("log_read", err, reply)) {
        err = err ? err : ERR_PROTOCOL;
    } else {
        entries = mem_zalloc(reply_count(reply), sizeof(*entries));
        while (!err && count < reply_count(reply)) {
            err = parse_entry(reply_at(reply, count), &entries[count]);
            count++;
        }
    }
    call.done(call.user, err, entries, err ? 0 : count);
    free(entries);
}

static struct page_call *page_call_of(log_page_fn *done, void *user) {
    struct page_call *call = mem_zalloc(1, sizeof(*call));
    *call = (struct page_call){.done = done, .user = user};
    return call;
}

static int64_t page_limit(size_t limit) {
    return (int64_t)(limit < LOG_PAGE_MAX ? limit : LOG_PAGE_MAX);
}

void alert_log_read(struct store *store, uint64_t from_seq, size_t limit, log_page_fn *done,
                    void *user) {
    struct args args;
    args_init(&args);
    args_put_text(&args, "XRANGE");
    args_put_text(&args, KEY_LOG);
    args_printf(&args, "%" PRIu64, from_seq);
    args_put_text(&args, "+");
    args_put_text(&args, "COUNT");
    args_put_int(&args, page_limit(limit));
    store_command(store, args_words(&args), args.count, on_page, page_call_of(done, user));
    args_finish(&args);
}

void alert_log_list(struct store *store, uint64_t from_seq, size_t limit, log_page_fn *done,
                    void *user) {
    struct args args;
    args_init(&args);
    args_put_text(&args, KEY_LOG);
    args_printf(&args, "%" PRIu64, from_seq);
    args_put_int(&args, page_limit(limit));
    store_script(store, SCRIPT_ALERT_LIST, args_words(&args), args.count, 1, on_page,
                 page_call_of(done, user));
    args_finish(&args);
}

/* ---- revisions ---- */

struct revisions_call {
    alert_revisions_fn *done;
    void *user;
};

static void on_revisions(void *user, enum err err, const struct redisReply *reply) {
    struct revisions_call call = *(struct revisions_call *)user;
    free(user);
    size_t count = 0;
    struct alert_revision *revisions = NULL;
    if (store_failed("alert_revisions", err, reply)) {
        err = err ? err : ERR_PROTOCOL;
    } else if (!reply_count(reply)) {
        err = ERR_NOT_FOUND;
    } else {
        count = reply_count(reply) - 1;
        revisions = mem_zalloc(count, sizeof(*revisions));
    }
    for (size_t i = 0; i < count; i++) {
        revisions[i] = (struct alert_revision){
            .json = reply_str_at(reply, i + 1),
            .fate = fate_of(i, count - 1, reply_str_at(reply, 0)),
        };
    }
    call.done(call.user, err, revisions, count);
    free(revisions);
}

void alert_store_revisions(struct store *store, struct str id, alert_revisions_fn *done,
                           void *user) {
    struct revisions_call *call = mem_zalloc(1, sizeof(*call));
    struct buf key;
    *call = (struct revisions_call){.done = done, .user = user};
    make_key(&key, id);
    const struct str words[] = {buf_str(&key)};
    store_script(store, SCRIPT_ALERT_REVISIONS, words, 1, 1, on_revisions, call);
    buf_finish(&key);
}

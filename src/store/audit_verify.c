/* Walks the chain page by page, while others append to it: base, newest entry and head are read in
 * this order, so the newest cannot be behind the head unless somebody set the head back, and what
 * comes after the head is left for the next time. When the beginning was trimmed, the chain goes on
 * from the base, which an entry of the log itself must name. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_internal.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/audit.h"
#include "store/keys.h"
#include "store/script.h"

static const char no_hash[SHA256_HEX_BYTES] =
    "0000000000000000000000000000000000000000000000000000000000000000";

static const char another_chain[] = "the chain is another than the one noted before";

struct walk {
    struct store *store;
    struct audit_anchor known; /* must be passed with that hash; seq 0 = nothing known */
    bool is_partial;           /* begins at `known` */
    bool known_is_next;        /* the next entry is `known` itself, to be compared only */
    struct audit_anchor base;  /* the last one trimmed; seq 0 = nothing was */
    bool base_vouched;         /* an entry says so */
    uint64_t newest_seq;       /* of the stream, and the second part of its id */
    uint64_t newest_part;
    struct audit_anchor at; /* verified up to here */
    struct audit_verdict verdict;
    audit_verdict_fn *done;
    void *user;
};

static void finish(struct walk *take_walk, enum err err) {
    struct walk walk = *take_walk;
    free(take_walk);
    walk.done(walk.user, err, &walk.verdict);
}

static void broken(struct walk *walk, uint64_t seq, const char *fault) {
    walk->verdict.intact = false;
    walk->verdict.broken_at = seq;
    walk->verdict.fault = fault;
}

/* --- one entry --- */

static bool hash_is_right(const struct walk *walk, const struct audit_entry *e) {
    char digest[SHA256_HEX_BYTES];
    char hash[SHA256_HEX_BYTES];
    codec_sha256_hex(e->event, digest);
    audit_make_hash(&walk->at, e->at_ms, digest, hash);
    return str_eq(e->hash, str_of(hash));
}

/* The word of audit_trim.lua for the base. */
static bool vouches(const struct walk *walk, const struct audit_entry *e) {
    char detail[160];
    (void)snprintf(detail, sizeof(detail), "\"detail\":{\"up_to\":%" PRIu64 ",\"hash\":\"%s\"}}",
                   walk->base.seq, walk->base.hash);
    size_t n = strlen(detail);
    return str_starts(e->event, STR("{\"action\":\"audit.trimmed\",")) && e->event.n > n &&
           memcmp(e->event.p + e->event.n - n, detail, n) == 0;
}

/* The entry that was known before must still be there, as it was. */
static bool check_known(struct walk *walk, const struct redisReply *item) {
    struct audit_entry e;
    walk->known_is_next = false;
    if (audit_parse_entry(item, &e) || e.seq != walk->known.seq ||
        !str_eq(e.hash, str_of(walk->known.hash))) {
        broken(walk, walk->known.seq, another_chain);
        return false;
    }
    return true;
}

/* False when the chain is broken there. */
static bool check_entry(struct walk *walk, const struct redisReply *item) {
    struct audit_entry e;
    uint64_t wanted = walk->at.seq + 1;
    if (audit_parse_entry(item, &e)) {
        broken(walk, wanted, "what stands there is no entry of ours");
    } else if (e.seq != wanted) {
        broken(walk, wanted, "the entry is missing");
    } else if (!hash_is_right(walk, &e)) {
        broken(walk, wanted, "the entry, or the one before, is not what was sealed");
    } else if (e.seq == walk->known.seq && !str_eq(e.hash, str_of(walk->known.hash))) {
        broken(walk, wanted, another_chain);
    } else {
        memcpy(walk->at.hash, e.hash.p, e.hash.n);
        walk->at.seq = e.seq;
        walk->verdict.entries++;
        walk->base_vouched = walk->base_vouched || vouches(walk, &e);
        return true;
    }
    return false;
}

/* --- the end --- */

static void judge_end(struct walk *walk) {
    const struct audit_anchor *head = &walk->verdict.head;
    if (walk->newest_seq > head->seq ||
        (walk->newest_seq == head->seq && head->seq && walk->newest_part != 1)) {
        broken(walk, head->seq + 1, "an entry that the head does not know");
    } else if (walk->at.seq != head->seq) {
        broken(walk, walk->at.seq + 1, "the entry is missing");
    } else if (head->seq && strcmp(walk->at.hash, head->hash) != 0) {
        broken(walk, head->seq, "the head names another hash");
    } else if (walk->known.seq > head->seq) {
        broken(walk, head->seq + 1, "the chain ends before the entry noted before");
    } else if (walk->base.seq && !walk->is_partial && !walk->base_vouched) {
        broken(walk, walk->base.seq, "the beginning is gone, and no entry tells of it");
    }
}

static void begin(struct walk *walk);

static void read_pair(struct walk *walk, const char *key, redis_reply_fn *on_reply) {
    const struct str words[] = {STR("HMGET"), str_of(key), STR("seq"), STR("hash")};
    store_command(walk->store, words, 4, on_reply, walk);
}

/* If somebody trimmed while we walked, what we looked for was rightly gone. */
static void on_base_again(void *user, enum err err, const struct redisReply *reply) {
    struct walk *walk = user;
    if (store_failed("audit_verify", err, reply)) {
        finish(walk, ERR_UNAVAILABLE);
    } else if (audit_read_anchor(reply).seq != walk->base.seq) {
        begin(walk);
    } else {
        finish(walk, ERR_OK);
    }
}

static void conclude(struct walk *walk) {
    if (walk->verdict.intact) {
        finish(walk, ERR_OK);
    } else {
        read_pair(walk, KEY_AUDIT_BASE, on_base_again);
    }
}

/* --- the pages --- */

static void read_on(struct walk *walk);

static void on_page(void *user, enum err err, const struct redisReply *reply) {
    struct walk *walk = user;
    if (store_failed("audit_verify", err, reply)) {
        finish(walk, ERR_UNAVAILABLE);
        return;
    }
    size_t count = reply_count(reply);
    size_t i = walk->known_is_next;
    bool fine = !walk->known_is_next || check_known(walk, reply_at(reply, 0));
    for (; fine && i < count && walk->at.seq < walk->verdict.head.seq; i++) {
        fine = check_entry(walk, reply_at(reply, i));
    }
    if (fine && count && walk->at.seq < walk->verdict.head.seq) {
        read_on(walk);
        return;
    }
    if (fine) {
        judge_end(walk);
    }
    conclude(walk);
}

static void read_on(struct walk *walk) {
    struct args args;
    args_init(&args);
    args_put_text(&args, "XRANGE");
    args_put_text(&args, KEY_AUDIT);
    if (walk->at.seq) {
        args_printf(&args, "%s%" PRIu64 "-1", walk->known_is_next ? "" : "(", walk->at.seq);
    } else {
        args_put_text(&args, "-");
    }
    args_put_text(&args, "+");
    args_put_text(&args, "COUNT");
    args_put_int(&args, AUDIT_PAGE_MAX);
    store_command(walk->store, args_words(&args), args.count, on_page, walk);
    args_finish(&args);
}

/* --- the beginning --- */

static void on_head(void *user, enum err err, const struct redisReply *reply) {
    struct walk *walk = user;
    if (store_failed("audit_verify", err, reply)) {
        finish(walk, ERR_UNAVAILABLE);
        return;
    }
    walk->verdict.head = audit_read_anchor(reply);
    walk->known_is_next = walk->is_partial && walk->known.seq > walk->base.seq &&
                          walk->known.seq <= walk->verdict.head.seq;
    walk->at = walk->known_is_next ? walk->known : walk->base;
    if (!walk->at.seq) {
        memcpy(walk->at.hash, no_hash, sizeof(no_hash));
    }
    if (walk->base.seq && walk->base.seq == walk->known.seq &&
        strcmp(walk->base.hash, walk->known.hash) != 0) {
        broken(walk, walk->base.seq, another_chain);
        conclude(walk);
    } else {
        read_on(walk);
    }
}

static void on_newest(void *user, enum err err, const struct redisReply *reply) {
    struct walk *walk = user;
    struct str id = reply_str_at(reply_at(reply, 0), 0);
    struct str seq;
    if (store_failed("audit_verify", err, reply)) {
        finish(walk, ERR_UNAVAILABLE);
        return;
    }
    if (id.n && (!str_split(&id, '-', &seq) || str_to_u64(seq, &walk->newest_seq) ||
                 str_to_u64(id, &walk->newest_part))) {
        walk->newest_seq = UINT64_MAX;
    }
    read_pair(walk, KEY_AUDIT_HEAD, on_head);
}

static void on_base(void *user, enum err err, const struct redisReply *reply) {
    struct walk *walk = user;
    const struct str words[] = {STR("XREVRANGE"), STR(KEY_AUDIT), STR("+"),
                                STR("-"),         STR("COUNT"),   STR("1")};
    if (store_failed("audit_verify", err, reply)) {
        finish(walk, ERR_UNAVAILABLE);
        return;
    }
    walk->base = audit_read_anchor(reply);
    store_command(walk->store, words, 6, on_newest, walk);
}

static void begin(struct walk *walk) {
    walk->verdict = (struct audit_verdict){.intact = true};
    walk->base_vouched = false;
    walk->newest_seq = walk->newest_part = 0;
    read_pair(walk, KEY_AUDIT_BASE, on_base);
}

static void start(struct store *store, const struct audit_anchor *known, bool is_partial,
                  audit_verdict_fn *done, void *user) {
    struct walk *walk = mem_zalloc(1, sizeof(*walk));
    *walk = (struct walk){.store = store, .is_partial = is_partial, .done = done, .user = user};
    if (known) {
        walk->known = *known;
    }
    begin(walk);
}

void audit_verify(struct store *store, const struct audit_anchor *known, audit_verdict_fn *done,
                  void *user) {
    start(store, known, false, done, user);
}

void audit_verify_from(struct store *store, const struct audit_anchor *from, audit_verdict_fn *done,
                       void *user) {
    start(store, from, from->seq > 0, done, user);
}

/* --- in words --- */

enum err audit_parse_anchor(struct str text, struct audit_anchor *out_anchor) {
    struct audit_anchor anchor = {0};
    struct str rest = text;
    struct str seq;
    struct buf bytes;
    buf_init(&bytes, SHA256_BYTES);
    bool good = str_split(&rest, ':', &seq) && !str_to_u64(seq, &anchor.seq) && anchor.seq > 0 &&
                rest.n == SHA256_HEX_BYTES - 1 && !codec_take_hex(&bytes, rest);
    if (good) {
        struct buf hex; /* lower case, whatever was given */
        buf_init(&hex, SHA256_HEX_BYTES);
        codec_put_hex(&hex, buf_str(&bytes));
        memcpy(anchor.hash, hex.p, hex.n);
        buf_finish(&hex);
        *out_anchor = anchor;
    }
    buf_finish(&bytes);
    return good ? ERR_OK : ERR_INVALID;
}

void audit_put_verdict(const struct audit_verdict *verdict, struct buf *b) {
    buf_printf(b, "{\"entries\":%" PRIu64 ",\"intact\":%s,", verdict->entries,
               verdict->intact ? "true" : "false");
    if (verdict->intact) {
        buf_puts(b, "\"broken_at\":null,\"fault\":null,");
    } else {
        buf_printf(b, "\"broken_at\":%" PRIu64 ",\"fault\":\"%s\",", verdict->broken_at,
                   verdict->fault);
    }
    if (verdict->head.seq) {
        buf_printf(b, "\"head\":{\"seq\":%" PRIu64 ",\"hash\":\"%s\"}}", verdict->head.seq,
                   verdict->head.hash);
    } else {
        buf_puts(b, "\"head\":null}");
    }
}

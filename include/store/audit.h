#pragma once
/* Who did what: an append-only log, each entry sealed into a SHA-256 chain in the step that appends
 * it (lib_audit.lua). Acts with a script of their own call audit_append() inside it, so that act
 * and entry happen together or not at all; the others use audit_record. It is as durable as the
 * alerts: the same Redis, the same append-only file. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/str.h"
#include "store/store.h"

struct args;

enum { AUDIT_EVENT_BYTES_MAX = 16384, AUDIT_PAGE_MAX = 500 };

struct audit_event {
    const char *action;     /* "alert.sent"; letters and dots */
    const char *key_id;     /* NULL: nobody's key, as on the command line */
    const char *key_name;   /* who that is, in words */
    const char *alert_id;   /* or a draft's; NULL: about neither */
    uint32_t revision;      /* 0: none */
    struct str detail_json; /* an object; empty = {} */
};

/* The text that goes to audit_append(), which adds seq and time. */
void audit_put_event(const struct audit_event *e, struct buf *b);
/* The same as one word of a script call. */
void audit_put_arg(const struct audit_event *e, struct args *args);
/* With its SHA-256 before it, and the entry's own hash for the case that the head is still the one
 * that audit_look saw: then the script need not compute them (0.45 ms of Redis' time here). */
void audit_put_sealed_arg(struct store *store, const struct audit_event *e, struct args *args);
/* Looks where the chain ends, for the next audit_put_sealed_arg. */
void audit_look(struct store *store);
/* Appends an entry of its own. */
void audit_record(struct store *store, const struct audit_event *e, store_done_fn *done,
                  void *user);

struct audit_entry {
    uint64_t seq; /* from 1, without gaps */
    int64_t at_ms;
    struct str event; /* as audit_put_event made it */
    struct str hash;  /* 64 hex digits */
};

/* Entries and their texts are valid during the call. */
typedef void audit_page_fn(void *user, enum err err, const struct audit_entry *entries,
                           size_t count);
/* Newest first, seq < before (0 = from the end), at most `limit` and AUDIT_PAGE_MAX. */
void audit_read_back(struct store *store, uint64_t before, size_t limit, audit_page_fn *done,
                     void *user);
/* True when the entry is about that alert or draft. */
bool audit_is_about(const struct audit_entry *entry, struct str alert_id);
/* The object {"seq","at","action","alert_id","revision","actor","detail","hash"}. */
void audit_put_entry(const struct audit_entry *entry, struct buf *b);

/* A place in the chain, to be noted where whoever can write to Redis cannot. */
struct audit_anchor {
    uint64_t seq; /* 0 = none */
    char hash[SHA256_HEX_BYTES];
};

/* "SEQ:HASH". ERR_INVALID. */
MUST_CHECK enum err audit_parse_anchor(struct str text, struct audit_anchor *out_anchor);

struct audit_verdict {
    uint64_t entries; /* that were found right */
    bool intact;
    uint64_t broken_at; /* the first that is not, when not intact */
    const char *fault;  /* what is wrong there, static; NULL when intact */
    struct audit_anchor head;
};
/* {"entries","intact","broken_at","fault","head":{"seq","hash"}}, the last one what to note. */
void audit_put_verdict(const struct audit_verdict *verdict, struct buf *b);
/* `verdict` is valid during the call; meaningless with an error. */
typedef void audit_verdict_fn(void *user, enum err err, const struct audit_verdict *verdict);
/* Computes the whole chain anew: removed, changed, inserted and reordered entries are all found, a
 * cut end by the head. That somebody wrote the whole chain anew is found by an anchor noted before:
 * its entry must be there with that hash. `known` may be NULL. */
void audit_verify(struct store *store, const struct audit_anchor *known, audit_verdict_fn *done,
                  void *user);
/* The same from `from` on, an entry verified before. */
void audit_verify_from(struct store *store, const struct audit_anchor *from, audit_verdict_fn *done,
                       void *user);
/* Drops the oldest above `most`, leaving word of it in the log itself. Does nothing before a
 * hundredth more are there. */
void audit_trim(struct store *store, int64_t most, store_done_fn *done, void *user);

#pragma once
/* A reader: a cohort (what it follows), a cursor (what it has) and a transport (how to reach it).
 * No queue: what it still needs lies between its cursor and the head, in the ring or the log.
 *
 *   NEW ──hello──▶ WAITING ──log known──▶ BEHIND ◀──▶ CHOKED        any ──▶ CLOSING ──▶ GONE
 *                     ▲         │           │  ▲
 *                     │         └──▶ LOG ───┘  │(choked)
 *                     └──(log replaced)── LIVE ┘
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/str.h"
#include "gateway/frame.h"
#include "gateway/recovery.h"
#include "gateway/wheel.h"
#include "model/filter.h"
#include "model/problem.h"

enum reader_state {
    READER_NEW,     /* not said yet what it follows (hub.fresh) */
    READER_WAITING, /* its position cannot be judged yet (hub.waiting) */
    READER_LOG,     /* needs entries older than the ring (hub.log_waiters) */
    READER_BEHIND,  /* has something to get and room for it (hub.behind) */
    READER_CHOKED,  /* has something to get, its transport is full (hub.choked) */
    READER_LIVE,    /* has everything, or the fan-out will visit it (cohort.idle, cohort.due) */
    READER_CLOSING, /* said goodbye (hub.closing) */
    READER_GONE,    /* the transport is gone (hub.graves, or none) */
    READER_STATE_COUNT
};

/* Control frames a reader is owed; sent before anything else once there is room. */
enum reader_owed {
    OWED_WELCOME = 1,
    OWED_FILTER = 2,
    OWED_STATUS = 4,
    OWED_PING = 8,
    OWED_AUTH = 16,
};

/* Whether its position is being verified with Redis (see recovery_is_doubtful). */
enum reader_doubt {
    DOUBT_NONE,
    DOUBT_ASKED, /* the question under way came after its hello */
    DOUBT_LATE,  /* it waits for the next question */
    DOUBT_OVER,
};

struct hub;
struct reader;

/* Why we end a connection. */
struct goodbye {
    enum close_code code;
    const char *word;               /* for 40xx: the code told, or NULL for that of `code` */
    const char *detail;             /* for 40xx: a sentence for people */
    const struct problem *problems; /* or NULL */
};

enum { TRANSPORT_WARM_STEPS = 3 };

/* How bytes get to a reader. One static table per kind of connection. */
struct transport {
    enum frame_kind kind;
    /* True when a write would be taken by the socket layer now. */
    bool (*can_write)(const struct reader *r);
    /* The reader is written to after `ahead` - 1 others, TRANSPORT_WARM_STEPS at first and then one
     * less each time: asks the CPU for the memory that takes, in steps, as some of it is found only
     * through other. May be NULL. */
    void (*warm)(const struct reader *r, int ahead);
    /* Takes all of the bytes, or fails because the connection is gone. */
    enum err (*write)(struct reader *r, struct str bytes);
    /* Wants one reader_on_writable once can_write turns true. */
    void (*want_writable)(struct reader *r);
    /* The reader has everything, or its answer is full. May be NULL. */
    void (*settled)(struct reader *r);
    /* Says goodbye with these bytes (complete frames) and starts closing; ends in reader_leave. */
    void (*end)(struct reader *r, struct str bytes);
    /* Drops the connection without a word; ends in reader_leave, at once or later. */
    void (*kill)(struct reader *r);
    /* Asked at each heartbeat: did more bytes come in since the last one than allowed, told to us
     * or not? NULL = never. */
    bool (*is_flooding)(struct reader *r);
    /* How long nothing came in, bytes that we are not told of included. Asked before a reader is
     * closed for its silence. NULL = what we were told is all there is. */
    int64_t (*silent_ms)(const struct reader *r);
    /* Frees a reader that is GONE, on a later turn. NULL when the transport owns the memory. */
    void (*release)(struct reader *r);
};

struct reader {
    struct list link; /* the list of its state, see there */
    struct wheel_timer timer;
    struct hub *hub;
    const struct transport *transport;
    struct cohort *cohort;   /* NULL before hello */
    struct catchup *catchup; /* owned; NULL once it was live */
    uint64_t cursor;         /* has everything up to here (see reader_seen for LIVE) */
    uint32_t heard_s;        /* hub time of the last sign of life */
    uint32_t expires_s;      /* hub time when its token ends; 0 = it has none */
    uint8_t state;           /* enum reader_state */
    uint8_t owed;            /* enum reader_owed bits */
    uint8_t verdict;         /* enum verdict */
    uint8_t doubt;           /* enum reader_doubt */
    uint16_t received_kb;    /* at the last heartbeat, cut to 16 bits */
    bool greeted : 1;        /* the welcome was written or is owed */
    bool told_live : 1;      /* what it was last told about the bus */
    bool leaving : 1;        /* its timer says bye (drain) */
    bool hinted : 1;         /* was told that its token ends soon */
};

/* In state NEW, with the hello deadline running. */
void reader_init(struct reader *r, struct hub *hub, const struct transport *transport);
/* The reader said what it follows and where it stands (both copied): judges, greets, sends. */
void reader_hello(struct reader *r, const struct filter *f, const struct resume *resume);
/* What is not sent yet is judged by the new filter. */
void reader_change_filter(struct reader *r, const struct filter *f);
/* Its token ends in `remaining_ms`: first before the hello, again when it is renewed. */
void reader_set_expiry(struct reader *r, int64_t remaining_ms);
/* Tells it when its token ends. `r` may be GONE afterwards. */
void reader_tell_expiry(struct reader *r);
/* Seconds until then; -1 = it has no token. */
int64_t reader_expires_in_s(const struct reader *r);
/* Bytes came in: it lives. */
void reader_heard(struct reader *r);
void reader_on_writable(struct reader *r);
/* Says why and closes. `r` may be GONE afterwards. */
void reader_end(struct reader *r, const struct goodbye *why);
/* The connection is gone: leaves all lists. Harmless when done already. */
void reader_leave(struct reader *r);
/* The last seq it has; in the current epoch only if reader_has_position. */
uint64_t reader_seen(const struct reader *r);
/* False while it was not told where it stands, or its place in a new log is not judged yet: then it
 * must not be told a position. */
bool reader_has_position(const struct reader *r);

/* --- for the hub and the fan-out --- */
void reader_move(struct reader *r, enum reader_state state);
/* Sends what it is owed and then entries, until it has everything, its transport is full or its
 * share of the turn is used. `r` may be GONE afterwards. */
void reader_pump(struct reader *r);
/* Judges a waiting reader's position now that the log is known. */
void reader_decide(struct reader *r);
/* The log read says its position is older than the log, or that it may go on. */
void reader_log_answered(struct reader *r, bool expired);
/* Forgets its place in the old log: back to WAITING with the position it stands at. */
void reader_rewind(struct reader *r, const char *old_epoch);
void reader_on_timer(struct reader *r);

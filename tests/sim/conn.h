#pragma once
/* One TLS connection of a client: bytes in, bytes out, and every way to end it. HTTP/2 is in
 * h2.h. A connection frees itself on a later turn of the loop. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <uv.h>

#include "base/list.h"
#include "sim.h"
#include "wheel.h"

enum conn_state {
    CONN_HANDSHAKE, /* TLS under way, or held back by a fault */
    CONN_OPEN,
    CONN_LINGER, /* our side ended; reads and drops until the client ends too */
    CONN_MUTE,   /* black hole: neither reads nor writes */
    CONN_CLOSED, /* waits to be freed */
};

/* As in faults_table.h, "cut". */
enum cut_mode { CUT_RST, CUT_FIN, CUT_CLOSE_NOTIFY, CUT_BLACK_HOLE };

enum { SETTINGS_RING = 64 };

/* Limits of concurrent streams in SETTINGS frames under way: nghttp2 is told a large one and the
 * frame is rewritten, because it would answer an excess with its own connection error. */
struct settings_ring {
    uint32_t limits[SETTINGS_RING];
    unsigned submitted;
    unsigned written;
    unsigned acknowledged;
};

struct conn {
    struct list link;           /* in listener->conns */
    struct list unflushed_link; /* in sim->unflushed */
    struct listener *listener;
    struct connection_record *record; /* read through conn_record */
    struct connection_record spare_record;
    uint64_t id;
    enum conn_state state;
    int fd;
    SSL *ssl;
    uv_poll_t poll;
    int events;
    struct wheel_item hold; /* delays of handshake and first SETTINGS, end of lingering */
    nghttp2_session *h2;
    char *out; /* plain bytes not yet taken by TLS */
    size_t out_n;
    size_t out_sent;
    bool cut_wanted;
    enum cut_mode cut;
    const char *end; /* why it ended; static text */
    bool no_alpn;    /* chooses no protocol */

    /* HTTP/2 (h2.c) */
    struct list streams; /* struct stream.link */
    uint32_t stream_limit;
    uint32_t open_streams;
    struct settings_ring settings;
    bool planned_stop; /* the first of two GOAWAY frames was sent */
    bool goaway_sent;
    int32_t goaway_last; /* streams above it were not processed; valid once goaway_sent */
    bool keep_open;      /* after GOAWAY: do not close TCP */
    bool silent;         /* answers nothing more, reads on */
    int64_t last_request_ms;
    struct wheel_item step; /* second GOAWAY, late raise */
    struct wheel_item credit;
    size_t credit_held; /* bytes of connection window not yet given back */
    bool pads;
    struct rate_window pings;

    /* provider state (apns.c) */
    struct authorization *authorization; /* of the last request */
    struct authorization *token;         /* APNs: the one in use */
    struct authorization *former_token;  /* the one before */
    bool authenticated; /* one valid token was seen: its team and key bind the connection */
    bool punished;
    bool broken;     /* the token expired in flight: nothing works any more */
    bool collecting; /* "goaway middle": requests wait for the choice */
};

/* Where to count for this connection, also after its place was given to a later one. */
static inline struct connection_record *conn_record(struct conn *c) {
    return c->record->id == c->id ? c->record : &c->spare_record;
}

/* Takes an accepted socket. */
void conn_open(struct listener *l, int take_fd);
/* Frames wait to be sent: they go at the turn's end. */
void conn_want_flush(struct conn *c);
/* Ends the connection now without a word; no further callback. */
void conn_close(struct conn *c, const char *why);
/* Ends it in the chosen way at the end of this turn. Safe inside nghttp2 callbacks. */
void conn_cut(struct conn *c, enum cut_mode mode);
/* TLS close_notify and FIN, then waits for the client's end. */
void conn_linger(struct conn *c, const char *why);
/* Sends what is there of every connection in sim->unflushed. */
void conn_flush_all(struct sim *s);

#pragma once
/* One request and its answer. */
#include <stdbool.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/list.h"
#include "base/str.h"
#include "conn.h"
#include "wheel.h"

enum header_id {
    H_METHOD,
    H_PATH,
    H_SCHEME,
    H_AUTHORITY,
    H_AUTHORIZATION,
    H_CONTENT_TYPE,
    H_CONTENT_ENCODING,
    H_APNS_ID,
    H_APNS_TOPIC,
    H_APNS_PUSH_TYPE,
    H_APNS_PRIORITY,
    H_APNS_EXPIRATION,
    H_APNS_COLLAPSE_ID,
    H_COUNT
};

struct request {
    struct str header[H_COUNT];          /* p == NULL when absent */
    bool duplicate;                      /* one of these headers came twice */
    struct authorization *authorization; /* NULL when absent */
    struct buf body;                     /* over its cap: overflow is set */
};

struct answer {
    int status;
    char reason[FAULT_WORD_BYTES]; /* for the statistics; APNs also sends it */
    int64_t timestamp_ms;          /* APNs 410; 0 = none */
    const char *content_type;
    struct buf body;
    int64_t retry_after; /* seconds; -1 = none */
    bool retry_date;
    bool silent;   /* never answer */
    bool accepted; /* counted in the ledger */
};

/* What becomes of a stream after its answer was decided. */
enum stream_fate {
    FATE_ANSWER,
    FATE_RST_AFTER_HEADERS,
    FATE_SPLIT_SEGMENT, /* body a few milliseconds after the headers */
    FATE_SPLIT_BYTES,   /* DATA frames of one byte */
};

enum { STREAM_TEXT_BYTES = 448, STREAM_BODY_MAX = 64 << 10, STREAM_HEADERS_MAX = 8 };

struct stream {
    struct list link;        /* in conn->streams, or in the list of free ones */
    struct wheel_item delay; /* latency, or a later step of its fate */
    struct conn *conn;
    int32_t id;
    struct request request;
    struct answer answer;
    enum stream_fate fate;
    uint32_t rst_code;
    size_t body_sent;
    bool body_held;
    bool decided; /* an answer or a reset is on its way */
    bool counted; /* in the statistics */
    size_t text_n;
    char text[STREAM_TEXT_BYTES];
    char *owned[H_COUNT]; /* values that did not fit into text */
    char status_text[4];
    char apns_id[UUID_BYTES];
    char unique_id[UUID_BYTES];
    char retry_text[40];
};

/* From a list of free ones if possible. */
struct stream *stream_create(struct conn *c, int32_t id);
/* Off every list, back to the free ones. */
void stream_destroy(struct stream *st);
/* Frees the list of free ones. */
void stream_cleanup(void);
/* Keeps a header of the request. */
void stream_header(struct stream *st, struct str name, struct str value);
/* Sends st->answer in the way of st->fate. */
void stream_answer(struct stream *st);
/* RST_STREAM now. */
void stream_reset(struct stream *st, uint32_t code);
/* The request is complete: faults, latency, the provider's handler, the answer (exchange.c). */
void exchange_begin(struct stream *st);

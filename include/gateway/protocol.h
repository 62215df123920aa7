#pragma once
/* The JSON of tocsin.v1: what clients say and what we say, apart from the alerts themselves. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/str.h"
#include "gateway/recovery.h"
#include "model/filter.h"
#include "model/problem.h"
#include "model/taxonomy.h"

enum client_message {
    CLIENT_HELLO,
    CLIENT_FILTER,
    CLIENT_PONG,
    CLIENT_AUTH,
    CLIENT_ACK, /* an alert was received */
    CLIENT_OPEN /* and opened */
};

struct client_frame {
    enum client_message type;
    struct filter filter;      /* hello, filter; owned */
    struct resume resume;      /* hello */
    char *token;               /* hello, auth; owned; NULL = none */
    char alert_id[UUID_BYTES]; /* ack, open */
    uint32_t revision;
};

/* ERR_PROTOCOL: not JSON or no message we know (CLOSE_PROTOCOL); ERR_INVALID: the filter breaks
 * rules (CLOSE_FILTER). The faults are in `problems`; nothing to release then. Otherwise release
 * with client_frame_finish. */
MUST_CHECK enum err protocol_parse(const struct taxonomy *t, struct str text,
                                   struct client_frame *out_frame, struct problem *problems);

/* Wipes the token. */
void client_frame_finish(struct client_frame *frame);

struct welcome {
    uint64_t session;
    const char *position;
    enum verdict verdict;
    const struct filter *filter;
    int64_t heartbeat_s;
    int64_t expires_in_s; /* of the token; -1 = there is none */
    bool live;
};

void protocol_put_welcome(struct buf *b, const struct taxonomy *t, const struct welcome *w);
void protocol_put_filter(struct buf *b, const struct taxonomy *t, const struct filter *f);
/* `position` may be NULL. */
void protocol_put_ping(struct buf *b, const char *position);
/* `expires_in_s` -1: no token is needed. */
void protocol_put_auth(struct buf *b, int64_t expires_in_s);
void protocol_put_status(struct buf *b, bool live);
void protocol_put_bye(struct buf *b, const char *reason, const char *position, uint64_t after_ms);
/* `problems` may be NULL. */
void protocol_put_error(struct buf *b, const char *code, const char *detail,
                        const struct problem *problems);

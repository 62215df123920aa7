#pragma once
/* What one listener saw, for GET /stats. */
#include <stdint.h>

#include "base/buf.h"
#include "base/map.h"
#include "base/str.h"

enum { STATS_CONNECTIONS_KEPT = 256, STATS_STATUS_MAX = 600 };

struct connection_record {
    uint64_t id;
    int64_t opened_ms; /* wall clock */
    int64_t closed_ms; /* 0 = open */
    uint64_t requests;
    uint64_t accepted;
    uint32_t max_streams;
    uint32_t authorizations; /* distinct authorization headers */
    const char *end;         /* static text */
};

struct stats {
    uint64_t requests;
    uint64_t accepted;
    uint64_t connections;
    uint64_t connections_open;
    uint64_t connections_refused;
    uint64_t handshakes_failed;
    uint64_t handshakes_resumed;  /* with a session ticket */
    uint64_t max_streams;         /* on one connection */
    uint64_t streams_excess;      /* beyond an acknowledged limit: an error of the client */
    uint64_t streams_excess_race; /* beyond a limit still on its way */
    uint64_t streams_cancelled;   /* RST_STREAM from the client */
    uint64_t authorizations;      /* distinct authorization headers */
    uint64_t header_bytes;        /* compressed */
    uint64_t body_bytes;
    uint64_t pings;
    uint64_t goaways_received;
    uint64_t protocol_errors; /* the client broke HTTP/2 */
    uint64_t validated_only;
    uint64_t status[STATS_STATUS_MAX];
    struct map *reasons;  /* name -> uint64_t, owned */
    struct map *warnings; /* same */
    struct connection_record records[STATS_CONNECTIONS_KEPT];
    uint64_t record_count;
};

void stats_init(struct stats *s);
void stats_finish(struct stats *s);
/* All counters to zero except the connections that are open. */
void stats_reset(struct stats *s);
void stats_count_reason(struct stats *s, const char *reason);
/* Something the provider lets pass but devices ignore. */
void stats_count_warning(struct stats *s, const char *warning);
/* The record of a new connection; recycled after STATS_CONNECTIONS_KEPT more. */
struct connection_record *stats_connection(struct stats *s, uint64_t id, int64_t now_ms);
/* The members of one listener's object, without braces. */
void stats_put_json(const struct stats *s, struct buf *b);

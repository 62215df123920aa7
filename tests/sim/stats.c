#include "stats.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void stats_init(struct stats *s) {
    *s = (struct stats){.reasons = map_create(), .warnings = map_create()};
}

static void free_counters(struct map *m) {
    size_t cursor = 0;
    struct str key;
    void *value;
    while (map_next(m, &cursor, &key, &value)) {
        free(value);
    }
    map_destroy(m);
}

void stats_finish(struct stats *s) {
    free_counters(s->reasons);
    free_counters(s->warnings);
}

void stats_reset(struct stats *s) {
    struct stats old = *s;
    free_counters(s->reasons);
    free_counters(s->warnings);
    stats_init(s);
    s->connections_open = old.connections_open;
    memcpy(s->records, old.records, sizeof(s->records)); /* open connections point here */
    s->record_count = old.record_count;
    for (size_t i = 0; i < STATS_CONNECTIONS_KEPT; i++) {
        struct connection_record *r = &s->records[i];
        r->requests = r->accepted = 0;
        r->max_streams = r->authorizations = 0;
        if (r->closed_ms) {
            *r = (struct connection_record){0};
        }
    }
}

static void count(struct map *m, const char *name) {
    uint64_t *counter = map_get(m, str_of(name));
    if (!counter) {
        counter = mem_zalloc(1, sizeof(*counter));
        (void)map_set(m, str_of(name), counter);
    }
    ++*counter;
}

void stats_count_reason(struct stats *s, const char *reason) {
    count(s->reasons, reason);
}

void stats_count_warning(struct stats *s, const char *warning) {
    count(s->warnings, warning);
}

struct connection_record *stats_connection(struct stats *s, uint64_t id, int64_t now_ms) {
    struct connection_record *r = &s->records[s->record_count++ % STATS_CONNECTIONS_KEPT];
    *r = (struct connection_record){.id = id, .opened_ms = now_ms};
    return r;
}

static void put_counters(const struct map *m, struct buf *b) {
    size_t cursor = 0;
    struct str key;
    void *value;
    const char *comma = "";
    buf_putc(b, '{');
    while (map_next(m, &cursor, &key, &value)) {
        buf_puts(b, comma);
        buf_put_json(b, key);
        buf_printf(b, ":%llu", (unsigned long long)*(uint64_t *)value);
        comma = ",";
    }
    buf_putc(b, '}');
}

static void put_statuses(const struct stats *s, struct buf *b) {
    const char *comma = "";
    buf_puts(b, "\"answers\":{");
    for (int i = 0; i < STATS_STATUS_MAX; i++) {
        if (s->status[i]) {
            buf_printf(b, "%s\"%d\":%llu", comma, i, (unsigned long long)s->status[i]);
            comma = ",";
        }
    }
    buf_putc(b, '}');
}

static void put_records(const struct stats *s, struct buf *b) {
    uint64_t first =
        s->record_count > STATS_CONNECTIONS_KEPT ? s->record_count - STATS_CONNECTIONS_KEPT : 0;
    const char *comma = "";
    buf_puts(b, "\"connection_list\":[");
    for (uint64_t i = first; i < s->record_count; i++) {
        const struct connection_record *r = &s->records[i % STATS_CONNECTIONS_KEPT];
        if (!r->id) {
            continue;
        }
        buf_printf(b,
                   "%s{\"id\":%llu,\"opened_ms\":%lld,\"closed_ms\":%lld,\"requests\":%llu,"
                   "\"accepted\":%llu,\"max_streams\":%u,\"authorizations\":%u,\"end\":\"%s\"}",
                   comma, (unsigned long long)r->id, (long long)r->opened_ms,
                   (long long)r->closed_ms, (unsigned long long)r->requests,
                   (unsigned long long)r->accepted, r->max_streams, r->authorizations,
                   r->end ? r->end : "");
        comma = ",";
    }
    buf_putc(b, ']');
}

void stats_put_json(const struct stats *s, struct buf *b) {
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"requests", s->requests},
        {"accepted", s->accepted},
        {"validated_only", s->validated_only},
        {"connections", s->connections},
        {"connections_open", s->connections_open},
        {"connections_refused", s->connections_refused},
        {"handshakes_failed", s->handshakes_failed},
        {"handshakes_resumed", s->handshakes_resumed},
        {"max_streams", s->max_streams},
        {"streams_excess", s->streams_excess},
        {"streams_excess_race", s->streams_excess_race},
        {"streams_cancelled", s->streams_cancelled},
        {"authorizations", s->authorizations},
        {"header_bytes", s->header_bytes},
        {"body_bytes", s->body_bytes},
        {"pings", s->pings},
        {"goaways_received", s->goaways_received},
        {"protocol_errors", s->protocol_errors},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        buf_printf(b, "\"%s\":%llu,", numbers[i].name, (unsigned long long)numbers[i].value);
    }
    put_statuses(s, b);
    buf_puts(b, ",\"reasons\":");
    put_counters(s->reasons, b);
    buf_puts(b, ",\"warnings\":");
    put_counters(s->warnings, b);
    buf_putc(b, ',');
    put_records(s, b);
}

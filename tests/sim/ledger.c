#include "ledger.h"

#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/mem.h"
#include "intern.h"

struct row {
    int64_t time_ms;
    int64_t expiration;
    uint32_t token;
    uint32_t collapse_id;
    uint32_t payload;
    uint32_t topic;
    uint32_t connection;
    uint16_t status;
    uint8_t provider;
    uint8_t push_type; /* numbers of struct ledger.words: a handful each */
    uint8_t priority;
};

struct alert_count {
    uint64_t accepted;
    uint64_t tokens;
    uint64_t duplicates;
};

enum { ROWS_FIRST = 4096, WORDS_MAX = 255 };

struct ledger {
    struct row *rows;
    uint64_t count;
    uint64_t room;
    struct intern *tokens;
    struct intern *payloads;
    struct intern *texts;     /* collapse ids, topics */
    struct intern *words;     /* push types, priorities */
    struct intern *alerts;    /* alert ids */
    struct intern *kinds;     /* collapse id and payload together, as bytes */
    uint32_t *payload_alerts; /* alert number by payload number; room for payload_room */
    uint32_t payload_room;
    struct alert_count *alert_counts; /* by alert number */
    uint32_t alert_room;
    struct pair_set *seen;        /* token and kind */
    struct pair_set *seen_alert;  /* token and alert */
    struct pair_set *seen_places; /* token and collapse id */
    uint64_t duplicates;
    uint64_t by_provider[PROVIDER_COUNT];
};

struct ledger *ledger_create(void) {
    struct ledger *l = mem_zalloc(1, sizeof(*l));
    l->tokens = intern_create();
    l->payloads = intern_create();
    l->texts = intern_create();
    l->words = intern_create();
    l->alerts = intern_create();
    l->kinds = intern_create();
    l->seen = pair_set_create();
    l->seen_alert = pair_set_create();
    l->seen_places = pair_set_create();
    return l;
}

void ledger_destroy(struct ledger *l) {
    if (!l) {
        return;
    }
    struct intern *tables[] = {l->tokens, l->payloads, l->texts, l->words, l->alerts, l->kinds};
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        intern_destroy(tables[i]);
    }
    pair_set_destroy(l->seen);
    pair_set_destroy(l->seen_alert);
    pair_set_destroy(l->seen_places);
    free(l->payload_alerts);
    free(l->alert_counts);
    free(l->rows);
    free(l);
}

/* Grows *room to hold index `need`, new elements zero. */
static void *grow(void *array, uint32_t *room, uint32_t need, size_t size) {
    if (need < *room) {
        return array;
    }
    uint32_t old = *room;
    *room = need < 512 ? 1024 : need * 2;
    array = mem_resize(array, *room, size);
    for (size_t i = old * size; i < *room * size; i++) {
        ((char *)array)[i] = 0;
    }
    return array;
}

static struct str alert_id_of(const cJSON *payload) {
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(payload, "alert_id");
    if (!cJSON_IsString(id)) {
        const cJSON *data = cJSON_GetObjectItemCaseSensitive(payload, "data");
        id = cJSON_GetObjectItemCaseSensitive(data, "alert_id");
    }
    return cJSON_IsString(id) ? str_of(id->valuestring) : STR("");
}

uint32_t ledger_payload(struct ledger *l, struct str json) {
    bool is_new;
    uint32_t id = intern_put(l->payloads, json, &is_new);
    if (!is_new) {
        return id;
    }
    l->payload_alerts = grow(l->payload_alerts, &l->payload_room, id, sizeof(*l->payload_alerts));
    cJSON *tree = cJSON_ParseWithLength(json.p, json.n);
    l->payload_alerts[id] = intern_put(l->alerts, alert_id_of(tree), NULL);
    l->alert_counts =
        grow(l->alert_counts, &l->alert_room, l->payload_alerts[id], sizeof(*l->alert_counts));
    cJSON_Delete(tree);
    return id;
}

uint32_t ledger_find_payload(const struct ledger *l, struct str json) {
    return intern_find(l->payloads, json);
}

static uint8_t word(struct ledger *l, struct str text) {
    uint32_t id = intern_put(l->words, text, NULL);
    return (uint8_t)(id <= WORDS_MAX ? id : 0);
}

static uint64_t pair(uint32_t high, uint32_t low) {
    return (uint64_t)high << 32 | low;
}

static void count_row(struct ledger *l, const struct row *r) {
    uint32_t kind_parts[2] = {r->collapse_id, r->payload};
    uint32_t kind =
        intern_put(l->kinds, (struct str){(const char *)kind_parts, sizeof(kind_parts)}, NULL);
    struct alert_count *alert = &l->alert_counts[l->payload_alerts[r->payload]];
    bool duplicate = pair_set_add(l->seen, pair(r->token, kind)) > 0;
    l->duplicates += duplicate;
    alert->duplicates += duplicate;
    alert->accepted++;
    alert->tokens +=
        pair_set_add(l->seen_alert, pair(r->token, l->payload_alerts[r->payload])) == 0;
    (void)pair_set_add(l->seen_places, pair(r->token, r->collapse_id));
    l->by_provider[r->provider]++;
}

void ledger_add(struct ledger *l, const struct ledger_entry *e) {
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : ROWS_FIRST;
        l->rows = mem_resize(l->rows, l->room, sizeof(*l->rows));
    }
    struct row *r = &l->rows[l->count++];
    *r = (struct row){
        .time_ms = clock_wall_ms(),
        .expiration = e->expiration,
        .token = intern_put(l->tokens, e->token, NULL),
        .collapse_id = intern_put(l->texts, e->collapse_id, NULL),
        .payload = e->payload,
        .topic = intern_put(l->texts, e->topic, NULL),
        .connection = (uint32_t)e->connection,
        .status = (uint16_t)e->status,
        .provider = (uint8_t)e->provider,
        .push_type = word(l, e->push_type),
        .priority = word(l, e->priority),
    };
    count_row(l, r);
}

static void put_text(struct buf *b, const char *name, struct str text) {
    buf_printf(b, ",\"%s\":", name);
    if (text.n) {
        buf_put_json(b, text);
    } else {
        buf_puts(b, "null");
    }
}

static void put_line(const struct ledger *l, uint64_t index, struct buf *b) {
    const struct row *r = &l->rows[index];
    buf_printf(b, "{\"n\":%llu,\"platform\":\"%s\"", (unsigned long long)index + 1,
               provider_names[r->provider]);
    put_text(b, "token", intern_get(l->tokens, r->token));
    buf_printf(b, ",\"status\":%u,\"time_ms\":%lld", r->status, (long long)r->time_ms);
    put_text(b, "collapse_id", intern_get(l->texts, r->collapse_id));
    put_text(b, "alert_id", intern_get(l->alerts, l->payload_alerts[r->payload]));
    put_text(b, "priority", intern_get(l->words, r->priority));
    put_text(b, "push_type", intern_get(l->words, r->push_type));
    put_text(b, "topic", intern_get(l->texts, r->topic));
    const char *when = r->provider == PROVIDER_APNS ? "expiration" : "ttl_s";
    if (r->expiration >= 0) {
        buf_printf(b, ",\"%s\":%lld", when, (long long)r->expiration);
    } else {
        buf_printf(b, ",\"%s\":null", when);
    }
    buf_printf(b, ",\"connection\":%u,\"payload\":", r->connection);
    buf_put_str(b, intern_get(l->payloads, r->payload));
    buf_puts(b, "}\n");
}

bool ledger_next_line(const struct ledger *l, struct ledger_query *query, uint64_t *cursor,
                      struct buf *b) {
    uint32_t token = query->token.n ? intern_find(l->tokens, query->token) : 0;
    uint32_t alert = query->alert_id.n ? intern_find(l->alerts, query->alert_id) : 0;
    if ((query->token.n && !token) || (query->alert_id.n && !alert)) {
        return false;
    }
    for (uint64_t i = *cursor > query->since ? *cursor : query->since; i < l->count; i++) {
        const struct row *r = &l->rows[i];
        if ((query->provider < 0 || r->provider == query->provider) &&
            (!token || r->token == token) && (!alert || l->payload_alerts[r->payload] == alert)) {
            if (query->skip > 0) {
                query->skip--;
                continue;
            }
            put_line(l, i, b);
            *cursor = i + 1;
            return true;
        }
    }
    *cursor = l->count;
    return false;
}

void ledger_put_summary(const struct ledger *l, struct buf *b) {
    buf_printf(b,
               "{\"accepted\":%llu,\"tokens\":%u,\"duplicates\":%llu,\"places\":%zu,"
               "\"payloads\":%u,\"platforms\":{",
               (unsigned long long)l->count, intern_count(l->tokens),
               (unsigned long long)l->duplicates, pair_set_count(l->seen_places),
               intern_count(l->payloads));
    for (int i = 0; i < PROVIDER_OAUTH; i++) {
        buf_printf(b, "%s\"%s\":%llu", i ? "," : "", provider_names[i],
                   (unsigned long long)l->by_provider[i]);
    }
    buf_puts(b, "},\"alerts\":{");
    for (uint32_t id = 1; id <= intern_count(l->alerts); id++) {
        const struct alert_count *a = &l->alert_counts[id];
        buf_puts(b, id > 1 ? "," : "");
        buf_put_json(b, intern_get(l->alerts, id));
        buf_printf(b, ":{\"accepted\":%llu,\"tokens\":%llu,\"duplicates\":%llu}",
                   (unsigned long long)a->accepted, (unsigned long long)a->tokens,
                   (unsigned long long)a->duplicates);
    }
    buf_puts(b, "}}");
}

/* The payload: size, JSON, and whether it agrees with the push type. Each distinct payload is
 * looked at once; an alert's payload comes a million times. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "apns.h"
#include "base/mem.h"
#include "json_check.h"
#include "ledger.h"

enum payload_fact {
    FACT_KNOWN = 1,      /* was looked at */
    FACT_APS = 2,        /* has an object "aps" */
    FACT_VISIBLE = 4,    /* alert, badge or sound */
    FACT_BACKGROUND = 8, /* content-available 1 */
};

struct apns_payloads {
    uint8_t *facts; /* enum payload_fact by number in the ledger */
    uint32_t room;
};

struct apns_payloads *apns_payloads_create(void) {
    return mem_zalloc(1, sizeof(struct apns_payloads));
}

void apns_payloads_destroy(struct apns_payloads *p) {
    if (p) {
        free(p->facts);
        free(p);
    }
}

static uint8_t *facts_of(struct apns_payloads *p, uint32_t id) {
    if (id >= p->room) {
        uint32_t room = id * 2 + 64;
        p->facts = mem_resize(p->facts, room, 1);
        memset(p->facts + p->room, 0, room - p->room);
        p->room = room;
    }
    return &p->facts[id];
}

static bool is_one(const cJSON *item) {
    return cJSON_IsNumber(item) && item->valuedouble == 1;
}

static bool is_text_or_object(const cJSON *item) {
    return cJSON_IsString(item) || cJSON_IsObject(item);
}

static bool is_whole(const cJSON *item) {
    return cJSON_IsNumber(item) && item->valuedouble == (double)(int64_t)item->valuedouble;
}

static bool is_score(const cJSON *item) {
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= 1;
}

static bool is_text(const cJSON *item) {
    return cJSON_IsString(item);
}

static bool is_level(const cJSON *item) {
    static const char *const levels[] = {"passive", "active", "time-sensitive", "critical"};
    const char *text = cJSON_GetStringValue(item);
    for (size_t i = 0; text && i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(text, levels[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_anything(const cJSON *item) {
    return item != NULL;
}

/* Keys of "aps" and their form ("Generating a remote notification", Apple). Devices ignore what
 * breaks it, so it is a warning in the statistics, not an answer. */
static const struct {
    const char *name;
    bool (*is_good)(const cJSON *item);
} aps_keys[] = {
    {"alert", is_text_or_object},
    {"badge", is_whole},
    {"sound", is_text_or_object},
    {"thread-id", is_text},
    {"category", is_text},
    {"target-content-id", is_text},
    {"content-available", is_one},
    {"mutable-content", is_one},
    {"interruption-level", is_level},
    {"relevance-score", is_score},
    {"filter-criteria", is_text},
    {"timestamp", is_whole},
    {"event", is_text},
    {"content-state", is_anything},
    {"stale-date", is_whole},
    {"dismissal-date", is_whole},
    {"attributes-type", is_text},
    {"attributes", is_anything},
    {"url-args", is_anything},
};

static void warn(struct stats *stats, const char *what, const char *key) {
    char text[96];
    size_t n = strnlen(key, sizeof(text) - 32);
    size_t at = strlen(what);
    memcpy(text, what, at);
    memcpy(text + at, key, n);
    text[at + n] = '\0';
    stats_count_warning(stats, text);
}

static void look_for_warnings(struct stats *stats, const cJSON *aps) {
    const cJSON *item;
    cJSON_ArrayForEach(item, aps) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof(aps_keys) / sizeof(aps_keys[0]); i++) {
            if (strcmp(aps_keys[i].name, item->string) == 0) {
                is_known = true;
                if (!aps_keys[i].is_good(item)) {
                    warn(stats, "bad aps key ", item->string);
                }
            }
        }
        if (!is_known) {
            warn(stats, "unknown aps key ", item->string);
        }
    }
}

static uint8_t learn(struct stats *stats, struct str json) {
    cJSON *tree = cJSON_ParseWithLength(json.p, json.n);
    const cJSON *aps = cJSON_GetObjectItemCaseSensitive(tree, "aps");
    uint8_t facts = FACT_KNOWN;
    if (cJSON_IsObject(aps)) {
        facts |= FACT_APS;
        if (cJSON_GetObjectItemCaseSensitive(aps, "alert") ||
            cJSON_GetObjectItemCaseSensitive(aps, "badge") ||
            cJSON_GetObjectItemCaseSensitive(aps, "sound")) {
            facts |= FACT_VISIBLE;
        }
        if (is_one(cJSON_GetObjectItemCaseSensitive(aps, "content-available"))) {
            facts |= FACT_BACKGROUND;
        }
        look_for_warnings(stats, aps);
    }
    cJSON_Delete(tree);
    return facts;
}

/* "apns-push-type must accurately reflect the contents of the payload" (Apple). */
static bool agrees(uint8_t facts, const char *push_type) {
    if (strcmp(push_type, "alert") == 0) {
        return (facts & FACT_VISIBLE) != 0;
    }
    if (strcmp(push_type, "background") == 0) {
        return (facts & FACT_BACKGROUND) && !(facts & FACT_VISIBLE);
    }
    return true;
}

/* One line without white space between tokens: the ledger prints it inside a line of NDJSON. */
static uint32_t number_of(struct apns *a, struct str json) {
    struct ledger *ledger = apns_sim(a)->ledger;
    if (!memchr(json.p, '\n', json.n) && !memchr(json.p, '\r', json.n)) {
        return ledger_payload(ledger, json);
    }
    char *copy = mem_strndup(json.p, json.n);
    cJSON_Minify(copy);
    uint32_t id = ledger_payload(ledger, str_of(copy));
    free(copy);
    return id;
}

struct verdict apns_check_payload(struct apns *a, struct stream *st, const struct apns_push *push,
                                  uint32_t *out_payload) {
    const struct apns_push_type *type = &apns_push_types[push->push_type];
    struct str body = buf_str(&st->request.body);
    if (!body.n) {
        return (struct verdict){400, "PayloadEmpty"};
    }
    if (st->request.body.overflow || body.n > type->payload_max) {
        return (struct verdict){413, "PayloadTooLarge"};
    }
    uint32_t id = ledger_find_payload(apns_sim(a)->ledger, body);
    uint8_t *facts = id ? facts_of(apns_payloads_of(a), id) : NULL;
    if (!facts || !*facts) {
        if (!json_is_object(body)) {
            return (struct verdict){400, "PayloadEmpty"};
        }
        id = number_of(a, body);
        facts = facts_of(apns_payloads_of(a), id);
        if (!*facts) {
            *facts = learn(&st->conn->listener->stats, body);
        }
    }
    if (!(*facts & FACT_APS) && strcmp(type->name, "mdm") != 0) {
        return (struct verdict){400, "PayloadEmpty"};
    }
    if (!agrees(*facts, type->name)) {
        return (struct verdict){400, "InvalidPushType"};
    }
    *out_payload = id;
    return (struct verdict){0, NULL};
}

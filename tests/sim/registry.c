#include "registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

enum { APNS_ONLY = 1, FCM_ONLY = 2, BOTH = 3 };

static const struct {
    const char *name;
    unsigned providers;
} behaviours[TOKEN_BEHAVIOUR_COUNT] = {
    [TOKEN_OK] = {"ok", BOTH},
    [TOKEN_UNREGISTERED] = {"unregistered", BOTH},
    [TOKEN_EXPIRED] = {"expired", APNS_ONLY},
    [TOKEN_BAD] = {"bad", BOTH},
    [TOKEN_WRONG_TOPIC] = {"wrong_topic", APNS_ONLY},
    [TOKEN_WRONG_ENVIRONMENT] = {"wrong_environment", APNS_ONLY},
    [TOKEN_WRONG_SENDER] = {"wrong_sender", FCM_ONLY},
    [TOKEN_APNS_UNREGISTERED] = {"apns_unregistered", FCM_ONLY},
    [TOKEN_THIRD_PARTY_AUTH] = {"third_party_auth", FCM_ONLY},
    [TOKEN_TOO_MANY] = {"too_many", BOTH},
    [TOKEN_INTERNAL] = {"internal", BOTH},
    [TOKEN_UNAVAILABLE] = {"unavailable", BOTH},
    [TOKEN_ACCEPTED_UNAVAILABLE] = {"accepted_unavailable", FCM_ONLY},
    [TOKEN_SILENT] = {"silent", BOTH},
};

struct registry {
    struct map *rules[PROVIDER_OAUTH]; /* token -> struct token_rule, owned */
    struct token_rule rest[PROVIDER_OAUTH];
    struct map *rates; /* token -> struct rate_window, owned */
};

static const struct token_rule fine = {TOKEN_OK, -1, 0, -1};

struct registry *registry_create(void) {
    struct registry *r = mem_zalloc(1, sizeof(*r));
    for (int i = 0; i < PROVIDER_OAUTH; i++) {
        r->rules[i] = map_create();
        r->rest[i] = fine;
    }
    r->rates = map_create();
    return r;
}

static void free_map(struct map *m) {
    size_t cursor = 0;
    struct str key;
    void *value;
    while (map_next(m, &cursor, &key, &value)) {
        free(value);
    }
    map_destroy(m);
}

void registry_destroy(struct registry *r) {
    if (!r) {
        return;
    }
    for (int i = 0; i < PROVIDER_OAUTH; i++) {
        free_map(r->rules[i]);
    }
    free_map(r->rates);
    free(r);
}

int registry_find_behaviour(enum provider provider, struct str name) {
    for (int i = 0; i < TOKEN_BEHAVIOUR_COUNT; i++) {
        if (behaviours[i].providers & 1U << provider && str_eq(str_of(behaviours[i].name), name)) {
            return i;
        }
    }
    return -1;
}

void registry_set(struct registry *r, enum provider provider, struct str token,
                  const struct token_rule *rule) {
    if (str_eq(token, STR("*"))) {
        r->rest[provider] = *rule;
        return;
    }
    struct token_rule *own = map_get(r->rules[provider], token);
    if (!own) {
        own = mem_alloc(sizeof(*own));
        (void)map_set(r->rules[provider], token, own);
    }
    *own = *rule;
}

struct token_rule registry_take(struct registry *r, enum provider provider, struct str token) {
    struct map *rules = r->rules[provider];
    struct token_rule *rule = map_count(rules) ? map_get(rules, token) : NULL;
    if (!rule) {
        rule = &r->rest[provider];
    }
    if (rule->times == 0) {
        return fine;
    }
    if (rule->times > 0) {
        rule->times--;
    }
    return *rule;
}

bool registry_over_rate(struct registry *r, const struct fault *f, struct str token,
                        int64_t now_ms) {
    struct rate_window *w = map_get(r->rates, token);
    if (!w) {
        w = mem_zalloc(1, sizeof(*w));
        w->start_ms = now_ms;
        (void)map_set(r->rates, token, w);
    }
    return fault_over_rate(f, w, now_ms);
}

#include "apns.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ledger.h"
#include "registry.h"

struct apns {
    struct sim *sim;
    struct provider_key keys[APNS_KEYS_MAX];
    int key_count;
    struct apns_payloads *payloads;
};

struct apns *apns_create(struct sim *s) {
    struct apns *a = mem_zalloc(1, sizeof(*a));
    a->sim = s;
    a->payloads = apns_payloads_create();
    a->keys[0] = (struct provider_key){.key_id = SIM_KEY_ID,
                                       .team_id = SIM_TEAM_ID,
                                       .family = SIM_TEAM_ID,
                                       .key = s->credentials.apns_key,
                                       .topics = {SIM_TOPIC},
                                       .topic_count = 1};
    a->key_count = 1;
    EVP_PKEY_up_ref(a->keys[0].key);
    return a;
}

static void drop_keys(struct apns *a, int keep) {
    while (a->key_count > keep) {
        EVP_PKEY_free(a->keys[--a->key_count].key);
    }
}

void apns_destroy(struct apns *a) {
    if (a) {
        drop_keys(a, 0);
        apns_payloads_destroy(a->payloads);
        free(a);
    }
}

void apns_reset(struct apns *a) {
    drop_keys(a, 1);
    apns_payloads_destroy(a->payloads);
    a->payloads = apns_payloads_create();
}

enum err apns_add_key(struct apns *a, const struct provider_key *key) {
    if (a->key_count == APNS_KEYS_MAX) {
        return ERR_FULL;
    }
    a->keys[a->key_count++] = *key;
    return ERR_OK;
}

const struct provider_key *apns_find_key(const struct apns *a, struct str key_id) {
    for (int i = 0; i < a->key_count; i++) {
        if (str_eq(str_of(a->keys[i].key_id), key_id)) {
            return &a->keys[i];
        }
    }
    return NULL;
}

struct sim *apns_sim(struct apns *a) {
    return a->sim;
}

struct apns_payloads *apns_payloads_of(struct apns *a) {
    return a->payloads;
}

/* Version 4 UUID of the fast generator. */
static void make_uuid(struct rng *rng, char out[UUID_BYTES]) {
    static const char hex[] = "0123456789abcdef";
    uint64_t halves[2] = {rng_next(rng), rng_next(rng)};
    halves[0] = (halves[0] & ~0xF000ULL) | 0x4000U;
    halves[1] = (halves[1] & ~(3ULL << 62)) | 2ULL << 62;
    size_t at = 0;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            out[at++] = '-';
        }
        out[at++] = hex[halves[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    out[at] = '\0';
}

/* The id given by the sender, else a fresh one. */
static void set_apns_id(struct stream *st) {
    struct str id = st->request.header[H_APNS_ID];
    if (codec_is_uuid(id)) {
        memcpy(st->apns_id, id.p, id.n);
        st->apns_id[id.n] = '\0';
    } else {
        make_uuid(&st->conn->listener->sim->rng, st->apns_id);
    }
    struct fault *development = &st->conn->listener->faults[F_DEVELOPMENT];
    if (fault_fires(development, &st->conn->listener->sim->rng)) {
        make_uuid(&st->conn->listener->sim->rng, st->unique_id);
    }
}

void apns_answer(struct stream *st, int status, const char *reason) {
    struct answer *a = &st->answer;
    a->status = status;
    buf_clear(&a->body);
    set_apns_id(st);
    if (status == 200) {
        return;
    }
    (void)snprintf(a->reason, sizeof(a->reason), "%s", reason);
    a->content_type = "application/json";
    buf_puts(&a->body, "{\"reason\":");
    buf_put_json(&a->body, str_of(reason));
    if (a->timestamp_ms) {
        buf_printf(&a->body, ",\"timestamp\":%lld", (long long)a->timestamp_ms);
    }
    buf_putc(&a->body, '}');
}

/* What the token's registration brings. */
static struct verdict judge_token(struct apns *a, struct stream *st, const struct apns_push *push) {
    struct fault *rate = &st->conn->listener->faults[F_TOKEN_RATE];
    struct token_rule rule = registry_take(a->sim->registry, PROVIDER_APNS, push->token);
    st->answer.retry_after = rule.retry_after;
    switch (rule.behaviour) {
    case TOKEN_UNREGISTERED:
    case TOKEN_EXPIRED:
        st->answer.timestamp_ms = rule.timestamp_ms ? rule.timestamp_ms : sim_clock_ms(a->sim);
        return (struct verdict){410,
                                rule.behaviour == TOKEN_EXPIRED ? "ExpiredToken" : "Unregistered"};
    case TOKEN_BAD:
    case TOKEN_WRONG_ENVIRONMENT:
        return (struct verdict){400, "BadDeviceToken"};
    case TOKEN_WRONG_TOPIC:
        return (struct verdict){400, "DeviceTokenNotForTopic"};
    case TOKEN_TOO_MANY:
        return (struct verdict){429, "TooManyRequests"};
    case TOKEN_INTERNAL:
        return (struct verdict){500, "InternalServerError"};
    case TOKEN_UNAVAILABLE:
        return (struct verdict){503, "ServiceUnavailable"};
    case TOKEN_SILENT:
        st->answer.silent = true;
        break;
    case TOKEN_OK:
    case TOKEN_WRONG_SENDER:
    case TOKEN_APNS_UNREGISTERED:
    case TOKEN_THIRD_PARTY_AUTH:
    case TOKEN_ACCEPTED_UNAVAILABLE:
    case TOKEN_BEHAVIOUR_COUNT:
        break;
    }
    if (fault_is_on(rate) &&
        registry_over_rate(a->sim->registry, rate, push->token, clock_mono_ms())) {
        fault_count(rate);
        return (struct verdict){429, "TooManyRequests"};
    }
    return (struct verdict){0, NULL};
}

static void record_push(struct apns *a, struct stream *st, const struct apns_push *push,
                        uint32_t payload) {
    const struct str *h = st->request.header;
    const struct ledger_entry entry = {
        .provider = PROVIDER_APNS,
        .token = push->token,
        .collapse_id = h[H_APNS_COLLAPSE_ID],
        .topic = h[H_APNS_TOPIC],
        .push_type = h[H_APNS_PUSH_TYPE],
        .priority = h[H_APNS_PRIORITY],
        .payload = payload,
        .expiration = push->expiration,
        .status = 200,
        .connection = st->conn->id,
    };
    ledger_add(a->sim->ledger, &entry);
    st->answer.accepted = true;
}

void apns_handle(struct apns *a, struct stream *st) {
    struct apns_push push = {0};
    uint32_t payload = 0;
    struct verdict v = {0, NULL};
    bool auth_first = fault_is_on(&st->conn->listener->faults[F_AUTH_FIRST]);
    struct verdict headers = apns_check_headers(&st->request, &push);
    if (!auth_first || headers.status == 404 || headers.status == 405) {
        v = headers;
    }
    if (!v.status) {
        v = apns_check_authorization(a, st, &push);
    }
    if (!v.status) {
        v = headers;
    }
    if (!v.status) {
        v = apns_check_payload(a, st, &push, &payload);
    }
    if (!v.status) {
        v = judge_token(a, st, &push);
    }
    if (!v.status) {
        if (!st->request.header[H_APNS_PUSH_TYPE].p) {
            stats_count_warning(&st->conn->listener->stats, "no apns-push-type");
        }
        if (!st->answer.silent) {
            record_push(a, st, &push, payload);
        }
    }
    apns_answer(st, v.status ? v.status : 200, v.reason);
}

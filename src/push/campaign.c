#include "push/campaign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { PAYLOAD_AGE_MS = 60000 };

static void set_deadline(struct campaign *c, int64_t least_ms) {
    int64_t left_ms = least_ms;
    if (c->alert) {
        int64_t ttl_ms = c->alert->ttl_s * 1000;
        left_ms = c->alert->sent_ms + (ttl_ms > least_ms ? ttl_ms : least_ms) - clock_wall_ms();
    }
    c->deadline_ms = clock_mono_ms() + left_ms;
}

enum { KEY_BYTES = sizeof(((struct campaign *)NULL)->key) };

static void make_key(const char *alert_id, uint32_t revision, char out_key[KEY_BYTES]) {
    (void)snprintf(out_key, KEY_BYTES, "%s:%u", alert_id, revision);
}

struct campaign *campaign_find(const struct map *table, const struct push_revision *revision) {
    char key[KEY_BYTES];
    make_key(revision->alert_id, revision->revision, key);
    return map_get(table, str_of(key));
}

struct campaign *campaign_ref(struct map *table, const struct taxonomy *t, int64_t handover_min_s,
                              const struct push_job *job, struct str alert_json) {
    char key[KEY_BYTES];
    make_key(job->alert_id, job->revision, key);
    struct campaign *c = map_get(table, str_of(key));
    if (!c) {
        c = mem_zalloc(1, sizeof(*c));
        memcpy(c->key, key, sizeof(key));
        memcpy(c->revision.alert_id, job->alert_id, sizeof(c->revision.alert_id));
        c->revision.revision = job->revision;
        c->table = table;
        c->begun_ms = clock_mono_ms();
        c->ended = -1;
        if (alert_parse_stored(t, alert_json, &c->alert)) {
            log_error("push_alert_unreadable", LOG_S("alert_id", job->alert_id),
                      LOG_I("revision", job->revision));
        }
        set_deadline(c, handover_min_s * 1000);
        (void)map_set(table, str_of(c->key), c);
    }
    c->refs++;
    return c;
}

void campaign_unref(struct campaign *c) {
    if (--c->refs > 0) {
        return;
    }
    (void)map_remove(c->table, str_of(c->key));
    for (int i = 0; i < TAXONOMY_MAX; i++) {
        if (c->payloads[i]) {
            buf_finish(&c->payloads[i]->body);
            free(c->payloads[i]);
        }
    }
    alert_destroy(c->alert);
    free(c);
}

struct payload *campaign_payload(struct campaign *c, struct provider *p, int edition,
                                 int64_t wall_ms) {
    struct payload *payload = c->payloads[edition];
    if (!payload) {
        payload = c->payloads[edition] = mem_zalloc(1, sizeof(*payload));
        payload->built_ms = INT64_MIN;
    }
    if (payload->built_ms < wall_ms - PAYLOAD_AGE_MS) {
        p->ops->build(p, c->alert, edition, payload);
        if (payload->err) {
            log_error("push_payload_rejected", LOG_S("alert_id", c->alert->id),
                      LOG_I("revision", c->alert->revision),
                      LOG_S("platform", platform_names[p->ops->platform]),
                      LOG_S("edition", taxonomy_name(p->taxonomy, DIM_EDITION, edition)),
                      LOG_ERR(payload->err));
        }
    }
    return payload;
}

bool campaign_is_before(const struct campaign *c, const struct campaign *of) {
    return c->revision.revision < of->revision.revision &&
           strcmp(c->revision.alert_id, of->revision.alert_id) == 0;
}

int campaign_end(const struct campaign *c, int64_t now_ms) {
    return c->ended >= 0 ? c->ended : now_ms >= c->deadline_ms ? (int)OUTCOME_EXPIRED : -1;
}

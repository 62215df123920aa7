#pragma once
/* A log of alerts as Redis would hold it, in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/alert.h"
#include "store/alert_store.h"

struct made_alert {
    const char *region;
    const char *edition; /* the one it has text for */
    enum urgency urgency;
    enum msg_type type;
    const char *id; /* NULL = a new one */
    int64_t ttl_s;
    size_t body_bytes;
};

/* The stored form; free(). `out_id` may be NULL. */
static inline char *make_stored(const struct taxonomy *t, const struct made_alert *made,
                                char out_id[UUID_BYTES]) {
    struct alert *a = alert_create();
    struct buf b;
    if (made->id) {
        (void)snprintf(a->id, sizeof(a->id), "%s", made->id);
    } else {
        codec_uuid7(a->id);
    }
    if (out_id) {
        memcpy(out_id, a->id, UUID_BYTES);
    }
    a->revision = 1;
    a->msg_type = made->type;
    a->urgency = made->urgency;
    a->audience.regions = UINT64_C(1) << taxonomy_find(t, DIM_REGION, str_of(made->region));
    a->audience.regions_match = taxonomy_with_parents(t, a->audience.regions);
    int edition = taxonomy_find(t, DIM_EDITION, str_of(made->edition ? made->edition : "en"));
    a->fallback_edition = edition;
    a->content[edition].headline = mem_strdup("Headline");
    if (made->body_bytes > 0) {
        a->content[edition].body = mem_alloc(made->body_bytes + 1);
        memset(a->content[edition].body, 'x', made->body_bytes);
        a->content[edition].body[made->body_bytes] = '\0';
    }
    a->ttl_s = made->ttl_s ? made->ttl_s : 3600;
    a->sent_ms = clock_wall_ms();
    buf_init(&b, ALERT_JSON_BYTES_MAX);
    alert_put_stored(a, t, &b);
    alert_destroy(a);
    return buf_take(&b);
}

#include "model/device.h"

#include <stdlib.h>

#include "base/clock.h"
#include "model/json.h"
#include "model/values.h"

enum { DEVICE_ID_BYTES_MIN = 8 };

bool device_id_is_valid(struct str id) {
    if (id.n < DEVICE_ID_BYTES_MIN || id.n > DEVICE_ID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < id.n; i++) {
        char c = id.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

void device_destroy(struct device *d) {
    if (!d) {
        return;
    }
    free(d->id);
    free(d->token);
    free(d->app);
    for (int i = 0; i < d->tag_count; i++) {
        free(d->tags[i]);
    }
    free(d->time_zone);
    free(d);
}

static void put_follows(const struct taxonomy *t, enum dimension dim, const char *name,
                        uint64_t mask, struct buf *b) {
    struct value_kind kind = value_kind_of(t, dim);
    json_put_name(b, name);
    values_put(b, &kind, mask);
}

void device_put_json(const struct device *d, const struct taxonomy *t, bool with_token,
                     struct buf *b) {
    buf_putc(b, '{');
    json_put_text(b, "id", d->id);
    json_put_text(b, "platform", platform_names[d->platform]);
    if (with_token) {
        json_put_text(b, "token", d->token);
    }
    json_put_text(b, "app", d->app);
    json_put_text(b, "edition", taxonomy_name(t, DIM_EDITION, d->edition));
    put_follows(t, DIM_REGION, "regions", d->regions, b);
    put_follows(t, DIM_SECTION, "sections", d->sections, b);
    json_put_name(b, "tags");
    buf_putc(b, '[');
    for (int i = 0; i < d->tag_count; i++) {
        json_put_comma(b);
        buf_put_json(b, str_of(d->tags[i]));
    }
    buf_putc(b, ']');
    json_put_text(b, "min_urgency", urgency_names[d->min_urgency]);
    json_put_bool(b, "test", d->test);
    json_put_text(b, "time_zone", d->time_zone);
    if (d->registered_ms) {
        char registered_at[CLOCK_ISO_BYTES];
        clock_format_iso(d->registered_ms, registered_at);
        json_put_text(b, "registered_at", registered_at);
    }
    buf_putc(b, '}');
}

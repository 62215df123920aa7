#include "base/clock.h"
#include "model/alert.h"
#include "model/alert_json.h"
#include "model/json.h"
#include "model/values.h"

void alert_put_content(const struct alert_content *content, struct buf *b) {
    buf_putc(b, '{');
    json_put_text(b, "headline", content->headline);
    json_put_text(b, "body", content->body);
    json_put_text(b, "url", content->url);
    json_put_text(b, "image_url", content->image_url);
    json_put_text(b, "dir", content->rtl ? "rtl" : "ltr");
    buf_putc(b, '}');
}

void alert_put_tags(const struct alert *a, struct buf *b) {
    json_put_name(b, "tags");
    buf_putc(b, '[');
    for (int i = 0; i < a->tag_count; i++) {
        json_put_comma(b);
        buf_put_json(b, str_of(a->tags[i]));
    }
    buf_putc(b, ']');
}

void alert_put_regions(const struct alert *a, const struct taxonomy *t, struct buf *b) {
    struct value_kind kind = value_kind_of(t, DIM_REGION);
    json_put_name(b, "regions");
    if (a->audience.regions_all) {
        buf_puts(b, "[\"all\"]");
    } else {
        values_put(b, &kind, a->audience.regions);
    }
}

void alert_put_sent_at(const struct alert *a, struct buf *b) {
    char sent_at[CLOCK_ISO_BYTES];
    clock_format_iso(a->sent_ms, sent_at);
    json_put_text(b, "sent_at", sent_at);
}

void alert_put_sound(const struct alert *a, struct buf *b) {
    if (a->sound != SOUND_DEFAULT) {
        json_put_bool(b, "sound", a->sound == SOUND_ON);
    }
}

/* The languages to put in: what is wanted and there, plus the fallback's where one is missing. */
static uint64_t languages(const struct alert *a, const struct taxonomy *t, uint64_t editions,
                          bool *out_uses_fallback) {
    uint64_t wanted = alert_editions(a, t) & (editions ? editions : UINT64_MAX);
    uint64_t shown = 0;
    *out_uses_fallback = false;
    for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
        if (!(wanted >> i & 1)) {
            continue;
        }
        bool has_own = a->content[i].headline != NULL;
        *out_uses_fallback = *out_uses_fallback || !has_own;
        shown |= UINT64_C(1) << (has_own ? i : a->fallback_edition);
    }
    return shown;
}

static void put_audience(const struct alert *a, const struct taxonomy *t, struct buf *b) {
    struct value_kind sections = value_kind_of(t, DIM_SECTION);
    json_put_name(b, "audience");
    buf_putc(b, '{');
    alert_put_regions(a, t, b);
    if (a->audience.sections) {
        json_put_name(b, "sections");
        values_put(b, &sections, a->audience.sections);
    }
    buf_putc(b, '}');
}

void alert_put_reader_json(const struct alert *a, const struct taxonomy *t, uint64_t editions,
                           const char *position, bool replay, struct buf *b) {
    bool uses_fallback;
    uint64_t shown = languages(a, t, editions, &uses_fallback);
    buf_putc(b, '{');
    json_put_text(b, "type", msg_type_names[a->msg_type]);
    json_put_text(b, "id", a->id);
    json_put_int(b, "revision", a->revision);
    json_put_text(b, "position", position);
    json_put_text(b, "status", alert_status_names[a->status]);
    json_put_text(b, "urgency", urgency_names[a->urgency]);
    alert_put_sent_at(a, b);
    put_audience(a, t, b);
    json_put_name(b, "content");
    buf_putc(b, '{');
    for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
        if (shown >> i & 1) {
            json_put_name(b, taxonomy_name(t, DIM_EDITION, i));
            alert_put_content(&a->content[i], b);
        }
    }
    buf_putc(b, '}');
    if (uses_fallback) {
        json_put_text(b, "fallback_language", taxonomy_name(t, DIM_EDITION, a->fallback_edition));
    }
    alert_put_tags(a, b);
    json_put_text(b, "source", a->source);
    json_put_text(b, "story_id", a->story_id);
    alert_put_sound(a, b);
    json_put_int(b, "ttl_s", a->ttl_s);
    if (replay) {
        json_put_bool(b, "replay", true);
    }
    buf_putc(b, '}');
}

/* The form of an alert in Redis: complete, canonical (one order, absent members left out), with
 * names instead of indexes, so that it outlives a change of the taxonomy. */
#include <string.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/alert.h"
#include "model/alert_json.h"
#include "model/json.h"
#include "model/values.h"

static const int64_t revision_max = UINT32_MAX;

static void put_list(struct buf *b, const char *name, struct value_kind kind, uint64_t mask) {
    if (mask) {
        json_put_name(b, name);
        values_put(b, &kind, mask);
    }
}

static void put_audience(const struct alert *a, const struct taxonomy *t, struct buf *b) {
    json_put_name(b, "audience");
    buf_putc(b, '{');
    alert_put_regions(a, t, b);
    put_list(b, "sections", value_kind_of(t, DIM_SECTION), a->audience.sections);
    put_list(b, "editions", value_kind_of(t, DIM_EDITION), a->audience.editions);
    put_list(b, "platforms", value_kind_platforms(), a->audience.platforms);
    buf_putc(b, '}');
}

void alert_put_stored(const struct alert *a, const struct taxonomy *t, struct buf *b) {
    buf_putc(b, '{');
    json_put_text(b, "id", a->id);
    json_put_int(b, "revision", a->revision);
    json_put_text(b, "msg_type", msg_type_names[a->msg_type]);
    json_put_text(b, "status", alert_status_names[a->status]);
    json_put_text(b, "urgency", urgency_names[a->urgency]);
    alert_put_sent_at(a, b);
    put_audience(a, t, b);
    json_put_name(b, "content");
    buf_putc(b, '{');
    for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
        if (a->content[i].headline) {
            json_put_name(b, taxonomy_name(t, DIM_EDITION, i));
            alert_put_content(&a->content[i], b);
        }
    }
    buf_putc(b, '}');
    if (a->fallback_edition >= 0) {
        json_put_text(b, "fallback_language", taxonomy_name(t, DIM_EDITION, a->fallback_edition));
    }
    if (a->tag_count) {
        alert_put_tags(a, b);
    }
    json_put_text(b, "source", a->source);
    json_put_text(b, "story_id", a->story_id);
    json_put_text(b, "collapse_id", a->collapse_id);
    alert_put_sound(a, b);
    if (a->reference) {
        json_put_name(b, "references");
        buf_putc(b, '[');
        buf_put_json(b, str_of(a->reference));
        buf_putc(b, ']');
    }
    json_put_int(b, "ttl_s", a->ttl_s);
    json_put_text(b, "created_by", a->created_by);
    buf_putc(b, '}');
}

/* Reads back exactly what clock_format_iso writes. */
static enum err parse_sent_at(struct str text, int64_t *out_ms) {
    char copy[CLOCK_ISO_BYTES];
    int64_t wall_ms;
    if (clock_parse_iso(text, &wall_ms)) {
        return ERR_INVALID;
    }
    clock_format_iso(wall_ms, copy);
    if (!str_eq(text, str_of(copy))) {
        return ERR_INVALID;
    }
    *out_ms = wall_ms;
    return ERR_OK;
}

/* A list of the audience; says so when it has lost its meaning. */
static struct value_set read_list(const struct json_reader *r, const char *name,
                                  struct value_kind kind, bool *lost) {
    struct value_set set;
    values_read_known(r, name, &kind, &set);
    *lost = *lost || (set.given && !set.all && !set.mask);
    return set;
}

static void read_audience(const struct taxonomy *t, const struct json_reader *root,
                          struct alert *a) {
    struct json_reader r = {.object = json_member(root, "audience"), .pointer = ""};
    bool lost = false;
    struct value_set regions = read_list(&r, "regions", value_kind_of(t, DIM_REGION), &lost);
    a->audience = (struct audience){
        .regions = regions.mask,
        .regions_match = taxonomy_with_parents(t, regions.mask),
        .regions_all = regions.all,
        .sections = read_list(&r, "sections", value_kind_of(t, DIM_SECTION), &lost).mask,
        .editions = read_list(&r, "editions", value_kind_of(t, DIM_EDITION), &lost).mask,
        .platforms = (uint32_t)read_list(&r, "platforms", value_kind_platforms(), &lost).mask,
    };
    if (lost || !regions.given) {
        a->audience.platforms = AUDIENCE_NOBODY;
    }
}

static void copy_text(const struct json_reader *r, const char *name, char **out_text) {
    struct str text;
    if (json_read_string(r, name, &text)) {
        *out_text = mem_strndup(text.p, text.n);
    }
}

static void read_content(const struct taxonomy *t, const struct json_reader *root,
                         struct alert *a) {
    struct json_reader content = {.object = json_member(root, "content"), .pointer = ""};
    for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
        struct json_reader r = {.object = json_member(&content, taxonomy_name(t, DIM_EDITION, i)),
                                .pointer = ""};
        struct str dir = {NULL, 0};
        copy_text(&r, "headline", &a->content[i].headline);
        if (!a->content[i].headline) {
            continue;
        }
        copy_text(&r, "body", &a->content[i].body);
        copy_text(&r, "url", &a->content[i].url);
        copy_text(&r, "image_url", &a->content[i].image_url);
        a->content[i].rtl =
            json_read_string(&r, "dir", &dir) ? str_eq(dir, STR("rtl")) : taxonomy_is_rtl(t, i);
    }
    struct str fallback;
    if (json_read_string(root, "fallback_language", &fallback)) {
        a->fallback_edition = taxonomy_find(t, DIM_EDITION, fallback);
    }
}

static void read_tags(const struct json_reader *r, struct alert *a) {
    const cJSON *list = json_member(r, "tags");
    for (const cJSON *it = cJSON_IsArray(list) ? list->child : NULL; it; it = it->next) {
        if (cJSON_IsString(it) && a->tag_count < ALERT_TAGS_MAX) {
            a->tags[a->tag_count++] = mem_strdup(it->valuestring);
        }
    }
}

/* Without these an alert cannot be handled at all. */
static enum err read_core(const struct json_reader *r, struct alert *a) {
    struct str id;
    struct str sent_at;
    int64_t revision;
    int msg_type;
    int status;
    int urgency;
    if (!json_read_string(r, "id", &id) || !codec_is_uuid(id) ||
        !json_read_int(r, "revision", 1, revision_max, &revision) ||
        !json_read_name(r, "msg_type", msg_type_names, MSG_TYPE_COUNT, &msg_type) ||
        !json_read_name(r, "status", alert_status_names, STATUS_COUNT, &status) ||
        !json_read_name(r, "urgency", urgency_names, URGENCY_COUNT, &urgency) ||
        !json_read_string(r, "sent_at", &sent_at) || parse_sent_at(sent_at, &a->sent_ms)) {
        return ERR_INVALID;
    }
    memcpy(a->id, id.p, id.n);
    a->revision = (uint32_t)revision;
    a->msg_type = (enum msg_type)msg_type;
    a->status = (enum alert_status)status;
    a->urgency = (enum urgency)urgency;
    return ERR_OK;
}

static enum err read_stored(const struct taxonomy *t, const struct json_reader *r,
                            struct alert *a) {
    if (!cJSON_IsObject(r->object) || read_core(r, a)) {
        return ERR_INVALID;
    }
    a->status_given = a->urgency_given = a->ttl_given = true;
    read_audience(t, r, a);
    read_content(t, r, a);
    read_tags(r, a);
    copy_text(r, "source", &a->source);
    copy_text(r, "story_id", &a->story_id);
    copy_text(r, "collapse_id", &a->collapse_id);
    copy_text(r, "created_by", &a->created_by);
    (void)json_read_int(r, "ttl_s", 0, ALERT_TTL_MAX_S, &a->ttl_s);
    bool sounds;
    if (json_read_bool(r, "sound", &sounds)) {
        a->sound = sounds ? SOUND_ON : SOUND_OFF;
    }
    const cJSON *references = json_member(r, "references");
    const cJSON *first = cJSON_IsArray(references) ? references->child : NULL;
    if (cJSON_IsString(first)) {
        a->reference = mem_strdup(first->valuestring);
    }
    return ERR_OK;
}

enum err alert_parse_stored(const struct taxonomy *t, struct str json, struct alert **out_alert) {
    struct cJSON *root;
    enum err err = json_parse(json, "", &root, NULL);
    if (err) {
        return err;
    }
    struct alert *a = alert_create();
    err = read_stored(t, &(struct json_reader){.object = root, .pointer = ""}, a);
    json_destroy(root);
    if (err) {
        alert_destroy(a);
        return err;
    }
    *out_alert = a;
    return ERR_OK;
}

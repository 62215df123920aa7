/* POST /v1/alerts → alert. Every reader goes on after a fault, so that an editor sees all of them
 * at once; nothing is guessed, and what this version would not do is refused. */
#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/mem.h"
#include "model/alert.h"
#include "model/alert_request.h"
#include "model/json.h"
#include "model/text.h"
#include "model/values.h"

/* What a correction is and which alert it is about: said by the body, or by the path. */
static void read_kind(const struct json_reader *r, struct alert *a) {
    int index;
    if (!a->reference) {
        if (json_read_name(r, "msg_type", msg_type_names, MSG_TYPE_COUNT, &index)) {
            a->msg_type = (enum msg_type)index;
        }
        return;
    }
    static const char *const said[] = {"msg_type", "references"};
    for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
        if (json_member(r, said[i])) {
            json_fault(r, said[i], "not_allowed", "is said by the path");
        }
    }
}

static void read_choices(const struct json_reader *r, struct alert *a) {
    int index;
    bool sounds;
    read_kind(r, a);
    if (json_read_name(r, "status", alert_status_names, STATUS_COUNT, &index)) {
        a->status = (enum alert_status)index;
        a->status_given = true;
        if (a->status == STATUS_DRAFT) {
            json_fault(r, "status", "not_supported",
                       "a draft is posted to /v1/drafts; nothing was sent");
        }
    }
    if (json_read_name(r, "urgency", urgency_names, URGENCY_COUNT, &index)) {
        a->urgency = (enum urgency)index;
        a->urgency_given = true;
    }
    if (json_read_bool(r, "sound", &sounds)) {
        a->sound = sounds ? SOUND_ON : SOUND_OFF;
        if (a->msg_type == MSG_ALERT) {
            json_fault(r, "sound", "not_allowed",
                       "only an update or a cancel chooses; of an alert the urgency decides");
        }
    }
    a->ttl_given = json_read_int(r, "ttl_s", 0, ALERT_TTL_MAX_S, &a->ttl_s);
}

static void read_labels(const struct json_reader *r, struct alert *a) {
    (void)json_read_text(r, "source", ALERT_SHORT_BYTES_MAX, &a->source);
    (void)json_read_text(r, "story_id", ALERT_SHORT_BYTES_MAX, &a->story_id);
    struct str id;
    if (!json_read_string(r, "collapse_id", &id)) {
        return;
    }
    const struct text_fault *fault = text_check_ascii(id, ALERT_COLLAPSE_ID_BYTES_MAX);
    if (fault) {
        json_fault(r, "collapse_id", fault->code, "%s (at most %d bytes of visible ASCII)",
                   fault->detail, ALERT_COLLAPSE_ID_BYTES_MAX);
    } else {
        a->collapse_id = mem_strndup(id.p, id.n);
    }
}

static void read_time(const struct json_reader *r, const char *name, int64_t *out_ms) {
    struct str text;
    if (json_read_string(r, name, &text) && clock_parse_iso(text, out_ms)) {
        json_fault(r, name, "invalid_value",
                   "must be a time with its offset, as in 2026-11-25T20:30:00Z");
    }
}

static void read_times(const struct json_reader *r, struct alert *a) {
    read_time(r, "send_at", &a->send_at_ms);
    read_time(r, "embargoed_until", &a->embargo_ms);
    (void)json_read_int(r, "hold_s", 0, ALERT_HOLD_MAX_S, &a->hold_s);
}

/* One list of the audience. An empty one could mean nobody or everybody, so it is refused. */
static struct value_set read_list(const struct json_reader *r, const char *name,
                                  struct value_kind kind) {
    struct value_set set;
    values_read(r, name, &kind, &set);
    if (cJSON_IsArray(json_member(r, name)) && set.count == 0) {
        json_fault(r, name, "empty", "an empty list reaches nobody; leave it out for any %s%s",
                   kind.noun, kind.dim == DIM_REGION && kind.t ? ", or say [\"all\"]" : "");
    }
    return set;
}

static void read_audience(const struct taxonomy *t, const struct json_reader *root,
                          struct alert *a) {
    static const char *const members[] = {"regions", "sections", "editions", "platforms"};
    struct json_reader r = {json_member(root, "audience"), "/audience", root->problems};
    if (!r.object) {
        json_fault(&r, "regions", "required", "say which regions, or [\"all\"]");
        return;
    }
    if (!json_is_object(&r)) {
        return;
    }
    json_allow(&r, members, sizeof(members) / sizeof(members[0]));
    struct value_set regions = read_list(&r, "regions", value_kind_of(t, DIM_REGION));
    if (!regions.given) {
        json_fault(&r, "regions", "required", "say which regions, or [\"all\"]");
    }
    a->audience = (struct audience){
        .regions = regions.mask,
        .regions_match = taxonomy_with_parents(t, regions.mask),
        .regions_all = regions.all,
        .sections = read_list(&r, "sections", value_kind_of(t, DIM_SECTION)).mask,
        .editions = read_list(&r, "editions", value_kind_of(t, DIM_EDITION)).mask,
        .platforms = (uint32_t)read_list(&r, "platforms", value_kind_platforms()).mask,
    };
}

static void read_reference(const struct json_reader *r, struct alert *a) {
    const cJSON *list = json_member(r, "references");
    if (!list) {
        if (a->msg_type != MSG_ALERT) {
            json_fault(r, "references", "required", "name the one alert this %s is about",
                       msg_type_names[a->msg_type]);
        }
        return;
    }
    int count = cJSON_IsArray(list) ? cJSON_GetArraySize(list) : -1;
    if (a->msg_type == MSG_ALERT) {
        if (count != 0) {
            json_fault(r, "references", "not_allowed",
                       "only an update or a cancel refers to an alert");
        }
        return;
    }
    if (count != 1) {
        json_fault(r, "references", "invalid_value", "must be a list of exactly one alert id");
        return;
    }
    const char *id = list->child->valuestring;
    if (!cJSON_IsString(list->child) || !codec_is_uuid(str_of(id))) {
        problem_add(r->problems, "/references/0", "invalid_value",
                    "must be an alert id: a UUID in lower case");
        return;
    }
    a->reference = mem_strdup(id);
}

/* A new alert must say how urgent it is and bring its text; an update or cancel inherits. */
static void check_required(const struct json_reader *r, const struct alert *a) {
    if (a->msg_type == MSG_ALERT && !json_member(r, "urgency")) {
        json_fault(r, "urgency", "required", "must be one of flash, high, normal, low");
    }
    const cJSON *content = json_member(r, "content");
    if (a->msg_type == MSG_UPDATE && !content) {
        json_fault(r, "content", "required", "an update needs its new text");
    }
    if (a->msg_type != MSG_ALERT && cJSON_IsObject(content) && !content->child) {
        json_fault(r, "content", "empty", "needs a headline in at least one edition");
    }
    if (a->msg_type != MSG_ALERT && json_member(r, "audience")) {
        json_fault(r, "audience", "not_allowed", "is inherited from the alert referred to");
    }
}

static void read_fallback(const struct taxonomy *t, const struct json_reader *r, struct alert *a) {
    struct str name;
    if (!json_read_string(r, "fallback_language", &name)) {
        return;
    }
    int edition = taxonomy_find(t, DIM_EDITION, name);
    if (edition < 0) {
        json_fault(r, "fallback_language", "unknown_value", "unknown edition \"%.64s\"", name.p);
        return;
    }
    a->fallback_edition = edition;
    const cJSON *content = json_member(r, "content");
    if (!cJSON_GetObjectItemCaseSensitive(content, name.p)) {
        json_fault(r, "fallback_language", "no_content",
                   "there is no content in \"%s\" to fall "
                   "back on",
                   taxonomy_name(t, DIM_EDITION, edition));
    }
}

/* Every targeted edition has text, unless the editor named a language to fall back on. */
static void check_coverage(const struct taxonomy *t, const struct json_reader *r,
                           const struct alert *a) {
    const cJSON *content = json_member(r, "content");
    if (a->msg_type != MSG_ALERT || json_member(r, "fallback_language") ||
        (content && !cJSON_IsObject(content))) {
        return;
    }
    uint64_t wanted = a->audience.editions ? a->audience.editions : taxonomy_all(t, DIM_EDITION);
    for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
        const char *name = taxonomy_name(t, DIM_EDITION, i);
        if ((wanted >> i & 1) && !cJSON_GetObjectItemCaseSensitive(content, name)) {
            char pointer[JSON_POINTER_BYTES];
            json_pointer(pointer, "/content", name);
            json_fault(&(struct json_reader){NULL, pointer, r->problems}, "headline", "required",
                       "edition %s is addressed but has no text and there is no fallback_language",
                       name);
        }
    }
}

static void read_request(const struct taxonomy *t, const struct json_reader *r, struct alert *a) {
    static const char *const members[] = {
        "msg_type", "status",          "urgency",  "audience",    "content",    "fallback_language",
        "tags",     "source",          "story_id", "collapse_id", "references", "ttl_s",
        "send_at",  "embargoed_until", "hold_s",   "sound"};
    if (!json_is_object(r)) {
        return;
    }
    json_allow(r, members, sizeof(members) / sizeof(members[0]));
    read_times(r, a);
    read_choices(r, a);
    check_required(r, a);
    if (a->msg_type == MSG_ALERT) {
        read_audience(t, r, a);
    }
    alert_read_content(t, r, a);
    read_fallback(t, r, a);
    check_coverage(t, r, a);
    alert_read_tags(r, a);
    read_labels(r, a);
    if (!a->reference) {
        read_reference(r, a);
    }
}

/* What is stored has to fit one log entry and one frame. */
static void check_size(const struct taxonomy *t, const struct alert *a, struct problem *problems) {
    struct buf b;
    buf_init(&b, ALERT_JSON_BYTES_MAX);
    alert_put_stored(a, t, &b);
    if (buf_check(&b)) {
        problem_add(problems, "", "too_long", "all texts together are over %d bytes as JSON",
                    ALERT_JSON_BYTES_MAX);
    }
    buf_finish(&b);
}

/* Reads into `a`, as far as it can be read. */
static enum err parse(const struct taxonomy *t, struct str json, struct alert *a,
                      struct problem *problems) {
    size_t before = problem_count(problems);
    struct cJSON *root;
    enum err err = json_parse(json, "", &root, problems);
    if (err) {
        return err;
    }
    read_request(t, &(struct json_reader){root, "", problems}, a);
    json_destroy(root);
    if (problem_count(problems) == before) {
        check_size(t, a, problems);
    }
    return problem_count(problems) > before ? ERR_INVALID : ERR_OK;
}

/* The same, all or nothing. */
static enum err parse_whole(const struct taxonomy *t, struct str json, struct alert *take_a,
                            struct alert **out_alert, struct problem *problems) {
    enum err err = parse(t, json, take_a, problems);
    if (err) {
        alert_destroy(take_a);
    } else {
        *out_alert = take_a;
    }
    return err;
}

enum err alert_parse_request(const struct taxonomy *t, struct str json, struct alert **out_alert,
                             struct problem *problems) {
    return parse_whole(t, json, alert_create(), out_alert, problems);
}

enum err alert_parse_draft(const struct taxonomy *t, struct str json, struct alert **out_alert,
                           struct problem *problems) {
    *out_alert = alert_create();
    return parse(t, json, *out_alert, problems);
}

enum err alert_parse_correction(const struct taxonomy *t, struct str json, enum msg_type msg_type,
                                struct str alert_id, struct alert **out_alert,
                                struct problem *problems) {
    struct alert *a = alert_create();
    a->msg_type = msg_type;
    a->reference = mem_strndup(alert_id.p, alert_id.n);
    return parse_whole(t, json, a, out_alert, problems);
}

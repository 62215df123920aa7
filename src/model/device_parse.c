/* PUT /v1/devices/{id} → device. Apps live for years on phones while the taxonomy changes, so what
 * they follow is taken as far as it is known and the rest is named in the answer. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "base/time_zone.h"
#include "model/device.h"
#include "model/json.h"
#include "model/text.h"
#include "model/values.h"

enum {
    APNS_TOKEN_DIGITS_MIN = 64, /* 32 bytes today; Apple asks not to rely on the length */
    APNS_TOKEN_DIGITS_MAX = 200,
};

struct parse {
    const struct taxonomy *t;
    struct json_reader r;
    struct device *d;
    struct buf *dropped;
};

/* A member whose text is the client's: pointers and values may hold any bytes. */
static void put_foreign(struct buf *b, const char *name, const char *text) {
    struct buf clean;
    buf_init(&clean, 4 * strlen(text) + 1);
    text_put_clean(&clean, str_of(text));
    json_put_name(b, name);
    buf_put_json(b, buf_str(&clean));
    buf_finish(&clean);
}

/* Something was dropped; `value` NULL when it is no string. */
static void note(struct parse *p, const char *pointer, const char *value, const char *reason) {
    json_put_comma(p->dropped);
    buf_putc(p->dropped, '{');
    put_foreign(p->dropped, "pointer", pointer);
    if (value) {
        put_foreign(p->dropped, "value", value);
    } else {
        json_put_name(p->dropped, "value");
        buf_puts(p->dropped, "null");
    }
    json_put_text(p->dropped, "reason", reason);
    buf_putc(p->dropped, '}');
}

static void drop_unknown_members(struct parse *p) {
    static const char *const members[] = {"platform", "token",    "app",  "edition",
                                          "regions",  "sections", "tags", "min_urgency",
                                          "test",     "time_zone"};
    char pointer[JSON_POINTER_BYTES];
    for (const cJSON *it = p->r.object->child; it; it = it->next) {
        if (name_find(members, sizeof(members) / sizeof(members[0]), str_of(it->string)) < 0) {
            json_pointer(pointer, "", it->string);
            note(p, pointer, cJSON_IsString(it) ? it->valuestring : NULL, "unknown member");
        }
    }
}

/* Lower-cased, because the same token must compare equal whoever wrote it. */
static char *copy_apns_token(struct str token) {
    if (token.n < APNS_TOKEN_DIGITS_MIN || token.n > APNS_TOKEN_DIGITS_MAX || token.n % 2) {
        return NULL;
    }
    for (size_t i = 0; i < token.n; i++) {
        char c = token.p[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') && !(c >= 'A' && c <= 'F')) {
            return NULL;
        }
    }
    char *copy = mem_strndup(token.p, token.n);
    for (char *at = copy; *at; at++) {
        if (*at >= 'A' && *at <= 'F') {
            *at = (char)(*at - 'A' + 'a');
        }
    }
    return copy;
}

static void read_token(struct parse *p) {
    struct str token;
    if (!json_read_string(&p->r, "token", &token)) {
        return;
    }
    if (p->d->platform == PLATFORM_APNS) {
        p->d->token = copy_apns_token(token);
        if (!p->d->token) {
            json_fault(&p->r, "token", "invalid_value",
                       "an APNs token is %d to %d hex digits, an even number of them",
                       APNS_TOKEN_DIGITS_MIN, APNS_TOKEN_DIGITS_MAX);
        }
        return;
    }
    const struct text_fault *fault = text_check_ascii(token, DEVICE_TOKEN_BYTES_MAX);
    if (fault) {
        json_fault(&p->r, "token", fault->code, "%s (1 to %d bytes)", fault->detail,
                   DEVICE_TOKEN_BYTES_MAX);
    } else {
        p->d->token = mem_strndup(token.p, token.n);
    }
}

/* The platform, and the token in the platform's form. */
static void read_endpoint(struct parse *p) {
    struct str name;
    if (!json_member(&p->r, "platform")) {
        json_fault(&p->r, "platform", "required", "must be apns or fcm");
    }
    if (!json_member(&p->r, "token")) {
        json_fault(&p->r, "token", "required", "the token that the phone got from its provider");
    }
    if (!json_read_string(&p->r, "platform", &name)) {
        return;
    }
    int platform = name_find(platform_names, PLATFORM_COUNT, name);
    if (platform == PLATFORM_WEBPUSH) {
        json_fault(&p->r, "platform", "not_supported", "Web Push is not served here");
    } else if (platform != PLATFORM_APNS && platform != PLATFORM_FCM) {
        json_fault(&p->r, "platform", "unknown_value", "must be apns or fcm");
    } else {
        p->d->platform = (enum platform)platform;
        read_token(p);
    }
}

static void read_edition(struct parse *p) {
    struct str name;
    if (!json_member(&p->r, "edition")) {
        json_fault(&p->r, "edition", "required", "the language of the notifications");
    }
    if (json_read_string(&p->r, "edition", &name)) {
        p->d->edition = taxonomy_find(p->t, DIM_EDITION, name);
        if (p->d->edition < 0) {
            json_fault(&p->r, "edition", "unknown_value", "unknown edition \"%.64s\"", name.p);
        }
    }
}

/* One item of a list of follows. */
static void read_follow(struct parse *p, const cJSON *item, const char *pointer,
                        const struct value_kind *kind, struct value_set *set) {
    if (!cJSON_IsString(item)) {
        problem_add(p->r.problems, pointer, "wrong_type", "must be a string");
        return;
    }
    int index = value_find(kind, str_of(item->valuestring));
    if (index >= 0) {
        set->mask |= UINT64_C(1) << index;
    } else if (str_eq(str_of(item->valuestring), STR("all"))) {
        set->all = true;
    } else {
        char reason[32];
        (void)snprintf(reason, sizeof(reason), "unknown %s", kind->noun);
        note(p, pointer, item->valuestring, reason);
    }
}

/* One list of follows; 0 = any. */
static uint64_t read_follows(struct parse *p, enum dimension dim, const char *name) {
    struct value_kind kind = value_kind_of(p->t, dim);
    struct value_set set = {0};
    const cJSON *list = json_member(&p->r, name);
    if (!list) {
        return 0;
    }
    if (!cJSON_IsArray(list)) {
        json_fault(&p->r, name, "wrong_type", "must be a list of %ss", kind.noun);
        return 0;
    }
    char base[JSON_POINTER_BYTES];
    char pointer[JSON_POINTER_BYTES];
    json_pointer(base, "", name);
    for (const cJSON *item = list->child; item; item = item->next, set.count++) {
        json_pointer_index(pointer, base, set.count);
        read_follow(p, item, pointer, &kind, &set);
    }
    if (set.count && !set.mask && !set.all) {
        json_fault(&p->r, name, "unknown_value", "not one %s here is known", kind.noun);
    }
    return set.all ? 0 : set.mask;
}

/* Why a tag is dropped, NULL when it is taken. */
static const char *add_tag(struct device *d, struct str tag) {
    const struct text_fault *fault = text_check(tag, ALERT_TAG_BYTES_MAX);
    if (fault) {
        return fault->detail;
    }
    for (int i = 0; i < d->tag_count; i++) {
        if (str_ieq(str_of(d->tags[i]), tag)) {
            return "is there already";
        }
    }
    if (d->tag_count == DEVICE_TAGS_MAX) {
        return "too many tags";
    }
    d->tags[d->tag_count++] = mem_strndup(tag.p, tag.n);
    return NULL;
}

static void read_tags(struct parse *p) {
    const cJSON *list = json_member(&p->r, "tags");
    if (!list) {
        return;
    }
    if (!cJSON_IsArray(list)) {
        json_fault(&p->r, "tags", "wrong_type", "must be a list of strings");
        return;
    }
    char pointer[JSON_POINTER_BYTES];
    int i = 0;
    for (const cJSON *item = list->child; item; item = item->next, i++) {
        json_pointer_index(pointer, "/tags", i);
        if (!cJSON_IsString(item)) {
            problem_add(p->r.problems, pointer, "wrong_type", "must be a string");
            continue;
        }
        const char *reason = add_tag(p->d, str_trim(str_of(item->valuestring)));
        if (reason) {
            note(p, pointer, item->valuestring, reason);
        }
    }
}

static bool is_app(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            !strchr("._-", c)) {
            return false;
        }
    }
    return s.n > 0 && s.n <= DEVICE_APP_BYTES_MAX;
}

/* The database of a phone may be newer than ours: what we do not know is dropped. */
static void read_time_zone(struct parse *p) {
    struct str name;
    if (!json_read_string(&p->r, "time_zone", &name)) {
        return;
    }
    if (time_zone_is_offset(name) || time_zone_is_known(name)) {
        p->d->time_zone = mem_strndup(name.p, name.n);
    } else if (time_zone_is_name(name)) {
        note(p, "/time_zone", name.p, "unknown time zone");
    } else {
        json_fault(&p->r, "time_zone", "invalid_value",
                   "must be an IANA name, as Asia/Beirut, or an offset, as +03:00");
    }
}

static void read_options(struct parse *p) {
    struct str text;
    int urgency;
    if (json_read_string(&p->r, "app", &text)) {
        if (is_app(text)) {
            p->d->app = mem_strndup(text.p, text.n);
        } else {
            json_fault(&p->r, "app", "invalid_value", "must be a bundle id or package name");
        }
    }
    read_time_zone(p);
    if (json_read_name(&p->r, "min_urgency", urgency_names, URGENCY_COUNT, &urgency)) {
        p->d->min_urgency = (enum urgency)urgency;
    }
    (void)json_read_bool(&p->r, "test", &p->d->test);
}

static void read_request(struct parse *p) {
    if (!json_is_object(&p->r)) {
        return;
    }
    drop_unknown_members(p);
    read_endpoint(p);
    read_edition(p);
    p->d->regions = read_follows(p, DIM_REGION, "regions");
    p->d->sections = read_follows(p, DIM_SECTION, "sections");
    read_tags(p);
    read_options(p);
}

enum err device_read_request(const struct taxonomy *t, struct str id, const struct cJSON *root,
                             struct device **out_device, struct buf *out_dropped_json,
                             struct problem *problems) {
    size_t before = problem_count(problems);
    if (!device_id_is_valid(id)) {
        problem_add(problems, "", "invalid_value",
                    "a device id is 8 to %d of letters, digits, '.', '_' and '-'",
                    DEVICE_ID_BYTES_MAX);
    }
    struct parse p = {
        .t = t,
        .r = {root, "", problems},
        .d = mem_zalloc(1, sizeof(struct device)),
        .dropped = out_dropped_json,
    };
    p.d->id = mem_strndup(id.p, id.n);
    p.d->min_urgency = URGENCY_LOW;
    buf_clear(out_dropped_json);
    buf_putc(out_dropped_json, '[');
    read_request(&p);
    buf_putc(out_dropped_json, ']');
    if (problem_count(problems) > before) {
        device_destroy(p.d);
        return ERR_INVALID;
    }
    *out_device = p.d;
    return ERR_OK;
}

enum err device_parse_request(const struct taxonomy *t, struct str id, struct str json,
                              struct device **out_device, struct buf *out_dropped_json,
                              struct problem *problems) {
    size_t before = problem_count(problems);
    struct cJSON *root;
    enum err err = json_parse(json, "", &root, problems);
    if (err) {
        return err;
    }
    struct device *device = NULL;
    err = device_read_request(t, id, root, &device, out_dropped_json, problems);
    json_destroy(root);
    if (problem_count(problems) > before) { /* a name given twice among them */
        device_destroy(device);
        return ERR_INVALID;
    }
    *out_device = device;
    return err;
}

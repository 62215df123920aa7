#include "fcm_schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum field_type {
    TYPE_STRING,
    TYPE_BOOL,
    TYPE_INT,
    TYPE_NUMBER,
    TYPE_DURATION,
    TYPE_WORD,    /* one of the words in `words` */
    TYPE_MAP,     /* string to string */
    TYPE_STRINGS, /* list of strings */
    TYPE_DURATIONS,
    TYPE_STRUCT, /* any object */
    TYPE_OBJECT, /* by `sub` */
};

struct field {
    const char *name; /* NULL ends a table */
    enum field_type type;
    const char *words;
    const struct field *sub;
};

static const struct field options[] = {{"analytics_label", TYPE_STRING, NULL, NULL}, {0}};
static const struct field apns_options[] = {
    {"analytics_label", TYPE_STRING, NULL, NULL}, {"image", TYPE_STRING, NULL, NULL}, {0}};
static const struct field web_options[] = {
    {"analytics_label", TYPE_STRING, NULL, NULL}, {"link", TYPE_STRING, NULL, NULL}, {0}};
static const struct field notification[] = {{"title", TYPE_STRING, NULL, NULL},
                                            {"body", TYPE_STRING, NULL, NULL},
                                            {"image", TYPE_STRING, NULL, NULL},
                                            {0}};
static const struct field light_color[] = {{"red", TYPE_NUMBER, NULL, NULL},
                                           {"green", TYPE_NUMBER, NULL, NULL},
                                           {"blue", TYPE_NUMBER, NULL, NULL},
                                           {"alpha", TYPE_NUMBER, NULL, NULL},
                                           {0}};
static const struct field light[] = {{"color", TYPE_OBJECT, NULL, light_color},
                                     {"light_on_duration", TYPE_DURATION, NULL, NULL},
                                     {"light_off_duration", TYPE_DURATION, NULL, NULL},
                                     {0}};
static const struct field android_notification[] = {
    {"title", TYPE_STRING, NULL, NULL},
    {"body", TYPE_STRING, NULL, NULL},
    {"icon", TYPE_STRING, NULL, NULL},
    {"color", TYPE_STRING, NULL, NULL},
    {"sound", TYPE_STRING, NULL, NULL},
    {"tag", TYPE_STRING, NULL, NULL},
    {"click_action", TYPE_STRING, NULL, NULL},
    {"channel_id", TYPE_STRING, NULL, NULL},
    {"ticker", TYPE_STRING, NULL, NULL},
    {"sticky", TYPE_BOOL, NULL, NULL},
    {"event_time", TYPE_STRING, NULL, NULL},
    {"local_only", TYPE_BOOL, NULL, NULL},
    {"image", TYPE_STRING, NULL, NULL},
    {"notification_count", TYPE_INT, NULL, NULL},
    {"title_loc_key", TYPE_STRING, NULL, NULL},
    {"title_loc_args", TYPE_STRINGS, NULL, NULL},
    {"body_loc_key", TYPE_STRING, NULL, NULL},
    {"body_loc_args", TYPE_STRINGS, NULL, NULL},
    {"notification_priority", TYPE_WORD,
     "PRIORITY_UNSPECIFIED|PRIORITY_MIN|PRIORITY_LOW|PRIORITY_DEFAULT|PRIORITY_HIGH|PRIORITY_MAX",
     NULL},
    {"visibility", TYPE_WORD, "VISIBILITY_UNSPECIFIED|PRIVATE|PUBLIC|SECRET", NULL},
    {"default_sound", TYPE_BOOL, NULL, NULL},
    {"default_vibrate_timings", TYPE_BOOL, NULL, NULL},
    {"default_light_settings", TYPE_BOOL, NULL, NULL},
    {"vibrate_timings", TYPE_DURATIONS, NULL, NULL},
    {"light_settings", TYPE_OBJECT, NULL, light},
    {"proxy", TYPE_WORD, "PROXY_UNSPECIFIED|ALLOW|DENY|IF_PRIORITY_LOWERED", NULL},
    {0}};
static const struct field android[] = {{"collapse_key", TYPE_STRING, NULL, NULL},
                                       {"priority", TYPE_WORD, "normal|high|NORMAL|HIGH", NULL},
                                       {"ttl", TYPE_DURATION, NULL, NULL},
                                       {"restricted_package_name", TYPE_STRING, NULL, NULL},
                                       {"data", TYPE_MAP, NULL, NULL},
                                       {"notification", TYPE_OBJECT, NULL, android_notification},
                                       {"direct_boot_ok", TYPE_BOOL, NULL, NULL},
                                       {"bandwidth_constrained_ok", TYPE_BOOL, NULL, NULL},
                                       {"restricted_satellite_ok", TYPE_BOOL, NULL, NULL},
                                       {"fcm_options", TYPE_OBJECT, NULL, options},
                                       {0}};
static const struct field apns[] = {{"headers", TYPE_MAP, NULL, NULL},
                                    {"payload", TYPE_STRUCT, NULL, NULL},
                                    {"fcm_options", TYPE_OBJECT, NULL, apns_options},
                                    {"live_activity_token", TYPE_STRING, NULL, NULL},
                                    {0}};
static const struct field webpush[] = {{"headers", TYPE_MAP, NULL, NULL},
                                       {"data", TYPE_MAP, NULL, NULL},
                                       {"notification", TYPE_STRUCT, NULL, NULL},
                                       {"fcm_options", TYPE_OBJECT, NULL, web_options},
                                       {0}};
static const struct field message[] = {{"name", TYPE_STRING, NULL, NULL},
                                       {"data", TYPE_MAP, NULL, NULL},
                                       {"notification", TYPE_OBJECT, NULL, notification},
                                       {"android", TYPE_OBJECT, NULL, android},
                                       {"webpush", TYPE_OBJECT, NULL, webpush},
                                       {"apns", TYPE_OBJECT, NULL, apns},
                                       {"fcm_options", TYPE_OBJECT, NULL, options},
                                       {"fid", TYPE_STRING, NULL, NULL},
                                       {"token", TYPE_STRING, NULL, NULL},
                                       {"topic", TYPE_STRING, NULL, NULL},
                                       {"condition", TYPE_STRING, NULL, NULL},
                                       {0}};
static const struct field request[] = {
    {"validate_only", TYPE_BOOL, NULL, NULL}, {"message", TYPE_OBJECT, NULL, message}, {0}};

/* Does a JSON name mean this field: itself, or its lowerCamelCase form? */
static bool is_name(const char *json_name, const char *field) {
    if (strcmp(json_name, field) == 0) {
        return true;
    }
    for (; *field; field++) {
        char want = *field;
        if (want == '_') {
            want = *++field;
            want = (char)(want >= 'a' && want <= 'z' ? want - ('a' - 'A') : want);
        }
        if (*json_name++ != want) {
            return false;
        }
    }
    return *json_name == '\0';
}

const cJSON *fcm_member(const cJSON *object, const char *name) {
    const cJSON *found = NULL;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        if (item->string && is_name(item->string, name)) {
            found = item;
        }
    }
    return cJSON_IsNull(found) ? NULL : found;
}

struct checker {
    struct fcm_violation *out;
    char path[FCM_FIELD_BYTES]; /* of the object at hand: "message.android" */
};

__attribute__((format(printf, 2, 3))) static bool fail(struct checker *k, const char *format, ...) {
    va_list args;
    va_start(args, format);
    (void)vsnprintf(k->out->text, sizeof(k->out->text), format, args);
    va_end(args);
    (void)snprintf(k->out->field, sizeof(k->out->field), "%s", k->path);
    return false;
}

/* Enters "name" below the path; returns the former length for leave(). */
static size_t enter(struct checker *k, const char *name) {
    size_t n = strlen(k->path);
    (void)snprintf(k->path + n, sizeof(k->path) - n, "%s%s", n && name[0] != '[' ? "." : "", name);
    return n;
}

static void leave(struct checker *k, size_t former) {
    k->path[former] = '\0';
}

static bool wrong_type(struct checker *k, const char *type, const cJSON *item) {
    char *text = cJSON_PrintUnformatted(item);
    bool result = fail(k, "Invalid value at '%s' (%s), %.100s", k->path, type, text ? text : "");
    cJSON_free(text);
    return result;
}

/* "1.5s": seconds with at most nine decimals (protobuf's JSON form of a Duration). */
static bool is_duration(const cJSON *item) {
    const char *p = cJSON_GetStringValue(item);
    if (!p) {
        return false;
    }
    p += *p == '-';
    size_t whole = strspn(p, "0123456789");
    p += whole;
    if (!whole || whole > 12) {
        return false;
    }
    if (*p == '.') {
        size_t part = strspn(p + 1, "0123456789");
        if (!part || part > 9) {
            return false;
        }
        p += part + 1;
    }
    return strcmp(p, "s") == 0;
}

static bool is_word(const char *words, const cJSON *item) {
    struct str rest = str_of(words);
    struct str word;
    while (cJSON_IsString(item) && str_split(&rest, '|', &word)) {
        if (str_eq(word, str_of(item->valuestring))) {
            return true;
        }
    }
    return false;
}

static bool check_map(struct checker *k, const cJSON *map) {
    if (!cJSON_IsObject(map)) {
        return wrong_type(k, "Map", map);
    }
    int index = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, map) {
        if (!cJSON_IsString(item)) {
            char place[40];
            (void)snprintf(place, sizeof(place), "[%d].value", index);
            (void)enter(k, place);
            return wrong_type(k, "TYPE_STRING", item);
        }
        index++;
    }
    return true;
}

static bool check_list(struct checker *k, enum field_type type, const cJSON *list) {
    if (!cJSON_IsArray(list)) {
        return wrong_type(k,
                          type == TYPE_STRINGS ? "TYPE_STRING"
                                               : "type.googleapis.com/google.protobuf.Duration",
                          list);
    }
    int index = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list) {
        bool good = type == TYPE_STRINGS ? cJSON_IsString(item) : is_duration(item);
        if (!good) {
            char place[24];
            (void)snprintf(place, sizeof(place), "[%d]", index);
            (void)enter(k, place);
            return wrong_type(k, type == TYPE_STRINGS ? "TYPE_STRING" : "Duration", item);
        }
        index++;
    }
    return true;
}

static bool check_object(struct checker *k, const struct field *fields, const cJSON *object);

static bool check_value(struct checker *k, const struct field *f, const cJSON *item) {
    switch (f->type) {
    case TYPE_STRING:
        return cJSON_IsString(item) || wrong_type(k, "TYPE_STRING", item);
    case TYPE_BOOL:
        return cJSON_IsBool(item) || wrong_type(k, "TYPE_BOOL", item);
    case TYPE_INT:
        return (cJSON_IsNumber(item) && item->valuedouble == (double)item->valueint) ||
               wrong_type(k, "TYPE_INT32", item);
    case TYPE_NUMBER:
        return cJSON_IsNumber(item) || wrong_type(k, "TYPE_FLOAT", item);
    case TYPE_DURATION:
        return is_duration(item) ||
               wrong_type(k, "type.googleapis.com/google.protobuf.Duration", item);
    case TYPE_WORD:
        return is_word(f->words, item) || wrong_type(k, "TYPE_ENUM", item);
    case TYPE_MAP:
        return check_map(k, item);
    case TYPE_STRINGS:
    case TYPE_DURATIONS:
        return check_list(k, f->type, item);
    case TYPE_STRUCT:
        return cJSON_IsObject(item) ||
               wrong_type(k, "type.googleapis.com/google.protobuf.Struct", item);
    case TYPE_OBJECT:
        return check_object(k, f->sub, item);
    }
    return false;
}

static bool check_object(struct checker *k, const struct field *fields, const cJSON *object) {
    if (!cJSON_IsObject(object)) {
        return wrong_type(k, "TYPE_MESSAGE", object);
    }
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        const struct field *f = fields;
        while (f->name && !is_name(item->string, f->name)) {
            f++;
        }
        if (!f->name) {
            return fail(k,
                        k->path[0] ? "Invalid JSON payload received. Unknown name \"%s\" at "
                                     "'%s': Cannot find field."
                                   : "Invalid JSON payload received. Unknown name \"%s\"%s: "
                                     "Cannot find field.",
                        item->string, k->path);
        }
        size_t former = enter(k, f->name);
        if (!cJSON_IsNull(item) && !check_value(k, f, item)) {
            return false;
        }
        leave(k, former);
    }
    return true;
}

bool fcm_schema_check(const cJSON *body, struct fcm_violation *out) {
    struct checker k = {.out = out};
    return check_object(&k, request, body);
}

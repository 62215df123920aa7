#include "fcm_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcm_schema.h"

enum {
    PAYLOAD_MAX = 4096,
    TOPIC_PAYLOAD_MAX = 2048,
    TTL_MAX_S = 2419200, /* four weeks */
    TOPIC_NAME_MAX = 900,
    CONDITION_TOPICS_MAX = 5,
    LABEL_MAX = 50,
    TOKEN_MAX = 4096,
};

static const char name_chars[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~%";

static bool fail(struct fcm_violation *out, const char *field, const char *text) {
    (void)snprintf(out->field, sizeof(out->field), "%s", field);
    (void)snprintf(out->text, sizeof(out->text), "%s", text);
    return false;
}

static const char *text_of(const cJSON *object, const char *name) {
    return cJSON_GetStringValue(fcm_member(object, name));
}

bool fcm_is_token(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == ':' || c == '-' || c == '_')) {
            return false;
        }
    }
    return s.n > 0 && s.n <= TOKEN_MAX;
}

static bool is_name(const char *text, size_t max) {
    size_t n = strspn(text, name_chars);
    return n > 0 && n <= max && text[n] == '\0';
}

/* 'a' in topics && …: at most five topics. */
static bool is_condition(const char *text) {
    int topics = 0;
    for (const char *at = strstr(text, " in topics"); at; at = strstr(at + 1, " in topics")) {
        topics++;
    }
    return topics > 0 && topics <= CONDITION_TOPICS_MAX;
}

/* The one target. Two are an error of the JSON reader (a oneof set twice), none and bad ones are
 * invalid arguments. */
static bool check_target(const cJSON *message, struct fcm_form *form, const char **out_target,
                         enum fcm_kind *out_kind, struct fcm_violation *out) {
    static const char *const names[] = {"token", "fid", "topic", "condition"};
    const char *found = NULL;
    for (int i = 0; i < 4; i++) {
        const char *text = text_of(message, names[i]);
        if (text && found) {
            *out_kind = FCM_PARSE;
            (void)snprintf(out->field, sizeof(out->field), "message");
            (void)snprintf(out->text, sizeof(out->text),
                           "Invalid value at 'message' (oneof), oneof field 'target' is already "
                           "set. Cannot set '%s'",
                           names[i]);
            return false;
        }
        if (text) {
            found = text;
            form->target = (enum fcm_target)i;
        }
    }
    *out_target = found;
    if (!found) {
        return fail(out, "message", "Recipient of the message is not set.");
    }
    switch (form->target) {
    case FCM_TO_TOKEN:
        return fcm_is_token(str_of(found)) ||
               fail(out, "message.token",
                    "The registration token is not a valid FCM registration token");
    case FCM_TO_FID:
        return fcm_is_token(str_of(found)) ||
               fail(out, "message.fid", "The installation id is not valid");
    case FCM_TO_TOPIC:
        return is_name(found, TOPIC_NAME_MAX) || fail(out, "message.topic", "Invalid topic name.");
    case FCM_TO_CONDITION:
        return is_condition(found) ||
               fail(out, "message.condition", "Invalid condition expression provided.");
    }
    return false;
}

static bool check_data(const cJSON *data, const char *field, struct fcm_violation *out) {
    const cJSON *item;
    cJSON_ArrayForEach(item, data) {
        if (strcmp(item->string, "from") == 0 || strncmp(item->string, "gcm", 3) == 0 ||
            strncmp(item->string, "google", 6) == 0) {
            (void)snprintf(out->field, sizeof(out->field), "%s[%.100s]", field, item->string);
            (void)snprintf(out->text, sizeof(out->text), "Invalid data payload key: %.200s",
                           item->string);
            return false;
        }
    }
    return true;
}

/* Bytes of the names and texts of an object, as FCM counts a payload. */
static size_t payload_bytes(const cJSON *object) {
    size_t bytes = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        bytes += strlen(item->string);
        bytes += cJSON_IsString(item) ? strlen(item->valuestring) : 0;
    }
    return bytes;
}

static bool check_size(const cJSON *message, const struct fcm_form *form,
                       struct fcm_violation *out) {
    const cJSON *android = fcm_member(message, "android");
    const cJSON *own_data = fcm_member(android, "data");
    size_t bytes = payload_bytes(own_data ? own_data : fcm_member(message, "data")) +
                   payload_bytes(fcm_member(message, "notification")) +
                   payload_bytes(fcm_member(android, "notification"));
    bool to_many = form->target == FCM_TO_TOPIC || form->target == FCM_TO_CONDITION;
    return bytes <= (to_many ? TOPIC_PAYLOAD_MAX : PAYLOAD_MAX) ||
           fail(out, "message", "Android message is too big");
}

static bool is_color(const char *text) {
    return text[0] == '#' && strlen(text) == 7 && strspn(text + 1, "0123456789abcdefABCDEF") == 6;
}

static bool check_android(const cJSON *android, struct fcm_form *form, struct fcm_violation *out) {
    const char *ttl = text_of(android, "ttl");
    const char *priority = text_of(android, "priority");
    const char *color = text_of(fcm_member(android, "notification"), "color");
    form->ttl_s = -1;
    form->priority = !priority ? "" : (priority[0] | 0x20) == 'h' ? "high" : "normal";
    if (ttl) {
        double value = strtod(ttl, NULL);
        if (value < 0 || value > TTL_MAX_S) {
            return fail(out, "message.android.ttl", "Invalid ttl: must be 0 to 2419200 seconds");
        }
        form->ttl_s = (int64_t)value;
    }
    if (color && !is_color(color)) {
        return fail(out, "message.android.notification.color",
                    "Invalid color: must be of the form #rrggbb");
    }
    return check_data(fcm_member(android, "data"), "message.android.data", out);
}

static bool check_label(const cJSON *owner, const char *field, struct fcm_violation *out) {
    const char *label = text_of(fcm_member(owner, "fcm_options"), "analytics_label");
    return !label || is_name(label, LABEL_MAX) || fail(out, field, "Invalid analytics label");
}

bool fcm_rules_check(const cJSON *message, struct fcm_form *out_form, const char **out_target,
                     enum fcm_kind *out_kind, struct fcm_violation *out) {
    *out_kind = FCM_INVALID_ARGUMENT;
    if (!message) {
        return fail(out, "message", "Message is not set.");
    }
    const cJSON *android = fcm_member(message, "android");
    const char *link = text_of(fcm_member(fcm_member(message, "webpush"), "fcm_options"), "link");
    if (link && strncmp(link, "https://", 8) != 0) {
        return fail(out, "message.webpush.fcm_options.link", "The link must be an HTTPS URL");
    }
    return check_target(message, out_form, out_target, out_kind, out) &&
           check_data(fcm_member(message, "data"), "message.data", out) &&
           check_android(android, out_form, out) &&
           check_label(message, "message.fcm_options.analytics_label", out) &&
           check_label(android, "message.android.fcm_options.analytics_label", out) &&
           check_size(message, out_form, out);
}

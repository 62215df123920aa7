#include <stdlib.h>

#include <cjson/cJSON.h>

#include "base/mem.h"
#include "model/alert_request.h"
#include "model/text.h"

static void read_url(const struct json_reader *r, const char *name, char **out_url) {
    struct str url;
    if (!json_read_string(r, name, &url)) {
        return;
    }
    const struct text_fault *fault = text_check_url(url, ALERT_URL_BYTES_MAX);
    if (fault) {
        json_fault(r, name, fault->code, "%s (http or https, at most %d bytes)", fault->detail,
                   ALERT_URL_BYTES_MAX);
        return;
    }
    *out_url = mem_strndup(url.p, url.n);
}

/* The direction is the edition's; a body that says otherwise has its languages mixed up. */
static void check_dir(const struct json_reader *r, const char *edition, bool rtl) {
    static const char *const dirs[] = {"ltr", "rtl"};
    int dir;
    if (json_read_name(r, "dir", dirs, 2, &dir) && (dir == 1) != rtl) {
        json_fault(r, "dir", "dir_mismatch", "edition %s is written %s", edition,
                   rtl ? "right to left (rtl)" : "left to right (ltr)");
    }
}

/* The text of one language. */
static void read_language(const struct taxonomy *t, const struct json_reader *r, int edition,
                          struct alert_content *content) {
    static const char *const members[] = {"headline", "body", "url", "image_url", "dir"};
    if (!json_is_object(r)) {
        return;
    }
    json_allow(r, members, sizeof(members) / sizeof(members[0]));
    if (!json_member(r, "headline")) {
        json_fault(r, "headline", "required", "a headline is required");
    }
    content->rtl = taxonomy_is_rtl(t, edition);
    check_dir(r, taxonomy_name(t, DIM_EDITION, edition), content->rtl);
    (void)json_read_text(r, "headline", ALERT_HEADLINE_BYTES_MAX, &content->headline);
    (void)json_read_text(r, "body", ALERT_BODY_BYTES_MAX, &content->body);
    read_url(r, "url", &content->url);
    read_url(r, "image_url", &content->image_url);
}

void alert_read_content(const struct taxonomy *t, const struct json_reader *r, struct alert *a) {
    char base[JSON_POINTER_BYTES];
    char pointer[JSON_POINTER_BYTES];
    json_pointer(base, r->pointer, "content");
    struct json_reader content = {json_member(r, "content"), base, r->problems};
    if (!content.object || !json_is_object(&content)) {
        return;
    }
    for (const cJSON *it = content.object->child; it; it = it->next) {
        int edition = taxonomy_find(t, DIM_EDITION, str_of(it->string));
        if (edition < 0) {
            json_fault(&content, it->string, "unknown_value", "unknown edition");
        } else if (it == json_member(&content, it->string)) { /* not a duplicate's second */
            json_pointer(pointer, base, it->string);
            read_language(t, &(struct json_reader){it, pointer, r->problems}, edition,
                          &a->content[edition]);
        }
    }
}

static bool has_tag(const struct alert *a, struct str tag) {
    for (int i = 0; i < a->tag_count; i++) {
        if (str_ieq(str_of(a->tags[i]), tag)) {
            return true;
        }
    }
    return false;
}

static void read_tag(const cJSON *item, const char *pointer, struct problem *problems,
                     struct alert *a) {
    if (!cJSON_IsString(item)) {
        problem_add(problems, pointer, "wrong_type", "must be a string");
        return;
    }
    struct str tag = str_trim(str_of(item->valuestring));
    const struct text_fault *fault = text_check(tag, ALERT_TAG_BYTES_MAX);
    if (fault) {
        problem_add(problems, pointer, fault->code, "%s (at most %d bytes of visible text)",
                    fault->detail, ALERT_TAG_BYTES_MAX);
    } else if (has_tag(a, tag)) {
        problem_add(problems, pointer, "duplicate", "this tag is there already");
    } else if (a->tag_count < ALERT_TAGS_MAX) {
        a->tags[a->tag_count++] = mem_strndup(tag.p, tag.n);
    }
}

void alert_read_tags(const struct json_reader *r, struct alert *a) {
    const cJSON *list = json_member(r, "tags");
    if (!list) {
        return;
    }
    if (!cJSON_IsArray(list)) {
        json_fault(r, "tags", "wrong_type", "must be a list of strings");
        return;
    }
    if (cJSON_GetArraySize(list) > ALERT_TAGS_MAX) {
        json_fault(r, "tags", "too_many", "at most %d tags", ALERT_TAGS_MAX);
    }
    char base[JSON_POINTER_BYTES];
    char pointer[JSON_POINTER_BYTES];
    json_pointer(base, r->pointer, "tags");
    int i = 0;
    for (const cJSON *item = list->child; item; item = item->next, i++) {
        json_pointer_index(pointer, base, i);
        read_tag(item, pointer, r->problems, a);
    }
}

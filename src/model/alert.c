#include "model/alert.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/alert_json.h"

const char *const msg_type_names[MSG_TYPE_COUNT] = {"alert", "update", "cancel"};
const char *const alert_status_names[STATUS_COUNT] = {"actual", "exercise", "test", "draft"};
const char *const urgency_names[URGENCY_COUNT] = {"flash", "high", "normal", "low"};
const char *const platform_names[PLATFORM_COUNT] = {"stream", "apns", "fcm", "webpush"};

int name_find(const char *const *names, int count, struct str name) {
    for (int i = 0; i < count; i++) {
        if (str_eq(str_of(names[i]), name)) {
            return i;
        }
    }
    return -1;
}

struct alert *alert_create(void) {
    struct alert *a = mem_zalloc(1, sizeof(*a));
    a->revision = 1;
    a->msg_type = MSG_ALERT;
    a->status = STATUS_ACTUAL;
    a->urgency = URGENCY_NORMAL;
    a->fallback_edition = -1;
    a->ttl_s = ALERT_TTL_DEFAULT_S;
    a->hold_s = -1;
    return a;
}

void alert_content_finish(struct alert_content *content) {
    free(content->headline);
    free(content->body);
    free(content->url);
    free(content->image_url);
    *content = (struct alert_content){0};
}

void alert_destroy(struct alert *a) {
    if (!a) {
        return;
    }
    for (int i = 0; i < TAXONOMY_MAX; i++) {
        alert_content_finish(&a->content[i]);
    }
    for (int i = 0; i < a->tag_count; i++) {
        free(a->tags[i]);
    }
    free(a->source);
    free(a->story_id);
    free(a->collapse_id);
    free(a->reference);
    free(a->created_by);
    free(a);
}

static void copy_text(char **text) {
    *text = mem_strdup(*text);
}

struct alert *alert_copy(const struct alert *a) {
    struct alert *to = alert_create();
    *to = *a;
    for (int i = 0; i < TAXONOMY_MAX; i++) {
        copy_text(&to->content[i].headline);
        copy_text(&to->content[i].body);
        copy_text(&to->content[i].url);
        copy_text(&to->content[i].image_url);
    }
    for (int i = 0; i < to->tag_count; i++) {
        copy_text(&to->tags[i]);
    }
    copy_text(&to->source);
    copy_text(&to->story_id);
    copy_text(&to->collapse_id);
    copy_text(&to->reference);
    copy_text(&to->created_by);
    return to;
}

bool alert_is_timed(const struct alert *a) {
    return a->send_at_ms || a->embargo_ms || a->hold_s >= 0;
}

static void inherit_text(char **text, const char *previous) {
    if (!*text) {
        *text = mem_strdup(previous);
    }
}

static void inherit_content(struct alert *a, const struct alert *previous) {
    for (int i = 0; i < TAXONOMY_MAX; i++) {
        const struct alert_content *from = &previous->content[i];
        if (!a->content[i].headline && from->headline) {
            a->content[i] = (struct alert_content){
                .headline = mem_strdup(from->headline),
                .body = mem_strdup(from->body),
                .url = mem_strdup(from->url),
                .image_url = mem_strdup(from->image_url),
                .rtl = from->rtl,
            };
        }
    }
    if (a->fallback_edition < 0) {
        a->fallback_edition = previous->fallback_edition;
    }
}

enum err alert_inherit(struct alert *a, const struct alert *previous) {
    if (a->status_given && a->status != previous->status) {
        return ERR_CONFLICT;
    }
    a->status = previous->status;
    memcpy(a->id, previous->id, sizeof(a->id));
    a->revision = previous->revision + 1;
    a->audience = previous->audience;
    if (!a->urgency_given) {
        a->urgency = previous->urgency;
    }
    if (!a->ttl_given) {
        a->ttl_s = previous->ttl_s;
    }
    inherit_content(a, previous);
    for (int i = 0; a->tag_count == i && i < previous->tag_count; i++) {
        a->tags[a->tag_count++] = mem_strdup(previous->tags[i]);
    }
    inherit_text(&a->source, previous->source);
    inherit_text(&a->story_id, previous->story_id);
    inherit_text(&a->collapse_id, previous->collapse_id);
    return ERR_OK;
}

/* Editions with text of their own. */
static uint64_t editions_with_text(const struct alert *a) {
    uint64_t mask = 0;
    for (int i = 0; i < TAXONOMY_MAX; i++) {
        if (a->content[i].headline) {
            mask |= UINT64_C(1) << i;
        }
    }
    return mask;
}

uint64_t alert_editions(const struct alert *a, const struct taxonomy *t) {
    uint64_t wanted = a->audience.editions ? a->audience.editions : taxonomy_all(t, DIM_EDITION);
    bool has_fallback = a->fallback_edition >= 0 && a->content[a->fallback_edition].headline;
    return has_fallback ? wanted : wanted & editions_with_text(a);
}

const struct alert_content *alert_content_for(const struct alert *a, int edition) {
    if (edition >= 0 && edition < TAXONOMY_MAX && a->content[edition].headline) {
        return &a->content[edition];
    }
    if (a->fallback_edition >= 0 && a->content[a->fallback_edition].headline) {
        return &a->content[a->fallback_edition];
    }
    return NULL;
}

#include "render/notice.h"

#include <stdlib.h>

#include "base/mem.h"
#include "render/shorten.h"

enum { TITLE_MAX_BYTES = 16384 }; /* far above headline and label */

/* "Withdrawn" in the edition's language, empty when `labels` says nothing. */
static struct str find_label(const char *labels, struct str edition) {
    struct str rest = str_of(labels);
    struct str pair;
    struct str first = {0};
    while (str_split(&rest, ',', &pair)) {
        struct str name;
        struct str label = pair;
        if (!str_split(&label, '=', &name) || !label.n) {
            continue;
        }
        label = str_trim(label);
        if (str_eq(str_trim(name), edition)) {
            return label;
        }
        first = first.n ? first : label;
    }
    return first;
}

static char *make_title(const struct alert *a, const char *headline, struct str label) {
    struct buf b;
    buf_init(&b, TITLE_MAX_BYTES);
    if (a->msg_type == MSG_CANCEL && label.n) {
        buf_put_str(&b, label);
        buf_puts(&b, ": ");
    }
    buf_puts(&b, headline);
    return buf_take(&b);
}

static void choose_manner(struct notice *n) {
    const struct alert *a = n->alert;
    bool is_flash = a->urgency == URGENCY_FLASH;
    bool is_passive = a->msg_type == MSG_CANCEL || a->urgency == URGENCY_LOW;
    bool sounds = a->sound == SOUND_ON || (a->sound == SOUND_DEFAULT && !is_passive &&
                                           (is_flash || a->msg_type == MSG_ALERT));
    n->sound = !sounds ? NOTICE_SILENT : is_flash ? NOTICE_SOUND_FLASH : NOTICE_SOUND;
    n->level = sounds && is_flash      ? NOTICE_TIME_SENSITIVE
               : sounds || !is_passive ? NOTICE_ACTIVE
                                       : NOTICE_PASSIVE;
}

enum err notice_init(struct notice *n, const struct alert *a, const struct taxonomy *t, int edition,
                     const char *labels) {
    const struct alert_content *content = alert_content_for(a, edition);
    if (!content || !content->headline) {
        return ERR_NOT_FOUND;
    }
    const char *name = taxonomy_name(t, DIM_EDITION, edition);
    *n = (struct notice){
        .alert = a,
        .edition = name,
        .body = str_of(content->body),
        .url = str_of(content->url),
        .image_url = str_of(content->image_url),
        .collapse_id = str_of(a->collapse_id ? a->collapse_id : a->id),
        .expires_ms = a->sent_ms + a->ttl_s * 1000,
    };
    n->thread_id = a->story_id ? str_of(a->story_id) : n->collapse_id;
    n->title = make_title(a, content->headline, find_label(labels, str_of(name)));
    choose_manner(n);
    return ERR_OK;
}

void notice_finish(struct notice *n) {
    free(n->title);
    free(n->cut_body);
    n->title = n->cut_body = NULL;
}

static size_t write_once(const struct notice *n, notice_writer *write, const void *style,
                         struct buf *b) {
    buf_clear(b);
    write(n, style, b);
    return b->overflow ? SIZE_MAX : b->n;
}

enum err notice_fit(struct notice *n, notice_writer *write, const void *style, size_t max_bytes,
                    struct buf *b) {
    if (write_once(n, write, style, b) <= max_bytes) {
        return ERR_OK;
    }
    struct notice cut = *n;
    struct buf body;
    buf_init(&body, ALERT_BODY_BYTES_MAX);
    for (int attempt = 0; attempt < 2; attempt++) {
        buf_clear(&body);
        cut.body = (struct str){0};
        cut.image_url = attempt ? (struct str){0} : n->image_url;
        size_t without = write_once(&cut, write, style, b);
        if (without > max_bytes) {
            continue;
        }
        /* A body that is there costs its member's frame as well: measure with one byte of it. */
        cut.body = STR("x");
        size_t framed = write_once(&cut, write, style, b);
        if (framed <= max_bytes) {
            shorten(n->body, max_bytes - framed + 1, &body);
        }
        cut.body = buf_str(&body);
        cut.is_cut = true;
        size_t size = write_once(&cut, write, style, b);
        cut.cut_body = buf_take(&body);
        cut.body = str_of(cut.cut_body);
        *n = cut;
        return size <= max_bytes ? ERR_OK : ERR_TOO_LARGE;
    }
    buf_finish(&body);
    return ERR_TOO_LARGE;
}

static void put_text(struct buf *b, const char *name, struct str value) {
    if (value.n) {
        buf_printf(b, ",\"%s\":", name);
        buf_put_json(b, value);
    }
}

void notice_put_data(const struct notice *n, bool strings_only, struct buf *b) {
    const struct alert *a = n->alert;
    buf_puts(b, "\"alert_id\":");
    buf_put_json(b, str_of(a->id));
    buf_printf(b, strings_only ? ",\"revision\":\"%u\"" : ",\"revision\":%u", a->revision);
    put_text(b, "msg_type", str_of(msg_type_names[a->msg_type]));
    put_text(b, "urgency", str_of(urgency_names[a->urgency]));
    put_text(b, "edition", str_of(n->edition));
    put_text(b, "url", n->url);
    put_text(b, "image_url", n->image_url);
    put_text(b, "story_id", str_of(a->story_id));
    if (a->status != STATUS_ACTUAL) {
        put_text(b, "status", str_of(alert_status_names[a->status]));
    }
}

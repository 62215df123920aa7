#include "gateway/entry.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    /* Sets of editions in use are few; past this number the last form is rebuilt for each use, so
     * that readers inventing combinations cost time, not memory. */
    ENTRY_FORMS_MAX = 24,
    /* The reader's JSON escapes what the stored form holds: never more than six bytes for one. */
    FRAME_BYTES_MAX = 6 * ALERT_JSON_BYTES_MAX,
};

struct entry_form {
    uint64_t editions;
    enum frame_kind kind;
    bool replay;
    char *bytes; /* owned */
    size_t size;
};

struct entry *entry_create(const struct taxonomy *t, const struct log_entry *log) {
    struct entry *e = mem_zalloc(1, sizeof(*e));
    e->position = log->position;
    e->heard_ms = clock_mono_ms();
    list_init(&e->active);
    enum err err = alert_parse_stored(t, log->json, &e->alert);
    if (err == ERR_OK) {
        e->editions = alert_editions(e->alert, t);
    } else {
        e->alert = NULL;
        log_error("log_entry_unreadable", LOG_I("seq", log->position.seq), LOG_ERR(err));
    }
    e->bytes = sizeof(*e) + sizeof(struct alert) + log->json.n;
    return e;
}

void entry_destroy(struct entry *e) {
    if (!e) {
        return;
    }
    list_remove(&e->active);
    for (int i = 0; i < e->form_count; i++) {
        free(e->forms[i].bytes);
    }
    free(e->forms);
    alert_destroy(e->alert);
    free(e);
}

bool entry_matches(const struct entry *e, const struct filter *f) {
    return e->alert && filter_matches(f, e->alert, e->editions);
}

bool entry_is_expired(const struct entry *e, int64_t wall_ms) {
    return e->alert && e->alert->sent_ms + e->alert->ttl_s * 1000 <= wall_ms;
}

static void build_form(const struct entry *e, const struct taxonomy *t, struct entry_form *form) {
    char position[POSITION_BYTES];
    position_format(&e->position, position);
    struct buf json;
    struct buf out;
    buf_init(&json, FRAME_BYTES_MAX);
    buf_init(&out, FRAME_BYTES_MAX + POSITION_BYTES + 64);
    alert_put_reader_json(e->alert, t, form->editions, position, form->replay, &json);
    frame_put(&out, form->kind, msg_type_names[e->alert->msg_type], form->replay ? NULL : position,
              buf_str(&json));
    form->size = out.n;
    form->bytes = buf_take(&out);
    buf_finish(&json);
    buf_finish(&out);
}

static struct entry_form *find_form(struct entry *e, enum frame_kind kind, uint64_t editions,
                                    bool replay) {
    for (int i = 0; i < e->form_count; i++) {
        struct entry_form *form = &e->forms[i];
        if (form->editions == editions && form->kind == kind && form->replay == replay) {
            return form;
        }
    }
    return NULL;
}

static void account(struct entry *e, size_t more, size_t less) {
    e->bytes += more;
    e->bytes -= less;
    if (e->account) {
        *e->account += more;
        *e->account -= less;
    }
}

static struct entry_form *new_form(struct entry *e) {
    if (e->form_count < ENTRY_FORMS_MAX) {
        size_t count = (size_t)e->form_count + 1;
        e->forms = mem_resize(e->forms, count, sizeof(*e->forms));
        account(e, sizeof(*e->forms), 0);
        e->form_count++;
    } else {
        struct entry_form *last = &e->forms[ENTRY_FORMS_MAX - 1];
        account(e, 0, last->size);
        free(last->bytes);
    }
    return &e->forms[e->form_count - 1];
}

struct str entry_frame(struct entry *e, const struct taxonomy *t, enum frame_kind kind,
                       uint64_t editions, bool replay) {
    /* Only what the alert has matters, so most readers share the form of "all". */
    uint64_t wanted = editions & e->editions;
    if (editions == 0 || wanted == e->editions) {
        wanted = 0;
    }
    struct entry_form *form = find_form(e, kind, wanted, replay);
    if (!form) {
        form = new_form(e);
        *form = (struct entry_form){.editions = wanted, .kind = kind, .replay = replay};
        build_form(e, t, form);
        account(e, form->size, 0);
    }
    return (struct str){form->bytes, form->size};
}

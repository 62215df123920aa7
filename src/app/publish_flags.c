#include "app/publish_flags.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app/http_call.h"
#include "model/alert.h"
#include "model/json.h"

/* "mena,europe" as a JSON array member. */
static void put_list(struct buf *b, const char *member, const char *list) {
    if (!list) {
        return;
    }
    struct str rest = str_of(list);
    struct str part;
    json_put_name(b, member);
    buf_putc(b, '[');
    while (str_split(&rest, ',', &part)) {
        json_put_comma(b);
        buf_put_json(b, str_trim(part));
    }
    buf_putc(b, ']');
}

/* Texts given as EDITION=TEXT, gathered by edition. */
struct texts {
    struct str edition;
    const char *member;
    struct str text;
};
enum { TEXTS_MAX = 4 * TAXONOMY_MAX };

static bool take_texts(struct options *o, const char *flag, const char *member, struct texts *list,
                       int *count) {
    const char *value;
    while ((value = options_value(o, flag))) {
        struct str rest = str_of(value);
        struct str edition;
        (void)str_split(&rest, '=', &edition);
        if (!rest.p || !edition.n || *count == TEXTS_MAX) {
            (void)fprintf(stderr, "tocsin %s: %s wants EDITION=TEXT, not \"%s\"\n", o->command,
                          flag, value);
            return false;
        }
        list[(*count)++] = (struct texts){edition, member, rest};
    }
    return true;
}

static void put_content(struct buf *b, const struct texts *list, int count) {
    json_put_name(b, "content");
    buf_putc(b, '{');
    for (int i = 0; i < count; i++) {
        bool first = true;
        for (int k = 0; k < i && first; k++) {
            first = !str_eq(list[k].edition, list[i].edition);
        }
        if (!first) {
            continue;
        }
        json_put_comma(b);
        buf_put_json(b, list[i].edition);
        buf_puts(b, ":{");
        for (int k = i; k < count; k++) {
            if (str_eq(list[k].edition, list[i].edition)) {
                json_put_name(b, list[k].member);
                buf_put_json(b, list[k].text);
            }
        }
        buf_putc(b, '}');
    }
    buf_putc(b, '}');
}

static void put_audience(struct options *o, struct buf *b) {
    struct buf audience;
    buf_init(&audience, ALERT_JSON_BYTES_MAX);
    buf_putc(&audience, '{');
    put_list(&audience, "regions", options_value(o, "--regions"));
    put_list(&audience, "sections", options_value(o, "--sections"));
    put_list(&audience, "editions", options_value(o, "--editions"));
    put_list(&audience, "platforms", options_value(o, "--platforms"));
    buf_putc(&audience, '}');
    if (audience.n > 2) {
        json_put_name(b, "audience");
        buf_put_str(b, buf_str(&audience));
    }
    buf_finish(&audience);
}

/* False after saying what it should be. */
static bool put_sound(struct options *o, struct buf *b) {
    const char *sound = options_value(o, "--sound");
    bool is_loud = sound && str_eq(str_of(sound), STR("yes"));
    if (sound && !is_loud && !str_eq(str_of(sound), STR("no"))) {
        (void)fprintf(stderr, "tocsin %s: --sound wants yes or no, not \"%s\"\n", o->command,
                      sound);
        return false;
    }
    if (sound) {
        json_put_bool(b, "sound", is_loud);
    }
    return true;
}

static bool put_seconds(struct options *o, const char *flag, const char *member, struct buf *b) {
    const char *value = options_value(o, flag);
    int64_t seconds;
    if (!value) {
        return true;
    }
    if (str_to_i64(str_of(value), &seconds)) {
        (void)fprintf(stderr, "tocsin %s: %s wants seconds, not \"%s\"\n", o->command, flag, value);
        return false;
    }
    json_put_int(b, member, seconds);
    return true;
}

bool publish_flags_put(struct options *o, struct buf *b) {
    struct texts list[TEXTS_MAX];
    int count = 0;
    if (!take_texts(o, "--headline", "headline", list, &count) ||
        !take_texts(o, "--body", "body", list, &count) ||
        !take_texts(o, "--url", "url", list, &count) ||
        !take_texts(o, "--image", "image_url", list, &count)) {
        return false;
    }
    buf_putc(b, '{');
    json_put_text(b, "msg_type", options_value(o, "--msg-type"));
    put_list(b, "references", options_value(o, "--about"));
    json_put_text(b, "status", options_value(o, "--status"));
    json_put_text(b, "urgency", options_value(o, "--urgency"));
    put_audience(o, b);
    if (count) {
        put_content(b, list, count);
    }
    put_list(b, "tags", options_value(o, "--tags"));
    json_put_text(b, "fallback_language", options_value(o, "--fallback"));
    json_put_text(b, "source", options_value(o, "--source"));
    json_put_text(b, "story_id", options_value(o, "--story"));
    json_put_text(b, "collapse_id", options_value(o, "--collapse-id"));
    json_put_text(b, "send_at", options_value(o, "--send-at"));
    json_put_text(b, "embargoed_until", options_value(o, "--embargoed-until"));
    if (!put_sound(o, b) || !put_seconds(o, "--ttl", "ttl_s", b) ||
        !put_seconds(o, "--hold", "hold_s", b)) {
        return false;
    }
    buf_putc(b, '}');
    return true;
}

bool publish_flags_read(struct options *o, bool is_bare, struct buf *b) {
    if (is_bare) {
        (void)fprintf(stderr, "tocsin %s: give a file, - or the flags of an alert\n", o->command);
        return false;
    }
    if (!publish_flags_put(o, b)) {
        return false;
    }
    const char *path = options_next(o);
    bool has_flags = b->n > 2;
    if (!options_done(o)) {
        return false;
    }
    if (!path) {
        return true;
    }
    if (has_flags) {
        (void)fprintf(stderr, "tocsin %s: either a file or the flags of an alert, not both\n",
                      o->command);
        return false;
    }
    buf_clear(b);
    enum err err = http_call_read_file(path, b);
    if (err) {
        (void)fprintf(stderr, "tocsin %s: cannot read %s: %s\n", o->command, path,
                      err == ERR_TOO_LARGE ? "too large" : strerror(errno));
    }
    return !err;
}

#include "newsroom/advice.h"

#include <inttypes.h>

#include "model/json.h"
#include "model/text_fold.h"
#include "model/text_measure.h"

enum { FOLDED_BYTES_MAX = 1 << 18 /* compatibility forms make some characters many */ };

/* --- lengths --- */

static void put_length(const char *name, const char *text, int advised_max, struct buf *b) {
    if (text) {
        json_put_name(b, name);
        buf_putc(b, '{');
        json_put_int(b, "graphemes", (int64_t)text_measure(str_of(text)).graphemes);
        json_put_int(b, "advised_max", advised_max);
        buf_putc(b, '}');
    }
}

void advice_put_lengths(const struct advice *x, struct buf *b) {
    buf_putc(b, '{');
    for (int e = 0; e < taxonomy_count(x->t, DIM_EDITION); e++) {
        const struct alert_content *content = &x->alert->content[e];
        if (content->headline) {
            json_put_name(b, taxonomy_name(x->t, DIM_EDITION, e));
            buf_putc(b, '{');
            put_length("headline", content->headline, ADVICE_HEADLINE_MAX, b);
            put_length("body", content->body, ADVICE_BODY_MAX, b);
            buf_putc(b, '}');
        }
    }
    buf_putc(b, '}');
}

/* --- one edition --- */

struct place {
    const struct advice *x;
    int edition;
    struct problem *warnings;
};

static const char *edition_name(const struct place *p) {
    return taxonomy_name(p->x->t, DIM_EDITION, p->edition);
}

/* "/content/ar" or a member of it. */
static void point(const struct place *p, const char *member, char out_pointer[JSON_POINTER_BYTES]) {
    char content[JSON_POINTER_BYTES];
    json_pointer(content, "/content", edition_name(p));
    json_pointer(out_pointer, content, member);
}

static void check_length(const struct place *p, const char *member, const char *text,
                         size_t advised_max, const char *code) {
    size_t graphemes = text_measure(str_of(text)).graphemes;
    char pointer[JSON_POINTER_BYTES];
    if (graphemes > advised_max) {
        point(p, member, pointer);
        problem_add(p->warnings, pointer, code,
                    "has %zu characters; most phones show about %zu of them", graphemes,
                    advised_max);
    }
}

/* Names and brands of another script are usual, whole texts are not: more than half. */
static void check_script(const struct place *p, const char *member, const char *text) {
    struct text_measure m = text_measure(str_of(text));
    bool is_rtl = taxonomy_is_rtl(p->x->t, p->edition);
    char pointer[JSON_POINTER_BYTES];
    point(p, member, pointer);
    if (is_rtl && m.latin * 2 > m.letters) {
        problem_add(p->warnings, pointer, "latin_in_arabic",
                    "is mostly in Latin letters, but edition %s is written from right to left",
                    edition_name(p));
    } else if (!is_rtl && m.arabic * 2 > m.letters) {
        problem_add(p->warnings, pointer, "arabic_in_latin",
                    "is mostly in Arabic letters, but edition %s is written from left to right",
                    edition_name(p));
    }
}

static void check_link(const struct place *p, const char *member, const char *url) {
    char pointer[JSON_POINTER_BYTES];
    if (url && !str_ieq((struct str){url, sizeof("https:") - 1}, STR("https:"))) {
        point(p, member, pointer);
        problem_add(p->warnings, pointer, "link_without_https",
                    "anybody between reader and site can read and change it");
    }
}

static void check_size(const struct place *p) {
    char pointer[JSON_POINTER_BYTES];
    uint64_t bit = UINT64_C(1) << p->edition;
    for (int platform = 0; platform < PLATFORM_COUNT; platform++) {
        if (p->x->too_large[platform] & bit) {
            json_pointer(pointer, "/content", edition_name(p));
            problem_add(p->warnings, pointer, "too_large",
                        "is too long for %s even without body and image: nothing is sent there",
                        platform_names[platform]);
        } else if (p->x->cut[platform] & bit) {
            point(p, "body", pointer);
            problem_add(p->warnings, pointer, "shortened", "does not fit %s whole and is cut there",
                        platform_names[platform]);
        }
    }
}

static void check_text(const struct place *p, const struct alert_content *content) {
    char pointer[JSON_POINTER_BYTES];
    check_length(p, "headline", content->headline, ADVICE_HEADLINE_MAX, "long_headline");
    check_script(p, "headline", content->headline);
    if (content->body) {
        check_length(p, "body", content->body, ADVICE_BODY_MAX, "long_body");
        check_script(p, "body", content->body);
    }
    check_link(p, "url", content->url);
    check_link(p, "image_url", content->image_url);
    if (!content->url && p->x->alert->msg_type != MSG_CANCEL) {
        point(p, "url", pointer);
        problem_add(p->warnings, pointer, "no_url", "there is nothing to open");
    }
}

/* --- editions among each other --- */

static void put_folded(const struct alert_content *content, struct buf *b) {
    text_fold(str_of(content->headline), b);
    buf_putc(b, '\n');
    text_fold(str_of(content->body), b);
}

static bool says_same(const struct alert_content *one, const struct alert_content *other) {
    struct buf a;
    struct buf b;
    buf_init(&a, FOLDED_BYTES_MAX);
    buf_init(&b, FOLDED_BYTES_MAX);
    put_folded(one, &a);
    put_folded(other, &b);
    bool same = str_eq(buf_str(&a), buf_str(&b));
    buf_finish(&a);
    buf_finish(&b);
    return same;
}

static void check_same(const struct place *p) {
    const struct alert_content *content = p->x->alert->content;
    char pointer[JSON_POINTER_BYTES];
    for (int e = 0; e < p->edition; e++) {
        if (content[e].headline && says_same(&content[e], &content[p->edition])) {
            point(p, "headline", pointer);
            problem_add(p->warnings, pointer, "same_text", "is the text of edition %s, too",
                        taxonomy_name(p->x->t, DIM_EDITION, e));
            return;
        }
    }
}

static void check_edition(const struct place *p) {
    const struct alert *a = p->x->alert;
    const struct alert_content *content = &a->content[p->edition];
    uint64_t wanted = a->audience.editions ? a->audience.editions : UINT64_MAX;
    bool is_wanted = wanted >> p->edition & 1;
    char pointer[JSON_POINTER_BYTES];
    json_pointer(pointer, "/content", edition_name(p));
    if (!content->headline) {
        if (is_wanted) {
            const char *other = a->fallback_edition < 0
                                    ? "nothing"
                                    : taxonomy_name(p->x->t, DIM_EDITION, a->fallback_edition);
            problem_add(p->warnings, pointer, "missing_language",
                        "has no text: %" PRIu64 " devices of this edition get %s",
                        p->x->devices[p->edition], other);
        }
        return;
    }
    if (!is_wanted && p->edition != a->fallback_edition) {
        problem_add(p->warnings, pointer, "unused_text",
                    "nobody gets it: the audience leaves this edition out");
    }
    check_text(p, content);
    check_same(p);
}

void advice_find(const struct advice *x, struct problem *warnings) {
    const struct alert *a = x->alert;
    for (int e = 0; e < taxonomy_count(x->t, DIM_EDITION); e++) {
        const struct place p = {x, e, warnings};
        check_edition(&p);
        check_size(&p);
    }
    if (x->former.n) {
        problem_add(
            warnings, "/content", "duplicate",
            "alert %.*s said the same a short while ago: only who insists can send it again",
            STR_ARG(x->former));
    }
    if (x->is_broken) {
        problem_add(warnings, "", "breaker_open",
                    "this key sent too many alerts; it sends none until an admin resets it");
    }
    bool is_quiet = a->urgency == URGENCY_LOW || a->msg_type == MSG_CANCEL;
    if (x->night && !is_quiet) {
        problem_add(warnings, "/urgency", "night_time",
                    "it is between 22:00 and 07:00 for %" PRIu64 " of %" PRIu64 " devices",
                    x->night, x->total);
    }
}

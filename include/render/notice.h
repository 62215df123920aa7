#pragma once
/* What a notification says, whatever the provider: one alert revision in one edition's language.
 *
 *   urgency  sound             interruption     wakes the screen
 *   flash    yes (its own)     time-sensitive   yes
 *   high     yes               active           yes
 *   normal   yes               active           yes
 *   low      no                passive          no
 *
 * An update replaces the notification it corrects (same collapse id), without a sound unless it is
 * a flash. A cancel replaces it too, passively and silently. The alert's `sound` overrules both:
 * true sounds and lights up as an alert of that urgency (of low: as one of normal), false is
 * silent. The title of a cancel is the withdrawn headline behind a label such as "Withdrawn",
 * because a headline that vanishes without a word leaves the reader with the mistake. Apps that
 * would rather remove it find msg_type "cancel" in the data. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "model/alert.h"
#include "model/taxonomy.h"

enum notice_sound { NOTICE_SILENT, NOTICE_SOUND, NOTICE_SOUND_FLASH };
enum notice_level { NOTICE_PASSIVE, NOTICE_ACTIVE, NOTICE_TIME_SENSITIVE };

struct notice {
    const struct alert *alert; /* borrowed */
    const char *edition;       /* name, borrowed */
    char *title;               /* owned */
    struct str body;           /* borrowed from the alert, or of `cut_body` */
    char *cut_body;            /* owned; NULL unless the body was cut to fit */
    struct str image_url;      /* borrowed; empty = none */
    struct str url;            /* borrowed; empty = none */
    struct str collapse_id;    /* borrowed; the alert's, else its id */
    struct str thread_id;      /* borrowed; the story, else the collapse id */
    enum notice_sound sound;
    enum notice_level level;
    bool is_cut;        /* does not say all that the alert does */
    int64_t expires_ms; /* wall clock: end of the alert's time to live */
};

/* `labels` is "edition=text,edition=text": what precedes the headline of a withdrawn alert; the
 * first stands in for editions not listed. ERR_NOT_FOUND when the alert has no text for the
 * edition. */
MUST_CHECK enum err notice_init(struct notice *n, const struct alert *a, const struct taxonomy *t,
                                int edition, const char *labels);
void notice_finish(struct notice *n);

/* Writes one provider's JSON for the notice; `style` is the writer's own. */
typedef void notice_writer(const struct notice *n, const void *style, struct buf *b);
/* Calls `write` until the result has at most `max_bytes`: first with everything, then with the
 * body shortened, then without the image; the notice is what was written then, with `is_cut`.
 * ERR_TOO_LARGE when headline and links alone are over. */
MUST_CHECK enum err notice_fit(struct notice *n, notice_writer *write, const void *style,
                               size_t max_bytes, struct buf *b);
/* The members every platform gets in its data, each preceded by a comma except the first:
 * "alert_id":…,"revision":…,"msg_type","urgency","edition" and, where there is one, "url",
 * "image_url", "story_id", "status" (only when not actual). FCM wants strings only. */
void notice_put_data(const struct notice *n, bool strings_only, struct buf *b);

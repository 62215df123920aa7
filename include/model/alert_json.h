#pragma once
/* Parts that the stored form and the readers' form of an alert have in common. */
#include "model/alert.h"

/* {"headline":…,"body":…,"url":…,"image_url":…,"dir":"ltr"} */
void alert_put_content(const struct alert_content *content, struct buf *b);
/* "tags":["…"] as a member. */
void alert_put_tags(const struct alert *a, struct buf *b);
/* "regions":[…] or ["all"] as a member of the audience. */
void alert_put_regions(const struct alert *a, const struct taxonomy *t, struct buf *b);
/* "sent_at":"…" as a member, RFC 3339 with milliseconds. */
void alert_put_sent_at(const struct alert *a, struct buf *b);

/* "sound":true or false as a member, nothing when the alert does not say. */
void alert_put_sound(const struct alert *a, struct buf *b);

/* Frees one language's text; it is empty afterwards. */
void alert_content_finish(struct alert_content *content);

#include "render/apns_payload.h"

static const char *const level_names[] = {
    [NOTICE_PASSIVE] = "passive",
    [NOTICE_ACTIVE] = "active",
    [NOTICE_TIME_SENSITIVE] = "time-sensitive",
};

static void write_payload(const struct notice *n, const void *style_ptr, struct buf *b) {
    const struct apns_style *style = style_ptr;
    buf_puts(b, "{\"aps\":{\"alert\":{\"title\":");
    buf_put_json(b, str_of(n->title));
    if (n->body.n) {
        buf_puts(b, ",\"body\":");
        buf_put_json(b, n->body);
    }
    buf_puts(b, "}");
    if (n->sound != NOTICE_SILENT) {
        buf_puts(b, ",\"sound\":");
        buf_put_json(b, str_of(n->sound == NOTICE_SOUND_FLASH ? style->sound_flash : style->sound));
    }
    buf_puts(b, ",\"thread-id\":");
    buf_put_json(b, n->thread_id);
    buf_printf(b, ",\"interruption-level\":\"%s\"", level_names[n->level]);
    if (n->image_url.n) {
        buf_puts(b, ",\"mutable-content\":1"); /* the app's extension fetches the image */
    }
    buf_puts(b, "},");
    notice_put_data(n, false, b);
    buf_putc(b, '}');
}

enum err apns_payload_build(struct notice *n, const struct apns_style *style, struct buf *b) {
    return notice_fit(n, write_payload, style, APNS_PAYLOAD_MAX_BYTES, b);
}

const char *apns_payload_priority(const struct notice *n) {
    /* A cancel is passive but must not be late. */
    return n->alert->urgency == URGENCY_LOW && n->alert->msg_type != MSG_CANCEL &&
                   n->sound == NOTICE_SILENT
               ? "5"
               : "10";
}

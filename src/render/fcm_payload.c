#include "render/fcm_payload.h"

#include <inttypes.h>

/* Android 7 and older; later versions take importance from the channel. */
static const char *const priority_names[URGENCY_COUNT] = {
    [URGENCY_FLASH] = "PRIORITY_MAX",
    [URGENCY_HIGH] = "PRIORITY_HIGH",
    [URGENCY_NORMAL] = "PRIORITY_DEFAULT",
    [URGENCY_LOW] = "PRIORITY_LOW",
};

static void put_notification(const struct notice *n, struct buf *b) {
    buf_puts(b, ",\"notification\":{\"title\":");
    buf_put_json(b, str_of(n->title));
    if (n->body.n) {
        buf_puts(b, ",\"body\":");
        buf_put_json(b, n->body);
    }
    if (n->image_url.n) {
        buf_puts(b, ",\"image\":");
        buf_put_json(b, n->image_url);
    }
    buf_putc(b, '}');
}

static void put_android(const struct notice *n, const struct fcm_style *style, struct buf *b) {
    bool is_silent = n->sound == NOTICE_SILENT;
    /* High wakes a dozing phone; FCM lowers it for apps whose pushes show nothing. */
    bool is_high =
        n->alert->urgency != URGENCY_LOW || n->alert->msg_type == MSG_CANCEL || !is_silent;
    int64_t ttl_s = (n->expires_ms - style->now_ms) / 1000;
    buf_printf(b, ",\"android\":{\"priority\":\"%s\",\"ttl\":\"%" PRId64 "s\",\"collapse_key\":",
               is_high ? "high" : "normal", ttl_s > 0 ? ttl_s : 0);
    buf_put_json(b, n->collapse_id);
    buf_puts(b, ",\"notification\":{\"tag\":");
    buf_put_json(b, n->collapse_id);
    const char *channel =
        is_silent && *style->quiet_channel_id ? style->quiet_channel_id : style->channel_id;
    if (*channel) {
        buf_puts(b, ",\"channel_id\":");
        buf_put_json(b, str_of(channel));
    }
    if (!is_silent) {
        buf_puts(b, ",\"sound\":");
        buf_put_json(b, str_of(style->sound));
    }
    enum urgency heard = n->level == NOTICE_PASSIVE         ? URGENCY_LOW
                         : n->alert->urgency == URGENCY_LOW ? URGENCY_NORMAL
                                                            : n->alert->urgency;
    buf_printf(b, ",\"notification_priority\":\"%s\"}}", priority_names[heard]);
}

static void write_message(const struct notice *n, const void *style, struct buf *b) {
    put_notification(n, b);
    buf_puts(b, ",\"data\":{");
    notice_put_data(n, true, b);
    buf_putc(b, '}');
    put_android(n, style, b);
    buf_puts(b, "}}");
}

enum err fcm_payload_build(struct notice *n, const struct fcm_style *style, struct buf *b) {
    return notice_fit(n, write_message, style, FCM_PAYLOAD_MAX_BYTES, b);
}

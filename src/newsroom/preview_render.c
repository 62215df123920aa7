#include "newsroom/preview_render.h"

#include <string.h>

#include "model/json.h"
#include "render/push_payload.h"

enum { PAYLOAD_BYTES_MAX = 1 << 18 };

static const char some_id[UUID_BYTES] = "00000000-0000-7000-8000-000000000000";

struct alert *preview_render_alert(const struct room *room, const struct alert *a, int64_t at_ms) {
    struct alert *sent = alert_copy(a);
    if (a->msg_type == MSG_ALERT) {
        memcpy(sent->id, some_id, sizeof(sent->id));
        sent->revision = 1;
        sent->ttl_s = a->ttl_given ? a->ttl_s : room->cfg->newsroom_ttl_default_s;
    }
    sent->sent_ms = at_ms;
    return sent;
}

static bool is_for(const struct alert *a, enum platform platform) {
    return a->audience.platforms == 0 || (a->audience.platforms >> platform & 1);
}

/* FCM's payload begins after the token; the frame in front of it makes it an object. */
static void put_payload(enum platform platform, struct str payload, struct buf *b) {
    json_put_int(b, "bytes", (int64_t)payload.n);
    json_put_name(b, "payload");
    if (platform == PLATFORM_FCM) {
        buf_puts(b, "{\"message\":{");
        payload.p++; /* the comma after the token */
        payload.n--;
    }
    buf_put_str(b, payload);
}

static void put_push(const struct room *room, const struct alert *a, enum platform platform,
                     int edition, struct advice *advice, struct buf *b) {
    const struct push_context x = {room->cfg, room->t, a->sent_ms};
    struct notice n;
    struct buf payload;
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    json_put_name(b, taxonomy_name(room->t, DIM_EDITION, edition));
    buf_putc(b, '{');
    json_put_int(b, "limit", (int64_t)push_payload_max_bytes(platform));
    if (push_payload_build(&x, platform, a, edition, &n, &payload)) {
        advice->too_large[platform] |= UINT64_C(1) << edition;
        json_put_text(b, "error", "too_large");
    } else {
        advice->cut[platform] |= n.is_cut ? UINT64_C(1) << edition : 0;
        json_put_text(b, "title", n.title);
        if (n.body.n) {
            json_put_name(b, "body");
            buf_put_json(b, n.body);
        }
        json_put_bool(b, "shortened", n.is_cut);
        put_payload(platform, buf_str(&payload), b);
        notice_finish(&n);
    }
    buf_putc(b, '}');
    buf_finish(&payload);
}

static void put_frame(const struct room *room, const struct alert *a, int edition, struct buf *b) {
    struct buf frame;
    buf_init(&frame, PAYLOAD_BYTES_MAX);
    alert_put_reader_json(a, room->t, UINT64_C(1) << edition, NULL, false, &frame);
    json_put_name(b, taxonomy_name(room->t, DIM_EDITION, edition));
    buf_putc(b, '{');
    put_payload(PLATFORM_STREAM, buf_str(&frame), b);
    buf_putc(b, '}');
    buf_finish(&frame);
}

void preview_render_put(const struct room *room, const struct alert *a, struct advice *advice,
                        struct buf *b) {
    static const enum platform platforms[] = {PLATFORM_APNS, PLATFORM_FCM, PLATFORM_STREAM};
    uint64_t editions = alert_editions(a, room->t);
    buf_putc(b, '{');
    for (size_t i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++) {
        if (!is_for(a, platforms[i])) {
            continue;
        }
        json_put_name(b, platform_names[platforms[i]]);
        buf_putc(b, '{');
        for (int e = 0; e < taxonomy_count(room->t, DIM_EDITION); e++) {
            if (!(editions >> e & 1)) {
                continue;
            }
            if (platforms[i] == PLATFORM_STREAM) {
                put_frame(room, a, e, b);
            } else {
                put_push(room, a, platforms[i], e, advice, b);
            }
        }
        buf_putc(b, '}');
    }
    buf_putc(b, '}');
}

#include "render/push_payload.h"

#include "render/apns_payload.h"
#include "render/fcm_payload.h"

static enum err build_apns(const struct push_context *x, struct notice *n, struct buf *b) {
    const struct apns_style style = {.sound = x->cfg->apns_sound,
                                     .sound_flash = x->cfg->apns_sound_flash};
    return apns_payload_build(n, &style, b);
}

static enum err build_fcm(const struct push_context *x, struct notice *n, struct buf *b) {
    const struct fcm_style style = {
        .channel_id = x->cfg->fcm_channel_id,
        .quiet_channel_id = x->cfg->fcm_quiet_channel_id,
        .sound = x->cfg->fcm_sound,
        .now_ms = x->now_ms,
    };
    return fcm_payload_build(n, &style, b);
}

enum err push_payload_build(const struct push_context *x, enum platform platform,
                            const struct alert *a, int edition, struct notice *out_notice,
                            struct buf *b) {
    if (!push_payload_max_bytes(platform)) {
        return ERR_INVALID;
    }
    struct notice n;
    enum err err = notice_init(&n, a, x->t, edition, x->cfg->dispatcher_withdrawn_labels);
    if (err) {
        return err;
    }
    err = platform == PLATFORM_APNS ? build_apns(x, &n, b) : build_fcm(x, &n, b);
    if (err) {
        notice_finish(&n);
    } else {
        *out_notice = n;
    }
    return err;
}

size_t push_payload_max_bytes(enum platform platform) {
    switch (platform) {
    case PLATFORM_APNS:
        return APNS_PAYLOAD_MAX_BYTES;
    case PLATFORM_FCM:
        return FCM_PAYLOAD_MAX_BYTES;
    case PLATFORM_STREAM:
    case PLATFORM_WEBPUSH:
    case PLATFORM_COUNT:
        break;
    }
    return 0;
}

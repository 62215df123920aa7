#include "store/epoch.h"

#include <string.h>

#include "base/codec.h"
#include "store/keys.h"
#include "store/script.h"

void epoch_make(char out_epoch[EPOCH_BYTES]) {
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567"; /* 32: no bias */
    unsigned char random[EPOCH_BYTES - 1];
    codec_random(random, sizeof(random));
    for (size_t i = 0; i < sizeof(random); i++) {
        out_epoch[i] = alphabet[random[i] % 32];
    }
    out_epoch[EPOCH_BYTES - 1] = '\0';
}

void epoch_read(struct store *store, redis_reply_fn *on_reply, void *user) {
    char fresh[EPOCH_BYTES];
    epoch_make(fresh);
    const struct str words[] = {STR(KEY_EPOCH), STR(KEY_LOG), str_of(fresh)};
    store_script(store, SCRIPT_EPOCH, words, 3, 2, on_reply, user);
}

enum err epoch_parse(const struct redisReply *reply, struct epoch_view *out_view) {
    struct epoch_view view = {0};
    struct str epoch = reply_str_at(reply, 0);
    if (reply_count(reply) != 4 || !epoch.n || epoch.n >= EPOCH_BYTES ||
        str_to_u64(reply_str_at(reply, 1), &view.head.seq) ||
        str_to_u64(reply_str_at(reply, 3), &view.oldest_seq)) {
        return ERR_PROTOCOL;
    }
    memcpy(view.head.epoch, epoch.p, epoch.n);
    struct str rest = reply_str_at(reply, 2);
    struct str part;
    while (rest.n && view.past_count < EPOCH_PAST_MAX && str_split(&rest, ' ', &part)) {
        struct position past;
        if (position_parse(part, &past)) {
            return ERR_PROTOCOL;
        }
        struct epoch_past *slot = &view.past[view.past_count++];
        memcpy(slot->epoch, past.epoch, sizeof(slot->epoch));
        slot->survived = past.seq;
    }
    *out_view = view;
    return ERR_OK;
}

bool epoch_has_survived(const struct epoch_view *view, const struct position *known) {
    if (strcmp(view->head.epoch, known->epoch) == 0) {
        return known->seq <= view->head.seq;
    }
    /* Every change since must have kept it, not only the first. */
    for (int i = 0; i < view->past_count; i++) {
        if (view->past[i].survived < known->seq) {
            return false;
        }
        if (strcmp(view->past[i].epoch, known->epoch) == 0) {
            return true;
        }
    }
    return false;
}

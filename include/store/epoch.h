#pragma once
/* What epoch.lua answers: which history of the log this is and where its head is. */
#include <stdint.h>

#include "store/bus.h"
#include "store/redis_conn.h"
#include "store/store.h"

struct epoch_view {
    struct position head;
    uint64_t oldest_seq; /* oldest in the log; head.seq + 1 when it is empty */
    struct epoch_past past[EPOCH_PAST_MAX];
    int past_count;
};

/* A fresh random epoch id, NUL-terminated. */
void epoch_make(char out_epoch[EPOCH_BYTES]);
/* Runs the script: starts a new epoch if the server is not the one before. */
void epoch_read(struct store *store, redis_reply_fn *on_reply, void *user);
/* ERR_PROTOCOL when the reply is not as expected. */
MUST_CHECK enum err epoch_parse(const struct redisReply *reply, struct epoch_view *out_view);
/* True when everything up to `known` also exists in the history of `view` (then seq goes on). */
bool epoch_has_survived(const struct epoch_view *view, const struct position *known);

#pragma once
/* Sends one draft whose time has come, after a last look at what it says and at the key that sent
 * it. Claim and publish are one script: whoever else tries at the same time gets
 * DRAFT_FATE_NOT_NOW. */
#include "newsroom/call.h"

enum draft_fate {
    DRAFT_FATE_SENT,
    DRAFT_FATE_NOT_NOW, /* changed, taken back, sent by another, or not due yet */
    DRAFT_FATE_FAILED,  /* it cannot be sent, and says why */
    DRAFT_FATE_EXPIRED,
    DRAFT_FATE_LATER /* Redis away or the queues full; it stays due */
};
typedef void draft_publish_fn(void *user, enum draft_fate fate);
void draft_publish(struct room *room, struct str id, draft_publish_fn *done, void *user);

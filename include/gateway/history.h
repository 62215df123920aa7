#pragma once
/* Readers whose position is older than the ring: one log read at a time serves all of them, and
 * one page of the log is held at a time. */
#include "gateway/hub.h"

/* Starts the next read if somebody waits and nobody still needs the page at hand. */
void history_kick(struct hub *h);
/* Drops the page and forgets a read under way. */
void history_reset(struct hub *h);
/* The entry of the page, or NULL. */
struct entry *history_entry(const struct hub *h, uint64_t seq);

#pragma once
/* Sends drafts when they are due. Every newsroom worker has one and looks for itself; that an alert
 * goes out once is the claim's business (draft_publish). */
#include <uv.h>

#include "newsroom/call.h"

struct scheduler;

/* Borrows the room for its life. Looks at once, then at the next time something is due, and at
 * least once a second, because another worker may have taken in what is due sooner. */
struct scheduler *scheduler_create(uv_loop_t *loop, struct room *room);
/* No more looks; what is under way goes on. */
void scheduler_stop(struct scheduler *s);
/* After store_destroy, which ends what is under way. Frees on a later turn of the loop. Accepts
 * NULL. */
void scheduler_destroy(struct scheduler *s);

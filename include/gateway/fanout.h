#pragma once
/* One alert to all who follow it: matching cohorts are queued by urgency, their members visited in
 * slices, each brought up to the head by a direct write. */
#include <stdbool.h>

#include "gateway/hub.h"

/* Queues the cohorts that match. */
void fanout_entry(struct hub *h, struct entry *e);
/* Queues everybody, for a control frame. */
void fanout_everybody(struct hub *h);
/* Visits at most `budget` readers; returns how many it visited. */
size_t fanout_run(struct hub *h, size_t budget);
bool fanout_is_idle(const struct hub *h);

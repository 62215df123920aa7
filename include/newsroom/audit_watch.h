#pragma once
/* Watches the audit log from outside of Redis: verifies it whole once, then what is new, and logs
 * the head each time, so that a chain that was written anew does not fit what is noted here and in
 * the log. Also keeps the log from growing without end. */
#include "newsroom/call.h"

struct audit_watch;

struct audit_watch *audit_watch_create(struct room *room);
/* After store_destroy, which ends a look under way. Accepts NULL. */
void audit_watch_destroy(struct audit_watch *watch);
/* Time passes; to be called several times a second. */
void audit_watch_tick(struct audit_watch *watch);

#pragma once
/* What stops pushes: the abort of an alert and the switch of a platform. Both are kept in Redis, so
 * they outlive every process; dispatchers ask for them several times a second. */
#include <stdint.h>

#include "base/codec.h"
#include "base/err.h"
#include "base/str.h"
#include "store/audit.h"
#include "store/push_queue.h"
#include "store/reply.h"
#include "store/store.h"

struct push_revision {
    char alert_id[UUID_BYTES];
    uint32_t revision;
};

/* A revision that is sent no more, and the outcome of those it was not sent to. */
struct push_ending {
    struct push_revision revision;
    enum outcome why;
};

/* Bit n of `paused` is set while enum platform n may not be sent to; `endings` are those of the
 * alerts asked for that were aborted or superseded, valid during the call. */
typedef void push_control_fn(void *user, enum err err, uint32_t paused,
                             const struct push_ending *endings, size_t count);
void push_control_ask(struct store *store, const struct push_revision *alerts, size_t count,
                      push_control_fn *done, void *user);

/* What lib_ending.lua says, as an outcome; -1 while the revision is sent. */
int push_ending_outcome(int64_t code);

/* Aborts what is not yet handed over of the alert's revisions so far; a later one is sent again.
 * `stopped` tells how many revisions that were; 0 = all of it was over before, and nothing is
 * recorded. ERR_NOT_FOUND. */
typedef void push_abort_fn(void *user, enum err err, int64_t stopped);
void push_control_abort(struct store *store, struct str alert_id, const struct audit_event *event,
                        push_abort_fn *done, void *user);

/* Of the reply to HGETALL of the switch: why that platform is paused, by itself or with all, as
 * the object {"reason","by","since"}; empty when it is not. Valid as long as the reply. */
struct str push_control_why(const struct redisReply *pairs, int platform);

/* The switch: for each platform, and for all of them at once, whether it is off and why. */
enum { PUSH_REASON_BYTES_MAX = 256 };
/* ERR_OK with the object {"apns":null or {"reason":"…","by":"<key id>","since":"…"},"fcm":…,
 * "all":…}, valid during the call. */
typedef void push_switch_fn(void *user, enum err err, struct str json);
void push_control_read(struct store *store, push_switch_fn *done, void *user);
/* Pauses or resumes `which`, the name of a platform or "all", then reads as above. Resuming "all"
 * leaves a platform paused that was paused by itself. Of `event` the detail is made here; resuming
 * what is not paused records nothing. */
void push_control_pause(struct store *store, const char *which, struct str reason,
                        const struct audit_event *event, push_switch_fn *done, void *user);
void push_control_resume(struct store *store, const char *which, struct str reason,
                         const struct audit_event *event, push_switch_fn *done, void *user);

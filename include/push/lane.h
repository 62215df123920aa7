#pragma once
/* One platform of a dispatcher: takes jobs, sends their targets as the provider's credit allows
 * and gives every target its outcome.
 *
 * Order: flash before high before normal before low; among equals the alerts take turns, so that
 * the second does not wait for the first; of one alert the oldest job goes first, so that jobs end
 * one after the other and make room for something more urgent. While a more urgent alert is sent on
 * one platform, what is less urgent waits on the others too, for its first seconds: they share a
 * processor and a wire.
 *
 * A platform without credentials gives every device the outcome "suppressed": its jobs must not
 * wait for ever. All dispatchers of an installation need the same credentials. */
#include <stdbool.h>
#include <stdint.h>

#include "base/config.h"
#include "base/str.h"
#include "model/taxonomy.h"
#include "push/dead_tokens.h"
#include "push/provider.h"
#include "store/push_control.h"
#include "store/push_queue.h"

struct lane;

struct lane_options {
    enum platform platform;
    const struct config *cfg;
    const struct taxonomy *taxonomy;
    struct push_queue *queue;
    struct dead_tokens *dead_tokens;
    void (*want_pump)(void *user); /* call lane_pump soon, not from here */
    void *user;
};

/* The provider is set once it exists (it needs lane_events). */
struct lane *lane_create(const struct lane_options *options);
/* What the provider tells the lane; user = the lane. */
extern const struct provider_events lane_events;
/* NULL = platform not configured. Takes it; destroyed by lane_close. */
void lane_set_provider(struct lane *l, struct provider *take_provider);
/* A job from the queue. */
void lane_take_job(struct lane *l, const struct push_job *job, struct str alert_json);
/* The job is another dispatcher's by now: what was not handed over is left to that one. */
void lane_lose_job(struct lane *l, const struct push_job *job);
/* The most urgent it has to send and may send now, of alerts begun within
 * dispatcher.urgent_hold_ms; URGENCY_LOW when there is nothing. */
enum urgency lane_urgency(struct lane *l);
/* Sends what may be sent, nothing less urgent than `least`. True when it stopped only to let others
 * run. */
bool lane_pump(struct lane *l, enum urgency least);
/* Off: nothing is sent, targets wait (or expire). A new lane is off until the switch is known. */
void lane_switch(struct lane *l, bool is_off);
/* The alerts being sent that nobody ended so far; returns how many, at most `most`. */
size_t lane_alerts(const struct lane *l, struct push_revision *out_alerts, size_t most);
/* Sends no more of it; who was not sent to yet has that outcome. */
void lane_end(struct lane *l, const struct push_ending *ending);
/* Time passes. */
void lane_tick(struct lane *l, int64_t now_ms);
/* Takes and sends nothing more. */
void lane_stop(struct lane *l);
/* True when nothing is in flight and every outcome is written. */
bool lane_is_quiet(const struct lane *l);
bool lane_is_busy(const struct lane *l);
/* Why the lane cannot send ("apns: credentials refused, InvalidProviderToken"), "" when it can. */
const char *lane_trouble(const struct lane *l);
/* Ends the provider; requests in flight are left to whoever gets the job next. */
void lane_close(struct lane *l);
/* After lane_close and after the queue is destroyed. Accepts NULL. */
void lane_destroy(struct lane *l);

#pragma once
/* How fast a lane may send: a token bucket whose rate is ramped up and gives way to refusals.
 * FCM counts the messages of a project per minute (600,000 unless Google granted more) and asks
 * senders to go from nothing to full over at least 60 s (Firebase, "Throttling and quotas" and
 * "Best practices for sending at scale"). Pure: time comes in, nothing is read. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pace {
    int64_t full;     /* messages a minute; 0 = any number */
    int64_t least;    /* where a ramp begins and no refusal goes below */
    int64_t rest;     /* where it falls to when unused */
    int64_t climb_ms; /* from nothing to full */
    int64_t rate;     /* now, messages a minute */
    int64_t units;    /* in the bucket: a message is PACE_MESSAGE of them */
    int64_t at_ms;    /* the bucket is filled up to here; later than now = nothing before */
    int64_t sent_ms;  /* last message */
    bool is_short;    /* more was wanted than there was: only then the rate climbs */
};

enum {
    PACE_MESSAGE = 60000,   /* so that a rate per minute adds `rate` units a millisecond */
    PACE_CLIMB_S = 60,      /* back to full after a refusal, where no ramp is set */
    PACE_IDLE_MS = 60000,   /* unused for so long, the next send ramps up again */
    PACE_BURST_MS = 1000,   /* the bucket holds what this time brings */
    PACE_LEAST_PERCENT = 10 /* of full */
};

/* `per_min` 0 = no limit; `ramp_s` 0 = full rate at once. */
void pace_init(struct pace *p, int64_t per_min, int64_t ramp_s, int64_t now_ms);
/* Messages that may be sent now. */
size_t pace_room(struct pace *p, int64_t now_ms);
/* One was sent. */
void pace_take(struct pace *p, int64_t now_ms);
/* The project's quota was refused: nothing before `until_ms`, then half the rate, climbing again.
 * Answers to what was under way say the same again and change nothing but a later `until_ms`. */
void pace_refuse(struct pace *p, int64_t now_ms, int64_t until_ms);

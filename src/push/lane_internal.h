#pragma once
/* The lane's insides, shared by lane.c (what is sent when) and lane_answer.c (what an answer
 * does). */
#include "base/metrics.h"
#include "push/job_run.h"
#include "push/lane.h"
#include "push/pace.h"
#include "push/target.h"
#include "push/window.h"

/* What differs by platform. */
struct lane_metrics {
    enum metric stopped, waiting; /* gauges */
    enum metric cuts, alarms;     /* counters */
};

struct lane {
    struct lane_options options;
    struct job_run_env env;
    struct provider *provider;   /* NULL = not configured */
    struct lane_metrics metrics; /* set if the platform can have a provider */
    struct map *campaigns;       /* key → struct campaign, each held by its runs */
    struct list runs;            /* of push_job_run.link, oldest first */
    struct target_heap waiting;
    size_t in_flight;
    struct window window; /* of in_flight */
    struct pace pace;
    uint64_t turn;
    int64_t wall_offset_ms; /* wall clock less monotonic, as of the last tick or pump */
    struct codec_stock uuids;
    bool is_stopping;     /* the dispatcher ends */
    bool is_switched_off; /* by the newsroom */
    /* Credentials refused: one probe each credentials_retry_s until something is accepted. */
    bool is_stopped;
    char trouble[80]; /* why */
    int64_t probe_ms; /* monotonic */
    int renewals;     /* provider tokens called old since the last other answer */
    uint32_t renewed_version;
    /* Refusals an operator should know of: one line a second, the rest counted. */
    int64_t alarm_ms; /* monotonic, of the last line */
    int64_t alarms_unsaid;
    /* Server trouble or quota: nothing is sent before. */
    int64_t paused_until_ms; /* monotonic */
    int server_failures;     /* 5xx in a row */
    int pause_level;         /* grows with each pause, 0 after an acceptance */
};

/* True while it waits at the provider's wish or because of nothing but 5xx. */
bool lane_is_waiting(const struct lane *l, int64_t now_ms);
/* http2_answer_fn; `user` is the target. */
void lane_on_answer(void *user, const struct http2_answer *answer);
/* Stops the lane and raises the alarm. */
void lane_refuse_credentials(struct lane *l, struct str reason);

/* What an answer does to its target and to the lane. The rules of replay (RFC 9113 section 8.7):
 * certainly not processed = again at once, three times, then with back-off; unknown = again once,
 * since the collapse id makes a second copy replace the first; everything else by its verdict. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "lane_internal.h"
#include "push/retry.h"

enum {
    REPLAYS_SAFE_MAX = 3,
    REPLAYS_UNKNOWN_MAX = 1,
    RENEWALS_MAX = 2,         /* old tokens in a row before the credentials count as bad */
    SERVER_FAILURES_MAX = 50, /* 5xx in a row before the lane pauses */
    PAUSE_MIN_MS = 1000,
    PAUSE_MAX_MS = 60000,
    ALARM_MS = 1000,
};

static const char *platform_of(const struct lane *l) {
    return platform_names[l->options.platform];
}

void lane_refuse_credentials(struct lane *l, struct str reason) {
    int64_t retry_s = l->options.cfg->dispatcher_credentials_retry_s;
    l->probe_ms = clock_mono_ms() + retry_s * 1000;
    l->renewals = 0;
    (void)snprintf(l->trouble, sizeof(l->trouble), "%s: credentials refused, %.*s", platform_of(l),
                   (int)(reason.n < 40 ? reason.n : 40), reason.n ? reason.p : "");
    if (!l->is_stopped) {
        l->is_stopped = true;
        log_error("push_lane_stopped", LOG_S("platform", platform_of(l)), LOG_STR("reason", reason),
                  LOG_I("probe_in_s", retry_s),
                  LOG_S("hint", "the provider refuses our credentials; no token was removed"));
    }
}

static void credentials_work(struct lane *l) {
    l->renewals = 0;
    if (l->is_stopped) {
        l->is_stopped = false;
        log_info("push_lane_resumed", LOG_S("platform", platform_of(l)));
    }
}

static void pause_lane(struct lane *l, int64_t pause_ms, const char *reason) {
    int64_t until_ms = clock_mono_ms() + pause_ms;
    if (until_ms > l->paused_until_ms) {
        l->paused_until_ms = until_ms;
        log_warn("push_lane_paused", LOG_S("platform", platform_of(l)), LOG_S("reason", reason),
                 LOG_I("pause_ms", pause_ms));
    }
}

static bool is_server_class(enum retry_class retry) {
    return retry == RETRY_APNS_SERVER || retry == RETRY_FCM_SERVER;
}

/* A provider that answers nothing but 5xx is left alone for a while: as long as it asked for, or by
 * our own back-off. */
static void count_server_failure(struct lane *l, const struct verdict *v) {
    /* What was under way when the lane paused says nothing new. */
    if (!is_server_class(v->retry) || lane_is_waiting(l, clock_mono_ms()) ||
        ++l->server_failures < SERVER_FAILURES_MAX) {
        return;
    }
    int shift = l->pause_level < 6 ? l->pause_level : 6;
    int64_t most_ms = (int64_t)PAUSE_MIN_MS << shift;
    most_ms = most_ms < PAUSE_MAX_MS ? most_ms : PAUSE_MAX_MS;
    l->pause_level++;
    l->server_failures = 0;
    int64_t pause_ms = most_ms / 2 + (int64_t)codec_random_below((uint64_t)most_ms / 2);
    pause_lane(l, pause_ms > v->retry_after_ms ? pause_ms : v->retry_after_ms, v->reason);
}

static void retry_later(struct lane *l, struct target *t, enum retry_class class,
                        int64_t retry_after_ms) {
    t->refusals = t->retry == class || !t->refusals ? (uint8_t)(t->refusals + 1) : 1;
    t->retry = class;
    t->attempt_id[0] = '\0';
    const struct retry_case rc = {
        .retry = class,
        .attempt = t->refusals,
        .first_ms = t->first_ms,
        .now_ms = clock_mono_ms(),
        .deadline_ms = t->run->campaign->deadline_ms,
        .retry_after_ms = retry_after_ms,
        .random = codec_random_below(UINT64_MAX),
    };
    if (t->run->campaign->ended >= 0) {
        job_run_leave(t->run, t, (enum outcome)t->run->campaign->ended);
        return;
    }
    switch (retry_decide(&rc, &t->retry_at_ms)) {
    case RETRY_AT:
        metrics_add(M_PUSH_RETRIES, 1);
        target_heap_push(&l->waiting, t);
        break;
    case RETRY_EXPIRED:
        job_run_leave(t->run, t, OUTCOME_EXPIRED);
        break;
    case RETRY_GIVE_UP:
        job_run_leave(t->run, t, OUTCOME_FAILED);
        break;
    }
}

static void on_not_sent(struct lane *l, struct target *t) {
    if (t->replays < REPLAYS_SAFE_MAX) {
        t->replays++;
        metrics_add(M_PUSH_REPLAYED_SAFE, 1);
        job_run_give_back(t->run, t);
    } else {
        t->replays = 0;
        retry_later(l, t, RETRY_NOT_SENT, 0);
    }
}

static void on_unknown(struct lane *l, struct target *t) {
    bool may_replay = l->options.cfg->dispatcher_replay_unknown;
    if (may_replay && t->unknowns < REPLAYS_UNKNOWN_MAX) {
        t->unknowns++;
        metrics_add(M_PUSH_REPLAYED_UNKNOWN, 1);
        job_run_give_back(t->run, t);
    } else {
        job_run_record(t->run, t, OUTCOME_UNKNOWN);
    }
}

static void on_dead(struct target *t, const struct verdict *v, const struct payload *payload) {
    struct push_job_run *run = t->run;
    if (v->needs_good_payload && payload->accepted == 0) {
        job_run_record(run, t, OUTCOME_PAYLOAD_REJECTED);
        return;
    }
    run->campaign->answered++;
    run->campaign->dead++;
    /* Registered again after the provider last saw it dead: the token may live. */
    if (t->registered_ms < v->dead_before_ms) {
        dead_list_add(&run->dead, run->job.block << BLOCK_BITS | t->slot, t->token,
                      v->dead_before_ms);
    }
    job_run_record(run, t, OUTCOME_TOKEN_DEAD);
}

static void on_old_credentials(struct lane *l, struct target *t, const struct verdict *v) {
    bool is_news = t->token_version != l->renewed_version;
    if (is_news) {
        l->renewed_version = t->token_version;
        l->renewals++;
    }
    if (!l->provider->ops->renew(l->provider, t->token_version) || l->renewals > RENEWALS_MAX) {
        lane_refuse_credentials(l, str_of(v->reason));
    }
    job_run_give_back(t->run, t);
}

static void on_accepted(struct lane *l, struct target *t, struct payload *payload,
                        int64_t wall_ms) {
    struct campaign *c = t->run->campaign;
    credentials_work(l);
    l->server_failures = 0;
    l->pause_level = 0;
    payload->accepted++;
    c->answered++;
    metrics_observe_ms(M_PUSH_DELIVERY_MS, (double)(wall_ms - c->alert->sent_ms));
    job_run_record(t->run, t, OUTCOME_ACCEPTED);
}

static void act(struct lane *l, struct target *t, const struct verdict *v, int64_t wall_ms) {
    struct campaign *c = t->run->campaign;
    struct payload *payload = c->payloads[t->edition];
    switch (v->kind) {
    case VERDICT_ACCEPTED:
        on_accepted(l, t, payload, wall_ms);
        break;
    case VERDICT_RETRY:
        if (v->pause_ms) {
            pause_lane(l, v->pause_ms, v->reason);
            pace_refuse(&l->pace, clock_mono_ms(), l->paused_until_ms);
        }
        count_server_failure(l, v);
        retry_later(l, t, v->retry, v->retry_after_ms);
        break;
    case VERDICT_TOKEN_DEAD:
        credentials_work(l);
        on_dead(t, v, payload);
        break;
    case VERDICT_PAYLOAD_REJECTED:
        c->answered++;
        payload->is_rejected |= v->is_payload_fatal && payload->accepted == 0;
        job_run_record(t->run, t, OUTCOME_PAYLOAD_REJECTED);
        break;
    case VERDICT_FAILED:
        c->answered++;
        job_run_record(t->run, t, OUTCOME_FAILED);
        break;
    case VERDICT_CREDENTIALS_BAD:
        lane_refuse_credentials(l, str_of(v->reason));
        job_run_give_back(t->run, t);
        break;
    case VERDICT_CREDENTIALS_OLD:
        on_old_credentials(l, t, v);
        break;
    case VERDICT_UNKNOWN:
        on_unknown(l, t);
        break;
    case VERDICT_COUNT:
        break;
    }
}

static void raise_alarm(struct lane *l, const struct target *t, int status, const char *reason) {
    int64_t now_ms = clock_mono_ms();
    metrics_add(l->metrics.alarms, 1);
    if (now_ms - l->alarm_ms < ALARM_MS) {
        l->alarms_unsaid++;
        return;
    }
    log_error("push_refused", LOG_S("platform", platform_of(l)),
              LOG_S("alert_id", t->run->job.alert_id), LOG_I("status", status),
              LOG_S("reason", reason), LOG_I("more", l->alarms_unsaid));
    l->alarm_ms = now_ms;
    l->alarms_unsaid = 0;
}

/* What an answer says of the provider's health. A quota of one device (APNs TooManyRequests, FCM
 * QUOTA_EXCEEDED) says nothing of the rest; neither does one stream refused or moved by GOAWAY,
 * the peer's limits see to that, but the same push refused twice does. */
static enum window_news news_of(const struct target *t, const struct http2_answer *answer,
                                const struct verdict *v) {
    if (answer->result == HTTP2_NOT_SENT) {
        return t->replays > 0 ? WINDOW_TROUBLE : WINDOW_OTHER;
    }
    if (v->kind == VERDICT_ACCEPTED) {
        return WINDOW_ACCEPTED;
    }
    bool is_trouble = v->kind == VERDICT_UNKNOWN ||
                      (v->kind == VERDICT_RETRY && (v->pause_ms || is_server_class(v->retry)));
    return is_trouble ? WINDOW_TROUBLE : WINDOW_OTHER;
}

static void feel(struct lane *l, const struct target *t, const struct http2_answer *answer,
                 const struct verdict *v) {
    enum window_news news = news_of(t, answer, v);
    if (answer->result == HTTP2_NOT_SENT && news == WINDOW_OTHER) {
        return; /* it took no time to speak of */
    }
    if (window_note(&l->window, news, t->sent_ms, answer->now_ms, l->in_flight)) {
        metrics_add(l->metrics.cuts, 1);
        log_debug("push_in_flight_cut", LOG_S("platform", platform_of(l)),
                  LOG_I("limit", (int64_t)l->window.size), LOG_S("reason", v->reason));
    }
}

/* A target that would have to be sent again, while the dispatcher ends or when its job is
 * another's, is left to the others. */
static bool is_final(const struct verdict *v) {
    return v->kind == VERDICT_ACCEPTED || v->kind == VERDICT_TOKEN_DEAD ||
           v->kind == VERDICT_PAYLOAD_REJECTED || v->kind == VERDICT_FAILED;
}

void lane_on_answer(void *user, const struct http2_answer *answer) {
    struct target *t = user;
    struct lane *l = t->run->env->lane;
    struct verdict v = {.kind = VERDICT_UNKNOWN};
    int64_t wall_ms = answer->now_ms + l->wall_offset_ms;
    if (answer->result == HTTP2_ANSWERED) {
        metrics_observe_ms(M_PUSH_ANSWER_MS, (double)(answer->now_ms - t->sent_ms));
        v = l->provider->ops->classify(answer, wall_ms);
        l->provider->ops->heed(l->provider, &v, answer->connection);
        if (v.is_alarm) {
            raise_alarm(l, t, answer->status, v.reason);
        }
    }
    feel(l, t, answer, &v);
    l->in_flight--;
    if (t->run->is_stopping && !is_final(&v)) {
        job_run_drop(t->run, t);
    } else if (answer->result == HTTP2_NOT_SENT) {
        on_not_sent(l, t);
    } else {
        act(l, t, &v, wall_ms);
    }
    l->options.want_pump(l->options.user);
}

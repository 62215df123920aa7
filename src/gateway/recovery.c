#include "gateway/recovery.h"

#include <string.h>

static const struct {
    const char *reason;
    bool recovered;
} verdicts[VERDICT_COUNT] = {
    [VERDICT_CONTINUED] = {NULL, true},      [VERDICT_FRESH] = {"fresh", true},
    [VERDICT_FAILOVER] = {"failover", true}, [VERDICT_EXPIRED] = {"expired", false},
    [VERDICT_UNKNOWN] = {"unknown", false},
};

/* Where a position of another epoch continues in the current one. A later epoch may have lost more
 * than the one that followed it directly, so the smallest survivor on the way counts. */
static bool find_survivor(const struct recovery_log *log, const char *epoch,
                          uint64_t *out_survived) {
    uint64_t survived = log->head;
    for (int i = 0; i < log->past_count; i++) {
        if (log->past[i].survived < survived) {
            survived = log->past[i].survived;
        }
        if (strcmp(log->past[i].epoch, epoch) == 0) {
            *out_survived = survived;
            return true;
        }
    }
    return false;
}

static struct recovery_answer snapshot(const struct recovery_log *log, enum verdict verdict) {
    return (struct recovery_answer){RECOVERY_SNAPSHOT, verdict, log->head};
}

struct recovery_answer recovery_decide(const struct recovery_log *log,
                                       const struct resume *resume) {
    if (!resume->given) {
        return (struct recovery_answer){RECOVERY_RING, VERDICT_FRESH, log->head};
    }
    if (!resume->valid) {
        return snapshot(log, VERDICT_UNKNOWN);
    }
    uint64_t limit = log->head;
    if (strcmp(resume->position.epoch, log->epoch) != 0 &&
        !find_survivor(log, resume->position.epoch, &limit)) {
        return snapshot(log, VERDICT_UNKNOWN);
    }
    uint64_t cursor = resume->position.seq;
    enum verdict verdict = VERDICT_CONTINUED;
    if (cursor > limit) {
        cursor = limit;
        verdict = VERDICT_FAILOVER;
    }
    if (cursor + 1 >= log->ring_oldest) {
        return (struct recovery_answer){RECOVERY_RING, verdict, cursor};
    }
    if (cursor + 1 >= log->log_oldest) {
        return (struct recovery_answer){RECOVERY_LOG, verdict, cursor};
    }
    return snapshot(log, VERDICT_EXPIRED);
}

bool recovery_is_doubtful(const struct resume *resume, const struct recovery_answer *answer) {
    return resume->given && resume->valid &&
           (answer->verdict == VERDICT_FAILOVER || answer->verdict == VERDICT_UNKNOWN);
}

bool verdict_is_recovered(enum verdict verdict) {
    return verdicts[verdict].recovered;
}

const char *verdict_reason(enum verdict verdict) {
    return verdicts[verdict].reason;
}

struct resume resume_parse(struct str text) {
    struct resume resume = {.given = text.p != NULL};
    resume.valid = resume.given && position_parse(text, &resume.position) == ERR_OK;
    return resume;
}

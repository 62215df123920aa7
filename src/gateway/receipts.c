#include "gateway/receipts.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metrics.h"

enum {
    WRITE_RECEIPTS_MAX = 256, /* in one script call: Redis does nothing else meanwhile, a few ms */
    WRITE_POSTS_MAX = 64,
    SUM_KEY_BYTES = UUID_BYTES + 16,
};

struct waiting {
    struct list link;
    struct receipt_post post;
    int64_t since_ms;
    receipts_done_fn *done;
    void *user;
};

/* One script call for devices. */
struct write {
    struct receipts *receipts;
    struct waiting *posts[WRITE_POSTS_MAX]; /* owned */
    size_t count;
};

struct receipts {
    struct receipts_options options;
    struct list waiting; /* oldest first */
    size_t waiting_count;
    double budget; /* receipts that the rate allows now */
    int64_t budget_ms;

    char *name;           /* of this worker, made up */
    struct map *by_alert; /* "<id>:<revision>" → index + 1 into sums */
    struct receipt_sum *sums;
    size_t sum_count;
    struct receipt_sum *sent; /* the batch under way, or to be told again */
    size_t sent_count;
    uint64_t batch; /* its number */
    bool is_sending;
    int64_t summed_ms; /* when the last batch was made */
};

struct receipts *receipts_create(const struct receipts_options *options) {
    struct receipts *r = mem_zalloc(1, sizeof(*r));
    r->options = *options;
    r->name = codec_random_name();
    r->by_alert = map_create();
    r->sums = mem_zalloc(options->alerts_max, sizeof(*r->sums));
    r->sent = mem_zalloc(options->alerts_max, sizeof(*r->sent));
    r->budget = (double)options->rate;
    list_init(&r->waiting);
    return r;
}

static void finish(struct waiting *w, enum err err, const struct receipt_answer *answer) {
    w->done(w->user, err, answer);
    free(w);
}

void receipts_destroy(struct receipts *r) {
    if (!r) {
        return;
    }
    LIST_EACH_SAFE(it, &r->waiting) {
        list_remove(it);
        finish(LIST_ENTRY(it, struct waiting, link), ERR_CLOSED, NULL);
    }
    map_destroy(r->by_alert);
    free(r->sums);
    free(r->sent);
    free(r->name);
    free(r);
}

/* --- devices --- */

/* A post may use more than is left: else one larger than the rate would never pass. */
static bool spend(struct receipts *r, size_t count, int64_t now_ms) {
    double rate = (double)r->options.rate;
    if (r->options.rate == 0) {
        return true;
    }
    r->budget += rate * (double)(now_ms - r->budget_ms) / 1000;
    r->budget = r->budget < rate ? r->budget : rate;
    r->budget_ms = now_ms;
    if (r->budget < 1) {
        return false;
    }
    r->budget -= (double)count;
    return true;
}

enum err receipts_add(struct receipts *r, const struct receipt_post *post, int64_t now_ms,
                      receipts_done_fn *done, void *user) {
    if (r->waiting_count >= r->options.waiting_max) {
        return ERR_FULL;
    }
    if (!spend(r, post->count, now_ms)) {
        return ERR_UNAVAILABLE;
    }
    struct waiting *w = mem_zalloc(1, sizeof(*w));
    *w = (struct waiting){.post = *post, .since_ms = now_ms, .done = done, .user = user};
    list_push_back(&r->waiting, &w->link);
    r->waiting_count++;
    return ERR_OK;
}

static void on_written(void *user, enum err err, const struct receipt_answer *answers,
                       size_t count) {
    struct write *write = user;
    write->receipts->waiting_count -= count;
    for (size_t i = 0; i < count; i++) {
        finish(write->posts[i], err, answers ? &answers[i] : NULL);
    }
    free(write);
}

static void write_some(struct receipts *r) {
    struct receipt_post posts[WRITE_POSTS_MAX];
    struct write *write = mem_zalloc(1, sizeof(*write));
    size_t receipts = 0;
    write->receipts = r;
    LIST_EACH_SAFE(it, &r->waiting) {
        struct waiting *w = LIST_ENTRY(it, struct waiting, link);
        bool has_room = write->count < WRITE_POSTS_MAX &&
                        (!receipts || receipts + w->post.count <= WRITE_RECEIPTS_MAX);
        if (!has_room) {
            break;
        }
        list_remove(it);
        receipts += w->post.count;
        posts[write->count] = w->post;
        write->posts[write->count++] = w;
    }
    receipt_store_devices(r->options.store, r->options.taxonomy, posts, write->count, on_written,
                          write);
}

static void write_devices(struct receipts *r, int64_t now_ms, bool all) {
    if (list_is_empty(&r->waiting)) {
        return;
    }
    const struct waiting *oldest = LIST_ENTRY(r->waiting.next, struct waiting, link);
    bool is_due = all || now_ms - oldest->since_ms >= r->options.flush_ms;
    while (is_due && !list_is_empty(&r->waiting)) {
        write_some(r);
    }
}

/* --- WebSocket readers --- */

static struct receipt_sum *sum_of(struct receipts *r, const struct alert *alert) {
    char key[SUM_KEY_BYTES];
    (void)snprintf(key, sizeof(key), "%s:%u", alert->id, (unsigned)alert->revision);
    struct receipt_sum *sum = map_get(r->by_alert, str_of(key));
    if (sum || r->sum_count == r->options.alerts_max) {
        return sum;
    }
    sum = &r->sums[r->sum_count++];
    *sum = (struct receipt_sum){.revision = alert->revision};
    (void)snprintf(sum->alert_id, sizeof(sum->alert_id), "%s", alert->id);
    (void)map_set(r->by_alert, str_of(key), sum);
    return sum;
}

void receipts_count(struct receipts *r, const struct alert *alert,
                    const bool is_new[RECEIPT_EVENT_COUNT]) {
    struct receipt_sum *sum = sum_of(r, alert);
    uint64_t count = 0;
    for (int e = 0; e < RECEIPT_EVENT_COUNT; e++) {
        count += is_new[e];
        if (sum) {
            sum->counts[e] += is_new[e];
        }
    }
    metrics_add(sum ? M_RECEIPTS_COUNTED : M_RECEIPTS_DROPPED, count);
}

static void on_told(void *user, enum err err) {
    struct receipts *r = user;
    r->is_sending = false;
    if (err == ERR_OK) {
        r->sent_count = 0;
    } /* else told again, under its number: it may have been counted */
}

static void take_batch(struct receipts *r) {
    struct receipt_sum *emptied = r->sent;
    r->sent = r->sums;
    r->sent_count = r->sum_count;
    r->sums = emptied;
    r->sum_count = 0;
    r->batch++;
    map_destroy(r->by_alert);
    r->by_alert = map_create();
}

static void tell_readers(struct receipts *r, int64_t now_ms, bool all) {
    bool is_due = all || now_ms - r->summed_ms >= r->options.flush_ms;
    if (r->is_sending || !is_due || !store_is_up(r->options.store)) {
        return;
    }
    r->summed_ms = now_ms;
    if (!r->sent_count && r->sum_count) {
        take_batch(r);
    }
    if (r->sent_count) {
        r->is_sending = true;
        receipt_store_readers(r->options.store, str_of(r->name), r->batch, r->sent, r->sent_count,
                              on_told, r);
    }
}

void receipts_tick(struct receipts *r, int64_t now_ms, bool all) {
    write_devices(r, now_ms, all);
    tell_readers(r, now_ms, all);
}

bool receipts_are_written(const struct receipts *r) {
    return r->waiting_count == 0 && r->sum_count == 0 && r->sent_count == 0;
}

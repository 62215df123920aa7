/* One page of a job: the recipients' bitmaps less the done one (one MGET), then the endpoints of
 * the slots found, a packed hash of 64 slots at a time (HMGET, all under way at once), and with
 * them a note of how far was read. Before that, of a correction, those held back are looked at. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metrics.h"
#include "store/args.h"
#include "store/device_record.h"
#include "store/keys.h"
#include "store/push_work.h"
#include "store/script.h"

enum { TOKEN_TEXT_MAX = 2 * DEVICE_TOKEN_BYTES_MAX };

struct page_slot {
    uint16_t slot;
    int edition;
    int64_t registered_ms;
    size_t token_at; /* in page->text */
    size_t token_bytes;
    size_t app_bytes; /* after the token */
};

struct page {
    struct push_op op;
    struct push_job job;
    struct push_page wish;
    uint32_t held;
    struct page_slot *slots; /* ascending */
    size_t count;
    uint32_t next_slot;
    size_t calls_left;
    enum err err;
    struct buf text;
    push_targets_fn *done;
    void *user;
};

struct bucket_call {
    struct page *page;
    size_t first; /* index into page->slots */
    size_t count;
};

static void free_page(struct page *page) {
    buf_finish(&page->text);
    free(page->slots);
    free(page);
}

static void fail_page(struct push_op *op, enum err err) {
    struct page *page = LIST_ENTRY(op, struct page, op);
    page->done(page->user, err, NULL, 0, page->wish.from_slot, 0);
}

static void deliver_page(struct page *page) {
    if (!push_op_end(&page->op)) {
        free_page(page);
        return;
    }
    struct push_target *targets = mem_zalloc(page->count, sizeof(*targets));
    struct str text = buf_str(&page->text);
    for (size_t i = 0; i < page->count; i++) {
        const struct page_slot *s = &page->slots[i];
        const char *token = text.p + s->token_at;
        targets[i] = (struct push_target){.slot = s->slot,
                                          .edition = s->edition,
                                          .registered_ms = s->registered_ms,
                                          .token = {token, s->token_bytes},
                                          .app = {token + s->token_bytes, s->app_bytes}};
    }
    page->err = page->err ? page->err : buf_check(&page->text);
    if (page->err) {
        page->done(page->user, page->err, NULL, 0, page->wish.from_slot, 0);
    } else {
        page->done(page->user, ERR_OK, targets, page->count, page->next_slot, page->held);
    }
    free(targets);
    free_page(page);
}

/* A slot without a record stays without a token: the device is gone since planning. */
static void fill_slot(struct page *page, struct page_slot *slot, struct str record) {
    struct device_endpoint e;
    if (device_parse_endpoint(record, &e)) {
        return;
    }
    slot->registered_ms = e.registered_ms;
    slot->token_at = page->text.n;
    if (page->job.platform == PLATFORM_APNS) {
        codec_put_hex(&page->text, e.token);
    } else {
        buf_put_str(&page->text, e.token);
    }
    slot->token_bytes = page->text.n - slot->token_at;
    slot->app_bytes = e.app.n;
    buf_put_str(&page->text, e.app);
}

static void on_bucket(void *user, enum err err, const struct redisReply *reply) {
    struct bucket_call call = *(struct bucket_call *)user;
    struct page *page = call.page;
    free(user);
    if (store_failed("push_bucket", err, reply)) {
        page->err = err ? err : ERR_PROTOCOL;
    }
    for (size_t i = 0; i < call.count && !page->err; i++) {
        fill_slot(page, &page->slots[call.first + i], reply_str_at(reply, i));
    }
    if (--page->calls_left == 0) {
        deliver_page(page);
    }
}

static void on_noted(void *user, enum err err, const struct redisReply *reply) {
    struct page *page = user;
    if (store_failed("push_reach", err, reply)) {
        page->err = err ? err : ERR_PROTOCOL;
    }
    if (--page->calls_left == 0) {
        deliver_page(page);
    }
}

/* Whoever has the job next must know who may have been sent to, before anybody is. */
static void note_reach(struct page *page) {
    const struct push_job *job = &page->job;
    struct args args;
    args_init(&args);
    args_put_text(&args, "HSET");
    args_printf(&args, KEY_REACH, job->alert_id, job->revision);
    args_printf(&args, "%s:%" PRIu32, platform_names[job->platform], job->block);
    args_put_int(&args, page->next_slot);
    store_command(page->op.q->store, args_words(&args), args.count, on_noted, page);
    args_finish(&args);
}

static void ask_bucket(struct page *page, size_t first, size_t count) {
    struct bucket_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct bucket_call){page, first, count};
    args_init(&args);
    args_put_text(&args, "HMGET");
    args_printf(&args, "{b%" PRIu32 "}:%s:%d", page->job.block, platform_names[page->job.platform],
                page->slots[first].slot / DEVICE_BUCKET);
    for (size_t i = first; i < first + count; i++) {
        args_put_int(&args, page->slots[i].slot);
    }
    store_command(page->op.q->store, args_words(&args), args.count, on_bucket, call);
    args_finish(&args);
}

static void ask_buckets(struct page *page) {
    size_t first = 0;
    size_t calls = 0;
    for (size_t i = 1; i <= page->count; i++) {
        if (i == page->count ||
            page->slots[i].slot / DEVICE_BUCKET != page->slots[first].slot / DEVICE_BUCKET) {
            calls++;
            ask_bucket(page, first, i - first);
            first = i;
        }
    }
    if (page->next_slot > page->job.noted) {
        calls++;
        note_reach(page);
    }
    page->calls_left = calls; /* replies never come from inside the calls */
}

/* Redis counts bits from the most significant of the first byte. */
static bool has_bit(struct str bitmap, uint32_t slot) {
    return slot / 8 < bitmap.n && ((unsigned char)bitmap.p[slot / 8] >> (7 - slot % 8) & 1);
}

/* reply: the bitmaps of those done and those held, then the recipients by edition. */
static void find_slots(struct page *page, const struct redisReply *reply) {
    struct str done = reply_str_at(reply, 0);
    struct str held = page->wish.slots_only ? (struct str){NULL, 0} : reply_str_at(reply, 1);
    page->slots = mem_zalloc(page->wish.limit, sizeof(*page->slots));
    page->next_slot = BLOCK_DEVICES;
    for (uint32_t slot = page->wish.from_slot; slot < BLOCK_DEVICES; slot++) {
        if (has_bit(done, slot) || has_bit(held, slot)) {
            continue;
        }
        for (size_t e = 0; e + 2 < reply_count(reply); e++) {
            if (!has_bit(reply_str_at(reply, e + 2), slot)) {
                continue;
            }
            if (page->count == page->wish.limit) {
                page->next_slot = slot;
                return;
            }
            page->slots[page->count++] =
                (struct page_slot){.slot = (uint16_t)slot, .edition = (int)e};
            break;
        }
    }
}

static void on_bitmaps(void *user, enum err err, const struct redisReply *reply) {
    struct page *page = user;
    if (store_failed("push_targets", err, reply)) {
        page->err = err ? err : ERR_PROTOCOL;
        deliver_page(page);
        return;
    }
    if (!page->op.q) {
        deliver_page(page);
        return;
    }
    find_slots(page, reply);
    if (page->count && !page->wish.slots_only) {
        ask_buckets(page);
    } else {
        deliver_page(page);
    }
}

static void ask_bitmaps(struct page *page) {
    const struct push_job *job = &page->job;
    const struct push_queue *q = page->op.q;
    struct args args;
    args_init(&args);
    args_put_text(&args, "MGET");
    push_put_key(&args, job, "done");
    push_put_key(&args, job, "held");
    for (int e = 0; e < taxonomy_count(q->t, DIM_EDITION); e++) {
        args_printf(&args, "{b%" PRIu32 "}:rcpt:%s:%" PRIu32 ":%s:%s", job->block, job->alert_id,
                    job->revision, platform_names[job->platform],
                    taxonomy_name(q->t, DIM_EDITION, e));
    }
    store_command(q->store, args_words(&args), args.count, on_bitmaps, page);
    args_finish(&args);
}

static void on_settled(void *user, enum err err, const struct redisReply *reply) {
    struct page *page = user;
    if (store_failed("job_settle", err, reply)) {
        page->err = err ? err : ERR_PROTOCOL;
        deliver_page(page);
    } else if (!page->op.q) {
        deliver_page(page);
    } else {
        page->held = (uint32_t)reply_int_at(reply, 0);
        metrics_add(M_PUSH_SUPPRESSED, (uint64_t)reply_int_at(reply, 1));
        metrics_add(M_PUSH_SUPERSEDED, (uint64_t)reply_int_at(reply, 2));
        ask_bitmaps(page);
    }
}

static void settle(struct page *page) {
    const struct push_job *job = &page->job;
    const struct push_queue *q = page->op.q;
    struct args args;
    args_init(&args);
    push_put_key(&args, job, "held");
    args_put_int(&args, job->block);
    args_put_text(&args, job->alert_id);
    args_put_int(&args, job->revision);
    args_put_text(&args, platform_names[job->platform]);
    for (int e = 0; e < taxonomy_count(q->t, DIM_EDITION); e++) {
        args_put_text(&args, taxonomy_name(q->t, DIM_EDITION, e));
    }
    store_script(q->store, SCRIPT_JOB_SETTLE, args_words(&args), args.count, 1, on_settled, page);
    args_finish(&args);
}

void push_queue_targets(struct push_queue *q, const struct push_job *job,
                        const struct push_page *wish, push_targets_fn *done, void *user) {
    struct page *page = mem_zalloc(1, sizeof(*page));
    page->job = *job;
    page->wish = *wish;
    page->wish.limit = wish->limit ? wish->limit : 1;
    page->done = done;
    page->user = user;
    buf_init(&page->text, page->wish.limit * (TOKEN_TEXT_MAX + DEVICE_APP_BYTES_MAX + 256));
    push_op_begin(&page->op, q, fail_page);
    if (job->revision > 1 && !wish->slots_only) {
        settle(page);
    } else {
        ask_bitmaps(page);
    }
}

#include "store/receipt_store.h"

#include <stdlib.h>

#include "base/mem.h"
#include "store/args.h"
#include "store/device_record.h"
#include "store/script.h"

const char *const receipt_event_names[RECEIPT_EVENT_COUNT] = {
    [RECEIPT_RECEIVED] = "received", [RECEIPT_OPENED] = "opened"};

/* ---- devices ---- */

struct devices_call {
    size_t count; /* of posts */
    receipt_devices_fn *done;
    void *user;
};

static void on_devices(void *user, enum err err, const struct redisReply *reply) {
    struct devices_call call = *(struct devices_call *)user;
    free(user);
    if (store_failed("receipts_devices", err, reply) || reply_count(reply) != call.count) {
        call.done(call.user, ERR_UNAVAILABLE, NULL, call.count);
        return;
    }
    struct receipt_answer *answers = mem_zalloc(call.count, sizeof(*answers));
    for (size_t i = 0; i < call.count; i++) {
        struct str word = reply_str_at(reply, i);
        answers[i].err = str_eq(word, STR("missing"))  ? ERR_NOT_FOUND
                         : str_eq(word, STR("denied")) ? ERR_DENIED
                                                       : ERR_OK;
        answers[i].fates = word;
    }
    call.done(call.user, ERR_OK, answers, call.count);
    free(answers);
}

static void put_editions(struct args *args, const struct taxonomy *t) {
    struct buf b;
    buf_init(&b, TAXONOMY_MAX * (TAXONOMY_VALUE_MAX + 1));
    for (int i = 0; i < taxonomy_count(t, DIM_EDITION); i++) {
        buf_puts(&b, i ? "," : "");
        buf_puts(&b, taxonomy_name(t, DIM_EDITION, i));
    }
    args_put(args, buf_str(&b));
    buf_finish(&b);
}

static void put_post(struct args *args, const struct receipt_post *post) {
    device_args_id_digest(args, post->device_id);
    device_args_secret(args, post->secret_sha256);
    args_put_int(args, (int64_t)post->count);
    for (size_t i = 0; i < post->count; i++) {
        args_put_text(args, post->receipts[i].alert_id);
        args_put_int(args, post->receipts[i].revision);
        args_put_text(args, receipt_event_names[post->receipts[i].event]);
    }
}

void receipt_store_devices(struct store *store, const struct taxonomy *t,
                           const struct receipt_post *posts, size_t count, receipt_devices_fn *done,
                           void *user) {
    struct devices_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct devices_call){count, done, user};
    args_init(&args);
    put_editions(&args, t);
    for (size_t i = 0; i < count; i++) {
        put_post(&args, &posts[i]);
    }
    store_script(store, SCRIPT_RECEIPTS_DEVICES, args_words(&args), args.count, 0, on_devices,
                 call);
    args_finish(&args);
}

/* ---- readers ---- */

struct readers_call {
    store_done_fn *done;
    void *user;
};

static void on_readers(void *user, enum err err, const struct redisReply *reply) {
    struct readers_call call = *(struct readers_call *)user;
    free(user);
    call.done(call.user, store_failed("receipts_readers", err, reply) ? ERR_UNAVAILABLE : ERR_OK);
}

void receipt_store_readers(struct store *store, struct str worker, uint64_t batch,
                           const struct receipt_sum *sums, size_t count, store_done_fn *done,
                           void *user) {
    struct readers_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    *call = (struct readers_call){done, user};
    args_init(&args);
    args_put(&args, worker);
    args_put_int(&args, (int64_t)batch);
    for (size_t i = 0; i < count; i++) {
        args_put_text(&args, sums[i].alert_id);
        args_put_int(&args, sums[i].revision);
        for (int e = 0; e < RECEIPT_EVENT_COUNT; e++) {
            args_put_int(&args, (int64_t)sums[i].counts[e]);
        }
    }
    store_script(store, SCRIPT_RECEIPTS_READERS, args_words(&args), args.count, 0, on_readers,
                 call);
    args_finish(&args);
}

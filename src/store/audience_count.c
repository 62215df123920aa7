/* The count over all blocks: one script for each, a window of them under way at once, so that Redis
 * always has the next at hand and nobody else waits long. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/audience.h"
#include "store/device_store.h"
#include "store/script.h"

/* Blocks asked for at once: about 2 ms of Redis' time. */
enum { WINDOW = 64 };

struct count {
    struct store *store;
    const struct alert *alert;
    struct audience_counts counts;
    struct args args;
    struct str *words; /* of the script, in `args`; the first is the block */
    uint32_t blocks;
    uint32_t next_block;
    uint32_t under_way;
    enum err err;
    audience_fn *done;
    void *user;
};

static void finish(struct count *count, enum err err) {
    audience_fn *done = count->done;
    void *user = count->user;
    done(user, err, err ? NULL : &count->counts);
    audience_counts_finish(&count->counts);
    args_finish(&count->args);
    free(count->words);
    free(count);
}

static void ask_blocks(struct count *count);

static void on_block(void *user, enum err err, const struct redisReply *reply) {
    struct count *count = user;
    uint32_t platforms;
    count->under_way--;
    if (store_failed("audience_block", err, reply)) {
        count->err = err == ERR_CLOSED ? ERR_CLOSED : ERR_UNAVAILABLE;
    } else if (!count->err && !audience_add(&count->counts, reply_str(reply), &platforms)) {
        log_error("audience_counts_malformed", LOG_STR("counts", reply_str(reply)));
        count->err = ERR_PROTOCOL;
    }
    if (!count->err) {
        ask_blocks(count);
    }
    if (!count->under_way) {
        finish(count, count->err);
    }
}

static void ask_blocks(struct count *count) {
    while (count->next_block < count->blocks && count->under_way < WINDOW) {
        char block[16];
        (void)snprintf(block, sizeof(block), "%" PRIu32, count->next_block++);
        count->words[0] = str_of(block);
        count->under_way++;
        store_script(count->store, SCRIPT_AUDIENCE_BLOCK, count->words, count->args.count, 0,
                     on_block, count);
    }
}

static void on_block_count(void *user, enum err err, uint32_t blocks, uint64_t devices) {
    struct count *count = user;
    (void)devices;
    if (err || !blocks) {
        finish(count, err);
        return;
    }
    count->blocks = blocks;
    args_put_text(&count->args, "block");
    audience_put(&count->args, &count->counts, count->alert);
    count->words = mem_zalloc(count->args.count, sizeof(*count->words));
    memcpy(count->words, args_words(&count->args), count->args.count * sizeof(*count->words));
    ask_blocks(count);
}

void audience_count(struct store *store, const struct taxonomy *t, const struct alert *alert,
                    struct args *values, audience_fn *done, void *user) {
    struct count *count = mem_zalloc(1, sizeof(*count));
    *count = (struct count){.store = store, .alert = alert, .done = done, .user = user};
    audience_counts_init(&count->counts, t, alert);
    args_init(&count->args);
    for (size_t i = 0; values && i < values->count; i++) {
        audience_counts_add_value(&count->counts, args_words(values)[i]);
    }
    device_store_blocks(store, on_block_count, count);
}

/* ---- time zones ---- */

struct zones_call {
    audience_zones_fn *done;
    void *user;
};

static void on_names(void *user, enum err err, const struct redisReply *reply) {
    struct zones_call call = *(struct zones_call *)user;
    struct args zones;
    free(user);
    args_init(&zones);
    if (store_failed("audience_zones", err, reply)) {
        err = err == ERR_CLOSED ? ERR_CLOSED : ERR_UNAVAILABLE;
    }
    for (size_t i = 0; !err && i < reply_count(reply); i++) {
        if (str_starts(reply_str_at(reply, i), STR("zone:"))) {
            args_put(&zones, reply_str_at(reply, i));
        }
    }
    call.done(call.user, err, &zones);
    args_finish(&zones);
}

void audience_zones(struct store *store, audience_zones_fn *done, void *user) {
    struct zones_call *call = mem_zalloc(1, sizeof(*call));
    const struct str argv[] = {STR("HVALS"), STR("{d}:names")};
    *call = (struct zones_call){done, user};
    store_command(store, argv, 2, on_names, call);
}

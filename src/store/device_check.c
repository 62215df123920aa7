/* Step by step, each a series of short scripts of which WINDOW are under way: the names of values,
 * which bitmaps there are, every bucket of every block, both indexes, the free numbers, the count.
 */
#include "store/device_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/device_record.h"
#include "store/device_store.h"
#include "store/script.h"

enum {
    WINDOW = 4,
    BUCKETS = BLOCK_DEVICES / DEVICE_BUCKET,
    INDEX_BUCKETS = 65536,
    INDEX_ENTRIES = 512,  /* of an index in one call: some milliseconds */
    INDEX_STEP_MAX = 256, /* buckets of an index in one call */
    BLOCKS_MAX = 1 << 18, /* numbers of 32 bits */
};

enum step {
    STEP_VALUES,
    STEP_SCAN,
    STEP_BLOCKS,
    STEP_ID,
    STEP_TOKEN,
    STEP_FREE,
    STEP_COUNT,
    STEP_END
};

struct check {
    struct store *store;
    bool repair;
    enum step step;
    uint64_t next;   /* what the step asks for next */
    uint64_t end;    /* where it ends */
    char cursor[24]; /* of SCAN and ZSCAN */
    int under_way;
    uint64_t index_step;
    uint32_t blocks;
    struct args *bitmaps; /* names, by block */
    uint64_t devices;
    enum err err;
    device_fault_fn *on_fault;
    device_check_fn *done;
    void *user;
};

static void go_on(struct check *c);

static void finish(struct check *c) {
    for (uint32_t i = 0; i < c->blocks; i++) {
        args_finish(&c->bitmaps[i]);
    }
    free(c->bitmaps);
    c->done(c->user, c->err, c->devices);
    free(c);
}

/* Also for a block that holds something although no number of it was given. */
static void have_block(struct check *c, uint32_t block) {
    if (block >= c->blocks) {
        c->bitmaps = mem_resize(c->bitmaps, block + 1, sizeof(*c->bitmaps));
        for (uint32_t i = c->blocks; i <= block; i++) {
            args_init(&c->bitmaps[i]);
        }
        c->blocks = block + 1;
    }
}

/* ---- answers ---- */

static void take_faults(struct check *c, const struct redisReply *reply) {
    for (size_t i = 1; i + 2 < reply_count(reply); i += 3) {
        const struct device_fault fault = {reply_str_at(reply, i), reply_int_at(reply, i + 1),
                                           reply_str_at(reply, i + 2)};
        c->on_fault(c->user, &fault);
    }
}

static void set_cursor(struct check *c, struct str cursor) {
    c->next = 1;
    c->end = str_eq(cursor, STR("0")) ? 1 : 2; /* asks once more */
    size_t n = cursor.n < sizeof(c->cursor) ? cursor.n : 0;
    memcpy(c->cursor, cursor.p, n);
    c->cursor[n] = '\0';
}

static void on_answer(void *user, enum err err, const struct redisReply *reply) {
    struct check *c = user;
    c->under_way--;
    if (store_failed("device_check", err, reply)) {
        c->err = err == ERR_CLOSED ? ERR_CLOSED : ERR_UNAVAILABLE;
    } else if (c->step == STEP_VALUES && reply_int_at(reply, 0) < 0) {
        c->err = ERR_NOT_FOUND;
    } else {
        take_faults(c, reply);
        if (c->step == STEP_BLOCKS) {
            c->devices += (uint64_t)reply_int_at(reply, 0);
        } else if (c->step == STEP_FREE) {
            set_cursor(c, reply_str_at(reply, 0));
        }
    }
    go_on(c);
}

/* "{b12}:region:mena": remembers the bitmap of a value; whatever else lies in a block is not ours
 * to judge. */
static void take_key(struct check *c, struct str key) {
    static const char *const kinds[] = {"platform", "edition", "urgency", "region",
                                        "section",  "zone",    "tag",     "test"};
    struct str rest = key;
    struct str tag;
    struct str kind;
    uint64_t block;
    if (!str_split(&rest, ':', &tag) || tag.n < 4 ||
        str_to_u64((struct str){tag.p + 2, tag.n - 3}, &block) || block >= BLOCKS_MAX) {
        return;
    }
    struct str name = rest;
    if (str_split(&rest, ':', &kind) &&
        name_find(kinds, sizeof(kinds) / sizeof(kinds[0]), kind) >= 0) {
        have_block(c, (uint32_t)block);
        args_put(&c->bitmaps[block], name);
    }
}

static void on_scanned(void *user, enum err err, const struct redisReply *reply) {
    struct check *c = user;
    const struct redisReply *keys = reply_at(reply, 1);
    c->under_way--;
    if (store_failed("device_check_scan", err, reply)) {
        c->err = err == ERR_CLOSED ? ERR_CLOSED : ERR_UNAVAILABLE;
    } else {
        for (size_t i = 0; i < reply_count(keys); i++) {
            take_key(c, reply_str_at(keys, i));
        }
        set_cursor(c, reply_str_at(reply, 0));
    }
    go_on(c);
}

static void on_blocks(void *user, enum err err, uint32_t blocks, uint64_t devices) {
    struct check *c = user;
    uint64_t step = INDEX_ENTRIES / (devices / INDEX_BUCKETS + 1);
    c->index_step = step < 1 ? 1 : step > INDEX_STEP_MAX ? INDEX_STEP_MAX : step;
    c->under_way--;
    if (err) {
        c->err = err;
    } else if (blocks) {
        have_block(c, blocks - 1);
    }
    go_on(c);
}

/* ---- questions ---- */

static void ask_scan(struct check *c) {
    const struct str argv[] = {STR("SCAN"),  str_of(c->cursor), STR("MATCH"), STR("{b*}:*"),
                               STR("COUNT"), STR("1000"),       STR("TYPE"),  STR("string")};
    store_command(c->store, argv, sizeof(argv) / sizeof(argv[0]), on_scanned, c);
}

static void ask_bucket(struct check *c, uint64_t place) {
    uint32_t block = (uint32_t)(place / BUCKETS);
    struct args args;
    args_init(&args);
    args_put_int(&args, c->repair);
    args_put_int(&args, block);
    args_put_int(&args, (int64_t)(place % BUCKETS));
    args_put_int(&args, clock_wall_ms());
    args_put_int(&args, PLATFORM_COUNT - PLATFORM_STREAM - 1);
    for (int p = PLATFORM_STREAM + 1; p < PLATFORM_COUNT; p++) {
        args_put_text(&args, platform_names[p]);
    }
    args_put_all(&args, &c->bitmaps[block]);
    store_script(c->store, SCRIPT_DEVICE_CHECK, args_words(&args), args.count, 0, on_answer, c);
    args_finish(&args);
}

static void ask_rest(struct check *c, uint64_t place) {
    static const char *const names[] = {[STEP_VALUES] = "values",
                                        [STEP_ID] = "id",
                                        [STEP_TOKEN] = "token",
                                        [STEP_FREE] = "free",
                                        [STEP_COUNT] = "count"};
    struct args args;
    args_init(&args);
    args_put_int(&args, c->repair);
    args_put_text(&args, names[c->step]);
    if (c->step == STEP_ID || c->step == STEP_TOKEN) {
        uint64_t last = (place + 1) * c->index_step - 1;
        args_put_int(&args, (int64_t)(place * c->index_step));
        args_put_int(&args, (int64_t)(last < INDEX_BUCKETS ? last : INDEX_BUCKETS - 1));
    } else if (c->step == STEP_FREE) {
        args_put_text(&args, c->cursor);
    } else if (c->step == STEP_COUNT) {
        args_put_int(&args, c->blocks);
    }
    store_script(c->store, SCRIPT_DEVICE_CHECK_REST, args_words(&args), args.count, 0, on_answer,
                 c);
    args_finish(&args);
}

static void ask(struct check *c, uint64_t place) {
    c->under_way++;
    if (c->step == STEP_SCAN) {
        ask_scan(c);
    } else if (c->step == STEP_BLOCKS) {
        ask_bucket(c, place);
    } else {
        ask_rest(c, place);
    }
}

/* ---- steps ---- */

static void begin_step(struct check *c, enum step step) {
    c->step = step;
    c->next = 0;
    c->end = step != STEP_END;
    if (step == STEP_BLOCKS) {
        c->end = (uint64_t)c->blocks * BUCKETS;
    } else if (step == STEP_ID || step == STEP_TOKEN) {
        c->end = (INDEX_BUCKETS + c->index_step - 1) / c->index_step;
    }
    c->cursor[0] = '0';
    c->cursor[1] = '\0';
}

static void go_on(struct check *c) {
    while (!c->err && c->next == c->end && c->under_way == 0 && c->step != STEP_END) {
        begin_step(c, c->step + 1);
    }
    while (!c->err && c->next < c->end && c->under_way < WINDOW) {
        ask(c, c->next++);
    }
    if (c->under_way == 0) {
        finish(c);
    }
}

void device_store_check(struct store *store, bool repair, device_fault_fn *on_fault,
                        device_check_fn *done, void *user) {
    struct check *c = mem_zalloc(1, sizeof(*c));
    *c = (struct check){.store = store, .repair = repair, .on_fault = on_fault, .done = done};
    c->user = user;
    begin_step(c, STEP_VALUES);
    c->under_way = 1;
    device_store_blocks(store, on_blocks, c);
}

#include "store/reader_board.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/script.h"

/* The first line of what is told is the number of all readers. */
enum { FILTER_BYTES_MAX = 8192, TEXT_BYTES_MAX = READERS_FILTERS_MAX * FILTER_BYTES_MAX };

void reader_summary_init(struct reader_summary *s) {
    *s = (struct reader_summary){0};
    buf_init(&s->text, TEXT_BYTES_MAX);
}

void reader_summary_finish(struct reader_summary *s) {
    buf_finish(&s->text);
}

void reader_summary_add(struct reader_summary *s, const struct taxonomy *t,
                        const struct filter *filter, uint64_t readers) {
    struct buf json;
    s->readers += readers;
    if (s->filters == READERS_FILTERS_MAX) {
        return;
    }
    buf_init(&json, FILTER_BYTES_MAX);
    filter_put_json(filter, t, &json);
    if (buf_check(&json) == ERR_OK) {
        buf_printf(&s->text, "\n%" PRIu64 " ", readers);
        buf_put_str(&s->text, buf_str(&json));
        s->filters++;
    }
    buf_finish(&json);
}

static void on_told(void *user, enum err err, const struct redisReply *reply) {
    (void)user;
    (void)store_failed("readers_tell", err, reply);
}

void reader_board_tell(struct store *store, struct str worker, const struct reader_summary *s) {
    struct args args;
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX + 32);
    buf_printf(&text, "%" PRIu64, s->readers);
    buf_put_str(&text, buf_str(&s->text));
    args_init(&args);
    args_put_text(&args, KEY_READERS);
    args_put_text(&args, KEY_READER_TIMES);
    args_put(&args, worker);
    args_put_int(&args, READERS_KEEP_MS);
    args_put(&args, buf_str(&text));
    store_script(store, SCRIPT_READERS_TELL, args_words(&args), args.count, 2, on_told, NULL);
    args_finish(&args);
    buf_finish(&text);
}

/* ---- counting ---- */

struct count {
    const struct taxonomy *t;
    const struct alert *alert;
    uint64_t editions;
    struct reader_counts counts;
    reader_board_fn *done;
    void *user;
};

/* Adds the readers of one "count filter" line; returns them. */
static uint64_t count_line(struct count *count, struct str line) {
    struct str number;
    struct filter filter;
    uint64_t readers = 0;
    if (!str_split(&line, ' ', &number) || str_to_u64(number, &readers)) {
        return 0;
    }
    /* A filter that names what this newsroom does not know: whether it matches cannot be said. */
    if (filter_parse_json(count->t, line, "", &filter, NULL)) {
        return 0;
    }
    if (filter_matches(&filter, count->alert, count->editions)) {
        count->counts.matching += readers;
    }
    filter_finish(&filter);
    return readers;
}

static void count_worker(struct count *count, struct str text) {
    struct str line;
    uint64_t online = 0;
    uint64_t listed = 0;
    if (!str_split(&text, '\n', &line) || str_to_u64(line, &online)) {
        return;
    }
    while (str_split(&text, '\n', &line)) {
        listed += count_line(count, line);
    }
    count->counts.online += online;
    count->counts.unlisted += online > listed ? online - listed : 0;
}

static void on_found(void *user, enum err err, const struct redisReply *reply) {
    struct count *count = user;
    if (store_failed("readers_count", err, reply)) {
        err = err == ERR_CLOSED ? ERR_CLOSED : ERR_UNAVAILABLE;
    }
    for (size_t i = 0; i < reply_count(reply); i++) {
        count_worker(count, reply_str_at(reply, i));
    }
    count->done(count->user, err, err ? NULL : &count->counts);
    free(count);
}

void reader_board_count(struct store *store, const struct taxonomy *t, const struct alert *alert,
                        reader_board_fn *done, void *user) {
    struct count *count = mem_zalloc(1, sizeof(*count));
    const struct str keys[] = {STR(KEY_READERS), STR(KEY_READER_TIMES)};
    *count = (struct count){.t = t, .alert = alert, .done = done, .user = user};
    count->editions = alert_editions(alert, t);
    store_script(store, SCRIPT_READERS_COUNT, keys, 2, 2, on_found, count);
}

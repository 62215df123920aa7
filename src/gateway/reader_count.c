#include "gateway/reader_count.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "store/reader_board.h"

struct reader_count {
    struct store *store;
    const struct hub *hub;
    char *name; /* of this worker, made up: a pid says nothing on another machine */
    struct reader_summary told;
    int64_t looked_ms;
    int64_t told_ms;
};

struct reader_count *reader_count_create(struct store *store, const struct hub *hub) {
    struct reader_count *c = mem_zalloc(1, sizeof(*c));
    c->store = store;
    c->hub = hub;
    c->name = codec_random_name();
    reader_summary_init(&c->told);
    return c;
}

void reader_count_destroy(struct reader_count *c) {
    if (!c) {
        return;
    }
    reader_summary_finish(&c->told);
    free(c->name);
    free(c);
}

static void summarise(const struct hub *hub, struct reader_summary *s) {
    reader_summary_init(s);
    LIST_EACH(link, &hub->cohorts.all) {
        const struct cohort *cohort = LIST_ENTRY(link, struct cohort, all);
        reader_summary_add(s, hub->taxonomy, &cohort->filter, cohort->members);
    }
}

void reader_count_tick(struct reader_count *c, int64_t now_ms) {
    struct reader_summary now;
    if (now_ms - c->looked_ms < READERS_TELL_MS || !store_is_up(c->store)) {
        return;
    }
    c->looked_ms = now_ms;
    summarise(c->hub, &now);
    bool is_new =
        now.readers != c->told.readers || !str_eq(buf_str(&now.text), buf_str(&c->told.text));
    /* Half the time to keep it, so that one that is lost on the way does no harm. */
    if (is_new || now_ms - c->told_ms >= READERS_KEEP_MS / 2) {
        reader_board_tell(c->store, str_of(c->name), &now);
        c->told_ms = now_ms;
    }
    reader_summary_finish(&c->told);
    c->told = now;
}

#include "app/sse_feed.h"

void sse_feed_init(struct sse_feed *f, sse_event_fn *on_event, void *user) {
    *f = (struct sse_feed){.on_event = on_event, .user = user};
    buf_init(&f->line, SSE_LINE_MAX);
    buf_init(&f->event, SSE_LINE_MAX);
    buf_init(&f->id, SSE_LINE_MAX);
    buf_init(&f->data, SSE_LINE_MAX);
}

void sse_feed_finish(struct sse_feed *f) {
    buf_finish(&f->line);
    buf_finish(&f->event);
    buf_finish(&f->id);
    buf_finish(&f->data);
    f->has_data = false;
}

static void dispatch(struct sse_feed *f) {
    if (f->has_data) {
        f->on_event(f->user, buf_str(&f->event), buf_str(&f->id), buf_str(&f->data));
    }
    buf_clear(&f->event);
    buf_clear(&f->id);
    buf_clear(&f->data);
    f->has_data = false;
}

static void take_line(struct sse_feed *f, struct str line) {
    if (line.n && line.p[line.n - 1] == '\r') {
        line.n--;
    }
    if (!line.n) {
        dispatch(f);
        return;
    }
    struct str value = line;
    struct str name;
    (void)str_split(&value, ':', &name);
    if (value.n && value.p[0] == ' ') {
        value.p++;
        value.n--;
    }
    if (str_eq(name, STR("data"))) {
        if (f->has_data) {
            buf_putc(&f->data, '\n');
        }
        buf_put_str(&f->data, value);
        f->has_data = true;
    } else if (str_eq(name, STR("event"))) {
        buf_clear(&f->event);
        buf_put_str(&f->event, value);
    } else if (str_eq(name, STR("id"))) {
        buf_clear(&f->id);
        buf_put_str(&f->id, value);
    }
}

bool sse_feed_take(struct sse_feed *f, struct str bytes) {
    struct str part;
    bool more = str_split(&bytes, '\n', &part);
    while (more) {
        buf_put_str(&f->line, part);
        more = str_split(&bytes, '\n', &part);
        if (f->line.overflow || f->data.overflow) {
            return false;
        }
        if (more) {
            take_line(f, buf_str(&f->line));
            buf_clear(&f->line);
        }
    }
    return !f->data.overflow;
}

#pragma once
/* Takes a server-sent event stream apart (WHATWG HTML, section 9.2.6; lines end in LF or CR LF, as
 * ours do, not in CR alone). Bytes may come in any pieces. */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum { SSE_LINE_MAX = 1 << 20 };

/* One event that has data; `event` and `id` are empty when absent. Valid during the call. */
typedef void sse_event_fn(void *user, struct str event, struct str id, struct str data);

struct sse_feed {
    struct buf line, event, id, data;
    bool has_data; /* a data line came, be it empty */
    sse_event_fn *on_event;
    void *user;
};

void sse_feed_init(struct sse_feed *f, sse_event_fn *on_event, void *user);
/* Forgets what is half there; the feed can be used again for a new stream. */
void sse_feed_finish(struct sse_feed *f);
/* False when a line or the data of an event is longer than SSE_LINE_MAX: the stream is of no use
 * any more. */
bool sse_feed_take(struct sse_feed *f, struct str bytes);

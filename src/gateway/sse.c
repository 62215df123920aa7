#include "gateway/sse.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway/http_reply.h"
#include "gateway/params.h"
#include "gateway/reader.h"

/* EventSource's own default is a few seconds and differs by browser; this makes it known. */
static const char retry_line[] = "retry: 2000\n\n";

struct sse_reader {
    struct reader reader;    /* first: a reader of the SSE transport is an sse_reader */
    struct http_request *rq; /* NULL once the response is over */
    size_t queue_bytes;
};

static struct sse_reader *sse_of(const struct reader *r) {
    return (struct sse_reader *)r;
}

/* One write per drained queue: a write may be larger than what is left of it, so room means
 * nothing waits. */
static bool sse_can_write(const struct reader *r) {
    const struct sse_reader *s = sse_of(r);
    return s->rq && http_stream_queued(s->rq) < s->queue_bytes / 2;
}

static enum err sse_write(struct reader *r, struct str bytes) {
    struct sse_reader *s = sse_of(r);
    /* The queue holds half of its bytes at most, see above; a single large frame may go over. */
    size_t most = s->queue_bytes + bytes.n;
    return s->rq ? http_stream_write(s->rq, bytes, most) : ERR_CLOSED;
}

static void sse_want_writable(struct reader *r) {
    (void)r; /* on_drained comes by itself */
}

static void sse_kill(struct reader *r) {
    struct sse_reader *s = sse_of(r);
    struct http_request *rq = s->rq;
    s->rq = NULL;
    if (rq) {
        http_stream_end(rq);
    }
    reader_leave(r);
}

static void sse_end(struct reader *r, struct str bytes) {
    (void)sse_write(r, bytes);
    sse_kill(r);
}

static void sse_release(struct reader *r) {
    free(sse_of(r));
}

static const struct transport sse_transport = {
    .kind = FRAME_SSE,
    .can_write = sse_can_write,
    .write = sse_write,
    .want_writable = sse_want_writable,
    .end = sse_end,
    .kill = sse_kill,
    .release = sse_release,
};

static void on_drained(void *user) {
    struct sse_reader *s = user;
    if (s->rq && (s->reader.state == READER_CHOKED || s->reader.owed)) {
        reader_on_writable(&s->reader);
    }
}

static void on_gone(void *user) {
    struct sse_reader *s = user;
    s->rq = NULL;
    reader_leave(&s->reader);
}

static void begin(const struct sse_options *options, struct http_request *rq,
                  const struct params *params, int64_t expires_ms) {
    struct sse_reader *s = mem_zalloc(1, sizeof(*s));
    s->rq = rq;
    s->queue_bytes = options->queue_bytes;
    http_add_header(rq, "Cache-Control", "no-cache");
    http_add_header(rq, "X-Accel-Buffering", "no"); /* nginx would hold events back */
    reader_init(&s->reader, options->hub, &sse_transport);
    http_stream_begin(rq, "text/event-stream", on_drained, on_gone, s);
    if (sse_write(&s->reader, str_of(retry_line)) != ERR_OK) {
        sse_kill(&s->reader);
        return;
    }
    if (expires_ms) {
        reader_set_expiry(&s->reader, expires_ms - clock_wall_ms());
    }
    if (options->hub->draining) {
        /* A browser's EventSource gives up for ever on any status but 200; after a stream that
         * ends it comes back. */
        reader_end(&s->reader, &(struct goodbye){.code = CLOSE_DRAINING});
        return;
    }
    reader_hello(&s->reader, &params->filter, &params->resume);
}

void sse_open(const struct sse_options *options, struct http_request *rq) {
    struct hub *h = options->hub;
    if (h->counts[FRAME_SSE] >= options->readers_max) {
        http_reply_busy(rq, "too many event streams are open");
        return;
    }
    struct params params;
    params_init(&params, h->taxonomy, PARAM_POSITION | PARAM_TOKEN);
    http_reply_params(rq, &params);
    struct str last_id = http_header(rq, "Last-Event-ID");
    if (last_id.n > 0) {
        params.resume = resume_parse(last_id);
    }
    int64_t expires_ms;
    if (admission_http(&h->options.admission, rq, &params, &expires_ms)) {
        begin(options, rq, &params, expires_ms);
    }
    params_finish(&params);
}

#pragma once
/* Memory for the nghttp2 sessions of one pool: what a stream gives back is kept for the next one.
 * A request costs nghttp2 half a dozen small blocks, which with thousands in flight are no longer
 * what malloc's own caches hold. */
#include <stddef.h>

#include <nghttp2/nghttp2.h>

enum {
    HTTP2_MEMORY_STEP = 64,
    HTTP2_MEMORY_CLASSES = 16, /* blocks up to 1 KiB are kept */
    HTTP2_MEMORY_KEPT_MAX = 8 << 20
};

struct http2_memory {
    nghttp2_mem functions; /* for nghttp2_session_client_new3 */
    void *spare[HTTP2_MEMORY_CLASSES];
    size_t spare_bytes;
};

/* `m` stays where it is. */
void http2_memory_init(struct http2_memory *m);
/* After the last session's end. */
void http2_memory_finish(struct http2_memory *m);

#pragma once
/* HTTP/2 of one connection: nghttp2 below, streams above, and the frames a provider sends on its
 * own: SETTINGS, GOAWAY, WINDOW_UPDATE. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conn.h"

enum {
    H2_FRAME_BYTES_MAX = 17 << 10, /* a frame of 16384 bytes with head and padding */
    APNS_FIRST_STREAMS = 1,        /* until a valid token was seen */
    APNS_STREAMS = 1000,
    FCM_STREAMS = 100,
};

/* As in faults_table.h, "goaway". */
enum goaway_mode { GOAWAY_GRACEFUL, GOAWAY_MIDDLE, GOAWAY_ZERO, GOAWAY_SILENT, GOAWAY_KEEP };

/* Once per process, before the first connection. */
void h2_setup(void);
void h2_cleanup(void);
/* Makes the session and queues the first SETTINGS. */
void h2_start(struct conn *c);
/* Frees session and streams. Harmless when there are none. */
void h2_finish(struct conn *c);
/* False when the client broke the protocol so that nothing more can be read. */
bool h2_receive(struct conn *c, const char *bytes, size_t size);
/* Writes the next frame to `out` (H2_FRAME_BYTES_MAX); 0 when there is none. */
size_t h2_next_frame(struct conn *c, char *out);
/* Nothing more to read or write after a GOAWAY. */
bool h2_is_over(const struct conn *c);
/* Announces a new limit of concurrent streams. */
void h2_set_streams(struct conn *c, uint32_t limit);
/* GOAWAY in one of the ways of the fault; `debug` is its debug data. */
void h2_goaway(struct conn *c, enum goaway_mode mode, uint32_t code, const char *debug);
/* The debug data of a planned stop: JSON from APNs, words from FCM. */
const char *h2_stop_reason(const struct conn *c);
/* GOAWAY to connections of this listener that were idle for too long. */
void h2_sweep_idle(struct listener *l);

#pragma once
/* The contexts of libwebsockets behind a ws_edge: several, each for the descriptors below a bound
 * of its own.
 *
 * When libwebsockets 4.1 closes a socket without TLS, it walks its whole table of descriptors (as
 * long as the limit on open files when the context was made) and looks into every connection in it,
 * to be sure that none still has the number. With 18,000 readers that was 65 µs a close, more than
 * letting one in; with the limit of a stock Debian (524,288) it is several times as much, however
 * few they are. So each context gets a short table: a descriptor belongs to the lowest one whose
 * bound is above it, and a close walks a third more entries than the number of its descriptor, a
 * quarter of them taken. `tests/bench/storm` prints what is left as cpu_us_per_close. */
#include <stddef.h>

#include "base/err.h"

struct ws_contexts;
struct lws_context;
struct lws_context_creation_info;
struct lws_vhost;

/* Makes the contexts, each with one vhost as `info` says. Only the last one gets what `info` wants
 * of OpenSSL: each would load the system's certificates, for nothing. `descriptors_max`: what the
 * process needs at most, under 10 million (above, the library silently takes 2560); its soft limit
 * on open files is lowered to that, so that accept() and not the library refuses what is above.
 * ERR_IO: the library or the system refused; it may have left handles on the loop, so the process
 * can only end. */
MUST_CHECK enum err ws_contexts_create(const struct lws_context_creation_info *info,
                                       size_t descriptors_max, struct ws_contexts **out_set);

/* The vhost for a plain socket. Above all bounds it is the last one's, which refuses it. */
struct lws_vhost *ws_contexts_vhost(const struct ws_contexts *set, int fd);

/* The context that takes every descriptor: where sockets with TLS go, whose close walks nothing. */
struct lws_context *ws_contexts_whole(const struct ws_contexts *set);

/* First half of the end: closes the sockets and handles. The callbacks of the loop that follow must
 * have run before ws_contexts_destroy. */
void ws_contexts_close(struct ws_contexts *set);
/* Second half: frees. */
void ws_contexts_destroy(struct ws_contexts *set);

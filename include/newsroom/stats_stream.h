#pragma once
/* Statistics as they change, to whoever watches (Server-Sent Events). Streams of one alert share
 * one look at Redis, twice a second at most. A stream ends soon after its key is
 * revoked or its session is over. */
#include "newsroom/call.h"

struct stats_streams;

struct stats_streams *stats_streams_create(struct room *room);
/* Only after the ports and the store have ended what they had for it. Accepts NULL. */
void stats_streams_destroy(struct stats_streams *streams);
/* GET /v1/alerts/{id}/stats/stream?revision=n: events `stats` with the object of
 * /v1/alerts/{id}/stats, then `done` and the end. */
void stats_stream_get(struct room *room, struct http_request *rq);
/* Time passes; to be called several times a second. */
void stats_streams_tick(struct stats_streams *streams);
/* Ends all streams, the service stops; clients come back by themselves. */
void stats_streams_stop(struct stats_streams *streams);

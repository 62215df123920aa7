#pragma once
/* Follows one stream of server-sent events over libcurl, and comes back by itself when it breaks,
 * later each time and never all clients at once. Blocking: the commands have nothing else to do. */
#include <stdbool.h>
#include <stdint.h>

#include "app/sse_feed.h"
#include "base/buf.h"

struct sse_client {
    const char *command; /* for messages: "listen" */
    const char *url;
    const char *ca_file; /* whom to trust for https://, "" = the system's authorities */
    /* Headers of the next connection, a line each, ended by '\n'. False when there is no use in
     * connecting; it said why. */
    bool (*put_headers)(void *user, struct buf *lines);
    sse_event_fn *on_event;
    bool (*is_enough)(void *user); /* asked after each event */
    void *user;
    /* For on_event to set: */
    long bye_ms;         /* when to come back, as the server said; -1 = it did not */
    int64_t heartbeat_s; /* the server is silent no longer than this; 0 = not known */
    /* The rest is its own. */
    struct sse_feed feed;
    struct buf refusal; /* body of an answer that is not 200 */
    int64_t heard_ms;   /* monotonic: when the last byte came */
    long status;
    long wait_ms;
};

/* Until is_enough; an enum app_exit. 429, 5xx and whatever happens to connections is waited out;
 * any other refusal is printed and ends it. */
int sse_client_run(struct sse_client *c);

#pragma once
/* What every part of the simulator shares: one loop, three listeners, one ledger. */
#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>
#include <uv.h>

#include "base/list.h"
#include "base/map.h"
#include "credentials.h"
#include "faults.h"
#include "rng.h"
#include "stats.h"
#include "wheel.h"

struct stream;
struct sim;
struct ledger;
struct registry;
struct apns;
struct fcm;
struct oauth;

enum { ADDRESS_BYTES = 128 };

struct listener {
    struct sim *sim;
    enum provider provider;
    char host[ADDRESS_BYTES];
    int port;
    int fd; /* -1 while the fault "down" is on */
    uv_poll_t *poll;
    struct list conns; /* struct conn.link */
    struct rate_window connects;
    struct rate_window token_updates;
    struct fault faults[FAULT_COUNT];
    struct stats stats;
};

struct sim {
    uv_loop_t *loop;
    struct rng rng;
    struct wheel wheel;
    struct credentials credentials;
    SSL_CTX *tls[TLS_KIND_COUNT];
    int64_t clock_offset_ms; /* the mock clock against the machine's */
    uint64_t next_connection_id;
    struct listener listeners[PROVIDER_COUNT];
    struct list unflushed; /* struct conn.unflushed_link */
    uv_prepare_t flusher;
    uv_timer_t idle_sweep;
    struct map *authorizations; /* header text -> struct authorization, owned */
    struct ledger *ledger;
    struct registry *registry;
    struct apns *apns;
    struct fcm *fcm;
    struct oauth *oauth;
};

/* Milliseconds since the epoch as the simulated providers see it. */
int64_t sim_clock_ms(const struct sim *s);
/* Back to a fresh start, apart from open connections and credentials. */
void sim_reset(struct sim *s);

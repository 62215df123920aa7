#pragma once
/* Clients of the load generator: raw WebSocket, SSE and long-poll connections, plain or over TLS,
 * on one epoll, with an account for each of what it got. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <openssl/ssl.h>

#include "base/buf.h"

enum { PIDS_MAX = 16, HEADERS_MAX = 8, TAIL_BYTES = 16, EPOCH_MAX = 64 };

enum client_kind { KIND_WS, KIND_SSE, KIND_POLL };

struct client {
    int fd; /* 0 = not connected */
    bool open;
    bool paused;           /* does not read for a while (soak) */
    bool handshaking;      /* TLS */
    uint8_t kind;          /* enum client_kind */
    uint8_t tail_size;     /* of tail */
    uint32_t last;         /* newest message number */
    uint32_t received;     /* messages that came in their order, each counted once */
    char tail[TAIL_BYTES]; /* end of the last read: a marker may be cut in two */
    SSL *ssl;              /* owned; NULL without TLS */
    SSL_SESSION *session;  /* owned; newest ticket */
};

struct load {
    /* what to do */
    int port, post_port, clients, messages, gap_ms, expect, storm;
    int soak_s, soak_churn; /* seconds; acts of disorder per second */
    int others;             /* the last clients, which are on `others_path` */
    int deliveries;         /* of a message, over all processes; 0 = `expect` */
    bool idle, secure, listen;
    long pids[PIDS_MAX];
    int pid_count;
    int also[PIDS_MAX]; /* ports of other servers that get every message too */
    int also_count;
    const char *path, *others_path, *post_path, *template_file, *redis;
    const char *headers[HEADERS_MAX];
    int header_count;
    struct buf body; /* the template */
    /* what happens */
    SSL_CTX *tls; /* NULL without TLS */
    int epoll;
    int waiting_room; /* an epoll of sockets not connected yet, which would wake the real one */
    struct client *list;
    int opened, closed, resumed; /* upgraded; ended by the server; TLS sessions resumed */
    bool resume;                 /* connections opened from now on name their position */
    bool reopen;                 /* who is cut off by the server comes back (soak) */
    uint64_t duplicates, reordered;
    uint32_t current;       /* message being awaited */
    uint32_t current_count; /* clients that got it */
    int64_t posted_us, first_us, last_us;
    uint32_t *latency_us; /* of every delivery awaited, owned; NULL when nobody asks */
    size_t latency_count, latency_max;
    uint64_t bytes;           /* received */
    char epoch[EPOCH_MAX];    /* of the log; "" until the first client was welcomed */
    uint64_t position_before; /* where that client stood, before message 1 */
};

/* --- load_clients.c --- */

/* Makes the sockets without connecting them, so that what they cost can be told from what their
 * other ends cost. */
void clients_prepare(struct load *l);
/* Connects all clients and waits until each was upgraded; false when some were not. */
bool clients_open(struct load *l);
void clients_close(struct load *l);
/* One turn of the loop, waiting at most `wait_ms`. */
void clients_turn(struct load *l, int wait_ms);
/* A connection to the port from loopback source address number `source`. Ends the program on
 * failure. */
int clients_connect(int port, int source);
void client_open(struct load *l, struct client *c);
/* A reset, as after a lost network: no TIME_WAIT that would use up the ports. */
void client_close(struct client *c);
/* Reads, or does not. */
void client_watch(struct load *l, struct client *c, bool read);

/* --- load_wire.c: bytes, with or without TLS --- */

/* The context of all clients, which trusts any certificate and keeps tickets. */
SSL_CTX *wire_create_context(void);
/* The socket was connected: begins the handshake where there is one. */
void wire_begin(const struct load *l, struct client *c);
/* True once bytes may be sent; false when the handshake goes on, or failed (`*out_failed`). */
bool wire_is_ready(struct load *l, struct client *c, bool *out_failed);
/* Ends the program when not all bytes are taken. */
void wire_send(struct client *c, struct str bytes);
/* Bytes received; 0 = the end; -1 = nothing now. */
ssize_t wire_receive(struct client *c, void *out_bytes, size_t size);
void wire_finish(struct client *c);

/* --- load_soak.c --- */

/* Makes some of the clients SSE and long-poll clients; before clients_open. */
void soak_assign(struct load *l);
/* Disorder while alerts flow; prints its line. `files_before` is from before the first client. */
void soak_run(struct load *l, double files_before);

/* --- load_measure.c --- */

/* CPU time of the measured processes. */
struct cpu {
    double user_us, system_us;
    double run_us; /* the scheduler's exact time on the CPU, user and system together */
};
struct cpu cpu_now(const struct load *l);
/* Resident bytes of the measured processes. */
double rss_now(const struct load *l);
/* Open descriptors of the measured processes. */
double files_now(const struct load *l);
/* Bytes of kernel memory in slabs (sockets live there), of the whole machine. */
double slab_now(void);
/* Commands Redis has processed, by its own count, INFO apart; 0 without --redis. */
double redis_commands_now(const struct load *l);
/* Posts message `seq` on a connection of its own; returns the socket for post_check. */
int post_send(const struct load *l, int port, uint32_t seq);
/* Waits for the answer; anything but 2xx ends the program. */
void post_check(int take_fd);
/* Messages of `count` that no client got in their order, over all clients. */
int64_t lost_of(const struct load *l, uint64_t expected);

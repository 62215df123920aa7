#pragma once
/* What the files of the HTTP server share among themselves; nobody else includes this.
 *
 * http_server.c           the daemon of libmicrohttpd on the uv loop: pump, callbacks, life
 * http_server_conn.c      a connection: deadlines, watching for a leaving client, lingering close
 * http_server_router.c    target → segments, query; patterns; which methods a path has
 * http_server_tls.c       HTTPS: what GnuTLS is told, through the library
 * http_request.c          what a request is: checks of its head, body, the views of handlers
 * http_request_answer.c   answers now and later
 * http_request_stream.c   endless answers
 *
 * Life of a request: created when its request line is parsed (on_target), checked and routed when
 * its headers are there, handed to its handler when its body is; then answered in the same call,
 * or suspended (http_defer) until http_answer resumes it. libmicrohttpd's `completed` callback
 * ends it. While suspended the library neither reads the socket nor looks at it, so `conn.watch`
 * asks the kernel for the peer's FIN (EPOLLRDHUP) only: level triggered, but stopped at the first
 * report, so it cannot spin; unread input cannot wake us at all. */
#include <microhttpd.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/buf.h"
#include "base/list.h"
#include "net/address.h"
#include "net/http_server.h"

enum {
    HTTP_SEGMENTS_MAX = 8, /* path segments; no route has as many */
    HTTP_QUERY_MAX = 64,   /* query parameters */
    HTTP_FIELDS_MAX = 64,  /* header fields and cookies */
    HTTP_ADDED_MAX = 16,   /* headers a handler may add */
    HTTP_LINGER_MAX = 256, /* connections in lingering close at a time */
    HTTP_LINGER_MS = 2000, /* how long one lingers */
    HTTP_FLUSH_MS = 1000,  /* how long destroy waits for answers under way */
    HTTP_STALL_MS = 1000,  /* how long a chunk may take to begin while the library is stalled */
};

struct http_conn {
    struct list link;  /* http_server.conns */
    struct list timed; /* http_server.young or .timed, by deadline */
    struct http_server *server;
    struct MHD_Connection *mhd;
    struct http_request *rq;       /* under way, or NULL */
    int fd;                        /* libmicrohttpd's; not ours to close */
    uint64_t deadline_ms;          /* of the uv loop's clock */
    bool young;                    /* of a TLS server: has not sent a request line yet */
    struct tls_identity *identity; /* what its handshake shows; NULL without TLS */
    bool linger;                   /* input may be unread when it closes */
    bool watch_ready;              /* `watch` was initialised */
    uv_poll_t watch;
    struct sockaddr_storage addr;
    char peer[ADDRESS_TEXT_BYTES];
};

struct http_server {
    uv_loop_t *loop;
    struct MHD_Daemon *daemon;
    struct http_server_options options;
    struct http_route *routes; /* owned copy */
    size_t route_count;
    void *user;
    uv_poll_t poll;            /* libmicrohttpd's epoll descriptor */
    uv_idle_t run_idle;        /* the library wants to run at once */
    uv_timer_t run_timer;      /* or in a while: MHD_get_timeout */
    uv_timer_t deadline_timer; /* the earliest of `timed`; or the end of flushing */
    struct list conns;
    struct list timed; /* constant time-out, so appending keeps it sorted */
    struct list young; /* likewise, with handshake_timeout_s */
    struct list lingering;
    int linger_count;
    int open_handles;        /* uv handles not yet closed; the server is freed at 0 */
    unsigned busy_turns;     /* since the library last came to rest */
    uint64_t stall_check_ms; /* end_stalled looks again then */
    unsigned conn_count;
    unsigned young_count;
    unsigned request_count;
    unsigned stream_count;
    bool pumping; /* inside the library */
    bool woken;   /* something was resumed, which the library does not notice by itself */
    bool moved;   /* the library called us, or was woken, since it began to run */
    bool draining;
    bool winding_down; /* the next answer of each connection is its last */
    bool destroying;   /* flushing the last answers, or closing */
    bool closing;      /* handles are being closed */
    void (*on_gone)(void *user);
    void *gone_user;
};

/* One segment of a path: "alerts:preview" has base "alerts" and verb "preview" (p NULL: none).
 * Decoded; views into http_request.text. */
struct http_segment {
    struct str base;
    struct str verb;
};

struct http_param {
    struct str name;
    struct str value;
};

enum http_phase {
    HTTP_READING,   /* head or body */
    HTTP_HANDLING,  /* with its handler; `suspended` unless inside the handler's call */
    HTTP_STREAMING, /* http_stream_begin; `suspended` while there is nothing to send */
    HTTP_ANSWERED,  /* the answer is with the library; also a stream that was ended */
    HTTP_DEAD,      /* the client left; waits for the library to notice */
};

enum http_head {
    HTTP_HEAD_NEW,   /* just received */
    HTTP_HEAD_ASKED, /* the route's on_head has it */
    HTTP_HEAD_DONE,  /* on with the body */
};

struct http_request {
    struct http_server *server; /* NULL once the server is gone */
    struct http_conn *conn;     /* NULL once the connection is gone */
    enum http_phase phase;
    enum http_head head;
    bool has_body;
    bool length_known;
    uint64_t body_length;
    uint64_t body_moved_ms; /* when the last piece of it came */
    bool is_head;
    bool cors;       /* readable from the allowed origins */
    bool in_handler; /* inside the handler or the content reader: no resume needed */
    bool deferred;
    bool suspended;
    int fault_status; /* answer this instead of calling a handler; 0 = none */
    const char *fault_detail;
    struct buf allow; /* value of Allow for 405 and OPTIONS */
    const struct http_route *route;
    char *method;
    char *target; /* as received, cut at '?' */
    struct buf text;
    struct http_segment segments[HTTP_SEGMENTS_MAX];
    int segment_count;
    struct http_param query[HTTP_QUERY_MAX];
    int query_count;
    struct str params[HTTP_PARAMS_MAX];
    struct buf body;
    void *kept;                              /* http_keep */
    struct http_param added[HTTP_ADDED_MAX]; /* owned, NUL-terminated */
    int added_count;
    /* waiting or streaming */
    void (*on_gone)(void *user);
    void (*on_drained)(void *user);
    void *gone_user;
    struct buf queue;
    bool undrained; /* bytes were given since on_drained was last called */
};

/* --- http_server.c --- */
/* Runs the library soon. */
void http_server_wake(struct http_server *server);
/* Ends the flushing of a server being destroyed when nothing is left to flush. */
void http_server_check_flushed(struct http_server *server);
/* A uv handle of the server was closed. */
void http_server_handle_closed(struct http_server *server);

/* --- http_server_conn.c --- */
struct http_conn *http_conn_create(struct http_server *server, struct MHD_Connection *mhd);
/* The library is about to close the socket. */
void http_conn_destroy(struct http_conn *conn);
/* The request line is there: the connection is young no more. */
void http_conn_grown(struct http_conn *conn);
/* The connection must make progress within request_timeout_s from now. */
void http_conn_set_deadline(struct http_conn *conn);
void http_conn_clear_deadline(struct http_conn *conn);
/* Reports to http_request_gone when the client leaves. */
void http_conn_watch(struct http_conn *conn);
void http_conn_unwatch(struct http_conn *conn);
/* Makes the library see an error on the socket and close it. */
void http_conn_kill(struct http_conn *conn);
void http_server_on_deadline(uv_timer_t *timer);
void http_server_end_lingering(struct http_server *server);
/* Kills the connections that may be why the library is stalled: in a chunked body of which nothing
 * came for HTTP_STALL_MS. */
void http_server_end_stalled(struct http_server *server);

/* --- http_server_tls.c --- */
/* The daemon's options for HTTPS, ended by MHD_OPTION_END; only that for a plain server. */
enum { HTTP_TLS_OPTIONS = 3 };
void http_tls_fill_options(const struct http_server *server,
                           struct MHD_OptionItem out_options[HTTP_TLS_OPTIONS]);
/* Before the handshake of a new connection. */
void http_tls_begin(struct http_conn *conn);

/* --- http_server_router.c --- */
/* Splits and decodes target into segments and query; sets fault_status on bad encoding. */
void http_router_parse(struct http_request *rq, const char *target);
/* Sets route and params, or fault_status (404, 405, and 204 for an OPTIONS it answers). */
void http_router_find(struct http_request *rq);

/* --- http_request.c --- */
struct http_request *http_request_create(struct http_conn *conn, const char *target);
/* The library is done with it; frees it unless its handler still waits to answer. */
void http_request_completed(struct http_request *rq);
/* Headers are complete. Comes again when a request is resumed that waited in on_head. */
enum MHD_Result http_request_on_head(struct http_request *rq, const char *method,
                                     const char *version);
enum MHD_Result http_request_on_body(struct http_request *rq, const char *bytes, size_t *size);
/* Everything is there. Comes again when a request is resumed that never got its answer. */
enum MHD_Result http_request_on_complete(struct http_request *rq);
/* The client left, or the server ends, while a handler or a stream was under way. */
void http_request_gone(struct http_request *rq);
void http_request_free(struct http_request *rq);

/* --- http_request_answer.c --- */
/* Hands a response to the library with the headers of every answer, and drops our reference. */
void http_request_send(struct http_request *rq, int status, struct MHD_Response *take_response);
/* Value of Access-Control-Allow-Origin, or NULL. */
const char *http_request_cors_value(const struct http_request *rq);
/* Answers fault_status. */
void http_request_send_fault(struct http_request *rq);
/* Lets a suspended request go on. */
void http_request_resume(struct http_request *rq);

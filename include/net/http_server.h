#pragma once
/* HTTP/1.1 over libmicrohttpd on the libuv loop: routes, capped bodies, answers now or later,
 * endless responses for SSE. libmicrohttpd stays behind src/net. Sockets come from
 * http_server_adopt (our own accept loop). */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <uv.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "model/problem.h"
#include "net/origins.h"
#include "net/tls_server.h"

struct http_server;
struct http_request;

enum { HTTP_PARAMS_MAX = 4 };

/* Called with the complete body. Must answer, now or later, exactly once: http_answer*,
 * http_problem or http_stream_begin. */
typedef void http_handler_fn(void *user, struct http_request *rq);

/* "/v1/alerts/{id}/stats": each {…} matches one non-empty path segment (the colon forms
 * "/v1/alerts:preview" and "/v1/alerts/{id}:abort" work too; so a {…} never matches a bare ':').
 * A path known under another method answers 405 with Allow; HEAD is GET without body; OPTIONS
 * answers the CORS preflight when the route allows CORS. A page of an origin that is not allowed
 * gets 403 from such a route. Bad percent escapes, %00 and bytes that
 * are not UTF-8 are answered 400 before any handler. */
struct http_route {
    const char *method;
    const char *pattern; /* valid as long as the server */
    http_handler_fn *handler;
    int64_t body_max_bytes; /* 0 = no body wanted (413 when one comes) */
    bool cors;              /* pages of the allowed origins may read it (nothing here goes by
                               cookies, so a page gets only what it brings the secret for) */
    /* May be NULL. Called when the head is complete, before the size of the body is judged or any
     * of it is read; must answer, or call http_continue, now or later (http_defer). Such an early
     * answer closes the connection. */
    http_handler_fn *on_head;
};

struct http_server_options {
    int64_t header_max_bytes;  /* request line and headers (431 above) */
    int64_t request_timeout_s; /* whole request incl. body; the taking of an answer; also idle
                                  keep-alive. Waiting handlers and streams have no limit here */
    unsigned connections_max;
    const struct origins *origins; /* borrowed; NULL = any */
    struct tls_server *tls;        /* HTTPS with its identity, borrowed; NULL = plain */
    int64_t handshake_timeout_s;   /* with `tls`: for the handshake and the first request line */
    unsigned handshakes_max;       /* connections that have not come so far; one more and the oldest
                                      is closed */
    /* Says that an adopted connection has ended (for listener_closed); may be NULL. Not called
     * any more once the server is being destroyed. */
    void (*on_closed)(void *closed_user, const struct sockaddr_storage *peer);
    void *closed_user;
};

MUST_CHECK enum err http_server_create(uv_loop_t *loop, const struct http_server_options *options,
                                       const struct http_route *routes, size_t route_count,
                                       void *user, struct http_server **out_server);
/* Calls on_gone of every waiting request and stream at once, lets answers already given and
 * streams already ended reach their clients for up to a second, then ends all connections, frees
 * and calls `on_gone` (may be NULL). No handler is called any more. */
void http_server_destroy(struct http_server *server, void (*on_gone)(void *user), void *user);
/* Takes an accepted, non-blocking socket, nothing read from it yet. Closes it on failure
 * (ERR_FULL at connections_max); on_closed is not called then. */
MUST_CHECK enum err http_server_adopt(struct http_server *server, int take_fd,
                                      const struct sockaddr *peer, socklen_t peer_size);
/* Answers 503 with Connection: close to new requests from now on (drain). */
void http_server_drain(struct http_server *server);
/* Serves on, but from now on each connection ends after its answer (Connection: close). */
void http_server_wind_down(struct http_server *server);
unsigned http_server_connection_count(const struct http_server *server);
/* Requests under way, streams included; an answer counts until the client has it. */
unsigned http_server_request_count(const struct http_server *server);

/* --- the request; views are valid until it is answered --- */
struct str http_method(const struct http_request *rq);
struct str http_path(const struct http_request *rq);
/* Path segment i of the pattern's {…}, percent-decoded. */
struct str http_path_param(const struct http_request *rq, int i);
/* Header by name without case; p == NULL when absent. */
struct str http_header(const struct http_request *rq, const char *name);
/* Query parameter, percent-decoded; p == NULL when absent, n == 0 when empty. */
struct str http_query(const struct http_request *rq, const char *name);
/* Each query parameter in order. */
void http_query_each(const struct http_request *rq,
                     void (*each)(void *user, struct str name, struct str value), void *user);
struct str http_body(const struct http_request *rq);
/* True when it came over TLS of our own. */
bool http_is_tls(const struct http_request *rq);
/* "203.0.113.7" or "2001:db8::1". */
const char *http_peer(const struct http_request *rq);

/* --- the answer --- */
/* Adds a header to the coming answer. Values are copied. */
void http_add_header(struct http_request *rq, const char *name, const char *value);
/* `body` is copied. */
void http_answer(struct http_request *rq, int status, const char *content_type, struct str body);
/* problem+json; `title` NULL = the phrase of the status; `p` NULL or empty = just status, title
 * and detail, else `detail` is left to the faults. */
void http_problem(struct http_request *rq, int status, const char *title, const char *detail,
                  const struct problem *p);
/* A handler that answers later (after Redis) calls this before it returns. `on_gone` is called
 * instead if the client leaves or the server ends first: then the request must not be touched
 * again. Without it (NULL) the request stays valid until it is answered whatever happens, and an
 * answer after the client or the server left is dropped silently; its views other than http_body
 * and http_path may then be empty. A client that shuts down its sending side counts as gone: TCP
 * cannot tell it from one that closed. The library does not look at a waiting connection, so we
 * watch for the FIN ourselves. */
void http_defer(struct http_request *rq, void (*on_gone)(void *user), void *user);

/* From on_head, or after it deferred: read the body, then call the handler. The request must not
 * be touched again until then. */
void http_continue(struct http_request *rq);
/* Keeps malloc'ed data with the request, from on_head for the handler; freed with free() when the
 * request ends or other data takes its place. */
void http_keep(struct http_request *rq, void *take_data);
/* What http_keep kept, or NULL. */
void *http_kept(const struct http_request *rq);

/* --- endless responses (SSE) --- */
/* Sends status 200 and headers, then what http_stream_write gives, until http_stream_end or the
 * client leaves (on_gone, required; noticed by its FIN or by a failing write) or the server ends:
 * after on_gone the request must not be touched. `on_drained` (may be NULL) says that everything
 * written so far was taken by the socket layer; it may write again and may end the stream.
 * Instead of an answer, from the handler or after http_defer. */
void http_stream_begin(struct http_request *rq, const char *content_type,
                       void (*on_drained)(void *user), void (*on_gone)(void *user), void *user);
/* Queues bytes; at most `max_queued` unsent bytes are kept: ERR_FULL leaves the queue unchanged
 * and the caller decides (wait for on_drained, or end it). */
MUST_CHECK enum err http_stream_write(struct http_request *rq, struct str bytes, size_t max_queued);
size_t http_stream_queued(const struct http_request *rq);
/* Ends the response after what is queued. on_gone is not called; the request must not be touched
 * again. */
void http_stream_end(struct http_request *rq);

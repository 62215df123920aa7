#pragma once
/* One HTTP request of the command line to the service, over libcurl. Blocking: the commands have
 * nothing else to do. */
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { HTTP_CALL_BODY_MAX = 4 << 20, HTTP_CALL_TIMEOUT_S = 30, HTTP_CALL_TRIES = 5 };

struct http_call {
    const char *url;
    const char *ca_file;         /* whom to trust for https://, "" = the system's authorities */
    const char *key;             /* bearer, NULL = none */
    const char *idempotency_key; /* NULL = none */
    bool allow_duplicate;        /* send what was sent a short while ago */
    bool is_idempotent;          /* a POST that may be repeated as it is */
    struct str body;             /* p == NULL: GET, else POST of JSON */
};

struct http_reply {
    long status;
    struct buf body;
    char error[256]; /* why there is no status */
};

/* Makes the call; 429, 503 and connections that fail are tried again HTTP_CALL_TRIES times in all,
 * after Retry-After (up to half a minute) or doubling waits, when the call can be repeated (a GET,
 * or said to be idempotent, or with an Idempotency-Key); not those that fail for want of trust, nor
 * a key that is stopped (breaker_open).
 * `key` and `idempotency_key` must be visible ASCII. ERR_UNAVAILABLE when there was no answer; then
 * `error` says why. http_reply_finish in any case.
 */
MUST_CHECK enum err http_call(const struct http_call *call, struct http_reply *out_reply);
void http_reply_finish(struct http_reply *reply);
/* Prints an answer that is not 2xx to standard error: the problem and each of its faults. */
void http_reply_complain(const char *command, const char *url, const struct http_reply *reply);
/* Base URL of a listener: `given` (--url), else TOCSIN_URL, else http:// and `listen`, or https://
 * and `tls_listen` when that is empty (a wildcard address becomes 127.0.0.1); without a slash at
 * the end, followed by `path`. Owned by the caller. */
char *http_call_url(const char *given, const char *listen, const char *tls_listen,
                    const char *path);
/* Sets on a CURL handle what all calls have in common: protocols, whom to trust. */
void http_call_setup(void *curl, const char *ca_file);
/* The API key of --key-file (`file`) or TOCSIN_KEY, owned by the caller; NULL after saying that
 * there is none or that it cannot be one. */
char *http_call_key(const char *command, const char *file);
/* Appends a path or query part, percent-encoded. */
void http_call_put_escaped(struct buf *b, const char *text);
/* Reads a whole file, "-" = standard input. ERR_IO with errno set, ERR_TOO_LARGE. */
MUST_CHECK enum err http_call_read_file(const char *path, struct buf *b);

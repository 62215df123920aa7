#pragma once
/* The web origins (RFC 6454) whose pages may use the public listener. Browsers name the page's
 * origin; apps name none and always pass: this keeps other people's pages out, nobody else. */
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

struct origins;

enum { ORIGIN_BYTES_MAX = 300 }; /* https://, a DNS name of 253 bytes, a port */

/* From gateway.allowed_origins, "https://www.example.com, https://example.com:8443"; empty = any
 * origin. ERR_INVALID names each item that is no origin as a line of `problems`. */
MUST_CHECK enum err origins_create(struct str list, struct origins **out_origins,
                                   struct buf *problems);
/* Accepts NULL. */
void origins_destroy(struct origins *o);
/* False when any origin may come, as for NULL. */
bool origins_are_limited(const struct origins *o);
/* `origin` is the value of the request's Origin header; p == NULL (none was sent) passes. */
bool origins_allow(const struct origins *o, struct str origin);

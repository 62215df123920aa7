#pragma once
/* The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): what a proxy says about
 * its client before the client's own bytes. Pure. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/str.h"

/* The whole header with its extensions; the specification guarantees 536 bytes to fit, ours may
 * have more (certificate names). */
enum { PROXY_HEADER_BYTES_MAX = 4096 };

enum proxy_header_result {
    PROXY_HEADER_MORE, /* a beginning, so far good */
    PROXY_HEADER_NONE, /* these bytes begin something else */
    PROXY_HEADER_BAD,  /* a header that breaks its rules, or is larger than we take */
    PROXY_HEADER_DONE,
};

struct proxy_header {
    size_t size;      /* bytes of the header */
    bool has_address; /* false: the proxy speaks for itself (LOCAL), or of no IP address */
    struct sockaddr_storage source;
    socklen_t source_size;
};

/* Looks at the first bytes of a connection. `*out_header` is written with DONE only. */
enum proxy_header_result proxy_header_parse(struct str bytes, struct proxy_header *out_header);

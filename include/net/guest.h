#pragma once
/* A socket just accepted: its first bytes say who it is, and in which line it wants to stand. */
#include <stdbool.h>
#include <sys/socket.h>

#include "base/str.h"
#include "net/address_set.h"
#include "net/peer_count.h"

enum { GUEST_BUFFER_BYTES = 16384 };

struct guest {
    struct peer_count *counts;
    const struct address_set *trusted; /* may be NULL */
    struct str whole_head; /* of a line that begins so the whole head is waited for; may be empty */
    int fd;
    int seen_bytes;               /* of what guest_look waits for, not yet taken */
    bool awaits_proxy;            /* a PROXY header must come first */
    struct sockaddr_storage peer; /* the best we know; counted with peer_count_take */
    socklen_t peer_size;
};

enum guest_look {
    GUEST_READY, /* the line (of a proxied request: the head) is there */
    GUEST_MORE,
    GUEST_GONE,
    GUEST_BAD,   /* no PROXY header where one must be, a broken one, or one from a stranger */
    GUEST_CROWD, /* too many connections of whom the proxy spoke for, who is not counted then */
};

/* Looks without waiting. Takes a PROXY header off the socket; all else stays in it. `*out_line` is
 * the first line without CR LF, cut when very long; it lies in `buf`. */
enum guest_look guest_look(struct guest *g, char buf[GUEST_BUFFER_BYTES], struct str *out_line);
/* For GUEST_CROWD: answers 429, which the proxy passes on, and closes. */
void guest_turn_away(const struct guest *g);

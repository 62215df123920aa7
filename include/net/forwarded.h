#pragma once
/* X-Forwarded-For: whom a trusted proxy speaks for. Pure. */
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"
#include "net/address_set.h"

/* The client behind the proxies, from the head of its request: every proxy appends the address it
 * was called from, and each client can make up what stands before, so the last address that is no
 * trusted proxy's is the client's. ERR_NOT_FOUND when there is none: no such field, only trusted
 * addresses, or something unreadable right of the client. The port is 0. */
MUST_CHECK enum err forwarded_client(struct str head, const struct address_set *trusted,
                                     struct sockaddr_storage *out_client, socklen_t *out_size);

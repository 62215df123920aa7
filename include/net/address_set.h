#pragma once
/* A set of networks, "127.0.0.1, 10.0.0.0/8, 2001:db8::/32": pure. */
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

enum { ADDRESS_SET_MAX = 64 };

struct address_set;

/* Comma separated addresses, each with or without a prefix length; an empty text is the empty set.
 * ERR_INVALID for anything else, bits set behind the prefix and more than ADDRESS_SET_MAX parts
 * included; `*out_bad` (may be NULL) is then the part at fault. */
MUST_CHECK enum err address_set_create(struct str text, struct address_set **out_set,
                                       struct str *out_bad);
/* Accepts NULL. */
void address_set_destroy(struct address_set *set);
/* An IPv4-mapped address counts as IPv4. False for NULL and for other families. */
bool address_set_has(const struct address_set *set, const struct sockaddr_storage *address);

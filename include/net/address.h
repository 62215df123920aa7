#pragma once
/* Peers' addresses: what counts as one peer, and how one is written. */
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/str.h"

enum { ADDRESS_KEY_BYTES = 8, ADDRESS_TEXT_BYTES = 46 };

/* "203.0.113.7" or "2001:db8::1" and nothing else; the port is 0. ERR_INVALID. */
MUST_CHECK enum err address_parse(struct str text, struct sockaddr_storage *out_address);
/* Of an IPv4 or IPv6 address. */
socklen_t address_size(const struct sockaddr_storage *address);
void address_set_port(struct sockaddr_storage *address, uint16_t port);
/* The bytes that connections of one peer share, written to `buf`: the IPv4 address, or the IPv6
 * /64 that a household or a server is given (RFC 6177). An IPv4-mapped address counts as IPv4.
 * Empty for other families. */
struct str address_key(const struct sockaddr_storage *peer, char buf[ADDRESS_KEY_BYTES]);
/* Of an address what address_key counts by, in a form that costs a connection eight bytes instead
 * of 128: an IPv4 address behind 0000:ffff, which begins no IPv6 address in use (RFC 4291
 * section 2.4 keeps ::/8 back), or an IPv6 /64. */
struct address_short {
    uint8_t bytes[ADDRESS_KEY_BYTES];
};
struct address_short address_shorten(const struct sockaddr_storage *peer);
/* An address with the same address_key. */
void address_expand(const struct address_short *from, struct sockaddr_storage *out_address);
/* "203.0.113.7" or "2001:db8::1", NUL-terminated; "" for other families. */
void address_format(const struct sockaddr_storage *peer, char out_text[ADDRESS_TEXT_BYTES]);

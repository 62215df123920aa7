#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/listener.h"

enum err address_parse(struct str text, struct sockaddr_storage *out_address) {
    char copy[INET6_ADDRSTRLEN];
    struct sockaddr_in ip4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6};
    if (!text.n || text.n >= sizeof(copy) || memchr(text.p, '\0', text.n)) {
        return ERR_INVALID;
    }
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    bool is_ip4 = inet_pton(AF_INET, copy, &ip4.sin_addr) == 1;
    if (!is_ip4 && inet_pton(AF_INET6, copy, &ip6.sin6_addr) != 1) {
        return ERR_INVALID;
    }
    memset(out_address, 0, sizeof(*out_address));
    memcpy(out_address, is_ip4 ? (const void *)&ip4 : (const void *)&ip6,
           is_ip4 ? sizeof(ip4) : sizeof(ip6));
    return ERR_OK;
}

socklen_t address_size(const struct sockaddr_storage *address) {
    return address->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in);
}

void address_set_port(struct sockaddr_storage *address, uint16_t port) {
    /* It stands at the same place in sockaddr_in6. */
    ((struct sockaddr_in *)address)->sin_port = htons(port);
}

enum err listener_parse_address(struct str text, struct sockaddr_storage *out_addr,
                                socklen_t *out_size) {
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':') {
        colon--;
    }
    if (!colon) {
        return ERR_INVALID;
    }
    struct str host = {text.p, colon - 1};
    struct str port_text = {text.p + colon, text.n - colon};
    bool is_bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (is_bracketed) {
        host = (struct str){host.p + 1, host.n - 2};
    } else if (!host.n) {
        host = STR("0.0.0.0");
    }
    struct sockaddr_storage address;
    uint64_t port = 0;
    if (str_to_u64(port_text, &port) != ERR_OK || port > UINT16_MAX ||
        address_parse(host, &address) != ERR_OK ||
        is_bracketed != (address.ss_family == AF_INET6)) {
        return ERR_INVALID;
    }
    address_set_port(&address, (uint16_t)port);
    *out_addr = address;
    *out_size = address_size(&address);
    return ERR_OK;
}

struct str address_key(const struct sockaddr_storage *peer, char buf[ADDRESS_KEY_BYTES]) {
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *ip4 = (const void *)peer;
        memcpy(buf, &ip4->sin_addr, 4);
        return (struct str){buf, 4};
    }
    if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ip6 = (const void *)peer;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&ip6->sin6_addr);
        memcpy(buf, ip6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 8);
        return (struct str){buf, mapped ? 4 : 8};
    }
    return (struct str){buf, 0};
}

static const uint8_t ip4_prefix[4] = {0, 0, 0xff, 0xff};

struct address_short address_shorten(const struct sockaddr_storage *peer) {
    struct address_short to = {{0}};
    char bytes[ADDRESS_KEY_BYTES];
    struct str key = address_key(peer, bytes);
    if (key.n == sizeof(to.bytes)) {
        memcpy(to.bytes, key.p, sizeof(to.bytes));
    } else {
        memcpy(to.bytes, ip4_prefix, sizeof(ip4_prefix));
        memcpy(to.bytes + sizeof(ip4_prefix), key.p, key.n);
    }
    return to;
}

void address_expand(const struct address_short *from, struct sockaddr_storage *out_address) {
    struct sockaddr_in ip4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6};
    memset(out_address, 0, sizeof(*out_address));
    if (memcmp(from->bytes, ip4_prefix, sizeof(ip4_prefix)) == 0) {
        memcpy(&ip4.sin_addr, from->bytes + sizeof(ip4_prefix), sizeof(ip4.sin_addr));
        memcpy(out_address, &ip4, sizeof(ip4));
    } else {
        memcpy(&ip6.sin6_addr, from->bytes, sizeof(from->bytes));
        memcpy(out_address, &ip6, sizeof(ip6));
    }
}

void address_format(const struct sockaddr_storage *peer, char out_text[ADDRESS_TEXT_BYTES]) {
    out_text[0] = '\0';
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *ip4 = (const void *)peer;
        (void)inet_ntop(AF_INET, &ip4->sin_addr, out_text, ADDRESS_TEXT_BYTES);
    } else if (peer->ss_family == AF_INET6) {
        const struct sockaddr_in6 *ip6 = (const void *)peer;
        if (IN6_IS_ADDR_V4MAPPED(&ip6->sin6_addr)) {
            (void)inet_ntop(AF_INET, ip6->sin6_addr.s6_addr + 12, out_text, ADDRESS_TEXT_BYTES);
        } else {
            (void)inet_ntop(AF_INET6, &ip6->sin6_addr, out_text, ADDRESS_TEXT_BYTES);
        }
    }
}

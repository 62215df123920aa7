#include "net/proxy_header.h"

#include <netinet/in.h>
#include <string.h>

#include "net/address.h"

/* proxy-protocol.txt, sections 2.1 and 2.2. */
static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

enum {
    V1_LINE_MAX = 107, /* with CR LF */
    V2_HEAD_BYTES = 16,
    V2_COMMAND_LOCAL = 0x20, /* version 2 in the upper half */
    V2_COMMAND_PROXY = 0x21,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_TCP4_BYTES = 12, /* two addresses, two ports */
    V2_TCP6_BYTES = 36,
};

/* Whether as many bytes as there are of it match. */
static bool begins_like(struct str bytes, const char *pattern, size_t size) {
    size_t n = bytes.n < size ? bytes.n : size;
    return memcmp(bytes.p, pattern, n) == 0;
}

static void set_ip4(struct proxy_header *h, const char address[4], const char port[2]) {
    struct sockaddr_in ip4 = {.sin_family = AF_INET};
    memcpy(&ip4.sin_addr, address, 4);
    memcpy(&ip4.sin_port, port, 2);
    memcpy(&h->source, &ip4, sizeof(ip4));
    h->source_size = sizeof(ip4);
    h->has_address = true;
}

static void set_ip6(struct proxy_header *h, const char address[16], const char port[2]) {
    struct sockaddr_in6 ip6 = {.sin6_family = AF_INET6};
    memcpy(&ip6.sin6_addr, address, 16);
    memcpy(&ip6.sin6_port, port, 2);
    memcpy(&h->source, &ip6, sizeof(ip6));
    h->source_size = sizeof(ip6);
    h->has_address = true;
}

static enum proxy_header_result parse_v2(struct str bytes, struct proxy_header *out_header) {
    if (bytes.n < V2_HEAD_BYTES) {
        return PROXY_HEADER_MORE;
    }
    unsigned char command = (unsigned char)bytes.p[12];
    unsigned char family = (unsigned char)bytes.p[13];
    size_t length = (size_t)(unsigned char)bytes.p[14] << 8 | (unsigned char)bytes.p[15];
    const char *addresses = bytes.p + V2_HEAD_BYTES;
    struct proxy_header h = {.size = V2_HEAD_BYTES + length};
    bool is_local = command == V2_COMMAND_LOCAL;
    if ((!is_local && command != V2_COMMAND_PROXY) || h.size > PROXY_HEADER_BYTES_MAX ||
        (!is_local && family == V2_TCP4 && length < V2_TCP4_BYTES) ||
        (!is_local && family == V2_TCP6 && length < V2_TCP6_BYTES)) {
        return PROXY_HEADER_BAD;
    }
    if (bytes.n < h.size) {
        return PROXY_HEADER_MORE;
    }
    if (!is_local && family == V2_TCP4) {
        set_ip4(&h, addresses, addresses + 8);
    } else if (!is_local && family == V2_TCP6) {
        set_ip6(&h, addresses, addresses + 32);
    }
    *out_header = h;
    return PROXY_HEADER_DONE;
}

/* "TCP4 203.0.113.7 192.0.2.1 51000 443", behind "PROXY ". */
static bool parse_v1_addresses(struct str rest, struct proxy_header *h) {
    struct str parts[5];
    size_t count = 0;
    struct str part;
    while (count < 5 && str_split(&rest, ' ', &part)) {
        parts[count++] = part;
    }
    struct sockaddr_storage target;
    uint64_t ports[2];
    if (count != 5 || rest.p || address_parse(parts[1], &h->source) != ERR_OK ||
        address_parse(parts[2], &target) != ERR_OK || str_to_u64(parts[3], &ports[0]) != ERR_OK ||
        str_to_u64(parts[4], &ports[1]) != ERR_OK || ports[0] > 65535 || ports[1] > 65535) {
        return false;
    }
    int family = str_eq(parts[0], STR("TCP4"))   ? AF_INET
                 : str_eq(parts[0], STR("TCP6")) ? AF_INET6
                                                 : AF_UNSPEC;
    h->has_address = true;
    h->source_size = address_size(&h->source);
    address_set_port(&h->source, (uint16_t)ports[0]);
    return h->source.ss_family == family && target.ss_family == family;
}

static enum proxy_header_result parse_v1(struct str bytes, struct proxy_header *out_header) {
    struct str prefix = STR("PROXY ");
    size_t most = bytes.n < V1_LINE_MAX ? bytes.n : V1_LINE_MAX;
    const char *end = memchr(bytes.p, '\n', most);
    if (!end) {
        return bytes.n < V1_LINE_MAX ? PROXY_HEADER_MORE : PROXY_HEADER_BAD;
    }
    size_t length = (size_t)(end - bytes.p);
    if (length < prefix.n + 1 || bytes.p[length - 1] != '\r') {
        return PROXY_HEADER_BAD;
    }
    struct str rest = {bytes.p + prefix.n, length - 1 - prefix.n};
    struct proxy_header h = {.size = length + 1};
    struct str unknown = STR("UNKNOWN");
    bool is_unknown =
        str_starts(rest, unknown) && (rest.n == unknown.n || rest.p[unknown.n] == ' ');
    if (!is_unknown && !parse_v1_addresses(rest, &h)) {
        return PROXY_HEADER_BAD;
    }
    *out_header = h;
    return PROXY_HEADER_DONE;
}

enum proxy_header_result proxy_header_parse(struct str bytes, struct proxy_header *out_header) {
    struct str v1 = STR("PROXY ");
    if (!bytes.n) {
        return PROXY_HEADER_MORE;
    }
    if (begins_like(bytes, v2_signature, sizeof(v2_signature))) {
        return parse_v2(bytes, out_header);
    }
    if (!begins_like(bytes, v1.p, v1.n)) {
        return PROXY_HEADER_NONE;
    }
    return bytes.n < v1.n ? PROXY_HEADER_MORE : parse_v1(bytes, out_header);
}

#include "net/address_set.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/address.h"

/* Everything is kept and compared as IPv6; IPv4 lies in ::ffff:0:0/96 (RFC 4291 section 2.5.5.2).
 */
struct network {
    unsigned char bytes[16];
    unsigned prefix_bits;
};

struct address_set {
    struct network networks[ADDRESS_SET_MAX];
    size_t count;
};

static bool to_ip6(const struct sockaddr_storage *address, unsigned char out_bytes[16]) {
    if (address->ss_family == AF_INET6) {
        memcpy(out_bytes, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
        return true;
    }
    if (address->ss_family == AF_INET) {
        memset(out_bytes, 0, 10);
        memset(out_bytes + 10, 0xff, 2);
        memcpy(out_bytes + 12, &((const struct sockaddr_in *)address)->sin_addr, 4);
        return true;
    }
    return false;
}

/* The first `bits` bits are the same. */
static bool same_prefix(const unsigned char *a, const unsigned char *b, unsigned bits) {
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;
    return memcmp(a, b, whole) == 0 && (!rest || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0);
}

static bool ends_with_prefix(const struct network *n) {
    for (unsigned bit = n->prefix_bits; bit < 128; bit++) {
        if (n->bytes[bit / 8] & (0x80U >> (bit % 8))) {
            return false;
        }
    }
    return true;
}

static bool parse_network(struct str text, struct network *out_network) {
    struct str host = text;
    struct str length = {NULL, 0};
    struct sockaddr_storage address;
    const char *slash = text.n ? memchr(text.p, '/', text.n) : NULL;
    if (slash) {
        host.n = (size_t)(slash - text.p);
        length = (struct str){slash + 1, text.n - host.n - 1};
    }
    if (address_parse(host, &address) != ERR_OK || !to_ip6(&address, out_network->bytes)) {
        return false;
    }
    unsigned most = address.ss_family == AF_INET ? 32 : 128;
    uint64_t bits = most;
    if (slash && (str_to_u64(length, &bits) != ERR_OK || bits > most)) {
        return false;
    }
    out_network->prefix_bits = 128 - most + (unsigned)bits;
    return ends_with_prefix(out_network);
}

enum err address_set_create(struct str text, struct address_set **out_set, struct str *out_bad) {
    text = str_trim(text);
    struct address_set *set = mem_zalloc(1, sizeof(*set));
    struct str rest = text;
    struct str part;
    while (text.n && str_split(&rest, ',', &part)) {
        part = str_trim(part);
        if (set->count == ADDRESS_SET_MAX || !parse_network(part, &set->networks[set->count])) {
            if (out_bad) {
                *out_bad = part;
            }
            free(set);
            return ERR_INVALID;
        }
        set->count++;
    }
    *out_set = set;
    return ERR_OK;
}

void address_set_destroy(struct address_set *set) {
    free(set);
}

bool address_set_has(const struct address_set *set, const struct sockaddr_storage *address) {
    unsigned char bytes[16];
    if (!set || !to_ip6(address, bytes)) {
        return false;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (same_prefix(bytes, set->networks[i].bytes, set->networks[i].prefix_bits)) {
            return true;
        }
    }
    return false;
}

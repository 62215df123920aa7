/* A PROXY header is never longer than what was read nor than the most we take, is recognised again
 * without what follows it, and is "more" in each of its beginnings. The rest of the input is the
 * head of a proxied request. */
#include "fuzz.h"
#include "net/address.h"
#include "net/forwarded.h"
#include "net/proxy_header.h"

static void check_done(struct str input, const struct proxy_header *h) {
    struct proxy_header again;
    PROMISE(h->size > 0 && h->size <= input.n && h->size <= PROXY_HEADER_BYTES_MAX);
    PROMISE(proxy_header_parse((struct str){input.p, h->size}, &again) == PROXY_HEADER_DONE);
    PROMISE(again.size == h->size && again.has_address == h->has_address);
    for (size_t n = 0; n < h->size; n++) {
        PROMISE(proxy_header_parse((struct str){input.p, n}, &again) == PROXY_HEADER_MORE);
    }
    if (h->has_address) {
        PROMISE(h->source_size == address_size(&h->source));
    }
}

static void check_forwarded(struct str head) {
    struct address_set *trusted = NULL;
    struct sockaddr_storage client;
    socklen_t size;
    PROMISE(address_set_create(STR("10.0.0.0/8, 2001:db8::/32"), &trusted, NULL) == ERR_OK);
    if (forwarded_client(head, trusted, &client, &size) == ERR_OK) {
        PROMISE(size == address_size(&client));
        PROMISE(!address_set_has(trusted, &client));
    }
    address_set_destroy(trusted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct str input = fuzz_input(data, size);
    struct proxy_header header = {0};
    if (proxy_header_parse(input, &header) == PROXY_HEADER_DONE) {
        check_done(input, &header);
        input.p += header.size;
        input.n -= header.size;
    }
    check_forwarded(input);
    return 0;
}

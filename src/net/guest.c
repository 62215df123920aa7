/* A stranger's first line is waited for. A trusted proxy's own address is never counted; with
 * `awaits_proxy` its connection must begin with a PROXY header, which names the client. When
 * whoever is known by then is still a trusted proxy, the whole head of the request is waited for
 * instead of its first line, and X-Forwarded-For names the client. Whoever is found is counted from
 * then on, and is the peer for everybody else. A connection that a proxy uses for several requests
 * stays with the client of the first. */
#include "net/guest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/metrics.h"
#include "net/forwarded.h"
#include "net/proxy_header.h"

enum {
    PEEK_BYTES = 4096, /* a longer line is handed on cut: its start is enough to choose */
    /* GUEST_BUFFER_BYTES hold a whole head; a longer one is handed on (of a proxied request, as the
     * proxy's own), and is refused by gateway.http_header_max_bytes or the WebSocket library. */
};

/* The peer turns out to be another: it is counted instead. */
static bool set_peer(struct guest *g, const struct sockaddr_storage *peer, socklen_t peer_size) {
    peer_count_give_back(g->counts, &g->peer);
    g->peer = *peer;
    g->peer_size = peer_size;
    return peer_count_take(g->counts, peer);
}

/* Takes the PROXY header off the socket once it is whole. */
static enum guest_look take_proxy_header(struct guest *g, struct str bytes) {
    struct proxy_header header;
    char waste[PROXY_HEADER_BYTES_MAX];
    switch (proxy_header_parse(bytes, &header)) {
    case PROXY_HEADER_MORE:
        return bytes.n < PROXY_HEADER_BYTES_MAX ? GUEST_MORE : GUEST_BAD;
    case PROXY_HEADER_NONE:
    case PROXY_HEADER_BAD:
        return GUEST_BAD;
    case PROXY_HEADER_DONE:
        break;
    }
    if (recv(g->fd, waste, header.size, MSG_DONTWAIT) != (ssize_t)header.size) {
        return GUEST_GONE;
    }
    g->awaits_proxy = false;
    g->seen_bytes = 0;
    bool welcome = !header.has_address || set_peer(g, &header.source, header.source_size);
    return welcome ? GUEST_READY : GUEST_CROWD;
}

/* The end of the head: behind the first empty line. 0 = not there. */
static size_t head_size(struct str bytes) {
    for (size_t i = 0; i < bytes.n; i++) {
        if (bytes.p[i] == '\n' && (i == 0 || bytes.p[i - 1] == '\n' ||
                                   (bytes.p[i - 1] == '\r' && i > 1 && bytes.p[i - 2] == '\n'))) {
            return i + 1;
        }
    }
    return 0;
}

static enum guest_look find_client(struct guest *g, struct str head) {
    struct sockaddr_storage client;
    socklen_t size = 0;
    if (forwarded_client(head, g->trusted, &client, &size) != ERR_OK) {
        return GUEST_READY; /* the proxy asks for itself, as health checks do */
    }
    return set_peer(g, &client, size) ? GUEST_READY : GUEST_CROWD;
}

/* Finds the first line in bytes that stay in the socket. */
static enum guest_look look_at_line(struct guest *g, struct str bytes, struct str *out_line) {
    struct proxy_header header;
    enum proxy_header_result proxy = proxy_header_parse(bytes, &header);
    if (proxy == PROXY_HEADER_BAD || proxy == PROXY_HEADER_DONE) {
        return GUEST_BAD;
    }
    const char *end = memchr(bytes.p, '\n', bytes.n < PEEK_BYTES ? bytes.n : PEEK_BYTES);
    if (!end && bytes.n < PEEK_BYTES) {
        return GUEST_MORE;
    }
    size_t length = end ? (size_t)(end - bytes.p) : PEEK_BYTES;
    if (length && bytes.p[length - 1] == '\r') {
        length--;
    }
    *out_line = (struct str){bytes.p, length};
    bool is_proxied = address_set_has(g->trusted, &g->peer);
    if (!is_proxied && !(g->whole_head.n && str_starts(*out_line, g->whole_head))) {
        return GUEST_READY;
    }
    struct str head = {bytes.p, head_size(bytes)};
    if (!head.n) {
        return bytes.n < GUEST_BUFFER_BYTES ? GUEST_MORE : GUEST_READY;
    }
    return is_proxied ? find_client(g, head) : GUEST_READY;
}

enum guest_look guest_look(struct guest *g, char buf[GUEST_BUFFER_BYTES], struct str *out_line) {
    for (;;) {
        ssize_t n = recv(g->fd, buf, GUEST_BUFFER_BYTES, MSG_PEEK | MSG_DONTWAIT);
        if (n <= 0) {
            bool waits = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
            g->seen_bytes = 0;
            return waits ? GUEST_MORE : GUEST_GONE;
        }
        struct str bytes = {buf, (size_t)n};
        bool was_proxy = g->awaits_proxy;
        enum guest_look result =
            was_proxy ? take_proxy_header(g, bytes) : look_at_line(g, bytes, out_line);
        if (result == GUEST_MORE) {
            g->seen_bytes = (int)n;
        }
        if (!was_proxy || result != GUEST_READY) {
            return result;
        }
    }
}

void guest_turn_away(const struct guest *g) {
    static const char answer[] = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 10\r\n"
                                 "Content-Length: 0\r\nConnection: close\r\n\r\n";
    char waste[GUEST_BUFFER_BYTES]; /* unread input would make close() send a reset before the
                                       answer */
    (void)recv(g->fd, waste, sizeof(waste), MSG_DONTWAIT);
    (void)send(g->fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    metrics_add(M_CONNECTIONS_REFUSED_IP, 1);
    close(g->fd);
}

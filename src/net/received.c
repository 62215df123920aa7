#include "net/received.h"

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include <netinet/in.h>

/* The kernel's own header: that of the C library ends before tcpi_bytes_received. */
#include <linux/tcp.h>

static bool ask(int fd, struct tcp_info *info) {
    socklen_t size = sizeof(*info);
    memset(info, 0, sizeof(*info));
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &size) == 0;
}

uint64_t received_bytes(int fd) {
    struct tcp_info info;
    return ask(fd, &info) ? info.tcpi_bytes_received : 0;
}

int64_t received_ms_ago(int fd) {
    struct tcp_info info;
    return ask(fd, &info) ? (int64_t)info.tcpi_last_data_recv : INT64_MAX;
}

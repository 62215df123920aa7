#include "load.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"

static size_t read_file(const char *path, char *out_text, size_t size) {
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(out_text, 1, size - 1, f) : 0;
    if (f) {
        (void)fclose(f);
    }
    out_text[n] = '\0';
    return n;
}

static void add_cpu(long pid, struct cpu *cpu) {
    char path[64];
    char text[1024];
    unsigned long user = 0, system = 0;
    unsigned long long run_ns = 0;
    (void)snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    (void)read_file(path, text, sizeof(text));
    const char *after = strrchr(text, ')');
    if (after && sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                        &system) == 2) {
        double tick_us = 1e6 / (double)sysconf(_SC_CLK_TCK);
        cpu->user_us += (double)user * tick_us;
        cpu->system_us += (double)system * tick_us;
    }
    (void)snprintf(path, sizeof(path), "/proc/%ld/schedstat", pid);
    (void)read_file(path, text, sizeof(text));
    if (sscanf(text, "%llu", &run_ns) == 1) {
        cpu->run_us += (double)run_ns / 1000;
    }
}

struct cpu cpu_now(const struct load *l) {
    struct cpu cpu = {0};
    for (int i = 0; i < l->pid_count; i++) {
        add_cpu(l->pids[i], &cpu);
    }
    return cpu;
}

double rss_now(const struct load *l) {
    double pages = 0;
    for (int i = 0; i < l->pid_count; i++) {
        char path[64];
        char text[256];
        unsigned long resident = 0;
        (void)snprintf(path, sizeof(path), "/proc/%ld/statm", l->pids[i]);
        (void)read_file(path, text, sizeof(text));
        if (sscanf(text, "%*u %lu", &resident) == 1) {
            pages += (double)resident;
        }
    }
    return pages * (double)sysconf(_SC_PAGESIZE);
}

double files_now(const struct load *l) {
    double count = 0;
    for (int i = 0; i < l->pid_count; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "/proc/%ld/fd", l->pids[i]);
        DIR *dir = opendir(path);
        for (const struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
            count += e->d_name[0] != '.';
        }
        if (dir) {
            (void)closedir(dir);
        }
    }
    return count;
}

double redis_commands_now(const struct load *l) {
    if (!l->redis) {
        return 0;
    }
    redisContext *redis = redisConnectUnix(l->redis);
    redisReply *reply = redis && !redis->err ? redisCommand(redis, "INFO commandstats") : NULL;
    if (!reply || reply->type != REDIS_REPLY_STRING) {
        (void)fputs("load: Redis gives no commandstats\n", stderr);
        exit(1);
    }
    /* Lines "cmdstat_get:calls=21,usec=…"; our own INFO is none of the server's. */
    double total = 0;
    for (const char *at = reply->str; (at = strstr(at, "cmdstat_")); at++) {
        unsigned long long calls = 0;
        if (strncmp(at, "cmdstat_info:", 13) != 0 && sscanf(at, "%*[^:]:calls=%llu", &calls) == 1) {
            total += (double)calls;
        }
    }
    freeReplyObject(reply);
    redisFree(redis);
    return total;
}

double slab_now(void) {
    char text[8192];
    unsigned long kilobytes = 0;
    (void)read_file("/proc/meminfo", text, sizeof(text));
    const char *at = strstr(text, "Slab:");
    if (at) {
        (void)sscanf(at, "Slab: %lu", &kilobytes);
    }
    return (double)kilobytes * 1024;
}

static void put_body(const struct load *l, uint32_t seq, struct buf *out) {
    const char *at = strstr(l->body.p, "@SEQ@");
    if (!at) {
        (void)fputs("load: the template has no @SEQ@\n", stderr);
        exit(2);
    }
    buf_put(out, l->body.p, (size_t)(at - l->body.p));
    buf_printf(out, "#%06u#", seq);
    buf_puts(out, at + 5);
}

int post_send(const struct load *l, int port, uint32_t seq) {
    struct buf body, rq;
    int fd = clients_connect(port, 0);
    buf_init(&body, 65536);
    buf_init(&rq, 131072);
    put_body(l, seq, &body);
    buf_printf(&rq,
               "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
               "Idempotency-Key: bench-%ld-%lld-%u\r\nContent-Length: %zu\r\n",
               l->post_path, (long)getpid(), (long long)clock_mono_ms(), seq, body.n);
    for (int i = 0; i < l->header_count; i++) {
        buf_printf(&rq, "%s\r\n", l->headers[i]);
    }
    buf_puts(&rq, "\r\n");
    buf_put_str(&rq, buf_str(&body));
    if (send(fd, rq.p, rq.n, MSG_NOSIGNAL) != (ssize_t)rq.n) {
        perror("load: post");
        exit(1);
    }
    buf_finish(&rq);
    buf_finish(&body);
    return fd;
}

void post_check(int take_fd) {
    char answer[512] = "";
    ssize_t n = recv(take_fd, answer, sizeof(answer) - 1, 0);
    if (n < 13 || answer[9] != '2') {
        (void)fprintf(stderr, "load: POST refused: %.*s\n", (int)(n > 0 ? n : 0), answer);
        exit(1);
    }
    (void)close(take_fd);
}

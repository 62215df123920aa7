/* Load generator: many WebSocket clients from several loopback source addresses, with an account
 * per client of what it missed, got twice or out of order.
 *
 *   load --port P --path /v1/stream?… --clients N --pid SERVER_PID [--pid …]
 *        --post-port Q --post-path /v1/alerts [--post-header "Name: value"]… --template FILE
 *        --messages M [--gap-ms G] [--expect K]   time and CPU per delivery of M messages
 *        --others N --others-path /v1/stream?…   the last N clients follow something else
 *        --listen      posts nothing: waits for the M messages that another load posts
 *        --also PORT   posts to that server as well, for its own clients (several may be given)
 *        --deliveries D  of a message over all loads, which the CPU time is divided by
 *        --storm K     afterwards: kill all, post K more, all back with their position
 *        --redis SOCKET  counts the commands Redis processes in the storm
 *        --idle        memory of idle connections
 *        --soak S [--churn C]  C disconnects, stalls or changes of filter a second for S seconds
 *                      while alerts flow, WebSocket, SSE and long-poll mixed
 *        --tls         over TLS, whatever the certificate
 *
 * The template is the POST body; "@SEQ@" in it becomes "#000042#", by which a frame is known.
 * --expect says how many clients must get each message (default all). Prints name=value lines.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "load.h"

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof(*values), by_value);
    return count ? values[count / 2] : 0;
}

static void rest(struct load *l, int64_t duration_ms) {
    int64_t until = clock_mono_ms() + duration_ms;
    while (clock_mono_ms() < until) {
        clients_turn(l, (int)(until - clock_mono_ms()) + 1);
    }
}

int64_t lost_of(const struct load *l, uint64_t expected) {
    uint64_t got = 0;
    for (int i = 0; i < l->clients; i++) {
        got += l->list[i].received;
    }
    return (int64_t)expected - (int64_t)got;
}

static double percentile(const struct load *l, double part) {
    size_t i = (size_t)(part * (double)l->latency_count);
    return l->latency_count ? (double)l->latency_us[i < l->latency_count ? i : i - 1] / 1000 : 0;
}

static int by_latency(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_fanout(struct load *l, const struct cpu *before, double first_ms, double last_ms,
                         uint64_t bytes) {
    struct cpu after = cpu_now(l);
    double got = (double)l->expect * l->messages;
    double deliveries = l->deliveries ? (double)l->deliveries * l->messages : got;
    qsort(l->latency_us, l->latency_count, sizeof(*l->latency_us), by_latency);
    (void)printf("clients=%d messages=%d cpu_us_per_delivery=%.3f user_us_per_delivery=%.3f "
                 "first_ms=%.2f last_ms=%.2f p50_ms=%.2f p99_ms=%.2f max_ms=%.2f bytes=%.0f "
                 "lost=%lld dup=%llu reordered=%llu\n",
                 l->clients, l->messages, (after.run_us - before->run_us) / deliveries,
                 (after.user_us - before->user_us) / deliveries, first_ms, last_ms,
                 percentile(l, 0.5), percentile(l, 0.99), percentile(l, 1), (double)bytes / got,
                 (long long)lost_of(l, (uint64_t)l->expect * (uint64_t)l->messages),
                 (unsigned long long)l->duplicates, (unsigned long long)l->reordered);
    (void)fflush(stdout);
}

/* All messages one after the other, each until everybody has it. */
static void run_fanout(struct load *l) {
    double *first_ms = mem_zalloc((size_t)l->messages, sizeof(double));
    double *last_ms = mem_zalloc((size_t)l->messages, sizeof(double));
    l->latency_max = (size_t)l->expect * (size_t)l->messages;
    l->latency_us = mem_zalloc(l->latency_max, sizeof(*l->latency_us));
    struct cpu before = cpu_now(l);
    uint64_t bytes = l->bytes;
    for (int m = 1; m <= l->messages; m++) {
        l->current = (uint32_t)m;
        l->current_count = 0;
        l->posted_us = clock_mono_us();
        int fd = post_send(l, l->post_port, (uint32_t)m);
        for (int i = 0; i < l->also_count; i++) {
            post_check(post_send(l, l->also[i], (uint32_t)m));
        }
        while (l->current_count < (uint32_t)l->expect &&
               clock_mono_us() < l->posted_us + 20000000) {
            /* Once the first has it nobody sleeps: else the server pays for waking the clients, the
             * more the slower it sends, and what is measured feeds on itself. */
            clients_turn(l, l->current_count ? 0 : 100);
        }
        post_check(fd);
        first_ms[m - 1] = (double)(l->first_us - l->posted_us) / 1000;
        last_ms[m - 1] = (double)(l->last_us - l->posted_us) / 1000;
        rest(l, l->gap_ms);
    }
    print_fanout(l, &before, median(first_ms, l->messages), median(last_ms, l->messages),
                 l->bytes - bytes);
    l->latency_max = 0;
    free(first_ms);
    free(last_ms);
}

/* Another load posts; this one only keeps the account of its clients. Gives up when nothing comes
 * for a minute. */
static void run_listen(struct load *l) {
    uint64_t expected = (uint64_t)l->expect * (uint64_t)l->messages;
    int64_t lost = (int64_t)expected;
    int64_t deadline = clock_mono_ms() + 60000;
    while (lost > 0 && clock_mono_ms() < deadline) {
        uint64_t bytes = l->bytes;
        clients_turn(l, 1000);
        if (l->bytes > bytes) {
            deadline = clock_mono_ms() + 60000;
        }
        lost = lost_of(l, expected);
    }
    rest(l, 300 + l->gap_ms); /* for what comes twice, and until whoever posts has measured */
    (void)printf("listened=%d lost=%lld dup=%llu reordered=%llu\n", l->clients,
                 (long long)lost_of(l, expected), (unsigned long long)l->duplicates,
                 (unsigned long long)l->reordered);
}

/* What letting everybody in costs: of a server that does nothing else, the least a reconnect can
 * cost. */
static bool open_all(struct load *l) {
    struct cpu before = cpu_now(l);
    int64_t start = clock_mono_us();
    if (!clients_open(l)) {
        return false;
    }
    (void)printf("opened=%d open_ms=%.0f cpu_us_per_open=%.2f\n", l->opened,
                 (double)(clock_mono_us() - start) / 1000,
                 (cpu_now(l).run_us - before.run_us) / l->clients);
    (void)fflush(stdout);
    return true;
}

/* Until the server has nothing to do any more, 30 seconds at most: what it still does of the last
 * step would count as the next one's. */
static struct cpu cpu_settled(const struct load *l) {
    struct cpu last = cpu_now(l);
    for (int i = 0; i < 100; i++) {
        (void)usleep(300000);
        struct cpu now = cpu_now(l);
        if (now.run_us - last.run_us < 3000) {
            return now;
        }
        last = now;
    }
    return last;
}

/* Everybody is cut off, alerts go on, everybody comes back with a position. */
static void run_storm(struct load *l) {
    struct cpu open = cpu_now(l);
    clients_close(l);
    double close_us = (cpu_settled(l).run_us - open.run_us) / l->clients;
    for (int k = 1; k <= l->storm; k++) {
        post_check(post_send(l, l->post_port, (uint32_t)(l->messages + k)));
    }
    (void)cpu_settled(l);
    l->resume = true;
    l->resumed = 0;
    l->current = (uint32_t)(l->messages + l->storm);
    l->current_count = 0;
    double commands = redis_commands_now(l);
    struct cpu before = cpu_now(l);
    int64_t start = clock_mono_us();
    if (!clients_open(l)) {
        exit(1);
    }
    while (l->current_count < (uint32_t)l->clients && clock_mono_us() < start + 60000000) {
        clients_turn(l, 100);
    }
    double whole_ms = (double)(clock_mono_us() - start) / 1000;
    struct cpu after = cpu_now(l);
    commands = redis_commands_now(l) - commands;
    rest(l, 300 + l->gap_ms); /* for what comes twice, and until whoever posts has measured */
    uint64_t expected = (uint64_t)l->clients * (uint64_t)(l->messages + l->storm);
    (void)printf("storm_clients=%d missed_each=%d cpu_us_per_close=%.2f cpu_us_per_reconnect=%.2f "
                 "whole_ms=%.0f "
                 "redis_commands=%.0f tls_resumed=%d lost=%lld dup=%llu reordered=%llu\n",
                 l->clients, l->storm, close_us, (after.run_us - before.run_us) / l->clients,
                 whole_ms, commands, l->resumed, (long long)lost_of(l, expected),
                 (unsigned long long)l->duplicates, (unsigned long long)l->reordered);
    (void)fflush(stdout);
}

/* The slabs of this machine hold both ends of a connection. The client's end is what the sockets
 * cost that were made, bound and polled but not yet connected; what comes then is the server's. */
static bool run_idle(struct load *l) {
    double slab_before = slab_now();
    clients_prepare(l);
    double slab_clients = slab_now();
    double rss_before = rss_now(l);
    if (!open_all(l)) {
        return false;
    }
    rest(l, 2000);
    (void)printf("clients=%d rss_bytes_per_connection=%.0f slab_bytes_per_connection=%.0f "
                 "slab_bytes_client_end=%.0f\n",
                 l->clients, (rss_now(l) - rss_before) / l->clients,
                 (slab_now() - slab_clients) / l->clients,
                 (slab_clients - slab_before) / l->clients);
    return true;
}

static void read_template(struct load *l) {
    char chunk[4096];
    size_t n;
    FILE *f = fopen(l->template_file, "r");
    if (!f) {
        perror("load: template");
        exit(2);
    }
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        buf_put(&l->body, chunk, n);
    }
    (void)fclose(f);
}

static int number(const char *text) {
    uint64_t value;
    if (str_to_u64(str_of(text), &value) || value > INT32_MAX) {
        (void)fprintf(stderr, "load: '%s' is not a number\n", text);
        exit(2);
    }
    return (int)value;
}

static void set_option(struct load *l, int option, const char *value) {
    switch (option) {
    case 'p':
        l->port = number(value);
        break;
    case 'u':
        l->path = value;
        break;
    case 'c':
        l->clients = number(value);
        break;
    case 'm':
        l->messages = number(value);
        break;
    case 'i':
        if (l->pid_count < PIDS_MAX) {
            l->pids[l->pid_count++] = number(value);
        }
        break;
    case 'q':
        l->post_port = number(value);
        break;
    case 'w':
        l->post_path = value;
        break;
    case 't':
        l->template_file = value;
        break;
    case 'h':
        if (l->header_count < HEADERS_MAX) {
            l->headers[l->header_count++] = value;
        }
        break;
    case 'g':
        l->gap_ms = number(value);
        break;
    case 'e':
        l->expect = number(value);
        break;
    case 's':
        l->storm = number(value);
        break;
    case 'd':
        l->idle = true;
        break;
    case 'x':
        l->secure = true;
        break;
    case 'r':
        l->redis = value;
        break;
    case 'k':
        l->soak_s = number(value);
        break;
    case 'n':
        l->soak_churn = number(value);
        break;
    case 'o':
        l->others = number(value);
        break;
    case 'f':
        l->others_path = value;
        break;
    case 'l':
        l->listen = true;
        break;
    case 'a':
        if (l->also_count < PIDS_MAX) {
            l->also[l->also_count++] = number(value);
        }
        break;
    case 'y':
        l->deliveries = number(value);
        break;
    default:
        exit(2);
    }
}

static void parse(struct load *l, int argc, char **argv) {
    static const struct option options[] = {{"port", 1, 0, 'p'},
                                            {"path", 1, 0, 'u'},
                                            {"clients", 1, 0, 'c'},
                                            {"messages", 1, 0, 'm'},
                                            {"pid", 1, 0, 'i'},
                                            {"post-port", 1, 0, 'q'},
                                            {"post-path", 1, 0, 'w'},
                                            {"template", 1, 0, 't'},
                                            {"post-header", 1, 0, 'h'},
                                            {"gap-ms", 1, 0, 'g'},
                                            {"expect", 1, 0, 'e'},
                                            {"storm", 1, 0, 's'},
                                            {"idle", 0, 0, 'd'},
                                            {"tls", 0, 0, 'x'},
                                            {"redis", 1, 0, 'r'},
                                            {"soak", 1, 0, 'k'},
                                            {"churn", 1, 0, 'n'},
                                            {"others", 1, 0, 'o'},
                                            {"others-path", 1, 0, 'f'},
                                            {"listen", 0, 0, 'l'},
                                            {"also", 1, 0, 'a'},
                                            {"deliveries", 1, 0, 'y'},
                                            {0}};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        set_option(l, c, optarg);
    }
}

int main(int argc, char **argv) {
    struct load l = {.path = "/", .post_path = "/", .clients = 100, .gap_ms = 50};
    buf_init(&l.body, 65536);
    parse(&l, argc, argv);
    l.expect = l.expect ? l.expect : l.clients - l.others;
    if (l.template_file) {
        read_template(&l);
    }
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.list = mem_zalloc((size_t)l.clients, sizeof(*l.list));
    l.tls = l.secure ? wire_create_context() : NULL;
    double files = files_now(&l);
    if (l.soak_s > 0) {
        soak_assign(&l);
    }
    if (!(l.idle ? run_idle(&l) : open_all(&l))) {
        return 1;
    }
    if (l.listen) {
        run_listen(&l);
    } else if (l.messages > 0) {
        run_fanout(&l);
    }
    if (l.storm > 0) {
        run_storm(&l);
    }
    if (l.soak_s > 0) {
        soak_run(&l, files);
    }
    free(l.latency_us);
    free(l.list);
    buf_finish(&l.body);
    return 0;
}

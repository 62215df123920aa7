#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "load.h"

enum {
    TURN_MS = 10,
    POST_EVERY_MS = 100,
    STALL_MS = 3000,      /* longer than a small receive buffer lasts at that rate */
    WHOLE_MS = 30000,     /* most that everybody may take to have everything */
    WARM_PART = 3,        /* the first third of the time fills rings, pools and arenas */
    FRAME_HEAD_BYTES = 6, /* of a short client frame: opcode, length, mask */
    FRAME_PAYLOAD_MAX = 125,
};

struct soak {
    struct load *l;
    int posted;      /* messages so far */
    int post_fd;     /* whose answer is not read yet, or 0 */
    int64_t post_at; /* the next one is due */
    int64_t began, acts;
    uint64_t disconnects, stalls, filters;
    struct client **stalled; /* oldest first */
    int64_t *stalled_until;
    int stalled_count;
};

/* Of twenty clients three listen by SSE and one by long-poll. */
void soak_assign(struct load *l) {
    for (int i = 0; i < l->clients; i++) {
        int k = i % 20;
        l->list[i].kind = k < 16 ? KIND_WS : k < 19 ? KIND_SSE : KIND_POLL;
    }
}

/* A change of filter that leaves all messages of the run in it. */
static void change_filter(struct client *c) {
    static const char *const filters[] = {
        "{\"type\":\"filter\",\"filter\":{\"regions\":[\"mena\"]}}",
        "{\"type\":\"filter\",\"filter\":{\"regions\":[\"mena\",\"asia\"],\"editions\":[\"en\"]}}",
        "{\"type\":\"filter\",\"filter\":{}}"};
    const char *text = filters[codec_random_below(sizeof(filters) / sizeof(filters[0]))];
    char frame[FRAME_HEAD_BYTES + FRAME_PAYLOAD_MAX] = {(char)0x81, (char)(0x80 | strlen(text))};
    /* The mask is zero: the payload as it is. */
    memcpy(frame + FRAME_HEAD_BYTES, text, strlen(text));
    wire_send(c, (struct str){frame, FRAME_HEAD_BYTES + strlen(text)});
}

static void stall(struct soak *s, struct client *c) {
    client_watch(s->l, c, false);
    s->stalled[s->stalled_count] = c;
    s->stalled_until[s->stalled_count++] = clock_mono_ms() + STALL_MS;
}

/* Those whose time is over read again; all of them when `now_ms` is far away. */
static void wake_stalled(struct soak *s, int64_t now_ms) {
    int n = 0;
    while (n < s->stalled_count && s->stalled_until[n] <= now_ms) {
        client_watch(s->l, s->stalled[n++], true);
    }
    s->stalled_count -= n;
    memmove(s->stalled, s->stalled + n, (size_t)s->stalled_count * sizeof(*s->stalled));
    memmove(s->stalled_until, s->stalled_until + n,
            (size_t)s->stalled_count * sizeof(*s->stalled_until));
}

/* One act of disorder, to a client chosen at random. */
static void act(struct soak *s) {
    struct load *l = s->l;
    struct client *c = &l->list[codec_random_below((uint64_t)l->clients)];
    if (c->paused || !c->open) {
        return;
    }
    switch (codec_random_below(4)) {
    case 0:
        if (c->kind == KIND_WS) {
            change_filter(c);
            s->filters++;
        }
        break;
    case 1:
        if (c->kind != KIND_POLL) {
            stall(s, c);
            s->stalls++;
        }
        break;
    default:
        client_close(c);
        client_open(l, c);
        s->disconnects++;
        break;
    }
}

static void check_post(struct soak *s) {
    if (s->post_fd) {
        post_check(s->post_fd);
        s->post_fd = 0;
    }
}

static void turn(struct soak *s) {
    int64_t now = clock_mono_ms();
    if (now >= s->post_at) {
        check_post(s);
        s->post_fd = post_send(s->l, s->l->post_port, (uint32_t)++s->posted);
        s->post_at = now + POST_EVERY_MS;
    }
    wake_stalled(s, now);
    for (; s->acts < (now - s->began) * s->l->soak_churn / 1000; s->acts++) {
        act(s);
    }
    clients_turn(s->l, TURN_MS);
}

static bool is_whole(const struct soak *s) {
    for (int i = 0; i < s->l->clients; i++) {
        if (s->l->list[i].last < (uint32_t)s->posted) {
            return false;
        }
    }
    return true;
}

/* Nobody is stalled and everybody has everything: two such moments can be compared. */
static void settle(struct soak *s) {
    int64_t now = clock_mono_ms();
    int64_t paused_at = now;
    wake_stalled(s, INT64_MAX);
    check_post(s);
    while (!is_whole(s) && clock_mono_ms() < now + WHOLE_MS) {
        clients_turn(s->l, TURN_MS);
    }
    for (int64_t until = clock_mono_ms() + 1000; clock_mono_ms() < until;) {
        clients_turn(s->l, TURN_MS);
    }
    s->began += clock_mono_ms() - paused_at;
}

static void run_for(struct soak *s, int64_t duration_ms) {
    for (int64_t until = clock_mono_ms() + duration_ms; clock_mono_ms() < until;) {
        turn(s);
    }
    settle(s);
}

/* Everybody leaves: descriptors of the server over what it had, once it has noticed. */
static double files_left(struct load *l, double files_before) {
    l->reopen = false;
    clients_close(l);
    int64_t until = clock_mono_ms() + WHOLE_MS;
    while (files_now(l) > files_before && clock_mono_ms() < until) {
        (void)clients_turn(l, TURN_MS);
    }
    return files_now(l) - files_before;
}

/* A long-poll without a position was answered and closed while the others were let in. */
static void reopen_closed(struct load *l) {
    for (int i = 0; i < l->clients; i++) {
        if (l->list[i].fd == 0) {
            client_open(l, &l->list[i]);
        }
    }
}

void soak_run(struct load *l, double files_before) {
    struct soak s = {.l = l, .began = clock_mono_ms()};
    s.stalled = mem_zalloc((size_t)l->clients, sizeof(*s.stalled));
    s.stalled_until = mem_zalloc((size_t)l->clients, sizeof(*s.stalled_until));
    l->resume = true;
    l->reopen = true;
    reopen_closed(l);
    run_for(&s, (int64_t)l->soak_s * 1000 / WARM_PART);
    double rss_warm = rss_now(l);
    struct cpu before = cpu_now(l);
    run_for(&s, (int64_t)l->soak_s * 1000 - (int64_t)l->soak_s * 1000 / WARM_PART);
    double rss_end = rss_now(l);
    double cpu_us = cpu_now(l).run_us - before.run_us;
    int64_t lost = lost_of(l, (uint64_t)l->clients * (uint64_t)s.posted);
    double files = files_left(l, files_before);
    (void)printf("soak_clients=%d soak_s=%d posted=%d disconnects=%llu stalls=%llu filters=%llu "
                 "cut_by_server=%d rss_warm=%.0f rss_end=%.0f rss_end_ratio_warm=%.4f "
                 "files_left=%.0f cpu_percent=%.1f lost=%lld dup=%llu reordered=%llu\n",
                 l->clients, l->soak_s, s.posted, (unsigned long long)s.disconnects,
                 (unsigned long long)s.stalls, (unsigned long long)s.filters, l->closed, rss_warm,
                 rss_end, rss_end / rss_warm, files,
                 cpu_us / ((double)l->soak_s * 1e4 * (WARM_PART - 1) / WARM_PART), (long long)lost,
                 (unsigned long long)l->duplicates, (unsigned long long)l->reordered);
    (void)fflush(stdout);
    free(s.stalled);
    free(s.stalled_until);
}

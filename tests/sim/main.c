/* tocsin-sim: APNs, Google's token endpoint and FCM as a strict stand-in for tests.
 *
 *   listener -> conn (TLS) -> h2 (nghttp2) -> stream -> exchange (faults, latency)
 *            -> apns | fcm | oauth -> ledger          control (HTTP/1.1): faults, tokens, ledger
 *
 * One thread, one loop. README.md tells how to use it. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apns.h"
#include "authorization.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "conn.h"
#include "control.h"
#include "fcm.h"
#include "h2.h"
#include "ledger.h"
#include "listener.h"
#include "oauth.h"
#include "registry.h"
#include "stream.h"

enum { SWEEP_MS = 50 };

struct arguments {
    const char *dir;
    const char *address[PROVIDER_COUNT];
    const char *control;
    bool exit_with_stdin;
};

struct program {
    struct sim sim;
    struct control *control;
    uv_signal_t signals[2];
    uv_pipe_t input;
};

static const char usage[] =
    "usage: tocsin-sim --dir DIR [--apns HOST:PORT] [--fcm HOST:PORT] [--oauth HOST:PORT]\n"
    "                  [--control HOST:PORT] [--exit-with-stdin]\n"
    "Port 0 (the default) takes any free one; the line printed when ready tells which.\n";

int64_t sim_clock_ms(const struct sim *s) {
    return clock_wall_ms() + s->clock_offset_ms;
}

static void make_books(struct sim *s) {
    s->ledger = ledger_create();
    s->registry = registry_create();
}

void sim_reset(struct sim *s) {
    s->clock_offset_ms = 0;
    ledger_destroy(s->ledger);
    registry_destroy(s->registry);
    make_books(s);
    authorization_forget_checks(s);
    apns_reset(s->apns);
    fcm_reset(s->fcm);
    oauth_reset(s->oauth);
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        struct listener *l = &s->listeners[i];
        memset(l->faults, 0, sizeof(l->faults));
        l->connects = l->token_updates = (struct rate_window){0};
        stats_reset(&l->stats);
        listener_update(l);
    }
}

static bool parse(int argc, char **argv, struct arguments *out) {
    static const struct option options[] = {
        {"apns", required_argument, NULL, PROVIDER_APNS},
        {"fcm", required_argument, NULL, PROVIDER_FCM},
        {"oauth", required_argument, NULL, PROVIDER_OAUTH},
        {"dir", required_argument, NULL, 'd'},
        {"control", required_argument, NULL, 'c'},
        {"exit-with-stdin", no_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    static const char any[] = "127.0.0.1:0";
    *out = (struct arguments){.address = {any, any, any}, .control = any};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case PROVIDER_APNS:
        case PROVIDER_FCM:
        case PROVIDER_OAUTH:
            out->address[c] = optarg;
            break;
        case 'd':
            out->dir = optarg;
            break;
        case 'c':
            out->control = optarg;
            break;
        case 'e':
            out->exit_with_stdin = true;
            break;
        default:
            return false;
        }
    }
    return out->dir && optind == argc;
}

static void on_flush(uv_prepare_t *flusher) {
    conn_flush_all(flusher->data);
}

static void on_sweep(uv_timer_t *timer) {
    struct sim *s = timer->data;
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        h2_sweep_idle(&s->listeners[i]);
        listener_update(&s->listeners[i]); /* "down" may be over its time */
    }
}

static enum err sim_init(struct sim *s, uv_loop_t *loop, const struct arguments *args) {
    *s = (struct sim){.loop = loop};
    codec_random(&s->rng, sizeof(s->rng));
    list_init(&s->unflushed);
    wheel_init(&s->wheel, loop);
    s->authorizations = map_create();
    make_books(s);
    h2_setup();
    uv_prepare_init(loop, &s->flusher);
    uv_timer_init(loop, &s->idle_sweep);
    s->flusher.data = s->idle_sweep.data = s;
    uv_prepare_start(&s->flusher, on_flush);
    uv_timer_start(&s->idle_sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    enum err err = credentials_load(&s->credentials, args->dir);
    if (!err) {
        err = listener_make_tls(s);
    }
    for (int i = 0; !err && i < PROVIDER_COUNT; i++) {
        err = listener_init(&s->listeners[i], s, (enum provider)i, args->address[i]);
    }
    if (err) {
        return err;
    }
    char token_uri[ADDRESS_BYTES + 32];
    const struct listener *l = &s->listeners[PROVIDER_OAUTH];
    (void)snprintf(token_uri, sizeof(token_uri), "https://%s:%d/token", l->host, l->port);
    s->apns = apns_create(s);
    s->oauth = oauth_create(s);
    s->fcm = fcm_create(s);
    oauth_set_token_uri(s->oauth, token_uri);
    return credentials_write_account(&s->credentials, token_uri);
}

static void sim_stop(struct sim *s) {
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        listener_finish(&s->listeners[i]);
    }
    wheel_finish(&s->wheel);
    uv_close((uv_handle_t *)&s->flusher, NULL);
    uv_close((uv_handle_t *)&s->idle_sweep, NULL);
}

/* After the loop has run out. */
static void sim_finish(struct sim *s) {
    stream_cleanup();
    authorization_cleanup(s);
    fcm_destroy(s->fcm);
    apns_destroy(s->apns);
    oauth_destroy(s->oauth);
    ledger_destroy(s->ledger);
    registry_destroy(s->registry);
    listener_free_tls(s);
    credentials_finish(&s->credentials);
    h2_cleanup();
}

static void stop(struct program *p) {
    sim_stop(&p->sim);
    control_destroy(p->control);
    p->control = NULL;
    for (int i = 0; i < 2; i++) {
        uv_close((uv_handle_t *)&p->signals[i], NULL);
    }
    if (p->input.loop) {
        uv_close((uv_handle_t *)&p->input, NULL);
    }
}

static void on_signal(uv_signal_t *handle, int number) {
    struct program *p = handle->data;
    (void)number;
    if (p->control) {
        stop(p);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
    static char dropped[1024];
    (void)handle;
    (void)suggested;
    *out = uv_buf_init(dropped, sizeof(dropped));
}

static void on_input(uv_stream_t *input, ssize_t size, const uv_buf_t *buf) {
    struct program *p = input->data;
    (void)buf;
    if (size < 0 && p->control) {
        stop(p);
    }
}

static void watch_input(struct program *p, uv_loop_t *loop) {
    uv_pipe_init(loop, &p->input, 0);
    p->input.data = p;
    if (uv_pipe_open(&p->input, STDIN_FILENO) != 0 ||
        uv_read_start((uv_stream_t *)&p->input, on_alloc, on_input) != 0) {
        log_warn("sim_stdin_not_watched");
    }
}

static void watch_signals(struct program *p, uv_loop_t *loop) {
    static const int numbers[2] = {SIGTERM, SIGINT};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &p->signals[i]);
        p->signals[i].data = p;
        uv_signal_start(&p->signals[i], on_signal, numbers[i]);
    }
}

static void say_ready(const struct program *p, const char *dir) {
    struct buf b;
    buf_init(&b, 16384);
    buf_putc(&b, '{');
    for (int i = 0; i < PROVIDER_COUNT; i++) {
        const struct listener *l = &p->sim.listeners[i];
        buf_printf(&b, "\"%s\":\"https://%s:%d\",", provider_names[i], l->host, l->port);
    }
    buf_printf(&b, "\"control\":\"http://%s:%d\",\"dir\":", control_host(p->control),
               control_port(p->control));
    buf_put_json(&b, str_of(dir));
    buf_puts(&b, "}\n");
    (void)fputs(b.p, stdout);
    (void)fflush(stdout);
    buf_finish(&b);
}

int main(int argc, char **argv) {
    static struct program program;
    struct arguments args;
    uv_loop_t loop;
    if (!parse(argc, argv, &args)) {
        (void)fputs(usage, stderr);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    log_set_worker("sim", 0);
    uv_loop_init(&loop);
    if (sim_init(&program.sim, &loop, &args) != ERR_OK ||
        control_create(&program.sim, args.control, &program.control) != ERR_OK) {
        log_error("sim_not_started");
        return 1;
    }
    watch_signals(&program, &loop);
    if (args.exit_with_stdin) {
        watch_input(&program, &loop);
    }
    say_ready(&program, args.dir);
    uv_run(&loop, UV_RUN_DEFAULT);
    sim_finish(&program.sim);
    uv_loop_close(&loop);
    return 0;
}

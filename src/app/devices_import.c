/* Lines are read and parsed as fast as Redis takes them: BATCH of them go in one script call, and
 * up to WINDOW calls are under way, so that Redis always has one waiting. */
#include "app/devices_transfer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "model/json.h"
#include "store/device_store.h"

enum {
    BATCH = 64, /* a script call of about a millisecond: others do not wait longer */
    WINDOW = 8,
    LINE_BYTES_MAX = 65536,
    FAULT_BYTES_MAX = 65536,
    PROGRESS_MS = 200,
    BAR_WIDTH = 30,
};

struct batch_item {
    uint64_t line;
    struct device *device; /* owned */
    char secret_sha256[SHA256_HEX_BYTES];
};

struct batch {
    struct import *in;
    size_t count;
    struct batch_item items[BATCH];
};

struct import {
    struct cli_store *c;
    const struct taxonomy *t;
    uint64_t line;
    uint64_t read_bytes;
    uint64_t file_bytes; /* 0 = unknown */
    struct batch *batch; /* being filled, or NULL */
    uint64_t under_way;  /* calls */
    uint64_t created;
    uint64_t updated;
    uint64_t failed;
    bool stopped; /* Redis is away */
    bool is_terminal;
    int64_t started_ms;
    int64_t shown_ms;
};

/* ---- what people see ---- */

static void clear_progress(const struct import *in) {
    if (in->is_terminal) {
        (void)fputs("\r\033[K", stderr);
    }
}

static void show_progress(struct import *in) {
    int64_t now = clock_mono_ms();
    if (!in->is_terminal || now - in->shown_ms < PROGRESS_MS) {
        return;
    }
    in->shown_ms = now;
    uint64_t done = in->created + in->updated + in->failed;
    uint64_t per_second = done * 1000 / (uint64_t)(now - in->started_ms + 1);
    clear_progress(in);
    if (in->file_bytes) {
        static const char bar[] = "##############################";
        uint64_t share = in->read_bytes * BAR_WIDTH / in->file_bytes;
        int width = (int)(share < BAR_WIDTH ? share : BAR_WIDTH);
        (void)fprintf(stderr, "[%-*.*s] ", BAR_WIDTH, width, bar);
    }
    (void)fprintf(stderr, "%" PRIu64 " devices, %" PRIu64 "/s", done, per_second);
}

static void tell_fault(struct import *in, uint64_t line, const char *what) {
    in->failed++;
    clear_progress(in);
    (void)fprintf(stderr, "line %" PRIu64 ": %s\n", line, what);
}

static void tell_problems(struct import *in, const struct problem *problems) {
    struct buf text;
    buf_init(&text, FAULT_BYTES_MAX);
    problem_put_text(problems, &text);
    while (text.n && text.p[text.n - 1] == '\n') {
        text.p[--text.n] = '\0';
    }
    for (size_t i = 0; i < text.n; i++) {
        text.p[i] = text.p[i] == '\n' ? ';' : text.p[i];
    }
    tell_fault(in, in->line, text.n ? text.p : "not a device");
    buf_finish(&text);
}

/* ---- one line ---- */

/* "2026-11-23T20:50:56.123Z" → milliseconds; 0 (registered at an unknown time) otherwise. */
static int64_t parse_time(struct str text) {
    char copy[CLOCK_ISO_BYTES] = "";
    struct tm tm = {0};
    uint64_t ms = 0;
    if (text.n != CLOCK_ISO_BYTES - 1 || text.p[19] != '.' || text.p[23] != 'Z' ||
        str_to_u64((struct str){text.p + 20, 3}, &ms)) {
        return 0;
    }
    memcpy(copy, text.p, 19);
    const char *end = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    return end && !*end ? (int64_t)timegm(&tm) * 1000 + (int64_t)ms : 0;
}

static void count_one(struct import *in, uint64_t line, enum device_put_status status) {
    switch (status) {
    case DEVICE_PUT_CREATED:
        in->created++;
        break;
    case DEVICE_PUT_UPDATED:
        in->updated++;
        break;
    case DEVICE_PUT_DENIED:
        tell_fault(in, line, "refused");
        break;
    case DEVICE_PUT_UNAVAILABLE:
        tell_fault(in, line, "not stored: Redis is away or full");
        in->stopped = true;
        break;
    }
}

static void on_batch(void *user, const struct device_put_result *results, size_t count) {
    struct batch *batch = user;
    struct import *in = batch->in;
    in->under_way--;
    for (size_t i = 0; i < count; i++) {
        count_one(in, batch->items[i].line, results[i].status);
        device_destroy(batch->items[i].device);
    }
    free(batch);
}

static void send_batch(struct import *in) {
    struct batch *batch = in->batch;
    struct device_put puts[BATCH];
    if (!batch) {
        return;
    }
    for (size_t i = 0; i < batch->count; i++) {
        puts[i] =
            (struct device_put){batch->items[i].device, str_of(batch->items[i].secret_sha256)};
    }
    in->batch = NULL;
    in->under_way++;
    device_store_put_many(in->c->store, in->t, puts, batch->count, true, on_batch, batch);
}

/* A digest that is none is as good as no secret. */
static void copy_digest(struct batch_item *item, struct str digest) {
    if (digest.n < sizeof(item->secret_sha256)) {
        memcpy(item->secret_sha256, digest.p, digest.n);
    }
}

/* Takes the device. */
static void put_device(struct import *in, const struct json_reader *r, struct device *take_device) {
    struct str text = {NULL, 0};
    if (!in->batch) {
        in->batch = mem_zalloc(1, sizeof(*in->batch));
        in->batch->in = in;
    }
    struct batch_item *item = &in->batch->items[in->batch->count++];
    item->line = in->line;
    item->device = take_device;
    if (json_read_string(r, "secret", &text)) {
        codec_sha256_hex(text, item->secret_sha256);
    } else if (json_read_string(r, "secret_sha256", &text) && text.n) {
        copy_digest(item, text);
    }
    if (json_read_string(r, "registered_at", &text)) {
        take_device->registered_ms = parse_time(text);
    }
    if (in->batch->count == BATCH) {
        send_batch(in);
    }
}

static void take_object(struct import *in, const struct json_reader *r) {
    struct buf dropped;
    struct device *device = NULL;
    struct str id = {NULL, 0};
    buf_init(&dropped, LINE_BYTES_MAX);
    if (!json_is_object(r)) {
        tell_problems(in, r->problems);
        return;
    }
    (void)json_read_string(r, "id", &id);
    if (device_read_request(in->t, id, r->object, &device, &dropped, r->problems)) {
        tell_problems(in, r->problems);
    } else {
        put_device(in, r, device);
    }
    buf_finish(&dropped);
}

static void take_line(struct import *in, struct str line) {
    struct problem *problems = problem_create();
    struct cJSON *root = NULL;
    if (line.n > LINE_BYTES_MAX) {
        tell_fault(in, in->line, "too long");
    } else if (json_parse(line, "", &root, problems) || !problem_is_empty(problems)) {
        tell_problems(in, problems);
    } else {
        const struct json_reader r = {root, "", problems};
        take_object(in, &r);
    }
    json_destroy(root);
    problem_destroy(problems);
}

/* ---- all lines ---- */

static void wait_below(struct import *in, uint64_t limit) {
    while (in->under_way >= limit && in->under_way) {
        (void)uv_run(&in->c->loop, UV_RUN_ONCE);
        show_progress(in);
    }
}

static void summarise(struct import *in) {
    int64_t took_ms = clock_mono_ms() - in->started_ms + 1;
    uint64_t stored = in->created + in->updated;
    clear_progress(in);
    if (in->stopped) {
        (void)fprintf(stderr, "Stopped after line %" PRIu64 "; the import can be repeated.\n",
                      in->line);
    }
    (void)fprintf(stderr,
                  "%" PRIu64 " devices: %" PRIu64 " new, %" PRIu64 " replaced, %" PRIu64
                  " lines refused; %.1f s, %" PRIu64 "/s\n",
                  stored, in->created, in->updated, in->failed, (double)took_ms / 1000,
                  stored * 1000 / (uint64_t)took_ms);
}

bool devices_import(struct cli_store *c, const struct taxonomy *t, FILE *file) {
    struct import in = {.c = c, .t = t, .is_terminal = isatty(STDERR_FILENO) == 1};
    struct stat st;
    char *text = NULL;
    size_t text_size = 0;
    ssize_t size;
    if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode)) {
        in.file_bytes = (uint64_t)st.st_size;
    }
    in.started_ms = clock_mono_ms();
    while (!in.stopped && (size = getline(&text, &text_size, file)) >= 0) {
        struct str line = str_trim((struct str){text, (size_t)size});
        in.line++;
        in.read_bytes += (uint64_t)size;
        if (line.n) {
            take_line(&in, line);
        }
        wait_below(&in, WINDOW);
        show_progress(&in);
    }
    bool read_all = in.stopped || !ferror(file);
    if (!read_all) {
        (void)fprintf(stderr, "tocsin devices: reading after line %" PRIu64 ": %m\n", in.line);
    }
    free(text);
    send_batch(&in);
    wait_below(&in, 1);
    summarise(&in);
    return read_all && !in.stopped && in.failed == 0;
}

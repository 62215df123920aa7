#include "base/log.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

enum { LIMITER_SLOTS = 64 };

/* One slot per event name (by address: names are literals). */
struct limiter {
    const char *event;
    int64_t second;
    unsigned count;
    unsigned suppressed;
};

static struct {
    enum log_format format;
    enum log_level least;
    const char *role;
    int worker;
    uint64_t dropped;
    struct limiter limiters[LIMITER_SLOTS];
} state = {.least = LOG_INFO, .worker = -1};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct log_field log_text(const char *key, struct str value) {
    return (struct log_field){.key = key, .text = value.p ? value.p : "", .size = value.n};
}

void log_setup(enum log_format format, enum log_level least) {
    state.format = format;
    state.least = least;
}

void log_set_worker(const char *role, int index) {
    state.role = role;
    state.worker = index;
}

/* The event's slot, or the free one it may take; a slot quiet for a second is free. With more than
 * LIMITER_SLOTS busy events the last ones share. */
static struct limiter *limiter_find(const char *event, int64_t second) {
    size_t start = ((uintptr_t)event >> 3) % LIMITER_SLOTS;
    struct limiter *free_slot = NULL;
    for (size_t i = 0; i < LIMITER_SLOTS; i++) {
        struct limiter *l = &state.limiters[(start + i) % LIMITER_SLOTS];
        if (l->event == event) {
            return l;
        }
        if (!free_slot && (!l->event || (l->second < second && !l->suppressed))) {
            free_slot = l;
        }
        if (!l->event) {
            break;
        }
    }
    return free_slot ? free_slot : &state.limiters[start];
}

/* How many lines of this event were left out before this one; -1: leave this one out too. */
static int limiter_pass(const char *event) {
    int64_t second = clock_mono_ms() / 1000;
    struct limiter *l = limiter_find(event, second);
    if (l->second != second || !l->event) {
        int suppressed = (int)l->suppressed;
        *l = (struct limiter){.event = event, .second = second, .count = 1};
        return suppressed;
    }
    if (l->event != event) {
        *l = (struct limiter){.event = event, .second = second};
    }
    if (++l->count > LOG_BURST) {
        l->suppressed++;
        return -1;
    }
    return 0;
}

static bool is_bare(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7F) {
            return false;
        }
    }
    return s.n > 0 && str_is_utf8(s);
}

/* JSON is UTF-8: the bytes of another text that are not ASCII become '?'. */
static void put_quoted(struct buf *b, struct str text) {
    if (str_is_utf8(text)) {
        buf_put_json(b, text);
        return;
    }
    struct buf ascii;
    buf_init(&ascii, LOG_LINE_MAX);
    for (size_t i = 0; i < text.n; i++) {
        buf_putc(&ascii, (unsigned char)text.p[i] < 0x80 ? text.p[i] : '?');
    }
    buf_put_json(b, buf_str(&ascii));
    buf_finish(&ascii);
}

static void put_field(struct buf *b, const struct log_field *field) {
    bool json = state.format == LOG_FORMAT_JSON;
    struct str text = {field->text, field->size};
    if (json) {
        buf_puts(b, b->n > 1 ? "," : "");
        buf_put_json(b, str_of(field->key));
        buf_putc(b, ':');
    } else {
        buf_puts(b, b->n ? " " : "");
        buf_puts(b, field->key);
        buf_putc(b, '=');
    }
    if (!field->text) {
        buf_printf(b, "%lld", (long long)field->number);
    } else if (json || !is_bare(text)) {
        put_quoted(b, text);
    } else {
        buf_put_str(b, text);
    }
}

static void put_line(struct buf *b, const struct log_field *const lists[], size_t count) {
    if (state.format == LOG_FORMAT_JSON) {
        buf_putc(b, '{');
    }
    for (size_t i = 0; i < count; i++) {
        for (const struct log_field *f = lists[i]; f->key; f++) {
            put_field(b, f);
        }
    }
    if (state.format == LOG_FORMAT_JSON) {
        buf_putc(b, '}');
    }
    buf_putc(b, '\n');
}

/* Writes without waiting. A pipe that polls writable takes PIPE_BUF (4096) bytes at once, pipe(7),
 * and no line is longer; O_NONBLOCK would change the descriptor for whoever shares it. */
static void emit(const struct buf *line) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT) ||
        write(STDERR_FILENO, line->p, line->n) < 0) {
        state.dropped++;
    } else {
        state.dropped = 0; /* this line told how many */
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields) {
    if (level < state.least) {
        return;
    }
    int suppressed = limiter_pass(event);
    if (suppressed < 0) {
        return;
    }
    char when[CLOCK_ISO_BYTES];
    clock_format_iso(clock_wall_ms(), when);
    const struct log_field none = {0};
    const struct log_field head[] = {
        LOG_S("ts", when), LOG_S("level", level_names[level]), LOG_S("event", event), {0}};
    const struct log_field who[] = {LOG_S("role", state.role), LOG_I("worker", state.worker), {0}};
    const struct log_field repeats[] = {LOG_I("suppressed", suppressed), {0}};
    const struct log_field lost[] = {LOG_I("dropped", state.dropped), {0}};
    const struct log_field *const lists[] = {head, state.role ? who : &none, fields,
                                             suppressed ? repeats : &none,
                                             state.dropped ? lost : &none};
    struct buf line;
    buf_init(&line, LOG_LINE_MAX);
    put_line(&line, lists, sizeof(lists) / sizeof(lists[0]));
    if (line.overflow) {
        const struct log_field cut[] = {LOG_I("truncated", 1), {0}};
        const struct log_field *const brief[] = {head, state.role ? who : &none, cut};
        buf_clear(&line);
        put_line(&line, brief, 3);
    }
    emit(&line);
    buf_finish(&line);
}

enum err log_level_parse(struct str name, enum log_level *out_level) {
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
        if (str_eq(name, str_of(level_names[i]))) {
            *out_level = (enum log_level)i;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

#include "store/push_control.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "model/alert.h"
#include "model/json.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/script.h"

enum { DAY_S = 86400, SWITCH_BYTES_MAX = 8192 };

/* --- what a dispatcher asks --- */

struct ask_call {
    push_control_fn *done;
    void *user;
    size_t count;
    struct push_ending alerts[];
};

/* Platforms by the names of the switch. */
static uint32_t paused_mask(const struct redisReply *names) {
    uint32_t mask = 0;
    for (size_t i = 0; i < reply_count(names); i++) {
        struct str name = reply_str_at(names, i);
        int platform = name_find(platform_names, PLATFORM_COUNT, name);
        mask |= str_eq(name, STR("all")) ? UINT32_MAX : platform >= 0 ? UINT32_C(1) << platform : 0;
    }
    return mask;
}

int push_ending_outcome(int64_t code) {
    return code == 1 ? (int)OUTCOME_ABORTED : code == 2 ? (int)OUTCOME_SUPERSEDED : -1;
}

static void on_control(void *user, enum err err, const struct redisReply *reply) {
    struct ask_call *call = user;
    size_t ended = 0;
    bool failed = store_failed("push_control", err, reply);
    const struct redisReply *marks = reply_at(reply, 1);
    for (size_t i = 0; !failed && i < call->count; i++) {
        int why = push_ending_outcome(reply_int_at(marks, i));
        if (why >= 0) {
            call->alerts[ended++] =
                (struct push_ending){call->alerts[i].revision, (enum outcome)why};
        }
    }
    call->done(call->user, failed ? ERR_UNAVAILABLE : ERR_OK, paused_mask(reply_at(reply, 0)),
               call->alerts, ended);
    free(call);
}

void push_control_ask(struct store *store, const struct push_revision *alerts, size_t count,
                      push_control_fn *done, void *user) {
    struct ask_call *call = mem_alloc(sizeof(*call) + count * sizeof(call->alerts[0]));
    struct args args;
    *call = (struct ask_call){.done = done, .user = user, .count = count};
    args_init(&args);
    args_put_text(&args, KEY_PAUSED);
    for (size_t i = 0; i < count; i++) {
        call->alerts[i].revision = alerts[i];
        args_printf(&args, KEY_STATS, alerts[i].alert_id, alerts[i].revision);
    }
    store_script(store, SCRIPT_PUSH_CONTROL, args_words(&args), args.count, args.count, on_control,
                 call);
    args_finish(&args);
}

/* --- abort --- */

struct abort_call {
    push_abort_fn *done;
    void *user;
};

static void on_aborted(void *user, enum err err, const struct redisReply *reply) {
    struct abort_call call = *(struct abort_call *)user;
    free(user);
    bool failed = store_failed("alert_abort", err, reply);
    int64_t stopped = failed ? 0 : reply_int(reply);
    call.done(call.user, failed ? ERR_UNAVAILABLE : stopped < 0 ? ERR_NOT_FOUND : ERR_OK, stopped);
}

void push_control_abort(struct store *store, struct str alert_id, const struct audit_event *event,
                        push_abort_fn *done, void *user) {
    struct abort_call *call = mem_zalloc(1, sizeof(*call));
    char id[UUID_BYTES] = "";
    struct args args;
    *call = (struct abort_call){done, user};
    memcpy(id, alert_id.p, alert_id.n < sizeof(id) ? alert_id.n : 0);
    args_init(&args);
    args_printf(&args, KEY_ALERT, id);
    args_put_text(&args, id);
    args_put_int(&args, clock_wall_ms());
    args_put_int(&args, store_config(store)->log_retain_days * DAY_S);
    audit_put_arg(event, &args);
    store_script(store, SCRIPT_ALERT_ABORT, args_words(&args), args.count, 1, on_aborted, call);
    args_finish(&args);
}

/* --- the switch --- */

struct switch_call {
    push_switch_fn *done;
    void *user;
};

/* The value of a platform, empty when it is not there. */
static struct str find_value(const struct redisReply *pairs, const char *name) {
    for (size_t i = 0; i + 1 < reply_count(pairs); i += 2) {
        if (str_eq(reply_str_at(pairs, i), str_of(name))) {
            return reply_str_at(pairs, i + 1);
        }
    }
    return (struct str){NULL, 0};
}

static void put_value(struct buf *b, struct str value) {
    buf_put_str(b, value.n ? value : STR("null"));
}

struct str push_control_why(const struct redisReply *pairs, int platform) {
    struct str own = find_value(pairs, platform_names[platform]);
    return own.n ? own : find_value(pairs, "all");
}

static void on_switch(void *user, enum err err, const struct redisReply *reply) {
    struct switch_call call = *(struct switch_call *)user;
    struct buf b;
    free(user);
    if (store_failed("push_switch", err, reply)) {
        call.done(call.user, ERR_UNAVAILABLE, (struct str){NULL, 0});
        return;
    }
    buf_init(&b, SWITCH_BYTES_MAX);
    buf_puts(&b, "{\"all\":");
    put_value(&b, find_value(reply, "all"));
    for (int p = PLATFORM_APNS; p <= PLATFORM_FCM; p++) {
        json_put_name(&b, platform_names[p]);
        put_value(&b, find_value(reply, platform_names[p]));
    }
    buf_putc(&b, '}');
    call.done(call.user, ERR_OK, buf_str(&b));
    buf_finish(&b);
}

static struct switch_call *switch_call_of(push_switch_fn *done, void *user) {
    struct switch_call *call = mem_zalloc(1, sizeof(*call));
    *call = (struct switch_call){done, user};
    return call;
}

void push_control_read(struct store *store, push_switch_fn *done, void *user) {
    const struct str words[] = {STR("HGETALL"), STR(KEY_PAUSED)};
    store_command(store, words, 2, on_switch, switch_call_of(done, user));
}

/* `value` empty = resume. */
static void turn(struct store *store, const char *which, struct str value, struct str reason,
                 const struct audit_event *event, struct switch_call *call) {
    struct audit_event full = *event;
    struct buf detail;
    struct args args;
    buf_init(&detail, SWITCH_BYTES_MAX);
    buf_printf(&detail, "{\"platform\":\"%s\",\"reason\":", which);
    buf_put_json(&detail, reason);
    buf_putc(&detail, '}');
    full.detail_json = buf_str(&detail);
    args_init(&args);
    args_put_text(&args, KEY_PAUSED);
    args_put_text(&args, which);
    args_put(&args, value);
    audit_put_arg(&full, &args);
    store_script(store, SCRIPT_PUSH_SWITCH, args_words(&args), args.count, 1, on_switch, call);
    args_finish(&args);
    buf_finish(&detail);
}

void push_control_pause(struct store *store, const char *which, struct str reason,
                        const struct audit_event *event, push_switch_fn *done, void *user) {
    char since[CLOCK_ISO_BYTES];
    struct buf value;
    buf_init(&value, SWITCH_BYTES_MAX);
    clock_format_iso(clock_wall_ms(), since);
    buf_puts(&value, "{\"reason\":");
    buf_put_json(&value, reason);
    buf_printf(&value, ",\"by\":\"%s\",\"since\":\"%s\"}", event->key_id, since);
    turn(store, which, buf_str(&value), reason, event, switch_call_of(done, user));
    buf_finish(&value);
}

void push_control_resume(struct store *store, const char *which, struct str reason,
                         const struct audit_event *event, push_switch_fn *done, void *user) {
    turn(store, which, (struct str){"", 0}, reason, event, switch_call_of(done, user));
}

#include "store/publish_guard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "model/json.h"
#include "model/text_fold.h"
#include "store/args.h"
#include "store/keys.h"
#include "store/script.h"

enum {
    FOLDED_BYTES_MAX = 1 << 18, /* NFKC makes some characters many */
    DIGEST_HEX = 32,            /* 128 bits tell any texts apart */
};

/* --- asking --- */

static void put_digest(const struct alert_content *content, struct buf *b) {
    char hex[SHA256_HEX_BYTES];
    struct buf text;
    buf_init(&text, FOLDED_BYTES_MAX);
    text_fold(str_of(content->headline), &text);
    buf_putc(&text, '\n');
    text_fold(str_of(content->body), &text);
    codec_sha256_hex(buf_str(&text), hex);
    json_put_comma(b);
    buf_put_json(b, (struct str){hex, DIGEST_HEX});
    buf_finish(&text);
}

static void put_texts(const struct alert *a, struct buf *b) {
    json_put_name(b, "texts");
    buf_putc(b, '[');
    for (int i = 0; i < TAXONOMY_MAX; i++) {
        if (a->content[i].headline) {
            put_digest(&a->content[i], b);
        }
    }
    buf_putc(b, ']');
}

static void put_trip(const struct config *cfg, const struct alert *a, const char *key_name,
                     struct buf *b) {
    char detail[96];
    struct buf event;
    buf_init(&event, AUDIT_EVENT_BYTES_MAX);
    (void)snprintf(detail, sizeof(detail), "{\"alerts\":%" PRId64 ",\"within_s\":%" PRId64 "}",
                   cfg->newsroom_breaker_alerts, cfg->newsroom_breaker_window_s);
    audit_put_event(&(struct audit_event){.action = "breaker.tripped",
                                          .key_id = a->created_by,
                                          .key_name = key_name,
                                          .detail_json = str_of(detail)},
                    &event);
    json_put_name(b, "event");
    buf_put_json(b, buf_str(&event));
    buf_finish(&event);
}

void publish_guard_put(const struct config *cfg, const struct alert *a, const char *key_name,
                       bool allow_duplicate, struct buf *b) {
    if (a->status != STATUS_ACTUAL || a->msg_type == MSG_CANCEL) {
        return;
    }
    buf_putc(b, '{');
    json_put_text(b, "key", a->created_by);
    json_put_int(b, "limit", cfg->newsroom_breaker_alerts);
    json_put_int(b, "span", cfg->newsroom_breaker_window_s);
    put_trip(cfg, a, key_name, b);
    if (a->msg_type == MSG_ALERT && cfg->newsroom_duplicate_window_s) {
        json_put_int(b, "window", cfg->newsroom_duplicate_window_s);
        json_put_bool(b, "allow", allow_duplicate);
        json_put_text(b, "story", a->story_id ? a->story_id : "");
        put_texts(a, b);
    }
    buf_putc(b, '}');
}

/* --- looking --- */

struct look_call {
    publish_guard_look_fn *done;
    void *user;
};

static void on_look(void *user, enum err err, const struct redisReply *reply) {
    struct look_call call = *(struct look_call *)user;
    free(user);
    if (store_failed("guard_ask", err, reply)) {
        call.done(call.user, ERR_UNAVAILABLE, (struct str){NULL, 0}, false);
    } else {
        call.done(call.user, ERR_OK, reply_str_at(reply, 0), reply_int_at(reply, 1) == 1);
    }
}

void publish_guard_look(struct store *store, const struct alert *a, publish_guard_look_fn *done,
                        void *user) {
    struct look_call *call = mem_zalloc(1, sizeof(*call));
    struct buf guard;
    *call = (struct look_call){done, user};
    buf_init(&guard, PUBLISH_GUARD_BYTES_MAX);
    publish_guard_put(store_config(store), a, NULL, false, &guard);
    const struct str argv[] = {buf_str(&guard)};
    store_script(store, SCRIPT_GUARD_ASK, argv, 1, 0, on_look, call);
    buf_finish(&guard);
}

/* --- resetting --- */

struct reset_call {
    publish_guard_fn *done;
    void *user;
};

static void on_reset(void *user, enum err err, const struct redisReply *reply) {
    struct reset_call call = *(struct reset_call *)user;
    free(user);
    if (store_failed("breaker_reset", err, reply)) {
        call.done(call.user, ERR_UNAVAILABLE, false);
    } else {
        call.done(call.user, ERR_OK, reply_int(reply) == 1);
    }
}

void publish_guard_reset(struct store *store, struct str key_id, const struct audit_event *event,
                         publish_guard_fn *done, void *user) {
    struct reset_call *call = mem_zalloc(1, sizeof(*call));
    struct args args;
    struct buf text;
    *call = (struct reset_call){done, user};
    buf_init(&text, AUDIT_EVENT_BYTES_MAX);
    audit_put_event(event, &text);
    args_init(&args);
    args_put(&args, key_id);
    args_put(&args, buf_str(&text));
    store_script(store, SCRIPT_BREAKER_RESET, args_words(&args), args.count, 0, on_reset, call);
    args_finish(&args);
    buf_finish(&text);
}

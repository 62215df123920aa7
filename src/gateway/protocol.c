#include "gateway/protocol.h"

#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/codec.h"
#include "base/mem.h"
#include "model/json.h"

static const char *const message_names[] = {
    [CLIENT_HELLO] = "hello", [CLIENT_FILTER] = "filter", [CLIENT_PONG] = "pong",
    [CLIENT_AUTH] = "auth",   [CLIENT_ACK] = "ack",       [CLIENT_OPEN] = "open"};
enum { MESSAGE_COUNT = sizeof(message_names) / sizeof(message_names[0]) };

/* Members allowed per message. A gateway that demands no token takes one all the same and does not
 * look at it. */
static const char *const hello_members[] = {"type", "filter", "position", "token"};
static const char *const filter_members[] = {"type", "filter"};
static const char *const pong_members[] = {"type", "position"};
static const char *const auth_members[] = {"type", "token"};
static const char *const receipt_members[] = {"type", "id", "revision"};

static enum err read_filter(const struct taxonomy *t, const struct json_reader *r,
                            struct filter *out_filter) {
    const cJSON *value = json_member(r, "filter");
    if (!value) {
        filter_init(out_filter);
        return ERR_OK;
    }
    return filter_read_json(t, value, "/filter", out_filter, r->problems);
}

/* "token" of a hello or an auth; a copy, as the frame outlives the text. */
static void read_token(const struct json_reader *r, struct client_frame *frame) {
    struct str token;
    if (json_read_string(r, "token", &token)) {
        frame->token = mem_strndup(token.p, token.n);
    }
}

static void read_receipt(const struct json_reader *r, struct client_frame *frame) {
    struct str id = STR("");
    int64_t revision = 0;
    json_allow(r, receipt_members, sizeof(receipt_members) / sizeof(receipt_members[0]));
    if (json_read_string(r, "id", &id) && codec_is_uuid(id)) {
        memcpy(frame->alert_id, id.p, id.n);
    } else {
        json_fault(r, "id", "required", "the id of the alert");
    }
    if (json_read_int(r, "revision", 1, UINT32_MAX, &revision)) {
        frame->revision = (uint32_t)revision;
    } else {
        json_fault(r, "revision", "required", "the revision that came");
    }
}

static enum err read_body(const struct taxonomy *t, const struct json_reader *r,
                          struct client_frame *frame) {
    struct str position = {NULL, 0};
    switch (frame->type) {
    case CLIENT_HELLO:
        json_allow(r, hello_members, sizeof(hello_members) / sizeof(hello_members[0]));
        (void)json_read_string(r, "position", &position);
        frame->resume = resume_parse(position);
        read_token(r, frame);
        break;
    case CLIENT_FILTER:
        json_allow(r, filter_members, sizeof(filter_members) / sizeof(filter_members[0]));
        break;
    case CLIENT_PONG:
        json_allow(r, pong_members, sizeof(pong_members) / sizeof(pong_members[0]));
        break;
    case CLIENT_AUTH:
        json_allow(r, auth_members, sizeof(auth_members) / sizeof(auth_members[0]));
        read_token(r, frame);
        break;
    case CLIENT_ACK:
    case CLIENT_OPEN:
        read_receipt(r, frame);
        break;
    }
    if (!problem_is_empty(r->problems)) {
        return ERR_PROTOCOL;
    }
    bool has_filter = frame->type == CLIENT_HELLO || frame->type == CLIENT_FILTER;
    return has_filter ? read_filter(t, r, &frame->filter) : ERR_OK;
}

static void wipe_token(struct client_frame *frame) {
    if (frame->token) {
        explicit_bzero(frame->token, strlen(frame->token));
    }
    free(frame->token);
    frame->token = NULL;
}

static enum err read_message(const struct taxonomy *t, const struct json_reader *r,
                             struct client_frame *out_frame) {
    struct client_frame frame;
    memset(&frame, 0, sizeof(frame));
    int type = -1;
    if (!json_is_object(r)) {
        return ERR_PROTOCOL;
    }
    if (!json_member(r, "type")) {
        json_fault(r, "type", "required", "every message has a type");
    } else {
        (void)json_read_name(r, "type", message_names, MESSAGE_COUNT, &type);
    }
    if (type < 0) {
        return ERR_PROTOCOL;
    }
    frame.type = (enum client_message)type;
    enum err err = read_body(t, r, &frame);
    if (err == ERR_OK) {
        *out_frame = frame;
    } else {
        wipe_token(&frame);
    }
    return err;
}

void client_frame_finish(struct client_frame *frame) {
    filter_finish(&frame->filter);
    wipe_token(frame);
}

enum err protocol_parse(const struct taxonomy *t, struct str text, struct client_frame *out_frame,
                        struct problem *problems) {
    cJSON *root = NULL;
    enum err err = json_parse(text, "", &root, problems);
    if (err != ERR_OK) {
        return ERR_PROTOCOL;
    }
    struct json_reader r = {.object = root, .pointer = "", .problems = problems};
    err = problem_is_empty(problems) ? read_message(t, &r, out_frame) : ERR_PROTOCOL;
    json_destroy(root);
    return err;
}

static void put_name(struct buf *b, const char *name) {
    buf_puts(b, ",\"");
    buf_puts(b, name);
    buf_puts(b, "\":");
}

static void put_bool(struct buf *b, const char *name, bool value) {
    put_name(b, name);
    buf_puts(b, value ? "true" : "false");
}

static void put_text(struct buf *b, const char *name, const char *value) {
    if (value) {
        put_name(b, name);
        buf_put_json(b, str_of(value));
    }
}

void protocol_put_welcome(struct buf *b, const struct taxonomy *t, const struct welcome *w) {
    buf_puts(b, "{\"type\":\"welcome\",\"session\":\"");
    const uint64_t session = htobe64(w->session);
    codec_put_hex(b, (struct str){(const char *)&session, sizeof(session)});
    buf_putc(b, '"');
    put_text(b, "position", w->position);
    put_bool(b, "recovered", verdict_is_recovered(w->verdict));
    put_text(b, "reason", verdict_reason(w->verdict));
    buf_puts(b, ",\"filter\":");
    filter_put_json(w->filter, t, b);
    buf_printf(b, ",\"heartbeat_s\":%" PRId64, w->heartbeat_s);
    if (w->expires_in_s >= 0) {
        buf_printf(b, ",\"expires_in_s\":%" PRId64, w->expires_in_s);
    }
    put_bool(b, "live", w->live);
    buf_putc(b, '}');
}

void protocol_put_filter(struct buf *b, const struct taxonomy *t, const struct filter *f) {
    buf_puts(b, "{\"type\":\"filter\",\"filter\":");
    filter_put_json(f, t, b);
    buf_putc(b, '}');
}

void protocol_put_ping(struct buf *b, const char *position) {
    buf_puts(b, "{\"type\":\"ping\"");
    put_text(b, "position", position);
    buf_putc(b, '}');
}

void protocol_put_auth(struct buf *b, int64_t expires_in_s) {
    if (expires_in_s < 0) {
        buf_puts(b, "{\"type\":\"auth\",\"required\":false}");
    } else {
        buf_printf(b, "{\"type\":\"auth\",\"expires_in_s\":%" PRId64 "}", expires_in_s);
    }
}

void protocol_put_status(struct buf *b, bool live) {
    buf_printf(b, "{\"type\":\"status\",\"live\":%s}", live ? "true" : "false");
}

void protocol_put_bye(struct buf *b, const char *reason, const char *position, uint64_t after_ms) {
    buf_puts(b, "{\"type\":\"bye\"");
    put_text(b, "reason", reason);
    put_text(b, "position", position);
    put_bool(b, "reconnect", true);
    buf_printf(b, ",\"after_ms\":%" PRIu64 "}", after_ms);
}

void protocol_put_error(struct buf *b, const char *code, const char *detail,
                        const struct problem *problems) {
    buf_puts(b, "{\"type\":\"error\"");
    put_text(b, "code", code);
    put_text(b, "detail", detail);
    if (problems && !problem_is_empty(problems)) {
        buf_puts(b, ",\"errors\":");
        problem_put_errors(problems, b);
    }
    buf_putc(b, '}');
}

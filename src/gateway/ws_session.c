#include "gateway/ws_session.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/hub.h"
#include "gateway/protocol.h"

static void end(struct ws_session *s, enum close_code code, const char *detail,
                const struct problem *problems) {
    reader_end(&s->reader, &(struct goodbye){.code = code, .detail = detail, .problems = problems});
}

/* --- its token --- */

static const struct admission *admission_of(const struct ws_session *s) {
    return &s->reader.hub->options.admission;
}

static void end_unauthorised(struct ws_session *s, const char *word, const char *detail,
                             const struct problem *problems) {
    reader_end(&s->reader, &(struct goodbye){.code = CLOSE_UNAUTHORISED,
                                             .word = word,
                                             .detail = detail,
                                             .problems = problems});
}

static struct ws_extra *extra_of(struct ws_session *s) {
    if (!s->extra) {
        s->extra = mem_zalloc(1, sizeof(*s->extra));
    }
    return s->extra;
}

/* Most tokens narrow nothing: then nothing is kept of them but their end. */
static void keep_grant(struct ws_session *s, const struct token_grant *grant) {
    bool is_narrowed = grant->regions || grant->sections || grant->editions || grant->test;
    if (is_narrowed || s->extra) {
        struct ws_extra *extra = extra_of(s);
        extra->grant = *grant;
        extra->is_narrowed = is_narrowed;
    }
}

/* False: ended. */
static bool take_token(struct ws_session *s, const char *token) {
    struct token_grant grant;
    int64_t now_ms = clock_wall_ms();
    enum token_fault fault = token_gate_check(admission_of(s)->gate, str_of(token), now_ms, &grant);
    if (fault != TOKEN_GOOD) {
        end_unauthorised(s, token_fault_code(fault), token_fault_detail(fault), NULL);
        return false;
    }
    keep_grant(s, &grant);
    reader_set_expiry(&s->reader, grant.expires_s * 1000 - now_ms);
    return true;
}

/* May it follow this? Narrows `f` to what its token grants. False: ended. */
static bool admit(struct ws_session *s, const char *prefix, struct filter *f) {
    static const struct token_grant plain = {0};
    const struct admission *a = admission_of(s);
    struct problem *problems = problem_create();
    const struct token_grant *grant = s->extra && s->extra->is_narrowed ? &s->extra->grant
                                      : a->gate                         ? &plain
                                                                        : NULL;
    bool good = admission_filter(a, grant, prefix, f, problems);
    if (!good && f->tag_count > a->filter_tags_max) {
        end(s, CLOSE_FILTER, "the filter has faults", problems);
    } else if (!good) {
        end_unauthorised(s, "token_scope", "the token does not allow this filter", problems);
    }
    problem_destroy(problems);
    return good;
}

/* The hello, from the URL or the first frame. */
static void hello(struct ws_session *s, const char *token, const char *prefix, struct filter *f,
                  const struct resume *resume) {
    if (admission_of(s)->gate && (token || !s->reader.expires_s) && !take_token(s, token)) {
        return;
    }
    if (admit(s, prefix, f)) {
        reader_hello(&s->reader, f, resume);
    }
}

/* A new token for the old one: what is followed stays, as far as the new one allows it. */
static void renew(struct ws_session *s, const char *token) {
    struct reader *r = &s->reader;
    if (!admission_of(s)->gate) {
        reader_tell_expiry(r);
        return;
    }
    if (!take_token(s, token)) {
        return;
    }
    const struct filter *old = &r->cohort->filter;
    struct filter f;
    filter_copy(old, &f);
    if (admit(s, "/filter/", &f)) {
        metrics_add(M_TOKENS_RENEWED, 1);
        bool same =
            f.regions == old->regions && f.sections == old->sections && f.editions == old->editions;
        if (!same) {
            reader_change_filter(r, &f);
        }
        reader_tell_expiry(r);
    }
    filter_finish(&f);
}

/* --- its frames --- */

/* Takes one frame out of the bucket; false: it was empty, ended. */
static bool spend_frame(struct ws_session *s) {
    const struct hub *h = s->reader.hub;
    uint32_t burst = h->options.frame_burst;
    uint8_t now_s = (uint8_t)hub_seconds(h);
    if (!burst) {
        return true;
    }
    uint32_t left = s->frames_left + (uint8_t)(now_s - s->frames_s) * h->options.frame_rate;
    left = left < burst ? left : burst;
    s->frames_s = now_s;
    s->frames_left = (uint16_t)(left ? left - 1 : 0);
    if (!left) {
        end(s, CLOSE_RATE, "more frames than allowed", NULL);
    }
    return left > 0;
}

void ws_session_open(struct ws_session *s, struct hub *hub, const struct transport *transport,
                     struct params *params, bool over_capacity) {
    reader_init(&s->reader, hub, transport);
    s->open = true;
    s->partial = NULL;
    s->extra = NULL;
    s->frames_left = (uint16_t)hub->options.frame_burst;
    s->frames_s = (uint8_t)hub_seconds(hub);
    s->in_frame = false;
    if (hub->draining) {
        end(s, CLOSE_DRAINING, NULL, NULL);
    } else if (over_capacity) {
        end(s, CLOSE_CAPACITY, NULL, NULL);
    } else if (!params_complete(params)) {
        end(s, CLOSE_FILTER, "the URL has faults", params->problems);
    } else if (params->any) {
        hello(s, params->token, "?", &params->filter, &params->resume);
    } else if (params->token && hub->options.admission.gate) {
        (void)take_token(s, params->token);
    }
}

/* The entry told of: mostly the newest of its alert, else one that a correction has overtaken. */
static const struct entry *find_told(const struct ring *ring, const struct client_frame *frame) {
    const struct entry *newest = ring_find(ring, str_of(frame->alert_id));
    uint64_t seq = newest ? newest->position.seq : 0;
    for (int i = 0; i < RECEIPT_WINDOW && seq; i++, seq--) {
        const struct entry *e = ring_get(ring, seq);
        if (!e) {
            break;
        }
        if (e->alert && e->alert->revision == frame->revision &&
            str_eq(str_of(e->alert->id), str_of(frame->alert_id))) {
            return e;
        }
    }
    return NULL;
}

/* Counts what this very connection was sent, once. */
static void take_receipt(struct ws_session *s, const struct client_frame *frame) {
    const struct reader *r = &s->reader;
    const struct entry *e = find_told(r->hub->ring, frame);
    bool is_new[RECEIPT_EVENT_COUNT];
    if (!r->hub->options.receipts) {
        return;
    }
    if (!e) {
        metrics_add(M_RECEIPTS_UNKNOWN, 1);
    } else if (e->position.seq > reader_seen(r) || !entry_matches(e, &r->cohort->filter)) {
        metrics_add(M_RECEIPTS_STRANGER, 1);
    } else if (receipt_window_take(&extra_of(s)->told, e->position.seq,
                                   frame->type == CLIENT_OPEN ? RECEIPT_OPENED : RECEIPT_RECEIVED,
                                   is_new)) {
        receipts_count(r->hub->options.receipts, e->alert, is_new);
    } else {
        metrics_add(M_RECEIPTS_KNOWN, 1);
    }
}

static void handle(struct ws_session *s, struct client_frame *frame) {
    bool greeted = s->reader.state != READER_NEW;
    switch (frame->type) {
    case CLIENT_HELLO:
        if (greeted) {
            end(s, CLOSE_PROTOCOL, "hello may come only once", NULL);
        } else {
            hello(s, frame->token, "/filter/", &frame->filter, &frame->resume);
        }
        break;
    case CLIENT_FILTER:
        if (!greeted) {
            end(s, CLOSE_PROTOCOL, "hello comes first", NULL);
        } else if (admit(s, "/filter/", &frame->filter)) {
            reader_change_filter(&s->reader, &frame->filter);
        }
        break;
    case CLIENT_AUTH:
        if (greeted) {
            renew(s, frame->token);
        } else {
            end(s, CLOSE_PROTOCOL, "hello comes first", NULL);
        }
        break;
    case CLIENT_ACK:
    case CLIENT_OPEN:
        if (greeted) {
            take_receipt(s, frame);
        } else {
            end(s, CLOSE_PROTOCOL, "hello comes first", NULL);
        }
        break;
    case CLIENT_PONG:
        break;
    }
}

static void on_message(struct ws_session *s, struct str text) {
    struct client_frame frame;
    struct problem *problems = problem_create();
    metrics_add(M_GATEWAY_CLIENT_MESSAGES, 1);
    switch (protocol_parse(s->reader.hub->taxonomy, text, &frame, problems)) {
    case ERR_OK:
        handle(s, &frame);
        client_frame_finish(&frame);
        break;
    case ERR_INVALID:
        end(s, CLOSE_FILTER, "the filter has faults", problems);
        break;
    default:
        end(s, CLOSE_PROTOCOL, "not a message of tocsin.v1", problems);
        break;
    }
    problem_destroy(problems);
}

static void drop_partial(struct ws_session *s) {
    if (s->partial) {
        buf_finish(s->partial);
        free(s->partial);
        s->partial = NULL;
    }
}

static void add_piece(struct ws_session *s, struct str bytes, size_t max_bytes) {
    if (!s->partial) {
        s->partial = mem_zalloc(1, sizeof(*s->partial));
        buf_init(s->partial, max_bytes);
    }
    buf_put_str(s->partial, bytes);
}

void ws_session_receive(struct ws_session *s, const struct ws_piece *piece, size_t max_bytes) {
    if (!s->open || s->reader.state >= READER_CLOSING) {
        return;
    }
    reader_heard(&s->reader);
    size_t so_far = s->partial ? s->partial->n : 0;
    bool begins = !s->in_frame;
    s->in_frame = piece->to_come > 0;
    if (begins && !spend_frame(s)) {
        drop_partial(s);
    } else if (piece->binary) {
        end(s, CLOSE_PROTOCOL, "only text messages", NULL);
    } else if (piece->bytes.n > max_bytes - so_far ||
               piece->to_come > max_bytes - so_far - piece->bytes.n) {
        drop_partial(s);
        end(s, CLOSE_TOO_LARGE, "the message is larger than allowed", NULL);
    } else if (!s->partial && piece->final) {
        on_message(s, piece->bytes);
    } else {
        add_piece(s, piece->bytes, max_bytes);
        if (piece->final) {
            on_message(s, buf_str(s->partial));
            drop_partial(s);
        }
    }
}

void ws_session_pong(struct ws_session *s) {
    if (s->open && s->reader.state < READER_CLOSING) {
        reader_heard(&s->reader);
        (void)spend_frame(s);
    }
}

void ws_session_close(struct ws_session *s) {
    if (!s->open) {
        return;
    }
    s->open = false;
    drop_partial(s);
    free(s->extra);
    s->extra = NULL;
    reader_leave(&s->reader);
}

#include "newsroom/ingest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "model/json.h"
#include "newsroom/breaker.h"
#include "newsroom/clearance.h"
#include "newsroom/draft_text.h"
#include "newsroom/later.h"
#include "store/alert_store.h"

enum {
    IDEMPOTENCY_KEY_BYTES_MAX = 128,
    /* The stored form escapes control characters, so it can be longer than the body. */
    CANONICAL_BYTES_MAX = 4 * ALERT_JSON_BYTES_MAX,
};

struct ingest {
    struct call *call;
    struct alert *alert;
    char *idempotency_key;
    char *token;     /* Confirm-Token, "" = none */
    bool is_by_path; /* the path names the alert that is corrected */
    bool allow_duplicate;
    uint32_t about;  /* the revision that a correction was confirmed for, 0 = whichever */
    struct buf body; /* as it is without a path that says some of it */
    char fingerprint[SHA256_HEX_BYTES];
};

static void ingest_free(struct ingest *in) {
    alert_destroy(in->alert);
    free(in->idempotency_key);
    free(in->token);
    buf_finish(&in->body);
    free(in);
}

static void refuse(struct ingest *in, int status, const char *detail, const struct problem *p) {
    metrics_add(M_ALERTS_REFUSED, 1);
    call_problem(in->call, status, detail, p);
    ingest_free(in);
}

static void refuse_one(struct ingest *in, int status, const char *pointer, const char *code,
                       const char *detail) {
    struct problem *p = problem_create();
    problem_add(p, pointer, code, "%s", detail);
    refuse(in, status, detail, p);
    problem_destroy(p);
}

/* Of the alert that an update or cancel is about. */
static void refuse_reference(struct ingest *in, int status, const char *code, const char *detail) {
    refuse_one(in, status, in->is_by_path ? "{id}" : "/references/0", code, detail);
}

static void unavailable(struct ingest *in, const char *detail) {
    metrics_add(M_ALERTS_UNAVAILABLE, 1);
    call_unavailable(in->call, detail);
    ingest_free(in);
}

/* --- the head --- */

static void on_head_key(struct call *call) {
    if (!call->rq) {
        call_end(call);
        return;
    }
    if (!call_is_json(call->rq)) {
        metrics_add(M_ALERTS_REFUSED, 1);
        call_problem(call, 415, "Content-Type must be application/json.", NULL);
        return;
    }
    struct api_key *key = mem_alloc(sizeof(*key));
    *key = call->key;
    http_keep(call->rq, key);
    http_continue(call->rq);
    call_end(call);
}

void ingest_head(struct room *room, struct http_request *rq) {
    call_begin(room, rq, on_head_key);
}

/* --- publishing --- */

static void put_answer(const struct publish_result *r, struct buf *b) {
    char position[POSITION_BYTES];
    char sent_at[CLOCK_ISO_BYTES];
    position_format(&r->position, position);
    clock_format_iso(r->sent_ms, sent_at);
    buf_printf(b,
               "{\"id\":\"%s\",\"revision\":%" PRIu32 ",\"seq\":%" PRIu64
               ",\"position\":\"%s\",\"durability\":\"%s\",\"sent_at\":\"%s\"%s}",
               r->id, r->revision, r->position.seq, position, r->durability, sent_at,
               r->is_forgotten ? ",\"recipients\":\"forgotten\"" : "");
}

static void accepted(struct ingest *in, const struct publish_result *r) {
    bool replayed = r->status == PUBLISH_REPLAYED;
    double took_ms = (double)(clock_mono_us() - in->call->started_us) / 1000;
    metrics_add(replayed ? M_ALERTS_REPLAYED : M_ALERTS_ACCEPTED, 1);
    metrics_observe_ms(M_PUBLISH_MS, took_ms);
    log_info(replayed ? "alert_replayed" : "alert_accepted", LOG_S("alert_id", r->id),
             LOG_I("revision", r->revision), LOG_I("seq", r->position.seq),
             LOG_S("key_id", in->call->key.id),
             LOG_S("msg_type", msg_type_names[in->alert->msg_type]),
             LOG_S("status", alert_status_names[in->alert->status]),
             LOG_S("urgency", urgency_names[in->alert->urgency]),
             LOG_S("durability", r->durability), LOG_I("took_ms", took_ms));
    struct http_request *rq = in->call->rq;
    if (rq) {
        char location[64];
        struct buf body;
        buf_init(&body, 1024);
        put_answer(r, &body);
        (void)snprintf(location, sizeof(location), "/v1/alerts/%s", r->id);
        http_add_header(rq, "Location", location);
        if (replayed) {
            http_add_header(rq, "Idempotency-Replayed", "true");
        }
        http_answer(rq, 202, "application/json", buf_str(&body));
        buf_finish(&body);
    }
    call_end(in->call);
    ingest_free(in);
}

static void refuse_duplicate(struct ingest *in, const char *id) {
    char detail[192];
    (void)snprintf(detail, sizeof(detail),
                   "Alert %s said the same a short while ago; to send it again all the same give "
                   "the header Allow-Duplicate: true.",
                   id);
    metrics_add(M_DUPLICATES_REFUSED, 1);
    refuse_one(in, 409, "/content", "duplicate", detail);
}

static void refuse_broken(struct ingest *in) {
    refuse_one(in, 429, "Authorization", "breaker_open",
               "This key sent too many alerts; it sends none until an admin resets its breaker "
               "(tocsin key reset). A cancel still goes out.");
}

static void on_published(void *user, const struct publish_result *r) {
    struct ingest *in = user;
    switch (r->status) {
    case PUBLISH_ACCEPTED:
    case PUBLISH_REPLAYED:
        accepted(in, r);
        return;
    case PUBLISH_KEY_REUSED:
        refuse_one(in, 422, "Idempotency-Key", "idempotency_key_reused",
                   "This Idempotency-Key was used for another alert; choose a new one.");
        return;
    case PUBLISH_REFERENCE_UNKNOWN:
        refuse_reference(in, in->is_by_path ? 404 : 422, "unknown_alert",
                         "There is no such alert, or it is no longer kept.");
        return;
    case PUBLISH_REFERENCE_ENDED:
        refuse_reference(in, 409, "cancelled", "That alert is cancelled already.");
        return;
    case PUBLISH_REVISIONS_FULL:
        refuse_reference(in, 409, "too_many_revisions",
                         "That alert was updated newsroom.revisions_max times; it can only be "
                         "cancelled.");
        return;
    case PUBLISH_STATUS_DIFFERS:
        refuse_one(in, 409, "/status", "status_differs",
                   "The status must stay that of the alert referred to.");
        return;
    case PUBLISH_REVISED:
        refuse_one(in, 409, "Confirm-Token", "confirm_mismatch",
                   "The alert was corrected since; look at the preview again.");
        return;
    case PUBLISH_DUPLICATE:
        refuse_duplicate(in, r->id);
        return;
    case PUBLISH_BREAKER_TRIPPED:
    case PUBLISH_BREAKER_OPEN:
        breaker_note(in->call->room->cfg, in->call->key.id, r->status);
        refuse_broken(in);
        return;
    case PUBLISH_OVERLOADED:
        unavailable(in, "Too many alerts wait to be sent; try again with the same "
                        "Idempotency-Key.");
        return;
    case PUBLISH_WAITS: /* these are of drafts only */
    case PUBLISH_NOT_DUE:
    case PUBLISH_EXPIRED:
    case PUBLISH_UNAVAILABLE:
        unavailable(in, "The store cannot be reached; try again with the same Idempotency-Key.");
        return;
    }
}

static struct publish_request request_of(const struct ingest *in) {
    return (struct publish_request){.alert = in->alert,
                                    .idempotency_key = str_of(in->idempotency_key),
                                    .fingerprint = str_of(in->fingerprint),
                                    .key_name = in->call->key.name,
                                    .about = in->about,
                                    .allow_duplicate = in->allow_duplicate};
}

static void publish(struct ingest *in) {
    struct room *room = in->call->room;
    struct alert *a = in->alert;
    if (a->msg_type == MSG_ALERT) {
        codec_uuid7(a->id);
        if (!a->ttl_given) {
            a->ttl_s = room->cfg->newsroom_ttl_default_s;
        }
    }
    a->sent_ms = clock_wall_ms();
    const struct publish_request request = request_of(in);
    alert_store_publish(room->store, room->t, &request, on_published, in);
}

/* --- whether it may, and when --- */

struct refusal {
    struct ingest *in;
    int status;
    struct problem *problems;
};

/* A client that never saw its first answer repeats with a token that is no longer good, or when the
 * alert is cancelled by now: it gets that answer all the same. */
static void on_recalled(void *user, enum err err, const struct publish_result *result) {
    struct refusal refusal = *(struct refusal *)user;
    struct ingest *in = refusal.in;
    free(user);
    if (!err && result->status == PUBLISH_WAITS) {
        struct call *call = in->call;
        ingest_free(in);
        later_answer_again(call, str_of(result->id));
    } else if (!err) {
        on_published(in, result);
    } else if (err == ERR_NOT_FOUND) {
        refuse(in, refusal.status, "The alert cannot be sent like that.", refusal.problems);
    } else {
        unavailable(in, "The store cannot be reached; try again with the same Idempotency-Key.");
    }
    problem_destroy(refusal.problems);
}

static void recall(struct ingest *in, struct clearance *clearance) {
    struct refusal *refusal = mem_zalloc(1, sizeof(*refusal));
    *refusal = (struct refusal){in, clearance->status, clearance->problems};
    clearance->problems = NULL; /* taken */
    const struct publish_request request = request_of(in);
    alert_store_recall(in->call->room->store, &request, on_recalled, refusal);
}

static void keep(struct ingest *in, int64_t hold_ms, bool needs_approval) {
    struct call *call = in->call;
    const struct later_post post = {.alert = in->alert,
                                    .body = buf_str(&in->body),
                                    .idempotency_key = str_of(in->idempotency_key),
                                    .fingerprint = str_of(in->fingerprint),
                                    .hold_ms = hold_ms,
                                    .about = in->about,
                                    .allow_duplicate = in->allow_duplicate,
                                    .needs_approval = needs_approval};
    later_keep(call, &post);
    ingest_free(in);
}

static void on_cleared(void *user, struct clearance *clearance) {
    struct ingest *in = user;
    const struct alert *a = in->alert;
    in->about = clearance->about;
    int64_t hold_ms = draft_text_hold_ms(in->call->room, a, in->call->key.scope.person);
    if (clearance->status == 503) {
        unavailable(in, "The store cannot be reached; try again with the same Idempotency-Key.");
    } else if (clearance->status == 403) {
        refuse(in, 403, "This key may not do that.", clearance->problems);
    } else if (clearance->status) {
        recall(in, clearance);
    } else if (clearance->needs_approval || a->send_at_ms || a->embargo_ms || hold_ms) {
        keep(in, hold_ms, clearance->needs_approval);
    } else {
        publish(in);
    }
}

/* True when the key may; else 403 was answered and `in` is gone. */
static bool check_scope(struct ingest *in, const struct alert *a) {
    struct problem *p = problem_create();
    api_key_check_alert(&in->call->key.scope, in->call->room->t, a, p);
    bool may = problem_is_empty(p);
    if (!may) {
        refuse(in, 403, "This key may not do that.", p);
    }
    problem_destroy(p);
    return may;
}

/* --- the request --- */

/* Equal for bodies that ask for the same, however they are laid out: over the stored form, before
 * anything is added, and over what was left out to be inherited. */
static enum err make_fingerprint(struct ingest *in) {
    struct buf b;
    buf_init(&b, CANONICAL_BYTES_MAX);
    alert_put_stored(in->alert, in->call->room->t, &b);
    buf_printf(&b, "%d%d%d", in->alert->status_given, in->alert->urgency_given,
               in->alert->ttl_given);
    if (alert_is_timed(in->alert)) {
        buf_printf(&b, " %" PRId64 " %" PRId64 " %" PRId64, in->alert->send_at_ms,
                   in->alert->embargo_ms, in->alert->hold_s);
    }
    enum err err = buf_check(&b);
    codec_sha256_hex(buf_str(&b), in->fingerprint);
    buf_finish(&b);
    return err;
}

bool ingest_is_idempotency_key(struct str key) {
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] <= ' ' || key.p[i] > '~') {
            return false;
        }
    }
    return key.n > 0 && key.n <= IDEMPOTENCY_KEY_BYTES_MAX;
}

/* The body of a correction, whole: an object, which it is as it was read. */
static void put_whole_body(struct ingest *in, struct str body) {
    body = str_trim(body);
    struct str inner = str_trim((struct str){body.p + 1, body.n - 2});
    buf_putc(&in->body, '{');
    json_put_text(&in->body, "msg_type", msg_type_names[in->alert->msg_type]);
    buf_printf(&in->body, ",\"references\":[\"%s\"]%s%.*s}", in->alert->reference,
               inner.n ? "," : "", STR_ARG(inner));
}

/* The body; one that retracts may be empty. */
static enum err parse_body(struct ingest *in, enum msg_type msg_type, struct problem *p) {
    const struct taxonomy *t = in->call->room->t;
    struct str body = http_body(in->call->rq);
    buf_init(&in->body, body.n + 256);
    if (!in->is_by_path) {
        buf_put_str(&in->body, body);
        return alert_parse_request(t, body, &in->alert, p);
    }
    if (msg_type == MSG_CANCEL && !body.n) {
        body = STR("{}");
    }
    enum err err =
        alert_parse_correction(t, body, msg_type, http_path_param(in->call->rq, 0), &in->alert, p);
    if (err == ERR_OK) {
        put_whole_body(in, body);
    }
    return err;
}

/* Reads header and body; false when the answer was given. */
static bool read_request(struct ingest *in, enum msg_type msg_type) {
    struct http_request *rq = in->call->rq;
    struct str key = http_header(rq, "Idempotency-Key");
    if (!ingest_is_idempotency_key(key)) {
        refuse_one(in, 400, "Idempotency-Key", key.p ? "invalid_value" : "required",
                   "The header Idempotency-Key is needed: 1 to 128 visible ASCII characters, the "
                   "same again when the same alert is tried again.");
        return false;
    }
    in->idempotency_key = mem_strndup(key.p, key.n);
    struct str token = http_header(rq, "Confirm-Token");
    in->token = mem_strndup(token.n ? token.p : "", token.n);
    struct str allow = http_header(rq, "Allow-Duplicate");
    in->allow_duplicate = str_eq(allow, STR("true"));
    if (allow.p && !in->allow_duplicate && !str_eq(allow, STR("false"))) {
        refuse_one(in, 400, "Allow-Duplicate", "invalid_value", "It must be true or false.");
        return false;
    }
    struct problem *p = problem_create();
    enum err err = parse_body(in, msg_type, p);
    if (err == ERR_OK) {
        draft_text_check_times(in->call->room, in->alert, p);
        err = problem_is_empty(p) ? make_fingerprint(in) : ERR_INVALID;
    }
    if (err != ERR_OK) {
        refuse(in, err == ERR_PROTOCOL ? 400 : 422, "The alert is not acceptable.", p);
    }
    problem_destroy(p);
    return err == ERR_OK;
}

/* True when the key is not posting too fast; else 429 was answered. */
static bool check_rate(struct ingest *in) {
    bool may = call_take_rate(in->call);
    if (!may) {
        refuse(in, 429, "This key posts too fast.", NULL);
    }
    return may;
}

static void begin(struct ingest *in, enum msg_type msg_type) {
    struct room *room = in->call->room;
    if (!read_request(in, msg_type) || !check_scope(in, in->alert) || !check_rate(in)) {
        return;
    }
    in->alert->created_by = mem_strdup(in->call->key.id);
    const struct clearance_wish wish = {
        .token = str_of(in->token), .token_pointer = "Confirm-Token", .is_by_path = in->is_by_path};
    clearance_ask(room, &in->call->key, in->alert, &wish, on_cleared, in);
}

static struct ingest *ingest_of(struct room *room, struct http_request *rq) {
    struct ingest *in = mem_zalloc(1, sizeof(*in));
    in->call = call_of(room, rq, http_kept(rq));
    return in;
}

void ingest_post(struct room *room, struct http_request *rq) {
    begin(ingest_of(room, rq), MSG_ALERT);
}

static void correct(struct room *room, struct http_request *rq, enum msg_type msg_type) {
    struct ingest *in = ingest_of(room, rq);
    in->is_by_path = true;
    if (codec_is_uuid(http_path_param(rq, 0))) {
        begin(in, msg_type);
    } else {
        refuse_reference(in, 404, "unknown_alert",
                         "There is no such alert, or it is no longer kept.");
    }
}

void ingest_update(struct room *room, struct http_request *rq) {
    correct(room, rq, MSG_UPDATE);
}

void ingest_retract(struct room *room, struct http_request *rq) {
    correct(room, rq, MSG_CANCEL);
}

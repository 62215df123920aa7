#include "gateway/receipt_api.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/http_reply.h"
#include "model/device.h"
#include "model/json.h"

enum { RECEIPT_BYTES_MAX = 256, ENVELOPE_BYTES_MAX = 512, REPLY_BYTES_MAX = 1 << 18 };

/* One request waiting for Redis; it stays valid until it is answered. */
struct receipt_call {
    struct http_request *rq;
    char *device_id; /* owned */
    char secret_sha256[SHA256_HEX_BYTES];
    struct receipt *receipts; /* owned */
    size_t count;
};

int64_t receipt_api_body_max(int64_t batch_max) {
    return ENVELOPE_BYTES_MAX + batch_max * RECEIPT_BYTES_MAX;
}

static void call_destroy(struct receipt_call *call) {
    free(call->device_id);
    free(call->receipts);
    free(call);
}

/* --- the body --- */

static void read_receipt(const cJSON *value, int index, struct receipt *receipt,
                         struct problem *problems) {
    static const char *const members[] = {"alert_id", "revision", "event"};
    char pointer[JSON_POINTER_BYTES];
    json_pointer_index(pointer, "/receipts", index);
    const struct json_reader r = {.object = value, .pointer = pointer, .problems = problems};
    struct str id = STR("");
    int64_t revision = 0;
    int event = -1;
    if (!json_is_object(&r)) {
        return;
    }
    json_allow(&r, members, sizeof(members) / sizeof(members[0]));
    size_t before = problem_count(problems);
    if (json_read_string(&r, "alert_id", &id) && codec_is_uuid(id)) {
        memcpy(receipt->alert_id, id.p, id.n);
    } else if (problem_count(problems) == before) {
        json_fault(&r, "alert_id", id.n ? "malformed" : "required", "the id of the alert, a UUID");
    }
    before = problem_count(problems);
    if (json_read_int(&r, "revision", 1, UINT32_MAX, &revision)) {
        receipt->revision = (uint32_t)revision;
    } else if (problem_count(problems) == before) {
        json_fault(&r, "revision", "required", "the revision of the alert, from 1");
    }
    before = problem_count(problems);
    if (json_read_name(&r, "event", receipt_event_names, RECEIPT_EVENT_COUNT, &event)) {
        receipt->event = (enum receipt_event)event;
    } else if (problem_count(problems) == before) {
        json_fault(&r, "event", "required", "received or opened");
    }
}

static void read_receipts(const struct receipt_api *api, const struct json_reader *r,
                          struct receipt_call *call) {
    const cJSON *list = json_member(r, "receipts");
    const cJSON *value = NULL;
    size_t count = 0;
    if (!cJSON_IsArray(list)) {
        json_fault(r, "receipts", list ? "wrong_type" : "required", "a list of receipts");
        return;
    }
    while ((value = json_next(list, value))) {
        count++;
    }
    if (count < 1 || count > (size_t)api->batch_max) {
        json_fault(r, "receipts", "out_of_range", "1 to %" PRId64 " receipts at a time",
                   api->batch_max);
        return;
    }
    call->receipts = mem_zalloc(count, sizeof(*call->receipts));
    while ((value = json_next(list, value))) {
        read_receipt(value, (int)call->count, &call->receipts[call->count], r->problems);
        call->count++;
    }
}

static void read_device(const struct json_reader *r, struct receipt_call *call) {
    struct str id = STR("");
    size_t before = problem_count(r->problems);
    if (json_read_string(r, "device", &id) && device_id_is_valid(id)) {
        call->device_id = mem_strndup(id.p, id.n);
    } else if (problem_count(r->problems) == before) {
        json_fault(r, "device", id.n ? "malformed" : "required", "the id of the device");
    }
}

/* Answers the faults; true when all is there. */
static bool read_body(const struct receipt_api *api, struct receipt_call *call) {
    static const char *const members[] = {"device", "receipts"};
    struct problem *problems = problem_create();
    cJSON *root = NULL;
    enum err err = json_parse(http_body(call->rq), "", &root, problems);
    const struct json_reader r = {.object = root, .pointer = "", .problems = problems};
    if (err == ERR_OK && json_is_object(&r)) {
        json_allow(&r, members, 2);
        read_device(&r, call);
        read_receipts(api, &r, call);
    }
    bool good = problem_is_empty(problems);
    if (!good) {
        metrics_add(M_RECEIPT_POSTS_FAULTY, 1);
        http_problem(call->rq, err ? 400 : 422, NULL, "", problems);
    }
    json_destroy(root);
    problem_destroy(problems);
    return good;
}

/* --- the answer --- */

static void refuse(struct receipt_call *call, enum metric reason, int status, const char *detail) {
    metrics_add(reason, 1);
    if (status == 401) {
        http_add_header(call->rq, "WWW-Authenticate", "Bearer");
    } else if (status == 429) {
        http_add_header(call->rq, "Retry-After", "1");
    } else if (status == 503) {
        http_add_header(call->rq, "Retry-After", "2");
    }
    http_problem(call->rq, status, NULL, detail, NULL);
    call_destroy(call);
}

static const char *reason_of(char fate, enum metric *out_metric) {
    switch (fate) {
    case RECEIPT_COUNTED:
        *out_metric = M_RECEIPTS_COUNTED;
        return NULL;
    case RECEIPT_KNOWN:
        *out_metric = M_RECEIPTS_KNOWN;
        return "already_counted";
    case RECEIPT_UNKNOWN:
        *out_metric = M_RECEIPTS_UNKNOWN;
        return "unknown_alert";
    default:
        *out_metric = M_RECEIPTS_STRANGER;
        return "not_recipient";
    }
}

static void reply(struct receipt_call *call, struct str fates) {
    struct buf b;
    struct buf ignored;
    uint64_t counted = 0;
    buf_init(&b, REPLY_BYTES_MAX + 64);
    buf_init(&ignored, REPLY_BYTES_MAX);
    for (size_t i = 0; i < call->count && i < fates.n; i++) {
        const struct receipt *receipt = &call->receipts[i];
        enum metric metric;
        const char *reason = reason_of(fates.p[i], &metric);
        metrics_add(metric, 1);
        if (!reason) {
            counted++;
            continue;
        }
        buf_printf(&ignored,
                   "%s{\"alert_id\":\"%s\",\"revision\":%" PRIu32
                   ",\"event\":\"%s\",\"reason\":\"%s\"}",
                   ignored.n ? "," : "", receipt->alert_id, receipt->revision,
                   receipt_event_names[receipt->event], reason);
    }
    buf_printf(&b, "{\"counted\":%" PRIu64 ",\"ignored\":[", counted);
    buf_put_str(&b, buf_str(&ignored));
    buf_puts(&b, "]}");
    http_add_header(call->rq, "Cache-Control", "no-store");
    http_answer(call->rq, 202, "application/json", buf_str(&b));
    buf_finish(&ignored);
    buf_finish(&b);
    call_destroy(call);
}

static void on_written(void *user, enum err err, const struct receipt_answer *answer) {
    struct receipt_call *call = user;
    if (err != ERR_OK) {
        refuse(call, M_RECEIPT_POSTS_UNAVAILABLE, 503,
               "the counters are not reachable; the same again counts nothing twice");
    } else if (answer->err == ERR_NOT_FOUND) {
        refuse(call, M_RECEIPT_POSTS_DENIED, 404, "no such device");
    } else if (answer->err == ERR_DENIED) {
        refuse(call, M_RECEIPT_POSTS_DENIED, 403, "the secret does not belong to this device");
    } else {
        reply(call, answer->fates);
    }
}

void receipt_api_post(const struct receipt_api *api, struct http_request *rq) {
    struct receipt_call *call = mem_zalloc(1, sizeof(*call));
    struct str secret;
    call->rq = rq;
    if (!http_reply_bearer(rq, &secret) || !secret.n) {
        refuse(call, M_RECEIPT_POSTS_DENIED, 401, "the secret of the device is needed");
        return;
    }
    if (!http_reply_is_json(rq)) {
        refuse(call, M_RECEIPT_POSTS_FAULTY, 415, "send application/json");
        return;
    }
    codec_sha256_hex(secret, call->secret_sha256);
    if (!read_body(api, call)) {
        call_destroy(call);
        return;
    }
    const struct receipt_post post = {.device_id = str_of(call->device_id),
                                      .secret_sha256 = str_of(call->secret_sha256),
                                      .receipts = call->receipts,
                                      .count = call->count};
    enum err err = receipts_add(api->receipts, &post, clock_mono_ms(), on_written, call);
    if (err == ERR_OK) {
        http_defer(rq, NULL, NULL);
    } else if (err == ERR_FULL) {
        refuse(call, M_RECEIPT_POSTS_UNAVAILABLE, 503, "too many receipts are waiting");
    } else {
        refuse(call, M_RECEIPT_POSTS_RATE, 429, "more receipts than allowed");
    }
}

#include "gateway/device_api.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/codec.h"
#include "base/mem.h"
#include "base/metrics.h"
#include "gateway/http_reply.h"
#include "store/device_store.h"

enum {
    SECRET_RANDOM_BYTES = 32,
    SECRET_MIN = 32, /* an app's own secret, in characters */
    SECRET_MAX = 128,
    REPLY_BYTES_MAX = 1 << 18,
    DROPPED_BYTES_MAX = 1 << 17, /* notes on what was dropped; the body is smaller */
};

/* One request waiting for Redis. The request stays valid until it is answered, whether or not the
 * client does. */
struct device_call {
    const struct device_api *api;
    struct http_request *rq;
    struct device *device; /* owned; PUT */
    char *id;              /* owned */
    char *secret;          /* owned; the text, for the answer of a first PUT */
    bool secret_given;     /* by the client */
    char secret_sha256[SHA256_HEX_BYTES];
    struct buf dropped; /* JSON array */
};

static void call_destroy(struct device_call *call) {
    device_destroy(call->device);
    if (call->secret) {
        explicit_bzero(call->secret, strlen(call->secret));
    }
    free(call->secret);
    free(call->id);
    buf_finish(&call->dropped);
    free(call);
}

/* --- the secret --- */

static bool is_secret(struct str s) {
    if (s.n < SECRET_MIN || s.n > SECRET_MAX) {
        return false;
    }
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~') {
            return false;
        }
    }
    return true;
}

/* 401 with the challenge of RFC 6750. */
static void reply_unauthorised(struct http_request *rq, const char *detail) {
    http_add_header(rq, "WWW-Authenticate", "Bearer");
    http_problem(rq, 401, "Unauthorized", detail, NULL);
}

/* The client's secret, with p == NULL when it sent none; false (and answered) when malformed. */
static bool read_secret(struct http_request *rq, struct str *out_secret) {
    if (http_reply_bearer(rq, out_secret) && (!out_secret->p || is_secret(*out_secret))) {
        return true;
    }
    reply_unauthorised(rq, "Authorization must be Bearer and 32 to 128 visible characters");
    return false;
}

static void make_secret(struct device_call *call) {
    unsigned char random[SECRET_RANDOM_BYTES];
    struct buf text;
    codec_random(random, sizeof(random));
    buf_init(&text, SECRET_MAX);
    codec_put_base64url(&text, (struct str){(const char *)random, sizeof(random)});
    call->secret = buf_take(&text);
    buf_finish(&text);
    explicit_bzero(random, sizeof(random));
}

/* Begins a call; NULL when the request was answered already. */
static struct device_call *call_create(const struct device_api *api, struct http_request *rq) {
    struct str secret;
    if (!read_secret(rq, &secret)) {
        return NULL;
    }
    struct device_call *call = mem_zalloc(1, sizeof(*call));
    struct str id = http_path_param(rq, 0);
    call->api = api;
    call->rq = rq;
    call->id = mem_strndup(id.p, id.n);
    buf_init(&call->dropped, DROPPED_BYTES_MAX);
    call->secret_given = secret.p != NULL;
    if (call->secret_given) {
        call->secret = mem_strndup(secret.p, secret.n);
        codec_sha256_hex(secret, call->secret_sha256);
    }
    return call;
}

static void reply_unavailable(struct http_request *rq) {
    http_reply_busy(rq, "the device registry is not reachable");
}

static void reply_denied(struct http_request *rq) {
    http_problem(rq, 403, "Forbidden", "the secret does not belong to this device", NULL);
}

/* --- PUT --- */

static void put_reply(struct device_call *call, const struct device_put_result *result) {
    struct buf b;
    char registered_at[CLOCK_ISO_BYTES];
    bool created = result->status == DEVICE_PUT_CREATED;
    clock_format_iso(result->registered_ms, registered_at);
    call->device->registered_ms = result->registered_ms;
    buf_init(&b, REPLY_BYTES_MAX);
    buf_puts(&b, "{\"id\":");
    buf_put_json(&b, str_of(call->id));
    if (created) {
        buf_puts(&b, ",\"secret\":");
        buf_put_json(&b, str_of(call->secret));
    }
    buf_printf(&b, ",\"registered_at\":\"%s\",\"kept\":", registered_at);
    device_put_json(call->device, call->api->taxonomy, false, &b);
    buf_puts(&b, ",\"dropped\":");
    buf_put_str(&b, buf_str(&call->dropped));
    buf_printf(&b, ",\"token_moved\":%s}", result->token_moved ? "true" : "false");
    http_add_header(call->rq, "Cache-Control", "no-store");
    http_answer(call->rq, created ? 201 : 200, "application/json", buf_str(&b));
    if (b.p) {
        explicit_bzero(b.p, b.n);
    }
    buf_finish(&b);
}

static void on_put(void *user, const struct device_put_result *result) {
    struct device_call *call = user;
    switch (result->status) {
    case DEVICE_PUT_CREATED:
    case DEVICE_PUT_UPDATED:
        metrics_add(M_GATEWAY_DEVICES_PUT, 1);
        put_reply(call, result);
        break;
    case DEVICE_PUT_DENIED:
        if (call->secret_given) {
            reply_denied(call->rq);
        } else {
            reply_unauthorised(call->rq, "this device exists: its secret is needed");
        }
        break;
    case DEVICE_PUT_UNAVAILABLE:
        reply_unavailable(call->rq);
        break;
    }
    call_destroy(call);
}

/* Answers the faults; true when the device is there. */
static bool parse_body(struct device_call *call) {
    struct problem *problems = problem_create();
    enum err err = device_parse_request(call->api->taxonomy, str_of(call->id), http_body(call->rq),
                                        &call->device, &call->dropped, problems);
    if (err == ERR_PROTOCOL) {
        http_problem(call->rq, 400, "Bad Request", "the body is not JSON", problems);
    } else if (err != ERR_OK) {
        http_problem(call->rq, 422, "Unprocessable Content", "the registration has faults",
                     problems);
    }
    problem_destroy(problems);
    return err == ERR_OK;
}

void device_api_put(const struct device_api *api, struct http_request *rq) {
    if (!http_reply_is_json(rq)) {
        http_problem(rq, 415, "Unsupported Media Type", "send application/json", NULL);
        return;
    }
    struct device_call *call = call_create(api, rq);
    if (!call) {
        return;
    }
    if (!parse_body(call)) {
        call_destroy(call);
        return;
    }
    if (!call->secret_given) {
        make_secret(call);
        codec_sha256_hex(str_of(call->secret), call->secret_sha256);
    }
    http_defer(rq, NULL, NULL);
    device_store_put(api->store, api->taxonomy, call->device, str_of(call->secret_sha256), false,
                     on_put, call);
}

/* --- GET, DELETE --- */

/* True when `err` was a failure, answered now. */
static bool reply_failure(struct http_request *rq, enum err err) {
    switch (err) {
    case ERR_OK:
        return false;
    case ERR_NOT_FOUND:
        http_problem(rq, 404, "Not Found", "no such device", NULL);
        return true;
    case ERR_DENIED:
        reply_denied(rq);
        return true;
    default:
        reply_unavailable(rq);
        return true;
    }
}

static void on_get(void *user, enum err err, const struct device *device) {
    struct device_call *call = user;
    if (!reply_failure(call->rq, err)) {
        struct buf b;
        buf_init(&b, REPLY_BYTES_MAX);
        device_put_json(device, call->api->taxonomy, false, &b);
        http_reply_json(call->rq, buf_str(&b));
        buf_finish(&b);
    }
    call_destroy(call);
}

static void on_delete(void *user, enum err err) {
    struct device_call *call = user;
    if (!reply_failure(call->rq, err)) {
        metrics_add(M_GATEWAY_DEVICES_DELETED, 1);
        http_answer(call->rq, 204, NULL, STR(""));
    }
    call_destroy(call);
}

/* A call that needs the secret; NULL when answered. */
static struct device_call *secret_call(const struct device_api *api, struct http_request *rq) {
    struct device_call *call = call_create(api, rq);
    if (call && !call->secret_given) {
        reply_unauthorised(rq, "the secret of the device is needed");
    } else if (call && !device_id_is_valid(str_of(call->id))) {
        (void)reply_failure(rq, ERR_NOT_FOUND);
    } else {
        return call;
    }
    call_destroy(call);
    return NULL;
}

void device_api_get(const struct device_api *api, struct http_request *rq) {
    struct device_call *call = secret_call(api, rq);
    if (call) {
        http_defer(rq, NULL, NULL);
        device_store_get(api->store, api->taxonomy, str_of(call->id), str_of(call->secret_sha256),
                         on_get, call);
    }
}

void device_api_delete(const struct device_api *api, struct http_request *rq) {
    struct device_call *call = secret_call(api, rq);
    if (call) {
        http_defer(rq, NULL, NULL);
        device_store_delete(api->store, api->taxonomy, str_of(call->id),
                            str_of(call->secret_sha256), on_delete, call);
    }
}

/* Whatever a provider answers gets a verdict that can be acted on: the input is a Retry-After
 * header, a line feed and a body. A token is called dead only by the statuses that may say so. */
#include "fuzz.h"
#include "push/apns_answer.h"
#include "push/fcm_answer.h"

static void check(int status, const struct verdict *v) {
    PROMISE(v->kind != VERDICT_ACCEPTED);
    PROMISE(v->retry_after_ms >= 0 && v->retry_after_ms <= 86400000);
    PROMISE(v->pause_ms >= 0 && v->pause_ms <= 86400000);
    PROMISE(v->retry < RETRY_CLASS_COUNT);
    PROMISE(memchr(v->reason, '\0', sizeof(v->reason)));
    if (v->kind == VERDICT_TOKEN_DEAD) {
        PROMISE(status < 429 && v->dead_before_ms > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int statuses[] = {302, 400, 401, 403, 404, 413, 429, 500, 503};
    struct str body = fuzz_input(data, size);
    struct str header = {0};
    (void)str_split(&body, '\n', &header);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct verdict v = fcm_answer_classify(statuses[i], body, header, 1000);
        check(statuses[i], &v);
    }
    struct verdict v = apns_answer_classify(429, body, header, 1000);
    check(429, &v);
    v = apns_answer_classify(410, body, header, 1000);
    PROMISE(v.kind != VERDICT_ACCEPTED);
    return 0;
}

#include "store/shared_secret.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/script.h"

struct read_call {
    shared_secret_fn *done;
    void *user;
};

static void on_made(void *user, enum err err, const struct redisReply *reply) {
    (void)user;
    (void)store_failed("shared_secret_make", err, reply);
}

static void on_read(void *user, enum err err, const struct redisReply *reply) {
    struct read_call call = *(struct read_call *)user;
    struct buf secret;
    free(user);
    buf_init(&secret, SHARED_SECRET_BYTES);
    if (store_failed("shared_secret_read", err, reply)) {
        err = err ? err : ERR_UNAVAILABLE;
    } else if (codec_take_hex(&secret, reply_str(reply)) || secret.n != SHARED_SECRET_BYTES) {
        log_error("shared_secret_malformed", LOG_I("bytes", reply_str(reply).n));
        err = ERR_PROTOCOL;
    }
    call.done(call.user, err, err ? (struct str){NULL, 0} : buf_str(&secret));
    buf_wipe(&secret);
}

void shared_secret_read(struct store *store, const char *key, shared_secret_fn *done, void *user) {
    struct read_call *call = mem_zalloc(1, sizeof(*call));
    char random[SHARED_SECRET_BYTES];
    struct buf hex;
    *call = (struct read_call){done, user};
    codec_random(random, sizeof(random));
    buf_init(&hex, (size_t)2 * SHARED_SECRET_BYTES);
    codec_put_hex(&hex, (struct str){random, sizeof(random)});
    const struct str make[] = {STR("SET"), str_of(key), buf_str(&hex), STR("NX")};
    const struct str read[] = {STR("GET"), str_of(key)};
    store_command(store, make, 4, on_made, NULL);
    store_command(store, read, 2, on_read, call);
    buf_wipe(&hex);
}

#pragma once
/* How a device lies in Redis; the layout stands in src/store/lua/lib_device.lua. */
#include "base/buf.h"
#include "model/device.h"
#include "store/reply.h"

enum {
    DEVICE_DIGEST_BYTES = 12, /* 96 bits of SHA-1: index entries, not secrets */
    DEVICE_SECRET_BYTES = 16, /* 128 bits of the SHA-256 of a random secret */
    DEVICE_BUCKET = 64,       /* slots kept in one packed hash */
    DEVICE_VALUES_MAX = 32767,
    DEVICE_VALUE_BYTES_MAX = 128, /* kind, colon, name */
};

/* Number → name of a followed value ("region:mena"), from pairs in a reply. */
struct device_names {
    char **names; /* by number; NULL = unknown */
    size_t count;
};
void device_names_add(struct device_names *n, const struct redisReply *pairs);
void device_names_finish(struct device_names *n);

/* The id as it is kept: a UUID in 16 bytes, else as it is. Returns 1 for a packed UUID. */
int device_pack_id(struct str id, struct buf *b);
/* The token as it is kept: APNs' hexadecimal in half the bytes, else as it is. */
void device_pack_token(enum platform platform, struct str token, struct buf *b);
void device_digest_id(struct str id, unsigned char out_digest[DEVICE_DIGEST_BYTES]);
void device_digest_token(enum platform platform, struct str packed_token,
                         unsigned char out_digest[DEVICE_DIGEST_BYTES]);

struct args;
/* Words of the scripts: the digest of an id; the first bytes of a secret's digest, given as 32 or
 * 64 hex digits, nothing when it is empty or malformed. */
void device_args_id_digest(struct args *args, struct str id);
void device_args_secret(struct args *args, struct str secret_sha256);

/* Appends the endpoint record. */
void device_put_endpoint(const struct device *d, struct buf *b);
struct device_endpoint {
    int64_t registered_ms;
    struct str app;   /* empty = default */
    struct str token; /* packed */
};
MUST_CHECK enum err device_parse_endpoint(struct str bytes, struct device_endpoint *out_endpoint);

/* A device from its two records. `out_secret` (may be NULL) is a view into `info`, empty without a
 * secret. Values that the taxonomy no longer has are left out; ERR_PROTOCOL when malformed,
 * ERR_NOT_FOUND when the edition is gone. */
MUST_CHECK enum err device_parse_record(const struct taxonomy *t, const struct device_names *names,
                                        struct str info, struct str platform, struct str endpoint,
                                        struct device **out_device, struct str *out_secret);

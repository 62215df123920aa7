#pragma once
/* The registry: dense device numbers in blocks of 16,384, one 2 KiB bitmap per followed value and
 * block, a hash slot → endpoint (design section 6). One script per change, so a registration is
 * there whole or not at all. */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "model/alert.h"
#include "model/device.h"
#include "store/store.h"

enum { BLOCK_BITS = 14, BLOCK_DEVICES = 1 << BLOCK_BITS };

enum device_put_status {
    DEVICE_PUT_CREATED,
    DEVICE_PUT_UPDATED,
    DEVICE_PUT_DENIED,      /* the id exists and the secret is not its */
    DEVICE_PUT_UNAVAILABLE, /* Redis away */
};

struct device_put_result {
    enum device_put_status status;
    bool token_moved; /* another id had this token; that registration is gone */
    int64_t registered_ms;
};

typedef void device_put_fn(void *user, const struct device_put_result *result);
/* Creates or replaces. `secret_sha256` (hex) is stored on creation and compared on replacement.
 * `trusted` (import) skips the comparison. Everything is borrowed for the call. */
void device_store_put(struct store *store, const struct taxonomy *t, const struct device *device,
                      struct str secret_sha256, bool trusted, device_put_fn *done, void *user);

struct device_put {
    const struct device *device;
    struct str secret_sha256;
};
/* `results` in the order of the devices, valid during the call. */
typedef void device_puts_fn(void *user, const struct device_put_result *results, size_t count);
/* The same for many at once, in one script call: a hundred cost a third of what they cost one by
 * one. Each is whole or not at all; a later one of the same id or token replaces the earlier. */
void device_store_put_many(struct store *store, const struct taxonomy *t,
                           const struct device_put *puts, size_t count, bool trusted,
                           device_puts_fn *done, void *user);

/* ERR_NOT_FOUND, ERR_DENIED (secret), ERR_UNAVAILABLE. `device` valid during the call. */
typedef void device_get_fn(void *user, enum err err, const struct device *device);
void device_store_get(struct store *store, const struct taxonomy *t, struct str id,
                      struct str secret_sha256, device_get_fn *done, void *user);
void device_store_delete(struct store *store, const struct taxonomy *t, struct str id,
                         struct str secret_sha256, store_done_fn *done, void *user);

/* All devices of one block (for export): one call per device with its secret hash, then a last
 * call with device NULL. */
typedef void device_walk_fn(void *user, enum err err, const struct device *device,
                            struct str secret_sha256);
void device_store_walk_block(struct store *store, const struct taxonomy *t, uint32_t block,
                             device_walk_fn *each, void *user);
/* Number of blocks in use (highest + 1). */
typedef void device_blocks_fn(void *user, enum err err, uint32_t blocks, uint64_t devices);
void device_store_blocks(struct store *store, device_blocks_fn *done, void *user);

struct dead_token {
    uint32_t number; /* device number */
    struct str token;
    int64_t before_ms; /* remove only if registered before this; INT64_MAX = whatever */
};
/* Removes devices whose provider said the token is dead, if they still hold that token. */
void device_store_remove_dead(struct store *store, const struct taxonomy *t,
                              const struct dead_token *tokens, size_t count, store_done_fn *done,
                              void *user);

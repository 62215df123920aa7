#include "app/devices_transfer.h"

#include <inttypes.h>

#include "store/device_store.h"

enum { DEVICE_JSON_BYTES_MAX = 65536 };

struct export {
    const struct taxonomy *t;
    FILE *file;
    bool done;
    enum err err;
    uint32_t blocks;
    uint64_t devices;
    bool write_failed;
};

static void on_blocks(void *user, enum err err, uint32_t blocks, uint64_t devices) {
    struct export *out = user;
    (void)devices;
    out->err = err;
    out->blocks = blocks;
    out->done = true;
}

static void on_device(void *user, enum err err, const struct device *device,
                      struct str secret_sha256) {
    struct export *out = user;
    struct buf line;
    if (!device) {
        out->err = err;
        out->done = true;
        return;
    }
    buf_init(&line, DEVICE_JSON_BYTES_MAX);
    device_put_json(device, out->t, true, &line);
    if (secret_sha256.n && line.n) {
        line.n--; /* the closing brace moves behind the digest */
        buf_puts(&line, ",\"secret_sha256\":");
        buf_put_json(&line, secret_sha256);
        buf_putc(&line, '}');
    }
    buf_putc(&line, '\n');
    if (buf_check(&line) || fwrite(line.p, 1, line.n, out->file) != line.n) {
        out->write_failed = true;
    }
    out->devices++;
    buf_finish(&line);
}

bool devices_export(struct cli_store *c, const struct taxonomy *t, FILE *file) {
    struct export out = {.t = t, .file = file};
    device_store_blocks(c->store, on_blocks, &out);
    cli_store_run(c, &out.done);
    for (uint32_t block = 0; block < out.blocks && !out.err && !out.write_failed; block++) {
        out.done = false;
        device_store_walk_block(c->store, t, block, on_device, &out);
        cli_store_run(c, &out.done);
    }
    if (out.err) {
        (void)fprintf(stderr, "tocsin devices: Redis is away (%s)\n", err_name(out.err));
    } else if (out.write_failed) {
        (void)fputs("tocsin devices: the output could not be written\n", stderr);
    }
    (void)fprintf(stderr, "%" PRIu64 " devices\n", out.devices);
    return !out.err && !out.write_failed;
}

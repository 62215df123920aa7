#include "store/device_record.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"

enum { FLAG_UUID = 1, FLAG_SECRET = 2, TIME_BYTES = 6, UUID_PACKED_BYTES = 16 };

/* ---- names of followed values ---- */

void device_names_add(struct device_names *n, const struct redisReply *pairs) {
    for (size_t i = 0; i + 1 < reply_count(pairs); i += 2) {
        int64_t number = reply_int_at(pairs, i);
        struct str name = reply_str_at(pairs, i + 1);
        if (number < 1 || number > DEVICE_VALUES_MAX) {
            continue;
        }
        size_t need = (size_t)number + 1;
        if (need > n->count) {
            n->names = mem_resize(n->names, need, sizeof(*n->names));
            memset(n->names + n->count, 0, (need - n->count) * sizeof(*n->names));
            n->count = need;
        }
        free(n->names[number]);
        n->names[number] = mem_strndup(name.p, name.n);
    }
}

void device_names_finish(struct device_names *n) {
    for (size_t i = 0; i < n->count; i++) {
        free(n->names[i]);
    }
    free(n->names);
    *n = (struct device_names){0};
}

/* ---- packing and digests ---- */

int device_pack_id(struct str id, struct buf *b) {
    if (!codec_is_uuid(id)) {
        buf_put_str(b, id);
        return 0;
    }
    char hex[2 * UUID_PACKED_BYTES];
    size_t n = 0;
    for (size_t i = 0; i < id.n; i++) {
        if (id.p[i] != '-') {
            hex[n++] = id.p[i];
        }
    }
    (void)!codec_take_hex(b, (struct str){hex, n});
    return FLAG_UUID;
}

void device_pack_token(enum platform platform, struct str token, struct buf *b) {
    if (platform != PLATFORM_APNS || codec_take_hex(b, token)) {
        buf_put_str(b, token);
    }
}

static void digest(const struct buf *text, unsigned char *out_digest) {
    unsigned char full[SHA_DIGEST_LENGTH];
    (void)SHA1((const unsigned char *)text->p, text->n, full);
    memcpy(out_digest, full, DEVICE_DIGEST_BYTES);
}

void device_digest_id(struct str id, unsigned char out_digest[DEVICE_DIGEST_BYTES]) {
    struct buf text;
    struct buf packed;
    buf_init(&text, 1024);
    buf_init(&packed, 1024);
    buf_putc(&text, (char)device_pack_id(id, &packed));
    buf_put_str(&text, buf_str(&packed));
    digest(&text, out_digest);
    buf_finish(&packed);
    buf_finish(&text);
}

void device_digest_token(enum platform platform, struct str packed_token,
                         unsigned char out_digest[DEVICE_DIGEST_BYTES]) {
    struct buf text;
    buf_init(&text, DEVICE_TOKEN_BYTES_MAX + 64);
    buf_puts(&text, platform_names[platform]);
    buf_putc(&text, ':');
    buf_put_str(&text, packed_token);
    digest(&text, out_digest);
    buf_finish(&text);
}

/* ---- endpoint ---- */

static void put_short(struct buf *b, const char *text) {
    struct str s = str_of(text);
    s.n = s.n <= UINT8_MAX ? s.n : UINT8_MAX;
    buf_putc(b, (char)s.n);
    buf_put_str(b, s);
}

void device_put_endpoint(const struct device *d, struct buf *b) {
    uint64_t ms = (uint64_t)d->registered_ms;
    for (int shift = 8 * (TIME_BYTES - 1); shift >= 0; shift -= 8) {
        buf_putc(b, (char)(ms >> shift & 0xFF));
    }
    put_short(b, d->app);
    device_pack_token(d->platform, str_of(d->token), b);
}

/* Cuts `size` bytes off the front; false when there are fewer. */
static bool take(struct str *rest, size_t size, struct str *out_part) {
    if (rest->n < size) {
        return false;
    }
    *out_part = (struct str){rest->p, size};
    rest->p += size;
    rest->n -= size;
    return true;
}

static bool take_short(struct str *rest, struct str *out_part) {
    struct str size;
    return take(rest, 1, &size) && take(rest, (unsigned char)size.p[0], out_part);
}

enum err device_parse_endpoint(struct str bytes, struct device_endpoint *out_endpoint) {
    struct device_endpoint e = {0};
    struct str time;
    if (!take(&bytes, TIME_BYTES, &time) || !take_short(&bytes, &e.app) || !bytes.n) {
        return ERR_PROTOCOL;
    }
    for (size_t i = 0; i < TIME_BYTES; i++) {
        e.registered_ms = e.registered_ms << 8 | (unsigned char)time.p[i];
    }
    e.token = bytes;
    *out_endpoint = e;
    return ERR_OK;
}

/* ---- the whole record ---- */

static char *unpack_id(struct str bytes, bool is_uuid) {
    if (!is_uuid || bytes.n != UUID_PACKED_BYTES) {
        return mem_strndup(bytes.p, bytes.n);
    }
    struct buf id;
    buf_init(&id, UUID_BYTES);
    for (size_t i = 0; i < UUID_PACKED_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            buf_putc(&id, '-');
        }
        codec_put_hex(&id, (struct str){bytes.p + i, 1});
    }
    return buf_take(&id);
}

static char *unpack_token(enum platform platform, struct str packed) {
    if (platform != PLATFORM_APNS) {
        return mem_strndup(packed.p, packed.n);
    }
    struct buf hex;
    buf_init(&hex, 2 * DEVICE_TOKEN_BYTES_MAX);
    codec_put_hex(&hex, packed);
    return buf_take(&hex);
}

static void apply_follow(const struct taxonomy *t, struct device *d, struct str value) {
    struct str kind;
    struct str name = value;
    (void)str_split(&name, ':', &kind);
    if (str_eq(value, STR("test"))) {
        d->test = true;
    } else if (str_eq(kind, STR("urgency"))) {
        int urgency = name_find(urgency_names, URGENCY_COUNT, name);
        d->min_urgency = urgency < 0 ? URGENCY_LOW : (enum urgency)urgency;
    } else if (str_eq(kind, STR("edition"))) {
        d->edition = taxonomy_find(t, DIM_EDITION, name);
    } else if (str_eq(kind, STR("region"))) {
        int index = taxonomy_find(t, DIM_REGION, name);
        d->regions |= index < 0 ? 0 : UINT64_C(1) << index;
    } else if (str_eq(kind, STR("section"))) {
        int index = taxonomy_find(t, DIM_SECTION, name);
        d->sections |= index < 0 ? 0 : UINT64_C(1) << index;
    } else if (str_eq(kind, STR("zone")) && !d->time_zone) {
        d->time_zone = mem_strndup(name.p, name.n);
    }
}

static void apply_follows(const struct taxonomy *t, const struct device_names *names,
                          struct str bytes, struct device *d) {
    for (size_t i = 0; i < bytes.n; i++) {
        size_t value = (unsigned char)bytes.p[i];
        if (value >= 128 && i + 1 < bytes.n) {
            value = (value - 128) << 8 | (unsigned char)bytes.p[++i];
        }
        if (value < names->count && names->names[value]) {
            apply_follow(t, d, str_of(names->names[value]));
        }
    }
}

static bool parse_info(const struct taxonomy *t, const struct device_names *names, struct str info,
                       struct device *d, struct str *out_secret) {
    struct str flags;
    struct str id;
    struct str size;
    struct str follows;
    if (!take(&info, 1, &flags) || !take_short(&info, &id)) {
        return false;
    }
    *out_secret = (struct str){NULL, 0};
    if ((flags.p[0] & FLAG_SECRET) && !take(&info, DEVICE_SECRET_BYTES, out_secret)) {
        return false;
    }
    if (!take(&info, 2, &size) ||
        !take(&info, (size_t)((unsigned char)size.p[0] << 8 | (unsigned char)size.p[1]),
              &follows)) {
        return false;
    }
    d->id = unpack_id(id, flags.p[0] & FLAG_UUID);
    apply_follows(t, names, follows, d);
    struct str tag;
    while (d->tag_count < DEVICE_TAGS_MAX && take_short(&info, &tag)) {
        d->tags[d->tag_count++] = mem_strndup(tag.p, tag.n);
    }
    return true;
}

enum err device_parse_record(const struct taxonomy *t, const struct device_names *names,
                             struct str info, struct str platform, struct str endpoint,
                             struct device **out_device, struct str *out_secret) {
    struct device *d = mem_zalloc(1, sizeof(*d));
    struct device_endpoint e;
    struct str secret;
    int index = name_find(platform_names, PLATFORM_COUNT, platform);
    d->edition = -1;
    if (index < 0 || device_parse_endpoint(endpoint, &e) ||
        !parse_info(t, names, info, d, &secret)) {
        device_destroy(d);
        return ERR_PROTOCOL;
    }
    if (d->edition < 0) {
        device_destroy(d);
        return ERR_NOT_FOUND;
    }
    d->platform = (enum platform)index;
    d->registered_ms = e.registered_ms;
    d->app = e.app.n ? mem_strndup(e.app.p, e.app.n) : NULL;
    d->token = unpack_token(d->platform, e.token);
    *out_device = d;
    if (out_secret) {
        *out_secret = secret;
    }
    return ERR_OK;
}

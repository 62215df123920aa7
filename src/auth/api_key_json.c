/* The stored form of a key: names instead of indexes, so that a change of the taxonomy can take
 * rights away but never add any. */
#include <string.h>

#include "auth/api_key.h"
#include "model/json.h"
#include "model/values.h"

static const int64_t time_max_ms = (int64_t)1 << 53; /* exact in cJSON's doubles */

static void put_scope(const struct key_scope *scope, const struct taxonomy *t, struct buf *b) {
    struct value_kind regions = value_kind_of(t, DIM_REGION);
    struct value_kind editions = value_kind_of(t, DIM_EDITION);
    json_put_name(b, "scope");
    buf_putc(b, '{');
    json_put_bool(b, "publish", scope->publish);
    json_put_bool(b, "read", scope->read);
    json_put_bool(b, "approve", scope->approve);
    json_put_bool(b, "admin", scope->admin);
    json_put_bool(b, "person", scope->person);
    if (scope->regions) {
        json_put_name(b, "regions");
        values_put(b, &regions, scope->regions);
    }
    if (scope->editions) {
        json_put_name(b, "editions");
        values_put(b, &editions, scope->editions);
    }
    json_put_text(b, "max_urgency", urgency_names[scope->max_urgency]);
    json_put_bool(b, "all_regions", scope->all_regions);
    buf_putc(b, '}');
}

void api_key_put_json(const struct api_key *key, const struct taxonomy *t, struct buf *b) {
    buf_putc(b, '{');
    json_put_text(b, "id", key->id);
    json_put_text(b, "name", key->name);
    json_put_text(b, "secret_sha256", key->secret_sha256);
    put_scope(&key->scope, t, b);
    json_put_int(b, "created_ms", key->created_ms);
    json_put_bool(b, "revoked", key->revoked);
    buf_putc(b, '}');
}

/* A list that has lost all its values would read as "any": such a key may not publish. */
static uint64_t read_mask(const struct json_reader *r, const char *name, struct value_kind kind,
                          bool *lost) {
    struct value_set set;
    values_read_known(r, name, &kind, &set);
    *lost = *lost || (set.given && !set.mask);
    return set.mask;
}

/* Keys stored before the member existed have not that right. */
static bool read_later_right(const struct json_reader *r, const char *name, bool *right) {
    *right = false;
    return !json_member(r, name) || json_read_bool(r, name, right);
}

static enum err read_scope(const struct taxonomy *t, const struct json_reader *r,
                           struct key_scope *scope) {
    int max_urgency;
    if (!json_read_bool(r, "publish", &scope->publish) ||
        !json_read_bool(r, "read", &scope->read) || !json_read_bool(r, "admin", &scope->admin) ||
        !read_later_right(r, "approve", &scope->approve) ||
        !read_later_right(r, "person", &scope->person) ||
        !json_read_bool(r, "all_regions", &scope->all_regions) ||
        !json_read_name(r, "max_urgency", urgency_names, URGENCY_COUNT, &max_urgency)) {
        return ERR_INVALID;
    }
    bool lost = false;
    scope->max_urgency = (enum urgency)max_urgency;
    scope->regions = read_mask(r, "regions", value_kind_of(t, DIM_REGION), &lost);
    scope->editions = read_mask(r, "editions", value_kind_of(t, DIM_EDITION), &lost);
    scope->publish = scope->publish && !lost;
    return ERR_OK;
}

/* A text of at most `size` - 1 bytes into a field of `size`. */
static enum err read_field(const struct json_reader *r, const char *name, char *out_field,
                           size_t size) {
    struct str text;
    if (!json_read_string(r, name, &text) || text.n >= size) {
        return ERR_INVALID;
    }
    memcpy(out_field, text.p, text.n);
    out_field[text.n] = '\0';
    return ERR_OK;
}

static enum err read_key(const struct taxonomy *t, const struct json_reader *r,
                         struct api_key *key) {
    struct json_reader scope = {.object = json_member(r, "scope"), .pointer = ""};
    if (read_field(r, "id", key->id, sizeof(key->id)) ||
        read_field(r, "name", key->name, sizeof(key->name)) ||
        read_field(r, "secret_sha256", key->secret_sha256, sizeof(key->secret_sha256)) ||
        !json_read_int(r, "created_ms", 0, time_max_ms, &key->created_ms) ||
        !json_read_bool(r, "revoked", &key->revoked)) {
        return ERR_INVALID;
    }
    if (strlen(key->id) != API_KEY_ID_BYTES - 1 ||
        strlen(key->secret_sha256) != SHA256_HEX_BYTES - 1) {
        return ERR_INVALID;
    }
    return read_scope(t, &scope, &key->scope);
}

enum err api_key_parse_json(const struct taxonomy *t, struct str json, struct api_key *out_key) {
    struct cJSON *root;
    if (json_parse(json, "", &root, NULL)) {
        return ERR_INVALID;
    }
    struct api_key key = {0};
    enum err err = read_key(t, &(struct json_reader){.object = root, .pointer = ""}, &key);
    json_destroy(root);
    if (err == ERR_OK) {
        *out_key = key;
    }
    return err;
}

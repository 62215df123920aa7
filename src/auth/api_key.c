#include "auth/api_key.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/clock.h"

#define PREFIX "tcn_"
enum {
    PREFIX_BYTES = sizeof(PREFIX) - 1,
    ID_BYTES = API_KEY_ID_BYTES - 1,
    SECRET_BYTES = 32,      /* 256 random bits */
    SECRET_TEXT_BYTES = 43, /* as base64url without padding */
    KEY_TEXT_BYTES = PREFIX_BYTES + ID_BYTES + 1 + SECRET_TEXT_BYTES,
};
_Static_assert((size_t)KEY_TEXT_BYTES < API_KEY_TEXT_BYTES, "a key fits its buffer");

static bool is_id(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !(s.p[i] >= '0' && s.p[i] <= '9')) {
            return false;
        }
    }
    return s.n == ID_BYTES;
}

void api_key_generate(struct api_key *key, char out_text[API_KEY_TEXT_BYTES]) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char secret[SECRET_BYTES];
    for (int i = 0; i < ID_BYTES; i++) {
        key->id[i] = letters[codec_random_below(sizeof(letters) - 1)];
    }
    key->id[ID_BYTES] = '\0';
    codec_random(secret, sizeof(secret));
    struct buf text;
    buf_init(&text, API_KEY_TEXT_BYTES - 1);
    buf_puts(&text, PREFIX);
    buf_puts(&text, key->id);
    buf_putc(&text, '_');
    codec_put_base64url(&text, (struct str){(const char *)secret, sizeof(secret)});
    memcpy(out_text, text.p, text.n + 1);
    codec_sha256_hex((struct str){text.p + text.n - SECRET_TEXT_BYTES, SECRET_TEXT_BYTES},
                     key->secret_sha256);
    key->created_ms = clock_wall_ms();
    OPENSSL_cleanse(secret, sizeof(secret));
    OPENSSL_cleanse(text.p, text.n);
    buf_finish(&text);
}

enum err api_key_split(struct str text, char out_id[API_KEY_ID_BYTES],
                       char out_secret_sha256[SHA256_HEX_BYTES]) {
    if (text.n != KEY_TEXT_BYTES || !str_starts(text, STR(PREFIX))) {
        return ERR_INVALID;
    }
    struct str id = {text.p + PREFIX_BYTES, ID_BYTES};
    struct str secret = {id.p + ID_BYTES + 1, SECRET_TEXT_BYTES};
    if (!is_id(id) || id.p[ID_BYTES] != '_') {
        return ERR_INVALID;
    }
    memcpy(out_id, id.p, ID_BYTES);
    out_id[ID_BYTES] = '\0';
    codec_sha256_hex(secret, out_secret_sha256);
    return ERR_OK;
}

bool api_key_is_match(const struct api_key *key, const char *secret_sha256) {
    bool is_equal = str_eq_secret(str_of(key->secret_sha256), str_of(secret_sha256));
    return is_equal && !key->revoked;
}

/* A region is in scope with all regions below it: who may address mena may address palestine. */
static bool is_region_allowed(const struct key_scope *scope, const struct taxonomy *t, int region) {
    uint64_t with_parents = taxonomy_with_parents(t, UINT64_C(1) << region);
    return !scope->regions || (scope->regions & with_parents);
}

static void check_regions(const struct key_scope *scope, const struct taxonomy *t,
                          const struct alert *a, struct problem *problems) {
    if (a->audience.regions_all && !scope->all_regions) {
        problem_add(problems, "/audience/regions", "out_of_scope",
                    "this key may not address all regions");
    }
    for (int i = 0; i < taxonomy_count(t, DIM_REGION); i++) {
        if ((a->audience.regions >> i & 1) && !is_region_allowed(scope, t, i)) {
            problem_add(problems, "/audience/regions", "out_of_scope",
                        "this key may not address region %s", taxonomy_name(t, DIM_REGION, i));
        }
    }
}

/* False for an update or cancel that has not inherited yet: what it left out is not known. */
static bool has_audience(const struct alert *a) {
    return a->audience.regions || a->audience.regions_all;
}

/* Editions addressed and languages written must both be in scope. */
static void check_editions(const struct key_scope *scope, const struct taxonomy *t,
                           const struct alert *a, struct problem *problems) {
    uint64_t wanted = a->audience.editions ? a->audience.editions : taxonomy_all(t, DIM_EDITION);
    for (int i = 0; scope->editions && i < taxonomy_count(t, DIM_EDITION); i++) {
        const char *name = taxonomy_name(t, DIM_EDITION, i);
        bool is_addressed = has_audience(a) && (wanted >> i & 1);
        bool is_written = a->content[i].headline != NULL;
        if ((scope->editions >> i & 1) || (!is_addressed && !is_written)) {
            continue;
        }
        char pointer[64] = "/audience/editions";
        if (is_written) {
            (void)snprintf(pointer, sizeof(pointer), "/content/%s", name);
        }
        problem_add(problems, pointer, "out_of_scope", "this key may not address edition %s", name);
    }
}

void api_key_check_alert(const struct key_scope *scope, const struct taxonomy *t,
                         const struct alert *a, struct problem *problems) {
    if (!scope->publish) {
        problem_add(problems, "", "out_of_scope", "this key may not publish");
    }
    if ((a->urgency_given || has_audience(a)) && a->urgency < scope->max_urgency) {
        problem_add(problems, "/urgency", "out_of_scope",
                    "this key may not use urgency %s, only up to %s", urgency_names[a->urgency],
                    urgency_names[scope->max_urgency]);
    }
    check_regions(scope, t, a, problems);
    check_editions(scope, t, a, problems);
}

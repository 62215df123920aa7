/* The cache: a body is cut at the value of its first "token", and the rest is the key. That the
 * cut place really is message.token is proven once per form: the same body with a marker in the
 * cut must give that marker as the target. A token of plain characters cannot change the meaning
 * of what surrounds it, so each later body with the same rest needs no parser. */
#include "fcm_message.h"

#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/mem.h"
#include "fcm_rules.h"
#include "fcm_schema.h"
#include "intern.h"
#include "json_check.h"

enum { SCRATCH_BYTES_MAX = 256 << 10, KEPT_MAX = 100000 };

static const char marker[] = "the-place-of-the-token";

struct fcm_messages {
    struct ledger *ledger;
    struct intern *keys;     /* body without token */
    struct fcm_form **forms; /* by number of the key; NULL = not cacheable */
    uint32_t room;
    struct buf scratch;
    struct fcm_form single; /* result for a body that is not cached */
    char *single_text;
};

struct fcm_messages *fcm_messages_create(struct ledger *ledger) {
    struct fcm_messages *m = mem_zalloc(1, sizeof(*m));
    m->ledger = ledger;
    m->keys = intern_create();
    buf_init(&m->scratch, SCRATCH_BYTES_MAX);
    return m;
}

static void free_form(struct fcm_form *form) {
    if (form) {
        free((void *)(uintptr_t)form->collapse_key.p);
        free(form);
    }
}

void fcm_messages_destroy(struct fcm_messages *m) {
    if (!m) {
        return;
    }
    for (uint32_t i = 0; i < m->room; i++) {
        free_form(m->forms[i]);
    }
    free(m->forms);
    intern_destroy(m->keys);
    buf_finish(&m->scratch);
    free((void *)(uintptr_t)m->single.collapse_key.p);
    free(m->single_text);
    free(m);
}

/* Finds the text after the first "token":" made of plain token characters. */
static bool find_token(struct str body, struct str *out_token) {
    static const char lead[] = "\"token\":\"";
    const char *at = memmem(body.p, body.n, lead, sizeof(lead) - 1);
    if (!at) {
        return false;
    }
    at += sizeof(lead) - 1;
    const char *end = memchr(at, '"', (size_t)(body.p + body.n - at));
    if (!end) {
        return false;
    }
    *out_token = (struct str){at, (size_t)(end - at)};
    return fcm_is_token(*out_token);
}

/* The body with `middle` where the token was. */
static struct str replaced(struct fcm_messages *m, struct str body, struct str token,
                           struct str middle) {
    size_t head = (size_t)(token.p - body.p);
    buf_clear(&m->scratch);
    buf_put(&m->scratch, body.p, head);
    buf_put_str(&m->scratch, middle);
    buf_put(&m->scratch, token.p + token.n, body.n - head - token.n);
    return buf_str(&m->scratch);
}

/* True when a body with the marker is addressed to the marker. */
static bool is_target(struct str body) {
    cJSON *tree = cJSON_ParseWithLength(body.p, body.n);
    const char *text = cJSON_GetStringValue(fcm_member(fcm_member(tree, "message"), "token"));
    bool result = text && strcmp(text, marker) == 0;
    cJSON_Delete(tree);
    return result;
}

/* Number of the message without its target in the ledger. */
static uint32_t keep_payload(struct fcm_messages *m, cJSON *message) {
    cJSON_DeleteItemFromObjectCaseSensitive(message, "token");
    char *text = cJSON_PrintUnformatted(message);
    uint32_t id = ledger_payload(m->ledger, str_of(text));
    cJSON_free(text);
    return id;
}

/* Reads the whole body into m->single and m->single_text. */
static bool read_whole(struct fcm_messages *m, struct str body, enum fcm_kind *out_kind,
                       struct fcm_violation *out) {
    const char *target = NULL;
    *out_kind = FCM_PARSE;
    free((void *)(uintptr_t)m->single.collapse_key.p);
    m->single = (struct fcm_form){0};
    cJSON *tree = json_is_object(body) ? cJSON_ParseWithLength(body.p, body.n) : NULL;
    if (!tree) {
        *out = (struct fcm_violation){"", "Invalid JSON payload received. Unexpected token."};
        return false;
    }
    const cJSON *message = fcm_member(tree, "message");
    bool good =
        fcm_schema_check(tree, out) && fcm_rules_check(message, &m->single, &target, out_kind, out);
    if (good) {
        const char *key =
            cJSON_GetStringValue(fcm_member(fcm_member(message, "android"), "collapse_key"));
        m->single.collapse_key = str_of(key ? mem_strdup(key) : NULL);
        m->single.validate_only = cJSON_IsTrue(fcm_member(tree, "validate_only"));
        free(m->single_text);
        m->single_text = mem_strdup(target);
        m->single.payload = keep_payload(m, (cJSON *)(uintptr_t)message);
    }
    cJSON_Delete(tree);
    return good;
}

static void keep_form(struct fcm_messages *m, struct str key) {
    uint32_t id = intern_put(m->keys, key, NULL);
    if (id >= m->room) {
        uint32_t room = id * 2 + 64;
        m->forms = mem_resize(m->forms, room, sizeof(struct fcm_form *));
        memset(m->forms + m->room, 0, (room - m->room) * sizeof(struct fcm_form *));
        m->room = room;
    }
    struct fcm_form *form = mem_alloc(sizeof(*form));
    *form = m->single;
    if (form->collapse_key.p) {
        form->collapse_key.p = mem_strndup(form->collapse_key.p, form->collapse_key.n);
    }
    m->forms[id] = form;
}

const struct fcm_form *fcm_message_read(struct fcm_messages *m, struct str body,
                                        struct str *out_target, enum fcm_kind *out_kind,
                                        struct fcm_violation *out_violation) {
    static const struct str cut = {"\x01", 1}; /* no JSON text holds this byte */
    struct str token;
    bool has_token = find_token(body, &token);
    if (has_token) {
        uint32_t id = intern_find(m->keys, replaced(m, body, token, cut));
        if (id && id < m->room && m->forms[id]) {
            *out_target = token;
            return m->forms[id];
        }
    }
    if (!read_whole(m, body, out_kind, out_violation)) {
        return NULL;
    }
    *out_target = str_of(m->single_text);
    if (has_token && intern_count(m->keys) < KEPT_MAX &&
        is_target(replaced(m, body, token, (struct str){marker, sizeof(marker) - 1}))) {
        keep_form(m, replaced(m, body, token, cut));
    }
    return &m->single;
}

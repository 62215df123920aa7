#include "authorization.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "sim.h"

struct authorization *authorization_get(struct sim *s, struct str text, bool *out_is_new) {
    struct authorization *a = map_get(s->authorizations, text);
    *out_is_new = !a;
    if (!a) {
        a = mem_zalloc(1, sizeof(*a) + text.n + 1);
        memcpy(a->bytes, text.p, text.n);
        a->text = (struct str){a->bytes, text.n};
        (void)map_set(s->authorizations, text, a);
    }
    return a;
}

void authorization_forget_checks(struct sim *s) {
    size_t cursor = 0;
    struct str key;
    void *value;
    while (map_next(s->authorizations, &cursor, &key, &value)) {
        struct authorization *a = value;
        a->state = JWT_UNCHECKED;
        a->key = NULL;
        a->token = NULL;
    }
}

void authorization_cleanup(struct sim *s) {
    size_t cursor = 0;
    struct str key;
    void *value;
    while (map_next(s->authorizations, &cursor, &key, &value)) {
        free(value);
    }
    map_destroy(s->authorizations);
}

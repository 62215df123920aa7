#include "net/origins.h"

#include <stdlib.h>

#include "base/mem.h"

struct origins {
    char *text; /* the list; the items are views into it */
    struct str *items;
    size_t count;
};

static bool is_host_char(char c) {
    bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
    return alnum || c == '-' || c == '.' || c == ':' || c == '[' || c == ']' || c == '_';
}

/* scheme://host or scheme://host:port, without a path: what browsers send, and nothing that could
 * never be equal to it. */
static bool is_origin(struct str text) {
    struct str schemes[] = {STR("https://"), STR("http://")};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (!str_starts(text, schemes[i])) {
            continue;
        }
        bool good = text.n > schemes[i].n && text.n <= ORIGIN_BYTES_MAX;
        for (size_t k = schemes[i].n; k < text.n && good; k++) {
            good = is_host_char(text.p[k]);
        }
        return good;
    }
    return false;
}

enum err origins_create(struct str list, struct origins **out_origins, struct buf *problems) {
    struct origins *o = mem_zalloc(1, sizeof(*o));
    struct str item;
    enum err err = ERR_OK;
    o->text = mem_strndup(list.p ? list.p : "", list.n);
    struct str rest = str_trim(str_of(o->text));
    while (rest.n && str_split(&rest, ',', &item)) {
        item = str_trim(item);
        if (!is_origin(item)) {
            buf_printf(
                problems,
                "gateway.allowed_origins: \"%.*s\" is no origin like https://www.example.com\n",
                STR_ARG(item));
            err = ERR_INVALID;
        }
        o->items = mem_resize(o->items, o->count + 1, sizeof(*o->items));
        o->items[o->count++] = item;
    }
    if (err != ERR_OK) {
        origins_destroy(o);
        return err;
    }
    *out_origins = o;
    return ERR_OK;
}

void origins_destroy(struct origins *o) {
    if (o) {
        free(o->items);
        free(o->text);
        free(o);
    }
}

bool origins_are_limited(const struct origins *o) {
    return o && o->count > 0;
}

bool origins_allow(const struct origins *o, struct str origin) {
    if (!origins_are_limited(o) || !origin.p) {
        return true;
    }
    for (size_t i = 0; i < o->count; i++) {
        if (str_ieq(o->items[i], origin)) {
            return true;
        }
    }
    return false;
}

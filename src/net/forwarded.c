#include "net/forwarded.h"

#include <string.h>

#include "net/address.h"

/* The last line of `*head`, cut off it, without CR LF. False when nothing is left. */
static bool last_line(struct str *head, struct str *out_line) {
    if (!head->n) {
        return false;
    }
    size_t end = head->n;
    if (head->p[end - 1] == '\n') {
        end--;
    }
    size_t start = end;
    while (start > 0 && head->p[start - 1] != '\n') {
        start--;
    }
    head->n = start;
    *out_line = str_trim((struct str){head->p + start, end - start});
    return true;
}

/* The value of an X-Forwarded-For field; empty view with p NULL for another line. */
static struct str forwarded_value(struct str line) {
    struct str rest = line;
    struct str name;
    if (!str_split(&rest, ':', &name) || !rest.p || !str_ieq(name, STR("x-forwarded-for"))) {
        return (struct str){NULL, 0};
    }
    return rest;
}

static struct str last_part(struct str *list) {
    size_t start = list->n;
    while (start > 0 && list->p[start - 1] != ',') {
        start--;
    }
    struct str part = {list->p + start, list->n - start};
    list->n = start ? start - 1 : 0;
    return str_trim(part);
}

/* Some proxies write "192.0.2.1:51000" or "[2001:db8::1]:51000". */
static enum err parse_hop(struct str text, struct sockaddr_storage *out_address) {
    struct str host = text;
    const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
    if (text.n && text.p[0] == '[') {
        const char *end = memchr(text.p, ']', text.n);
        if (!end) {
            return ERR_INVALID;
        }
        host = (struct str){text.p + 1, (size_t)(end - text.p) - 1};
    } else if (colon && !memchr(colon + 1, ':', text.n - (size_t)(colon + 1 - text.p))) {
        host.n = (size_t)(colon - text.p);
    }
    return address_parse(host, out_address);
}

/* Walks one field from its right end. ERR_CLOSED: nothing left of it can be believed. */
static enum err walk_field(struct str value, const struct address_set *trusted,
                           struct sockaddr_storage *out_client) {
    while (value.n) {
        struct sockaddr_storage hop;
        if (parse_hop(last_part(&value), &hop) != ERR_OK) {
            return ERR_CLOSED;
        }
        if (!address_set_has(trusted, &hop)) {
            *out_client = hop;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}

enum err forwarded_client(struct str head, const struct address_set *trusted,
                          struct sockaddr_storage *out_client, socklen_t *out_size) {
    enum err err = ERR_NOT_FOUND;
    struct str line;
    while (err == ERR_NOT_FOUND && last_line(&head, &line)) {
        struct str value = forwarded_value(line);
        if (value.p) {
            err = walk_field(value, trusted, out_client);
        }
    }
    if (err != ERR_OK) {
        return ERR_NOT_FOUND;
    }
    *out_size = address_size(out_client);
    return ERR_OK;
}

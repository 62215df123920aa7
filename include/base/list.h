#pragma once
/* Intrusive doubly linked list with a head node. A link not on a list points to itself. */
#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev;
    struct list *next;
};

/* The struct of `type` whose member `member` is at `link`. */
#define LIST_ENTRY(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))
/* Walks from front to back; the body must not unlink `it` (see LIST_EACH_SAFE). */
#define LIST_EACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
#define LIST_EACH_SAFE(it, head)                                                                   \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l) {
    l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l) {
    return l->next == l;
}

static inline void list_push_back(struct list *head, struct list *link) {
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static inline void list_push_front(struct list *head, struct list *link) {
    list_push_back(head->next, link);
}

/* Unlinks; harmless on a link that is on no list. */
static inline void list_remove(struct list *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

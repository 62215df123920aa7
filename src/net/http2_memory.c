#include "net/http2_memory.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Stands before every block. */
struct head {
    alignas(max_align_t) size_t size; /* that the block has room for */
    struct head *next;                /* while it is spare */
};

static size_t class_of(size_t size) {
    return (size + HTTP2_MEMORY_STEP - 1) / HTTP2_MEMORY_STEP - 1;
}

static void *take(size_t size, void *user) {
    struct http2_memory *m = user;
    size_t class = class_of(size ? size : 1);
    if (class >= HTTP2_MEMORY_CLASSES) {
        struct head *large = mem_alloc(sizeof(*large) + size);
        large->size = size;
        return large + 1;
    }
    struct head *head = m->spare[class];
    if (head) {
        m->spare[class] = head->next;
        m->spare_bytes -= head->size;
    } else {
        size_t room = (class + 1) * HTTP2_MEMORY_STEP;
        head = mem_alloc(sizeof(*head) + room);
        head->size = room;
    }
    return head + 1;
}

static void give(void *block, void *user) {
    struct http2_memory *m = user;
    if (!block) {
        return;
    }
    struct head *head = (struct head *)block - 1;
    size_t class = class_of(head->size);
    if (class >= HTTP2_MEMORY_CLASSES || m->spare_bytes + head->size > HTTP2_MEMORY_KEPT_MAX) {
        free(head);
        return;
    }
    head->next = m->spare[class];
    m->spare[class] = head;
    m->spare_bytes += head->size;
}

static void *take_zeroed(size_t count, size_t size, void *user) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return memset(take(bytes, user), 0, bytes);
}

static void *take_larger(void *block, size_t size, void *user) {
    struct head *head = block ? (struct head *)block - 1 : NULL;
    if (head && size <= head->size) {
        return block;
    }
    void *larger = take(size, user);
    if (head) {
        memcpy(larger, block, head->size);
        give(block, user);
    }
    return larger;
}

void http2_memory_init(struct http2_memory *m) {
    *m = (struct http2_memory){.functions = {.mem_user_data = m,
                                             .malloc = take,
                                             .free = give,
                                             .calloc = take_zeroed,
                                             .realloc = take_larger}};
}

void http2_memory_finish(struct http2_memory *m) {
    for (int i = 0; i < HTTP2_MEMORY_CLASSES; i++) {
        while (m->spare[i]) {
            struct head *head = m->spare[i];
            m->spare[i] = head->next;
            free(head);
        }
    }
    m->spare_bytes = 0;
}

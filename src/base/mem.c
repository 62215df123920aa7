#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void die(size_t size) {
    (void)fprintf(stderr, "level=fatal event=out_of_memory bytes=%zu\n", size);
    abort();
}

void *mem_alloc(size_t size) {
    void *ptr = malloc(size ? size : 1);
    if (!ptr) {
        die(size);
    }
    return ptr;
}

void *mem_zalloc(size_t count, size_t size) {
    void *ptr = calloc(count ? count : 1, size ? size : 1);
    if (!ptr) {
        die(size);
    }
    return ptr;
}

void *mem_resize(void *take_ptr, size_t count, size_t size) {
    void *ptr = reallocarray(take_ptr, count ? count : 1, size ? size : 1);
    if (!ptr) {
        die(size);
    }
    return ptr;
}

void *mem_checked(void *ptr) {
    if (!ptr) {
        die(0);
    }
    return ptr;
}

char *mem_strdup(const char *text) {
    return text ? mem_strndup(text, strlen(text)) : NULL;
}

char *mem_strndup(const char *bytes, size_t size) {
    char *copy = mem_alloc(size + 1);
    if (size) {
        memcpy(copy, bytes, size);
    }
    copy[size] = '\0';
    return copy;
}

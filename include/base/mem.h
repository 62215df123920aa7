#pragma once
/* Allocation that does not fail: out of memory ends the process with one log line, the
 * supervisor starts a fresh worker and the worker resumes from Redis. Anything sized by a peer
 * goes through struct buf, whose cap turns hostile sizes into ERR_TOO_LARGE long before that. */
#include <stddef.h>

/* `size` bytes, not cleared. Release with free(). */
void *mem_alloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
/* `count` zeroed elements of `size` bytes; the product is checked. Release with free(). */
void *mem_zalloc(size_t count, size_t size)
    __attribute__((malloc, alloc_size(1, 2), returns_nonnull));
/* Like realloc() for `count` elements of `size` bytes; the product is checked. */
void *mem_resize(void *take_ptr, size_t count, size_t size) __attribute__((returns_nonnull));
/* `ptr` as a library allocated it: NULL is out of memory, too. */
void *mem_checked(void *ptr) __attribute__((returns_nonnull));
/* A NUL-terminated copy of `text`. NULL gives NULL. Release with free(). */
char *mem_strdup(const char *text);
/* A NUL-terminated copy of `size` bytes. Release with free(). */
char *mem_strndup(const char *bytes, size_t size) __attribute__((returns_nonnull));

#pragma once
/* Helpers for tests of the model: files of the source tree, faults as one comparable text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/problem.h"

/* The bytes of a file below the source tree; free(). */
static inline char *support_read_file(const char *path) {
    char full[4096];
    const char *root = getenv("TEST_SOURCE_DIR");
    (void)snprintf(full, sizeof(full), "%s/%s", root ? root : ".", path);
    FILE *file = fopen(full, "re");
    if (!file) {
        (void)fprintf(stderr, "cannot open %s (TEST_SOURCE_DIR)\n", full);
        exit(1);
    }
    struct buf content;
    char part[4096];
    size_t n;
    buf_init(&content, 1 << 24);
    while ((n = fread(part, 1, sizeof(part), file)) > 0) {
        buf_put(&content, part, n);
    }
    (void)fclose(file);
    return buf_take(&content);
}

/* "pointer code; pointer code" in the order found, through the JSON that clients get; free(). */
static inline char *support_faults(const struct problem *p) {
    struct buf json;
    struct buf text;
    buf_init(&json, 1 << 20);
    buf_init(&text, 1 << 20);
    problem_put_errors(p, &json);
    cJSON *list = cJSON_ParseWithLength(json.p, json.n);
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next) {
        buf_printf(&text, "%s%s %s", text.n ? "; " : "",
                   cJSON_GetObjectItemCaseSensitive(it, "pointer")->valuestring,
                   cJSON_GetObjectItemCaseSensitive(it, "code")->valuestring);
    }
    cJSON_Delete(list);
    buf_finish(&json);
    return buf_take(&text);
}

/* Fails the running test unless the faults are exactly `expected`; prints `what` if not. */
#define assert_faults(problems, what, expected)                                                    \
    do {                                                                                           \
        char *found_ = support_faults(problems);                                                   \
        if (strcmp(found_, (expected)) != 0) {                                                     \
            print_error("%s\n  found:    %s\n  expected: %s\n", (what), found_, (expected));       \
        }                                                                                          \
        assert_string_equal(found_, (expected));                                                   \
        free(found_);                                                                              \
    } while (0)

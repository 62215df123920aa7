#pragma once
/* What the fuzz targets share. A target ends the process where a promise is broken. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "model/json.h"
#include "model/problem.h"
#include "model/taxonomy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline struct str fuzz_input(const uint8_t *data, size_t size) {
    return (struct str){(const char *)data, size};
}

/* JSON that we wrote is UTF-8 and passes our own check. */
static inline void fuzz_check_json(struct str json) {
    size_t offset;
    PROMISE(str_is_utf8(json));
    PROMISE(json_check(json, &offset, NULL) == NULL);
}

/* A refusal names its faults, an acceptance has none, and the answer is JSON. */
static inline void fuzz_check_problem(enum err err, const struct problem *p) {
    struct buf b;
    PROMISE((err == ERR_OK) == problem_is_empty(p));
    buf_init(&b, 1 << 20);
    problem_put_json(p, 422, "Unprocessable Content", &b);
    PROMISE(buf_check(&b) == ERR_OK);
    fuzz_check_json(buf_str(&b));
    buf_finish(&b);
}

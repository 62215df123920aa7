#pragma once
/* Every fault of one request at once, as problem+json (RFC 9457) with JSON pointers (RFC 6901). */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

enum { PROBLEM_FAULTS_MAX = 64 };

struct problem;

struct problem *problem_create(void);
/* Accepts NULL. */
void problem_destroy(struct problem *p);
/* Adds one fault (NULL `p`: nothing): `pointer` such as "/content/ar/headline" ("" = the whole
 * document; "?regions" style names a query parameter, "Idempotency-Key" a header), `code` a stable
 * snake_case word, and a sentence for people. Past PROBLEM_FAULTS_MAX faults are only counted. */
void problem_add(struct problem *p, const char *pointer, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Moves the faults with one of these codes to another, in order. */
void problem_move(struct problem *from, const char *const *codes, size_t count, struct problem *to);
bool problem_is_empty(const struct problem *p);
/* Faults so far, also those past the maximum; 0 for NULL. */
size_t problem_count(const struct problem *p);
/* "pointer: detail", a line per fault, for people at a terminal. */
void problem_put_text(const struct problem *p, struct buf *b);
/* Only the list: [{"pointer","code","detail"}…]. */
void problem_put_errors(const struct problem *p, struct buf *b);
/* {"type":"…","title":…,"status":…,"detail":…,"errors":[{"pointer","code","detail"}…]} */
void problem_put_json(const struct problem *p, int status, const char *title, struct buf *b);

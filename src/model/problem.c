#include "model/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/json.h"
#include "model/text.h"

struct fault {
    char *pointer;
    char *code;
    char *detail;
};

struct problem {
    struct fault faults[PROBLEM_FAULTS_MAX];
    size_t kept;
    size_t count; /* of all, also those not kept */
};

/* Longest sentence kept. */
enum { DETAIL_BYTES = 512 };

struct problem *problem_create(void) {
    return mem_zalloc(1, sizeof(struct problem));
}

void problem_destroy(struct problem *p) {
    if (!p) {
        return;
    }
    for (size_t i = 0; i < p->kept; i++) {
        free(p->faults[i].pointer);
        free(p->faults[i].code);
        free(p->faults[i].detail);
    }
    free(p);
}

/* A copy that is UTF-8: pointers and details quote what a client sent. */
static char *copy_clean(const char *text) {
    struct buf b;
    buf_init(&b, 4 * strlen(text) + 1);
    text_put_clean(&b, str_of(text));
    return buf_take(&b);
}

void problem_add(struct problem *p, const char *pointer, const char *code, const char *format,
                 ...) {
    if (!p || p->count++ >= PROBLEM_FAULTS_MAX) {
        return;
    }
    char detail[DETAIL_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    p->faults[p->kept++] = (struct fault){
        .pointer = copy_clean(pointer),
        .code = mem_strdup(code),
        .detail = copy_clean(detail),
    };
}

static bool has_code(const struct fault *fault, const char *const *codes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fault->code, codes[i]) == 0) {
            return true;
        }
    }
    return false;
}

void problem_move(struct problem *from, const char *const *codes, size_t count,
                  struct problem *to) {
    size_t all = from->kept;
    size_t left = 0;
    for (size_t i = 0; i < all; i++) {
        struct fault *fault = &from->faults[i];
        if (!has_code(fault, codes, count)) {
            from->faults[left++] = *fault;
            continue;
        }
        problem_add(to, fault->pointer, fault->code, "%s", fault->detail);
        free(fault->pointer);
        free(fault->code);
        free(fault->detail);
    }
    from->count -= all - left;
    from->kept = left;
}

bool problem_is_empty(const struct problem *p) {
    return p->count == 0;
}

size_t problem_count(const struct problem *p) {
    return p ? p->count : 0;
}

void problem_put_text(const struct problem *p, struct buf *b) {
    for (size_t i = 0; i < p->kept; i++) {
        const struct fault *fault = &p->faults[i];
        buf_printf(b, "%s: %s\n", fault->pointer[0] ? fault->pointer : "(document)", fault->detail);
    }
    if (p->count > p->kept) {
        buf_printf(b, "and %zu more\n", p->count - p->kept);
    }
}

/* The member "detail": one fault speaks for itself, several are counted. */
static void put_detail(const struct problem *p, const char *title, struct buf *b) {
    if (p->count < 2) {
        json_put_text(b, "detail", p->count ? p->faults[0].detail : title);
        return;
    }
    char text[DETAIL_BYTES + 64];
    (void)snprintf(text, sizeof(text), "%zu faults%s", p->count,
                   p->count > p->kept ? ", not all of them listed" : "");
    json_put_text(b, "detail", text);
}

void problem_put_errors(const struct problem *p, struct buf *b) {
    buf_putc(b, '[');
    for (size_t i = 0; i < p->kept; i++) {
        json_put_comma(b);
        buf_putc(b, '{');
        json_put_text(b, "pointer", p->faults[i].pointer);
        json_put_text(b, "code", p->faults[i].code);
        json_put_text(b, "detail", p->faults[i].detail);
        buf_putc(b, '}');
    }
    buf_putc(b, ']');
}

void problem_put_json(const struct problem *p, int status, const char *title, struct buf *b) {
    buf_putc(b, '{');
    json_put_text(b, "type", "about:blank");
    json_put_text(b, "title", title);
    json_put_int(b, "status", status);
    put_detail(p, title, b);
    json_put_name(b, "errors");
    problem_put_errors(p, b);
    buf_putc(b, '}');
}

#pragma once
/* The words of a command or a script call under construction; everything is copied. */
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct args {
    struct buf text;   /* the words, one after the other */
    size_t *ends;      /* where each ends */
    struct str *words; /* views made by args_words */
    size_t count;
    size_t cap;
};

void args_init(struct args *a);
void args_finish(struct args *a);
void args_put(struct args *a, struct str word);
/* All words of another. */
void args_put_all(struct args *a, struct args *from);
void args_put_text(struct args *a, const char *word);
void args_put_int(struct args *a, int64_t value);
void args_printf(struct args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* All words (`count` of them), valid until the next put. */
const struct str *args_words(struct args *a);

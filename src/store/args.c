#include "store/args.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

/* One command; far above what any caller builds (the largest is a plan's commit). */
enum { ARGS_BYTES_MAX = 16 << 20 };

void args_init(struct args *a) {
    *a = (struct args){0};
    buf_init(&a->text, ARGS_BYTES_MAX);
}

void args_finish(struct args *a) {
    buf_finish(&a->text);
    free(a->ends);
    free(a->words);
    a->ends = NULL;
    a->words = NULL;
    a->count = a->cap = 0;
}

static void end_word(struct args *a) {
    assert(!a->text.overflow);
    if (a->count == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 32;
        a->ends = mem_resize(a->ends, a->cap, sizeof(*a->ends));
        a->words = mem_resize(a->words, a->cap, sizeof(*a->words));
    }
    a->ends[a->count++] = a->text.n;
}

void args_put(struct args *a, struct str word) {
    buf_put_str(&a->text, word);
    end_word(a);
}

void args_put_all(struct args *a, struct args *from) {
    const struct str *words = args_words(from);
    for (size_t i = 0; i < from->count; i++) {
        args_put(a, words[i]);
    }
}

void args_put_text(struct args *a, const char *word) {
    args_put(a, str_of(word));
}

void args_put_int(struct args *a, int64_t value) {
    args_printf(a, "%" PRId64, value);
}

void args_printf(struct args *a, const char *format, ...) {
    char small[512];
    va_list list;
    va_start(list, format);
    int size = vsnprintf(small, sizeof(small), format, list);
    va_end(list);
    assert(size >= 0 && (size_t)size < sizeof(small));
    args_put(a, (struct str){small, (size_t)size});
}

const struct str *args_words(struct args *a) {
    struct str all = buf_str(&a->text);
    size_t start = 0;
    for (size_t i = 0; i < a->count; i++) {
        a->words[i] = (struct str){all.p + start, a->ends[i] - start};
        start = a->ends[i];
    }
    return a->words;
}

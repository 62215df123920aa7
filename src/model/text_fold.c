#include "model/text_fold.h"

#include <stdlib.h>

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/mem.h"

static void put_folded(const uint8_t *text, size_t n, struct buf *b) {
    bool is_first = true;
    bool is_apart = false;
    for (size_t at = 0; at < n;) {
        ucs4_t c;
        int size = u8_mbtouc(&c, text + at, n - at);
        if (uc_is_property_white_space(c)) {
            is_apart = true;
        } else if (!uc_is_property_default_ignorable_code_point(c)) {
            if (is_apart && !is_first) {
                buf_putc(b, ' ');
            }
            buf_put(b, text + at, (size_t)size);
            is_first = is_apart = false;
        }
        at += (size_t)size;
    }
}

void text_fold(struct str text, struct buf *b) {
    size_t n = 0;
    if (text.n) {
        uint8_t *folded =
            mem_checked(u8_casefold((const uint8_t *)text.p, text.n, NULL, UNINORM_NFKC, NULL, &n));
        put_folded(folded, n, b);
        free(folded);
    }
}

#include "model/text_measure.h"

#include <stdlib.h>
#include <string.h>

#include <unictype.h>
#include <unigbrk.h>
#include <unistr.h>

#include "base/mem.h"

static void count_letter(ucs4_t c, struct text_measure *m) {
    if (!uc_is_property_alphabetic(c)) {
        return;
    }
    const uc_script_t *script = uc_script(c);
    const char *name = script ? script->name : "";
    m->letters++;
    m->latin += strcmp(name, "Latin") == 0;
    m->arabic += strcmp(name, "Arabic") == 0;
}

struct text_measure text_measure(struct str text) {
    const uint8_t *bytes = (const uint8_t *)text.p;
    struct text_measure m = {0};
    char *is_start = mem_alloc(text.n);
    if (text.n) {
        /* u8_grapheme_next sees two characters only, so it cuts families and flags. */
        u8_grapheme_breaks(bytes, text.n, is_start);
    }
    for (size_t at = 0; at < text.n;) {
        ucs4_t c;
        int size = u8_mbtouc(&c, bytes + at, text.n - at);
        /* Direction marks stand alone by the rules, but nobody sees them. */
        m.graphemes += is_start[at] == 1 && !uc_is_property_default_ignorable_code_point(c);
        count_letter(c, &m);
        at += (size_t)size;
    }
    free(is_start);
    return m;
}

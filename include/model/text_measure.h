#pragma once
/* How long a text is for people, and in which script it is. */
#include <stddef.h>

#include "base/str.h"

struct text_measure {
    size_t graphemes; /* what people count: user-perceived characters (UAX #29, extended) */
    size_t letters;   /* code points that are letters, of any script */
    size_t latin;     /* those of them in Latin script */
    size_t arabic;    /* and in Arabic script, as Persian and Urdu are, too */
};

/* `text` is UTF-8. */
struct text_measure text_measure(struct str text);

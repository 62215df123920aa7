#pragma once
/* What an editor should look at twice before an alert goes out. Nothing here is refused: a warning
 * may be right, and the editor knows. Pure. */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "model/alert.h"
#include "model/problem.h"
#include "model/taxonomy.h"

enum {
    /* Graphemes. About what Android shows of a title in one line, and what Braze ("Push message and
     * image formats") recommends for an iPhone's lock screen. */
    ADVICE_HEADLINE_MAX = 65,
    ADVICE_BODY_MAX = 160,
};

struct advice {
    const struct alert *alert; /* as it will be sent */
    const struct taxonomy *t;
    uint64_t cut[PLATFORM_COUNT];       /* editions whose text does not fit a platform whole */
    uint64_t too_large[PLATFORM_COUNT]; /* and those that cannot be sent there at all */
    uint64_t devices[TAXONOMY_MAX];     /* by edition */
    uint64_t total;                     /* devices */
    struct str former;                  /* id of the alert that said the same; empty = none */
    bool is_broken;                     /* the key has sent too many */
    uint64_t night;                     /* those of them for whom it is night then */
};

/* {"en":{"headline":{"graphemes":48,"advised_max":65},"body":{…}},…} for the texts there are. */
void advice_put_lengths(const struct advice *x, struct buf *b);
/* Adds a warning for each finding: pointer, code, detail as of a fault. Codes: long_headline,
 * long_body, shortened, too_large, missing_language, unused_text, latin_in_arabic,
 * arabic_in_latin, link_without_https, no_url, same_text, night_time; and what a send would be
 * refused for: duplicate, breaker_open. */
void advice_find(const struct advice *x, struct problem *warnings);

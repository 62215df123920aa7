#pragma once
/* Texts as people compare them: the same words are the same text, however they are typed. */
#include "base/buf.h"
#include "base/str.h"

/* Appends `text` (UTF-8) without what readers do not see: compatibility forms and case folded
 * (NFKC, Unicode case folding), white space as one blank and none at the ends, no joiners or
 * direction marks. What is not UTF-8 counts as U+FFFD. */
void text_fold(struct str text, struct buf *b);

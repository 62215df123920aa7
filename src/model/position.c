#include "model/position.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum err position_parse(struct str text, struct position *out_position) {
    size_t n = 0;
    while (n < text.n &&
           ((text.p[n] >= 'a' && text.p[n] <= 'z') || (text.p[n] >= '0' && text.p[n] <= '9'))) {
        n++;
    }
    if (n == 0 || n >= EPOCH_BYTES || n >= text.n || text.p[n] != ':') {
        return ERR_INVALID;
    }
    struct str digits = {text.p + n + 1, text.n - n - 1};
    uint64_t seq;
    if (str_to_u64(digits, &seq) || (digits.n > 1 && digits.p[0] == '0')) {
        return ERR_INVALID;
    }
    *out_position = (struct position){.seq = seq};
    memcpy(out_position->epoch, text.p, n);
    return ERR_OK;
}

void position_format(const struct position *p, char out_text[POSITION_BYTES]) {
    (void)snprintf(out_text, POSITION_BYTES, "%.16s:%" PRIu64, p->epoch, p->seq);
}

#include "push/verdict.h"

#include <ctype.h>
#include <string.h>
#include <time.h>

enum { RETRY_AFTER_MAX_S = 86400 };

void verdict_set_reason(struct verdict *v, struct str reason) {
    size_t n = reason.n < sizeof(v->reason) - 1 ? reason.n : sizeof(v->reason) - 1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)reason.p[i];
        v->reason[i] = isgraph(c) ? (char)c : '_';
    }
    v->reason[n] = '\0';
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form senders may write. Month names are read here
 * because strptime would follow the locale. */
static int64_t parse_date_ms(struct str text) {
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (text.n != 29 || text.p[3] != ',' || !str_eq((struct str){text.p + 26, 3}, STR("GMT"))) {
        return 0;
    }
    int month = -1;
    for (int i = 0; i < 12; i++) {
        month = memcmp(months + 3 * i, text.p + 8, 3) == 0 ? i : month;
    }
    static const unsigned char at[] = {5, 12, 17, 20, 23};
    static const unsigned char size[] = {2, 4, 2, 2, 2};
    uint64_t v[5];
    for (int i = 0; i < 5; i++) {
        if (str_to_u64((struct str){text.p + at[i], size[i]}, &v[i])) {
            return 0;
        }
    }
    if (month < 0) {
        return 0;
    }
    struct tm tm = {.tm_mday = (int)v[0],
                    .tm_mon = month,
                    .tm_year = (int)v[1] - 1900,
                    .tm_hour = (int)v[2],
                    .tm_min = (int)v[3],
                    .tm_sec = (int)v[4]};
    return (int64_t)timegm(&tm) * 1000;
}

int64_t verdict_retry_after_ms(struct str header, int64_t now_ms) {
    const int64_t most_ms = (int64_t)RETRY_AFTER_MAX_S * 1000;
    struct str text = str_trim(header);
    uint64_t seconds = 0;
    int64_t wait_ms = 0;
    if (!str_to_u64(text, &seconds)) {
        wait_ms = seconds < RETRY_AFTER_MAX_S ? (int64_t)seconds * 1000 : most_ms;
    } else {
        wait_ms = parse_date_ms(text) - now_ms;
    }
    return wait_ms <= 0 ? 0 : wait_ms < most_ms ? wait_ms : most_ms;
}

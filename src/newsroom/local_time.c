#include "newsroom/local_time.h"

#include "base/time_zone.h"

enum { GROUP_BYTES_MAX = 1 << 18 }; /* all zones there are, several times */

static bool is_night(int64_t at_ms, int32_t offset_s) {
    int64_t hour = (at_ms / 1000 + offset_s) / 3600 % 24;
    return hour >= NIGHT_FROM_H || hour < NIGHT_UNTIL_H;
}

void local_time_put_values(struct args *zones, int64_t at_ms, struct args *values) {
    const struct str *words = args_words(zones);
    struct buf groups[2]; /* day, night */
    for (int i = 0; i < 2; i++) {
        buf_init(&groups[i], GROUP_BYTES_MAX);
    }
    for (size_t z = 0; z < zones->count; z++) {
        struct str name = words[z];
        struct str kind;
        int32_t offset_s;
        if (str_split(&name, ':', &kind) && time_zone_offset_s(name, at_ms, &offset_s)) {
            struct buf *group = &groups[is_night(at_ms, offset_s)];
            buf_puts(group, group->n ? " " : "");
            buf_put_str(group, words[z]);
        }
    }
    args_put(values, buf_str(&groups[1]));
    args_put(values, buf_str(&groups[0]));
    for (int i = 0; i < 2; i++) {
        buf_finish(&groups[i]);
    }
}

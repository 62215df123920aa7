#include "base/time_zone.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    OFFSET_BYTES = 6,
    MINUTES_MIN = -12 * 60,
    MINUTES_MAX = 14 * 60,
    MAGIC_BYTES = 4,
    HEADER_BYTES = 44,      /* RFC 8536 section 3.1 */
    TYPE_BYTES = 6,         /* offset, daylight saving, name */
    FILE_BYTES_MAX = 16384, /* the largest has 3,600 */
};

static const char database[] = "/usr/share/zoneinfo";

static bool is_digits(const char *p) {
    return isdigit((unsigned char)p[0]) && isdigit((unsigned char)p[1]);
}

/* Minutes of "+05:30"; false for another form. */
static bool parse_offset(struct str s, int *out_minutes) {
    if (s.n != OFFSET_BYTES || (s.p[0] != '+' && s.p[0] != '-') || s.p[3] != ':' ||
        !is_digits(s.p + 1) || !is_digits(s.p + 4)) {
        return false;
    }
    int hours = (s.p[1] - '0') * 10 + s.p[2] - '0';
    int minutes = (s.p[4] - '0') * 10 + s.p[5] - '0';
    int all = (hours * 60 + minutes) * (s.p[0] == '-' ? -1 : 1);
    *out_minutes = all;
    return minutes < 60 && minutes % 15 == 0 && all >= MINUTES_MIN && all <= MINUTES_MAX;
}

bool time_zone_is_offset(struct str s) {
    int minutes;
    return parse_offset(s, &minutes);
}

bool time_zone_is_name(struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        if (!isalnum((unsigned char)s.p[i]) && !memchr("/_+-", s.p[i], 4)) {
            return false;
        }
    }
    return s.n > 0 && s.n <= TIME_ZONE_BYTES_MAX;
}

/* Compiled zones begin with "TZif" (RFC 8536 section 3.1). Names begin with a capital letter: what
 * does not (posix/, right/, posixrules) are copies for other uses. */
static size_t read_zone(struct str s, unsigned char *bytes, size_t size) {
    char path[sizeof(database) + 1 + TIME_ZONE_BYTES_MAX + 1];
    if (!time_zone_is_name(s) || !isupper((unsigned char)s.p[0])) {
        return 0;
    }
    (void)snprintf(path, sizeof(path), "%s/%.*s", database, STR_ARG(s));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t n = read(fd, bytes, size);
    (void)close(fd);
    return n >= MAGIC_BYTES && memcmp(bytes, "TZif", MAGIC_BYTES) == 0 ? (size_t)n : 0;
}

bool time_zone_is_known(struct str s) {
    unsigned char magic[MAGIC_BYTES];
    return read_zone(s, magic, sizeof(magic)) > 0;
}

/* --- the offset --- */

static uint64_t big_endian(const unsigned char *p, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

/* The counts of a header (RFC 8536 section 3.1), and the bytes of its data block. */
struct header {
    size_t times;
    size_t types;
    size_t bytes;
};

static struct header read_header(const unsigned char *p, size_t time_bytes) {
    size_t count[6]; /* isut, isstd, leap, time, type, char */
    for (int i = 0; i < 6; i++) {
        count[i] = (size_t)big_endian(p + 20 + (size_t)4 * (size_t)i, 4);
    }
    return (struct header){.times = count[3],
                           .types = count[4],
                           .bytes = count[3] * (time_bytes + 1) + count[4] * TYPE_BYTES + count[5] +
                                    count[2] * (time_bytes + 4) + count[1] + count[0]};
}

bool time_zone_offset_s(struct str s, int64_t wall_ms, int32_t *out_offset_s) {
    unsigned char file[FILE_BYTES_MAX];
    int minutes;
    if (parse_offset(s, &minutes)) {
        *out_offset_s = minutes * 60;
        return true;
    }
    size_t n = read_zone(s, file, sizeof(file));
    if (n < HEADER_BYTES || file[MAGIC_BYTES] < '2') {
        return false; /* times of 32 bits only: nobody writes that any more */
    }
    size_t at = HEADER_BYTES + read_header(file, 4).bytes;
    if (at > n || n - at < HEADER_BYTES) {
        return false;
    }
    struct header h = read_header(file + at, 8);
    at += HEADER_BYTES;
    if (h.bytes > n - at || !h.types) {
        return false;
    }
    const unsigned char *times = file + at;
    size_t past = 0; /* changes that have happened */
    while (past < h.times && (int64_t)big_endian(times + past * 8, 8) <= wall_ms / 1000) {
        past++;
    }
    size_t type = past ? times[h.times * 8 + past - 1] : 0;
    if (type >= h.types) {
        return false;
    }
    *out_offset_s = (int32_t)big_endian(times + h.times * 9 + type * TYPE_BYTES, 4);
    return true;
}

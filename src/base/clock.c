#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static int64_t test_offset_ms;

static int64_t read_us(clockid_t id) {
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 + test_offset_ms * 1000;
}

int64_t clock_wall_ms(void) {
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_mono_ms(void) {
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void) {
    return read_us(CLOCK_MONOTONIC);
}

void clock_advance_for_test(int64_t offset_ms) {
    test_offset_ms += offset_ms;
}

void clock_format_iso(int64_t wall_ms, char out_text[CLOCK_ISO_BYTES]) {
    const int64_t last_ms =
        253402300799999; /* 9999-12-31T23:59:59.999Z: the form has four digits */
    wall_ms = wall_ms < 0 ? 0 : wall_ms > last_ms ? last_ms : wall_ms;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    char date[20];
    (void)gmtime_r(&seconds, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out_text, CLOCK_ISO_BYTES, "%.19s.%03uZ", date,
                   (unsigned)(wall_ms % 1000) % 1000U);
}

/* Takes `digits` decimal digits off the front. */
static bool take_number(struct str *rest, size_t digits, int min, int max, int *out_number) {
    uint64_t number;
    if (rest->n < digits || str_to_u64((struct str){rest->p, digits}, &number)) {
        return false;
    }
    *rest = (struct str){rest->p + digits, rest->n - digits};
    *out_number = (int)number;
    return *out_number >= min && *out_number <= max;
}

static bool take_char(struct str *rest, const char *allowed) {
    for (const char *c = allowed; rest->n && *c; c++) {
        if (*c == rest->p[0]) {
            *rest = (struct str){rest->p + 1, rest->n - 1};
            return true;
        }
    }
    return false;
}

/* ".5" → 500; nothing → 0. */
static bool take_decimals(struct str *rest, int *out_ms) {
    int scale = 100;
    *out_ms = 0;
    if (!take_char(rest, ".")) {
        return true;
    }
    int digit;
    size_t before = rest->n;
    while (rest->n && rest->p[0] >= '0' && rest->p[0] <= '9' &&
           take_number(rest, 1, 0, 9, &digit)) {
        *out_ms += digit * scale;
        scale /= 10;
    }
    return rest->n < before;
}

/* "Z" or "+hh:mm" and the end of the text. */
static bool take_offset(struct str *rest, int *out_minutes) {
    int hours;
    int minutes;
    *out_minutes = 0;
    if (take_char(rest, "Zz")) {
        return rest->n == 0;
    }
    bool west = rest->n && rest->p[0] == '-';
    if (!take_char(rest, "+-") || !take_number(rest, 2, 0, 23, &hours) || !take_char(rest, ":") ||
        !take_number(rest, 2, 0, 59, &minutes)) {
        return false;
    }
    *out_minutes = (west ? -1 : 1) * (hours * 60 + minutes);
    return rest->n == 0;
}

enum err clock_parse_iso(struct str text, int64_t *out_wall_ms) {
    struct tm tm = {0};
    int ms;
    int offset;
    if (!take_number(&text, 4, 1970, 9999, &tm.tm_year) || !take_char(&text, "-") ||
        !take_number(&text, 2, 1, 12, &tm.tm_mon) || !take_char(&text, "-") ||
        !take_number(&text, 2, 1, 31, &tm.tm_mday) || !take_char(&text, "Tt ") ||
        !take_number(&text, 2, 0, 23, &tm.tm_hour) || !take_char(&text, ":") ||
        !take_number(&text, 2, 0, 59, &tm.tm_min) || !take_char(&text, ":") ||
        !take_number(&text, 2, 0, 59, &tm.tm_sec) || !take_decimals(&text, &ms) ||
        !take_offset(&text, &offset)) {
        return ERR_INVALID;
    }
    int day = tm.tm_mday;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t seconds = (int64_t)timegm(&tm); /* turns 30 February into a day of March */
    int64_t wall_ms = (seconds - (int64_t)offset * 60) * 1000 + ms;
    if (tm.tm_mday != day || wall_ms < 0) {
        return ERR_INVALID;
    }
    *out_wall_ms = wall_ms;
    return ERR_OK;
}

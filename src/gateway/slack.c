#include "gateway/slack.h"

enum { CROWD = 1000, CALM_LOOKS = 10, HUNDREDTH = 100 };

static size_t apart(size_t a, size_t b) {
    return a > b ? a - b : b - a;
}

bool slack_is_due(struct slack *s, size_t readers) {
    bool moved = apart(readers, s->last) > readers / HUNDREDTH;
    s->last = readers;
    s->calm = moved ? 0 : s->calm + 1;
    if (s->calm < CALM_LOOKS || apart(readers, s->trimmed_at) < CROWD) {
        return false;
    }
    s->trimmed_at = readers;
    return true;
}

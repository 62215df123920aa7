#include "push/window.h"

void window_init(struct window *w, size_t least, size_t most, int64_t slow_ms) {
    least = least < most ? least : most;
    *w = (struct window){
        .least = least, .most = most, .size = most, .cut_ms = INT64_MIN, .slow_ms = slow_ms};
}

size_t window_room(const struct window *w, size_t in_flight) {
    return in_flight < w->size ? w->size - in_flight : 0;
}

/* From what is really under way, not from what might be: else the first cuts cut nothing. */
static bool cut(struct window *w, int64_t now_ms, size_t in_flight) {
    size_t used = in_flight < w->size ? in_flight : w->size;
    w->size = used / 2 > w->least ? used / 2 : w->least;
    w->accepted = 0;
    w->cut_ms = now_ms;
    w->mean_ms = 0;
    w->cuts++;
    return true;
}

static void grow(struct window *w, size_t in_flight) {
    if (w->size >= w->most || in_flight < w->size / 2) {
        return; /* what is not used need not grow */
    }
    if (++w->accepted < w->size) {
        return;
    }
    w->accepted = 0;
    w->size += w->most / WINDOW_ROUNDS + 1;
    w->size = w->size < w->most ? w->size : w->most;
}

/* True when answers have become too slow. */
static bool measure(struct window *w, double took_ms) {
    took_ms = took_ms > 1 ? took_ms : 1;
    if (w->base_ms == 0 || took_ms < w->base_ms) {
        w->base_ms = took_ms;
    } else {
        w->base_ms += (took_ms - w->base_ms) / WINDOW_BASE_SHARE;
    }
    w->mean_ms =
        w->mean_ms == 0 ? took_ms : w->mean_ms + (took_ms - w->mean_ms) / WINDOW_MEAN_SHARE;
    return w->slow_ms && w->mean_ms >= (double)w->slow_ms &&
           w->mean_ms >= WINDOW_SLOW_FACTOR * w->base_ms;
}

bool window_note(struct window *w, enum window_news news, int64_t sent_ms, int64_t now_ms,
                 size_t in_flight) {
    if (sent_ms <= w->cut_ms) {
        return false;
    }
    if (news == WINDOW_TROUBLE) {
        return cut(w, now_ms, in_flight);
    }
    if (measure(w, (double)(now_ms - sent_ms))) {
        return cut(w, now_ms, in_flight);
    }
    if (news == WINDOW_ACCEPTED) {
        grow(w, in_flight);
    }
    return false;
}

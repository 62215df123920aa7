#include "store/took.h"

enum { EIGHTHS = 8 };

/* 30,000 ms × 2^(i/8), rounded. */
static const int64_t eighths[EIGHTHS] = {30000, 32715, 35676, 38905, 42426, 46266, 50454, 55020};

int64_t took_ms(int step) {
    int octave = step / EIGHTHS - TOOK_30_S / EIGHTHS;
    int64_t ms = eighths[step % EIGHTHS];
    return octave < 0 ? ms >> -octave : ms << octave;
}

int took_step(int64_t ms) {
    int low = 0;
    int high = TOOK_COUNT - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (took_ms(middle) < ms) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

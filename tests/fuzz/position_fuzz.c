/* Whatever is accepted as a position is exactly what position_format writes. */
#include "fuzz.h"
#include "model/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct position position;
    if (position_parse(fuzz_input(data, size), &position) == ERR_OK) {
        char text[POSITION_BYTES];
        position_format(&position, text);
        PROMISE(str_eq(str_of(text), fuzz_input(data, size)));
    }
    return 0;
}

/* A taxonomy file. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct taxonomy *t = NULL;
    struct buf problems;
    buf_init(&problems, 1 << 20);
    enum err err = taxonomy_parse(fuzz_input(data, size), &t, &problems);
    PROMISE((err == ERR_OK) == (problems.n == 0));
    PROMISE((err == ERR_OK) == (t != NULL));
    PROMISE(str_is_utf8(buf_str(&problems)));
    if (t) {
        struct taxonomy *back = NULL;
        struct buf first;
        struct buf second;
        buf_init(&first, 1 << 22);
        buf_init(&second, 1 << 22);
        taxonomy_put_json(t, &first);
        fuzz_check_json(buf_str(&first));
        PROMISE(taxonomy_parse(buf_str(&first), &back, &problems) == ERR_OK);
        taxonomy_put_json(back, &second);
        PROMISE(str_eq(buf_str(&first), buf_str(&second)));
        for (int i = 0; i < taxonomy_count(t, DIM_REGION); i++) {
            uint64_t bit = UINT64_C(1) << i;
            uint64_t up = taxonomy_with_parents(t, bit);
            PROMISE((up & bit) && taxonomy_with_parents(t, up) == up);
        }
        taxonomy_destroy(back);
        buf_finish(&first);
        buf_finish(&second);
    }
    taxonomy_destroy(t);
    buf_finish(&problems);
    return 0;
}

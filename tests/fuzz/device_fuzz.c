/* The body of PUT /v1/devices/{id}. */
#include "fuzz.h"
#include "model/device.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct taxonomy *t = taxonomy_builtin();
    struct problem *p = problem_create();
    struct device *d = NULL;
    struct buf dropped;
    buf_init(&dropped, 1 << 24);
    enum err err =
        device_parse_request(t, STR("device-1"), fuzz_input(data, size), &d, &dropped, p);
    fuzz_check_problem(err, p);
    if (err == ERR_OK) {
        struct buf json;
        struct device *again = NULL;
        fuzz_check_json(buf_str(&dropped));
        buf_init(&json, 1 << 20);
        device_put_json(d, t, true, &json);
        fuzz_check_json(buf_str(&json));
        /* What was kept is kept again; only the answer's own member "id" is dropped. */
        PROMISE(device_parse_request(t, STR("device-1"), buf_str(&json), &again, &dropped, p) ==
                ERR_OK);
        PROMISE(str_eq(buf_str(&dropped),
                       STR("[{\"pointer\":\"/id\",\"value\":\"device-1\",\"reason\":\"unknown "
                           "member\"}]")));
        device_destroy(again);
        buf_finish(&json);
    }
    device_destroy(d);
    buf_finish(&dropped);
    problem_destroy(p);
    taxonomy_destroy(t);
    return 0;
}

/* A request body, and the same bytes as a stored form. */
#include "fuzz.h"
#include "model/alert.h"

/* What was accepted can be stored, read back without loss, and given to readers. */
static void check_alert(const struct taxonomy *t, struct alert *a) {
    struct buf first;
    struct buf second;
    struct alert *back;
    buf_init(&first, 1 << 22);
    buf_init(&second, 1 << 22);
    alert_put_stored(a, t, &first);
    PROMISE(buf_check(&first) == ERR_OK);
    PROMISE(alert_parse_stored(t, buf_str(&first), &back) == ERR_OK);
    alert_put_stored(back, t, &second);
    PROMISE(str_eq(buf_str(&first), buf_str(&second)));
    alert_destroy(back);
    buf_clear(&first);
    alert_put_reader_json(a, t, 0, "a:1", true, &first);
    PROMISE(buf_check(&first) == ERR_OK);
    buf_finish(&first);
    buf_finish(&second);
}

static void check_reader_json(const struct taxonomy *t, const struct alert *a) {
    struct buf b;
    buf_init(&b, 1 << 22);
    alert_put_reader_json(a, t, 0, "a:1", false, &b);
    fuzz_check_json(buf_str(&b));
    buf_finish(&b);
}

/* An update or cancel is stored only after it has inherited. */
static void inherit(const struct taxonomy *t, struct alert *a) {
    static const char first[] =
        "{\"id\":\"01890a5d-ac96-774b-bcce-b302099a8057\",\"revision\":1,\"msg_type\":\"alert\","
        "\"status\":\"actual\",\"urgency\":\"high\",\"sent_at\":\"2026-11-23T20:50:56.123Z\","
        "\"audience\":{\"regions\":[\"mena\"],\"sections\":[\"health\"]},\"content\":{\"en\":{"
        "\"headline\":\"one\",\"dir\":\"ltr\"}},\"fallback_language\":\"en\",\"tags\":[\"a\"]}";
    struct alert *previous;
    PROMISE(alert_parse_stored(t, STR(first), &previous) == ERR_OK);
    enum err err = alert_inherit(a, previous);
    PROMISE(err == (a->status_given && a->status != STATUS_ACTUAL ? ERR_CONFLICT : ERR_OK));
    PROMISE(err || alert_editions(a, t) != 0);
    a->audience.regions_all = a->audience.regions_all || err;
    alert_destroy(previous);
}

/* A draft is read as far as it can be, with the same faults as a request; what was read can be
 * copied and written. */
static void check_draft(const struct taxonomy *t, struct str input, enum err expected) {
    struct problem *p = problem_create();
    struct alert *a;
    struct buf b;
    PROMISE(alert_parse_draft(t, input, &a, p) == expected);
    struct alert *copy = alert_copy(a);
    alert_destroy(a);
    buf_init(&b, 1 << 22);
    alert_put_stored(copy, t, &b);
    PROMISE(buf_check(&b) == ERR_OK);
    buf_finish(&b);
    alert_destroy(copy);
    problem_destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct taxonomy *t = taxonomy_builtin();
    struct problem *p = problem_create();
    struct alert *a = NULL;
    enum err err = alert_parse_request(t, fuzz_input(data, size), &a, p);
    fuzz_check_problem(err, p);
    check_draft(t, fuzz_input(data, size), err);
    if (err == ERR_OK) {
        codec_uuid7(a->id);
        if (a->msg_type != MSG_ALERT) {
            inherit(t, a);
        }
        check_alert(t, a);
        check_reader_json(t, a);
        alert_destroy(a);
    }
    if (alert_parse_stored(t, fuzz_input(data, size), &a) == ERR_OK) {
        check_alert(t, a);
        alert_destroy(a);
    }
    problem_destroy(p);
    taxonomy_destroy(t);
    return 0;
}
